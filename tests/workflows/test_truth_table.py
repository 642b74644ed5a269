"""What becomes of a pull request, by changing data, parameters, code or rules: check and publish under the runner.

Better and worse, the first two rows of the table, are chapters of test_story.py.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gitops_model.delivery import looks
from gitops_model.delivery.git import Git
from gitops_model.formats.pointer import Pointer
from tests.support import trees
from tests.support.places import TEMPLATE
from tests.workflows import filters, scopes
from tests.workflows.commands import Commands
from tests.workflows.fake_state import BOT, Event
from tests.workflows.world import World, train

WORKFLOWS = filters.load_all(TEMPLATE / ".github" / "workflows")
PAYLOAD = 'x"; touch PWNED; "\n`touch PWNED` $(touch PWNED)'


def judged(town: World, title: str = "Change", *, repo: str = "") -> tuple[str, str]:
    """(state of model-gate, the comment) of the pull request that the working tree makes."""
    if repo:
        town.git("checkout", "-q", "-B", "topic")
        town.git("add", "-A")
        town.git("commit", "-q", "--no-verify", "-m", "From a fork")
        town.git("push", "-q", "origin", f"HEAD:refs/forks/{repo.split('/', maxsplit=1)[0]}/topic")
        number = town.open_pull(f"{repo.split('/', maxsplit=1)[0]}:topic", title)
    else:
        town.push("topic")
        number = town.open_pull("topic", title)
    results = town.settle(expect_failure=("check.yml",))
    assert {r.workflow for r in results} - {"test.yml"} == {"check.yml", "publish.yml"}
    status = town.fake.latest_status(town.fake.pull(number)["head_sha"])
    (comment,) = town.fake.comments_on(number)
    assert status is not None and comment["login"] == BOT
    return str(status["state"]), str(comment["body"])


@pytest.mark.slow
def test_equal_within_the_margin(served: World, trained: Callable[..., Path]) -> None:
    served.bring(trained(trees=29))
    state, body = judged(served)
    assert state == "success" and "✅ May ship" in body, body


@pytest.mark.slow
def test_worse_on_one_slice_only(
    served: World, trained: Callable[..., Path], tmp_path: Path
) -> None:
    """The labels of one airport are swapped before training; the other two stay as they are."""
    folder = tmp_path / "sliced"
    trees.copy(trained(trees=30), folder)
    path = folder / "pipeline" / "train.py"
    text = path.read_text()
    fit = "    return Pipeline("
    swap = '    here = (rows["origin"] == "LGA").to_numpy()\n    labels[here] = 1 - labels[here]\n'
    assert fit in text
    path.write_text(text.replace(fit, swap + fit))
    train(folder, served.warm)
    served.bring(folder)
    shutil.copy(path, served.clone / "pipeline" / "train.py")
    state, body = judged(served)
    assert state == "failure" and "origin=LGA" in body, body


@pytest.mark.slow
def test_first_release_has_no_baseline(served: World, trained: Callable[..., Path]) -> None:
    none = "stable: null\nprevious: null\ncanary: null\nshadow: null\nfreeze: null\n"
    (served.clone / "production.yaml").write_text(none)
    served.push("main")
    served.fake.take_events()
    served.bring(trained(trees=29))
    state, body = judged(served)
    assert state == "success" and "first release" in body, body


@pytest.mark.slow
def test_weakened_gates_are_judged_by_mains(served: World, trained: Callable[..., Path]) -> None:
    served.bring(trained(trees=1))
    gates = served.clone / "gates.yaml"
    gates.write_text(
        gates.read_text()
        .replace("margin: 0.01", "margin: 0.9")
        .replace("margin: 4%", "margin: 90%")
    )
    state, body = judged(served)
    assert state == "failure"
    first_screen = body.split("| | gate |")[0]
    assert "gates.yaml is changed here" in first_screen


@pytest.mark.slow
def test_changed_rows_and_a_line_that_cannot_begin_are_said(
    served: World, trained: Callable[..., Path]
) -> None:
    gates = served.clone / "gates.yaml"
    since = "anchor: {since: flight-delay-v9, reason: a new label, "
    gates.write_text(gates.read_text().replace("anchor: {", since))
    served.push("main")
    served.fake.take_events()
    served.bring(trained(trees=30, split="{by: time, test_days: 9}"))
    state, body = judged(served)
    assert state == "success", body
    first_screen = body.split("| | gate |")[0]
    assert "The test set changed" in first_screen
    assert "anchor.since names flight-delay-v9" in first_screen.replace("\\", "")


@pytest.mark.slow
def test_a_metric_without_a_value_blocks(
    served: World, trained: Callable[..., Path], tmp_path: Path
) -> None:
    """No flight of the test days was late: ROC AUC is not defined, which is no reason to pass."""
    folder = tmp_path / "no-late-flight"
    trees.copy(trained(trees=30), folder)
    path = folder / "pipeline" / "features.py"
    text = path.read_text()
    kept = 'table[raw["dep_delay"].notna()]'
    assert kept in text
    drop = ' & ~((table[name] == 1) & (time >= "2013-01-20"))]'
    path.write_text(text.replace(kept, kept[:-1] + drop))
    train(folder, served.warm)
    served.bring(folder)
    shutil.copy(path, served.clone / "pipeline" / "features.py")
    state, body = judged(served)
    assert state == "failure" and "no data" in body, body


@pytest.mark.slow
def test_a_model_that_answers_nan_has_no_lock_to_be_judged_by(served: World) -> None:
    """The pipeline stops at such a model, so the code that makes it comes with the lock of another one."""
    path = served.clone / "pipeline" / "train.py"
    text = path.read_text()
    fit = "    return Pipeline("
    assert fit in text
    spoilt = "    labels = labels * float('nan')\n" + fit
    path.write_text(text.replace(fit, spoilt))
    state, body = judged(served)
    assert state == "error" and "dvc.lock is stale" in body, body


@pytest.mark.slow
def test_stale_lock(served: World) -> None:
    params = served.clone / "params.yaml"
    params.write_text(params.read_text().replace("learning_rate: 0.1", "learning_rate: 0.3"))
    state, body = judged(served)
    assert state == "error" and "dvc.lock is stale" in body and "make train" in body


@pytest.mark.slow
def test_a_committed_report_is_not_the_checks(
    served: World, commands: Commands, trained: Callable[..., Path]
) -> None:
    """A good report comes with the pull request, whose check breaks off before it could write its own."""
    served.bring(trained(trees=29))
    assert commands.run("check", cwd=served.clone, env={}).code == 0
    served.git("add", "--force", "reports/check.json")
    lock = served.clone / "dvc.lock"
    lock.write_text("<<<<<<< HEAD\n" + lock.read_text())
    state, body = judged(served)
    assert state == "error" and "begins a merge conflict" in body, body


def test_a_check_by_hand_counts_its_look_though_no_pull_request_tells_of_it(served: World) -> None:
    pointer = Pointer.parse((served.clone / "production.yaml").read_text(), name="production.yaml")
    assert pointer.stable is not None and pointer.previous is not None
    counted = [look.candidate_sha256 for look in looks.known(Git.open(served.clone))]
    assert counted == [pointer.previous.sha256, pointer.stable.sha256]


def test_fork_gets_no_secret_and_is_not_red(served: World, trained: Callable[..., Path]) -> None:
    config = served.clone / ".dvc" / "config"
    config.write_text(
        "[core]\n    remote = store\n    analytics = false\n['remote \"store\"']\n    url = s3://acme-models/flights\n"
    )
    served.push("main")
    served.fake.take_events()
    served.runner.secrets["DVC_CONFIG_LOCAL"] = (
        "['remote \"store\"']\n    access_key_id = SECRETKEY\n"
    )
    served.bring(trained(trees=29))
    state, body = judged(served, repo="eve/model")
    assert state == "pending" and "git fetch origin pull/" in body
    (check,) = [r for r in served.results if r.workflow == "check.yml"]
    assert check.conclusion == "success"
    assert not any("SECRETKEY" in result.log for result in served.results)
    assert not any(c.job.startswith("check.yml") and c.method != "GET" and "git" not in c.operation
                   for c in served.fake.state.calls)  # fmt: skip


def test_required_status_reports_for_documents_too(served: World) -> None:
    for path in ("README.md", ".github/ISSUE_TEMPLATE/x.md"):
        (served.clone / path).parent.mkdir(parents=True, exist_ok=True)
        (served.clone / path).write_text("words\n")
    state, body = judged(served)
    assert state == "success" and "Nothing to evaluate" in body


@pytest.mark.slow
def test_pointer_with_another_file_is_refused(served: World) -> None:
    text = (served.clone / "production.yaml").read_text()
    (served.clone / "production.yaml").write_text(text.replace("freeze: null", "freeze: a reason"))
    (served.clone / "README.md").write_text("words\n")
    state, body = judged(served)
    assert state == "failure" and "changes nothing else" in body


@pytest.mark.slow
def test_pointer_to_bytes_that_are_not_the_releases(served: World) -> None:
    text = (served.clone / "production.yaml").read_text()
    stable = next(
        line for line in text.splitlines() if line.startswith("stable") or "sha256" in line
    )
    digest = stable.split("sha256:")[1].strip(" '\"}")
    (served.clone / "production.yaml").write_text(text.replace(digest, "fe" * 32, 1))
    state, body = judged(served)
    assert state == "failure" and "Do not merge" in body, body


def test_pointer_back_to_the_previous_release(served: World) -> None:
    before = served.git("log", "-2", "--format=%H", "--", "production.yaml").splitlines()[1]
    (served.clone / "production.yaml").write_text(
        served.git("show", f"{before}:production.yaml") + "\n"
    )
    state, body = judged(served)
    assert state == "success" and "May roll back: **" in body, body
    assert "It names no previous release" in body and "has served for less than a day" in body
    assert "| production v2 | v1 | change |" in body


def test_hostile_names_execute_nothing(served: World) -> None:
    """Title, branch, file name and inputs with quotes, newlines and backticks."""
    (served.clone / "docs").mkdir(exist_ok=True)
    (served.clone / "docs" / 'a"; touch PWNED; "`touch PWNED`.md').write_text("x\n")
    branch = 'x";touch${IFS}PWNED;"`touch${IFS}PWNED`'
    served.push(branch)
    served.open_pull(branch, PAYLOAD)
    served.settle()
    served.dispatch("rollback.yml", reason=PAYLOAD, target="")
    served.settle()
    assert not list(served.folder.rglob("PWNED"))


READ_ONLY = [
    ("check.yml", "check", "pull_request"),
    ("test.yml", "test", "pull_request"),
    ("publish.yml", "judge", "workflow_run"),
    ("publish.yml", "publish", "workflow_run"),
    ("release.yml", "build", "push"),
    ("monitor.yml", "monitor", "schedule"),
    ("monitor.yml", "retrain", "schedule"),
]


@pytest.mark.parametrize(("file", "job", "event"), READ_ONLY)
def test_contents_read_is_needed_to_check_out(
    served: World, file: str, job: str, event: str
) -> None:
    main = served.fake.git.ref("refs/heads/main") or ""
    declared = WORKFLOWS[file]["jobs"][job]["permissions"]
    rest = {name: level for name, level in declared.items() if name != "contents"}
    alone = {
        **WORKFLOWS[file],
        "jobs": {
            job: {k: v for k, v in WORKFLOWS[file]["jobs"][job].items() if k not in ("needs", "if")}
        },
    }
    result = served.runner.run(
        file, Event(name=event, payload={"workflow_run": {"conclusion": "success"}}, actor="ada"), commit=main,
        ref="refs/heads/main", permissions={job: rest}, workflow=alone,
    )  # fmt: skip
    assert result.jobs == {job: "failure"}
    assert any("contents:read" in denial for denial in served.fake.state.denials)


def test_every_declared_permission_is_covered_by_a_test() -> None:
    """A new job or permission must join one of the tests that take permissions away."""
    declared = {
        (file, job, scope)
        for file, workflow in WORKFLOWS.items()
        for job, spec in workflow["jobs"].items()
        for scope in spec["permissions"]
    }
    covered = {(file, job, "contents") for file, job, _ in READ_ONLY}
    covered |= {("publish.yml", "publish", scope) for scope in scopes.PUBLISH}
    covered |= {("publish.yml", "judge", scope) for scope in scopes.JUDGE}
    covered |= {("release.yml", "release", scope) for scope in scopes.RELEASE}
    covered |= {("monitor.yml", "monitor", scope) for scope in scopes.MONITOR}
    # Of `propose` the tests take away what they can: scopes.py says why not the issues.
    covered |= {("monitor.yml", "propose", scope) for scope in (*scopes.PROPOSE, "issues")}
    covered |= set(scopes.BUTTONS)
    assert declared == covered
