"""Pull requests that would make a bad candidate look good: each is red, or says in its first line what it brought.

The candidate of each is one tree instead of thirty, which main's gates block. An attempt edits the pull request, or
what its author can reach besides: the storage, the artifacts of the check, tags, other pull requests and runs.
"""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gitops_model.files import sha256_bytes
from gitops_model.formats import archive, bundle
from gitops_model.report.heading import NOT_THE_LOCKS, OTHER_ROWS
from tests.support import trees
from tests.support.places import TEMPLATE
from tests.workflows import filters
from tests.workflows.commands import Commands
from tests.workflows.court import MEMBERS, Court, bare_court, court
from tests.workflows.fake_state import BOT
from tests.workflows.forging import (
    DATA,
    MODEL,
    TEST,
    edit,
    flattered,
    lock_as,
    md5,
    member,
    publish,
    rebuild,
    recontract,
    relock,
    repacked,
    replace,
    store,
    timid,
)
from tests.workflows.scene import zipped
from tests.workflows.world import World

__all__ = ["bare_court", "court"]  # the fixtures
RED = ("failure", "error")
V2 = "flight-delay-v2"
CHECK = filters.load((TEMPLATE / ".github/workflows/check.yml").read_text())
Trained = Callable[..., Path]
Attempt = Callable[[Court, Trained], object]
BLOCKED = "❌ Do not merge"


@dataclass(frozen=True, kw_only=True)
class Row:
    """An attempt, where it is made, and what the comment says of it. `code`: how both jobs end."""

    attempt: Attempt
    says: str = BLOCKED
    storage: bool = True
    states: tuple[str, ...] = RED
    first_line: str = ""
    code: int = 0
    slow: bool = False


# What runs, what judges and what decides


def a_makefile_that_prints_success(court: Court, trained: Trained) -> None:
    replace(court, "Makefile", "\t@gitops-model ci-$*", '\t@echo "state: pass"; exit 0')
    court.open()


def a_check_that_uploads_a_good_report(court: Court, trained: Trained) -> None:
    replace(
        court,
        ".github/workflows/check.yml",
        "run: make ci-check",
        "run: cp good.json reports/check.json",
    )
    report = {"schema": 1, "state": "pass", "exit_code": 0, "sentence": "May ship: all is well."}
    (court.town.clone / "good.json").write_text(json.dumps(report))
    court.open(candidate=None)
    data = {"check.json": json.dumps(report).encode()}
    court.fake.state.add_artifact(7000 + court.run_id, "candidate", court.built())
    court.fake.state.add_artifact(7000 + court.run_id, "report", data)


def a_publish_that_always_passes(court: Court, trained: Trained) -> None:
    replace(
        court,
        ".github/workflows/publish.yml",
        "run: make publish",
        "run: gh api statuses -f state=success",
    )
    court.open()


def a_library_with_another_judge(court: Court, trained: Trained) -> None:
    (wheel,) = (court.town.clone / "vendor").glob("*.whl")
    wheel.write_bytes(wheel.read_bytes() + b"another judge")
    edit(court, "library.lock", lambda text: text.replace(text.split("sha256:")[1][:64], "0" * 64))
    court.open()


def weaker_gates(court: Court, trained: Trained) -> None:
    edit(
        court, "gates.yaml",
        lambda text: text.replace("margin: 0.01", "margin: 0.9").replace("margin: 3%", "margin: 90%"),
    )  # fmt: skip
    court.open()


def a_report_in_the_commit(court: Court, trained: Trained) -> None:
    good = {"schema": 1, "state": "pass", "exit_code": 0, "sentence": "May ship"}
    for folder in ("reports", "verdict"):
        (court.town.clone / folder).mkdir(exist_ok=True)
        (court.town.clone / folder / "check.json").write_text(json.dumps(good))
        court.town.git("add", "--force", f"{folder}/check.json")
    court.open()


def nothing_in_production(court: Court, trained: Trained) -> None:
    """The model to beat is taken away by the same pull request."""
    path = court.town.clone / "production.yaml"
    path.write_text("stable: null\nprevious: null\ncanary: null\nshadow: null\nfreeze: null\n")
    court.open()


# contract.yaml: what is measured


def other_costs(court: Court, trained: Trained) -> None:
    """The candidate misses late flights; its contract makes that cheap."""
    lock_as(court, MODEL, timid(court, trained(trees=30)))
    recontract(court, lambda text: text.replace("false_negative: 4", "false_negative: 1"))
    court.open()


def another_threshold(court: Court, trained: Trained) -> None:
    """Nobody is ever called late, so both models cost the same."""
    lock_as(court, MODEL, timid(court, trained(trees=30)))
    recontract(court, lambda text: text.replace("threshold: 0.2", "threshold: 0.99"))
    court.open()


def the_same_candidate_with_mains_contract(court: Court, trained: Trained) -> None:
    """What the two attempts above would hide."""
    lock_as(court, MODEL, timid(court, trained(trees=30)))
    court.open()


def fewer_slices(court: Court, trained: Trained) -> None:
    recontract(court, lambda text: text.replace("slices: [origin, carrier]", "slices: []"))
    court.open()


def another_primary_metric(court: Court, trained: Trained) -> None:
    recontract(court, lambda text: text.replace("primary: roc_auc", "primary: recall"))
    court.open()


def a_contract_that_only_the_bundle_has(court: Court, trained: Trained) -> None:
    text = member(court, "contract.yaml").replace("false_negative: 4", "false_negative: 1")
    rebuild(court, **{"contract.yaml": text.encode()})
    court.open()


# dvc.yaml, dvc.lock, and what they name


def a_lock_that_names_a_good_bundle(court: Court, trained: Trained) -> None:
    """The commit trains one tree, and dvc.lock names the bundle that serves today."""
    lock_as(court, MODEL, (trained(trees=30) / MODEL).read_bytes())
    court.open()


def a_hash_that_leaves_the_storage(court: Court, trained: Trained) -> None:
    good = court.town.storage.parent / "good.tar"
    good.write_bytes((trained(trees=30) / MODEL).read_bytes())
    old = md5((court.town.clone / MODEL).read_bytes())
    replace(court, "dvc.lock", old, "../../../../good.tar")
    court.open()


def other_bytes_under_the_hash(court: Court, trained: Trained) -> None:
    name = md5((court.town.clone / MODEL).read_bytes())
    place = court.town.storage / "files" / "md5" / name[:2] / name[2:]
    place.unlink()
    place.write_bytes((trained(trees=30) / MODEL).read_bytes())
    court.open()


def another_storage(court: Court, trained: Trained) -> None:
    """The pull request's .dvc/config points to a folder of the author's, where good bytes lie under the same hash."""
    folder, name = court.town.folder / "evil", md5((court.town.clone / MODEL).read_bytes())
    trees.copy(court.town.storage / "files", folder / "files")
    place = folder / "files" / "md5" / name[:2] / name[2:]
    place.unlink()
    place.write_bytes((trained(trees=30) / MODEL).read_bytes())
    edit(
        court,
        ".dvc/config",
        lambda text: f"[core]\n    remote = evil\n['remote \"evil\"']\n    url = {folder}\n",
    )
    court.open()


def another_command_in_dvc_yaml(court: Court, trained: Trained) -> None:
    replace(court, "dvc.yaml", "cmd: gitops-model package", "cmd: cp good.tar build/model.tar")
    court.open()


def a_pipeline_that_cannot_be_compared(court: Court, trained: Trained) -> None:
    """`foreach` hides a stage from the comparison with dvc.lock; the bundle is judged all the same."""
    line = "    cmd: gitops-model package"
    replace(court, "dvc.yaml", line, "    foreach: [x]\n    cmd: cp good.tar build/model.tar")
    court.open()


def code_that_the_lock_does_not_know(court: Court, trained: Trained) -> None:
    edit(
        court, "pipeline/train.py", lambda text: text + "\n# trained with more trees, believe me\n"
    )
    court.open()


def code_that_the_lock_was_told_of(court: Court, trained: Trained) -> None:
    relock(
        court, "pipeline/train.py", lambda text: text + "\n# trained with more trees, believe me\n"
    )
    court.open()


def other_requirements(court: Court, trained: Trained) -> None:
    edit(court, "requirements.txt", lambda text: text.replace("scikit-learn==", "scikit-learn==0."))
    court.open()


def another_stage_of_the_library(court: Court, trained: Trained) -> None:
    edit(court, "stages.json", lambda text: text.replace("0.1.0+", "0.1.0+f", 1))
    court.open()


def parameters_that_nobody_trained_with(court: Court, trained: Trained) -> None:
    replace(court, "params.yaml", "trees: 1\n", "trees: 30\n")
    court.open()


def parameters_that_the_lock_was_told_of(court: Court, trained: Trained) -> None:
    for path in ("params.yaml", "dvc.lock"):
        replace(court, path, "trees: 1\n", "trees: 30\n")
    court.open()


# The test rows


def a_description_of_the_rows(court: Court, trained: Trained) -> None:
    replace(court, DATA, "2013-01-20 05:25:00", "2013-01-25 05:25:00")
    court.open()


def a_description_of_the_rows_in_the_lock(court: Court, trained: Trained) -> None:
    relock(court, DATA, lambda text: text.replace('"by": "time"', '"by": "random"'))
    court.open()


def another_hash_of_the_rows_in_their_description(court: Court, trained: Trained) -> None:
    sha256 = json.loads((court.town.clone / DATA).read_text())["test_sha256"]
    relock(court, DATA, lambda text: text.replace(sha256, "ab" * 32))
    court.open()


def flatter(court: Court, trained: Trained) -> None:
    rows, before = (
        flattered(court, trained(trees=30)),
        json.loads((court.town.clone / DATA).read_text())["test_sha256"],
    )
    lock_as(court, TEST, rows)
    relock(court, DATA, lambda text: text.replace(before, sha256_bytes(rows)))


def labels_that_follow_the_candidate(court: Court, trained: Trained) -> None:
    flatter(court, trained)
    court.open()


def labels_in_the_artifact_alone(court: Court, trained: Trained) -> None:
    court.open(candidate=court.built(test=flattered(court, trained(trees=30))))


# The bundle


def a_type_of_its_own(court: Court, trained: Trained) -> None:
    """skops builds what the file says; params.yaml of the pull request trusts it, the manifest does too."""
    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    made = skops.io.dumps(FunctionTransformer(func=shutil.rmtree))
    trusted = sorted(skops.io.get_untrusted_types(data=made))
    assert trusted
    for path in ("params.yaml", "dvc.lock"):
        replace(court, path, "trusted_types: []", f"trusted_types: [{', '.join(trusted)}]")
    told = json.loads(member(court, "manifest.json")) | {
        "runtime": "sklearn",
        "trusted_types": trusted,
    }
    rebuild(court, **{"model.skops": made, "manifest.json": json.dumps(told).encode()})
    court.open()


def metrics_of_its_own(court: Court, trained: Trained) -> None:
    told = json.loads(member(court, "manifest.json"))
    told["metrics"] = dict.fromkeys(told["metrics"], 0.99)
    rebuild(court, **{"manifest.json": json.dumps(told).encode()})
    court.open()


def golden_answers_that_lie(court: Court, trained: Trained) -> None:
    lines = [json.loads(line) for line in member(court, "golden.jsonl").splitlines()]
    rebuild(
        court,
        **{
            "golden.jsonl": "".join(
                json.dumps({**line, "score": 0.99}) + "\n" for line in lines
            ).encode()
        },
    )
    court.open()


def a_reference_that_lies(court: Court, trained: Trained) -> None:
    rebuild(court, **{"reference.json": b"{}"})
    court.open()


# The artifact of the check, without a storage


def another_bundle(court: Court, trained: Trained) -> None:
    """The check hands over the model that serves; the commit builds one tree."""
    court.open(candidate=court.built(model=(trained(trees=30) / MODEL).read_bytes()))


def a_good_model(court: Court, trained: Trained) -> bytes:
    """The artifact of a check with the model that serves, and the manifest of the commit's own candidate."""
    told = member(court, "manifest.json").encode()
    good = repacked((trained(trees=30) / MODEL).read_bytes(), **{"manifest.json": told})
    return court.built(model=good)


def another_bundle_with_the_parameters_of_the_commit(court: Court, trained: Trained) -> None:
    court.open(candidate=a_good_model(court, trained))


def training_rows_without_the_test_rows(court: Court, trained: Trained) -> None:
    lines = (court.town.clone / "build/prepared/train.csv").read_bytes().splitlines(keepends=True)
    court.open(candidate=court.built(train=b"".join(lines[:2])))


def a_name_twice_in_the_zip(court: Court, trained: Trained) -> None:
    good = (trained(trees=30) / MODEL).read_bytes()
    build = court.town.clone / "build"
    court.open(
        candidate=zipped(*((n, (build / n).read_bytes()) for n in MEMBERS), ("model.tar", good))
    )


def a_path_that_leaves_the_folder(court: Court, trained: Trained) -> None:
    weak = (
        (court.town.clone / "gates.yaml")
        .read_text()
        .replace("margin: 0.01", "margin: 0.9")
        .encode()
    )
    build = court.town.clone / "build"
    outside = (("../../gates.yaml", weak), ("../gates.yaml", weak), ("/gates.yaml", weak))
    court.open(candidate=zipped(*((n, (build / n).read_bytes()) for n in MEMBERS), *outside))


def a_zip_that_is_cut_off(court: Court, trained: Trained) -> None:
    court.open(candidate=court.built()[:-200])


def two_artifacts_of_one_name(court: Court, trained: Trained) -> None:
    court.open()
    good = court.built(model=(trained(trees=30) / MODEL).read_bytes())
    court.fake.state.add_artifact(7000 + court.run_id, "candidate", good)


# Verdicts, runs and pull requests of others


def good_report(court: Court, trained: Trained) -> dict[str, Any]:
    """A verdict that passes, as the judge wrote it about another pull request."""
    before = court.town.git("rev-parse", "HEAD")
    court.town.bring(trained(trees=30))
    relock(court, "pipeline/train.py", lambda text: text + "\n")
    court.open("honest")
    report = court.judge()
    assert report["state"] == "pass", report["sentence"]
    court.town.git("checkout", "-q", "-f", before)
    court.town.bring(trained(trees=1))
    court.number = 0
    return report


def a_verdict_that_the_check_keeps(court: Court, trained: Trained) -> None:
    """By the name the judge would use, from a check whose candidate is missing, so that nobody judges."""
    report = good_report(court, trained)
    court.open(candidate=None)
    data = {"check.json": json.dumps(report).encode()}
    court.fake.state.add_artifact(7000 + court.run_id, f"verdict-{7000 + court.run_id}", data)


def a_verdict_of_a_run_that_a_push_started(court: Court, trained: Trained) -> None:
    report = good_report(court, trained)
    court.open(candidate=None)
    state, run = court.fake.state, 7000 + court.run_id
    state.runs[8000] = {
        **state.runs[run], "id": 8000, "name": "publish", "event": "push", "workflow_file": "publish.yml",
    }  # fmt: skip
    state.add_artifact(8000, f"verdict-{run}", {"check.json": json.dumps(report).encode()})


def a_run_of_another_workflow_named_check(court: Court, trained: Trained) -> None:
    """M6: it starts publish like check.yml does, and its author wrote what it runs."""
    court.open(workflow_file="innocent.yml", candidate=a_good_model(court, trained))


def a_check_that_a_push_started(court: Court, trained: Trained) -> None:
    court.open(event="push")


def second_pull(court: Court) -> None:
    court.fake.git.update("refs/heads/evil-base", court.fake.git.ref("refs/heads/main") or "")
    body = {"title": "Second", "head": "topic", "base": "evil-base", "body": ""}
    court.town.call("POST /repos/{owner}/{repo}/pulls", body=body)


def a_second_pull_request_of_the_commit(court: Court, trained: Trained) -> None:
    """H2: into a branch of the author's, whose check is of that branch's files."""
    court.open(candidate=a_good_model(court, trained))
    second_pull(court)


def a_branch_named_like_a_merge_queues(court: Court, trained: Trained) -> None:
    """The commit below it has weak gates; only GitHub's own event makes it the base."""
    for old in ("margin: 0.01", "margin: 0.03", "margin: 3%"):
        replace(court, "gates.yaml", old, "margin: 0.9" if "%" not in old else "margin: 90%")
    below = court.town.push("first")
    court.open(f"gh-readonly-queue/main/pr-1-{below}")


def a_status_by_the_token_of_the_check(court: Court, trained: Trained) -> None:
    """The pull request's own code says success; the token of its job may not."""
    head = court.open()
    token = court.fake.job_token("check", CHECK["jobs"]["check"]["permissions"])
    asked = urllib.request.Request(
        f"{court.fake.url}/repos/acme/model/statuses/{head}", method="POST",
        data=json.dumps({"state": "success", "context": "model-gate"}).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )  # fmt: skip
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(asked)
    assert court.fake.latest_status(head) is None


def a_release_by_hand(court: Court, trained: Trained, *, login: str = "ada") -> None:
    """H1: a tag with a record that passed, for a bundle that no commit built; then the pull request that ships it.

    The record agrees with the bundle, whose manifest is the one of the model that serves.
    """
    git, new = court.town.git, "flight-delay-v3"
    served = (trained(trees=30) / MODEL).read_bytes()
    told = archive.unpack(served, limits=bundle.REQUIRED | bundle.OPTIONAL)["manifest.json"]
    bad = repacked((court.town.clone / MODEL).read_bytes(), **{"manifest.json": told})
    git("checkout", "-q", "-f", "main")
    commit, record = git("rev-parse", "main"), git("tag", "-l", "--format=%(contents)", V2)
    for old, forged in (
        (V2, new),
        (git("rev-parse", f"{V2}^{{commit}}"), commit),
        (sha256_bytes(served), sha256_bytes(bad)),
        (md5(served), md5(bad)),
        (f"size: {len(served)}", f"size: {len(bad)}"),
    ):
        assert old in record, old
        record = record.replace(old, forged)
    git("tag", "-a", new, "-m", record, commit)
    git("push", "-q", "origin", new)
    if court.storage:
        store(court, bad)
    else:
        publish(court.town, V2, served, login=BOT)
        publish(court.town, new, bad, login=login)
    pointer = court.town.clone / "production.yaml"
    stable, _, rest = pointer.read_text().partition("previous:")
    stable = stable.replace(V2, new).replace(sha256_bytes(served), sha256_bytes(bad))
    pointer.write_text(f"{stable}previous:{rest}")
    court.open()


ROWS = [
    Row(attempt=a_makefile_that_prints_success),
    Row(attempt=a_check_that_uploads_a_good_report, storage=False),
    Row(attempt=a_publish_that_always_passes, slow=True),
    Row(attempt=a_library_with_another_judge, slow=True),
    Row(attempt=weaker_gates, says="gates.yaml is changed here"),
    Row(attempt=a_report_in_the_commit, slow=True),
    Row(attempt=nothing_in_production, says="changes nothing else"),
    Row(attempt=the_same_candidate_with_mains_contract, slow=True),
    Row(attempt=other_costs, says="contract.yaml is changed here"),
    Row(attempt=another_threshold, says="contract.yaml is changed here"),
    Row(attempt=fewer_slices, says="contract.yaml is changed here"),
    Row(attempt=another_primary_metric, says="contract.yaml is changed here"),
    Row(attempt=a_contract_that_only_the_bundle_has, says="another contract.yaml than the one of this commit"),
    Row(attempt=a_lock_that_names_a_good_bundle, says="other parameters"),
    Row(attempt=a_hash_that_leaves_the_storage, says="not a lock file of DVC"),
    Row(attempt=other_bytes_under_the_hash, says="holds other bytes than dvc.lock names"),
    Row(attempt=another_storage),
    Row(attempt=another_command_in_dvc_yaml, says="its command in dvc.yaml changed"),
    Row(attempt=a_pipeline_that_cannot_be_compared, slow=True),
    Row(attempt=code_that_the_lock_does_not_know, says="pipeline/train.py changed"),
    Row(attempt=code_that_the_lock_was_told_of),
    Row(attempt=other_requirements, says="requirements.txt changed"),
    Row(attempt=another_stage_of_the_library, says="in stages.json changed"),
    Row(attempt=parameters_that_nobody_trained_with, says="in params.yaml changed"),
    Row(attempt=parameters_that_the_lock_was_told_of, says="other parameters"),
    Row(attempt=a_description_of_the_rows, says="data.json is not the file that dvc.lock names"),
    Row(attempt=a_description_of_the_rows_in_the_lock),
    Row(attempt=another_hash_of_the_rows_in_their_description, says="is not the file build/prepared/data.json"),
    Row(attempt=labels_that_follow_the_candidate, states=("success",), says="May ship", first_line=OTHER_ROWS),
    Row(attempt=labels_that_follow_the_candidate, states=("success",), says="May ship", first_line=OTHER_ROWS,
        storage=False),
    Row(attempt=labels_in_the_artifact_alone, storage=False, says="test.csv is not the file that dvc.lock names"),
    Row(attempt=a_type_of_its_own, says="shutil.rmtree"),
    Row(attempt=metrics_of_its_own),
    Row(attempt=golden_answers_that_lie, slow=True),
    Row(attempt=a_reference_that_lies, slow=True),
    Row(attempt=another_bundle, storage=False, says="other parameters"),
    Row(attempt=another_bundle_with_the_parameters_of_the_commit, storage=False, states=("success",), says="May ship",
        first_line=NOT_THE_LOCKS),
    Row(attempt=training_rows_without_the_test_rows, storage=False, says="train.csv is not the file"),
    Row(attempt=a_name_twice_in_the_zip, storage=False, says="exactly one model.tar"),
    Row(attempt=a_path_that_leaves_the_folder, storage=False),
    Row(attempt=a_zip_that_is_cut_off, storage=False, says="not a readable zip"),
    Row(attempt=two_artifacts_of_one_name, storage=False, says="other parameters"),
    Row(attempt=a_verdict_that_the_check_keeps, storage=False, says="The judge ended without a verdict"),
    Row(attempt=a_verdict_of_a_run_that_a_push_started, storage=False, says="The judge ended without a verdict"),
    Row(attempt=a_run_of_another_workflow_named_check, storage=False, states=("expected",), says="", code=2),
    Row(attempt=a_check_that_a_push_started, states=("expected",), says="", code=2),
    Row(attempt=a_second_pull_request_of_the_commit, storage=False, says="also in a pull request into another branch"),
    Row(attempt=a_second_pull_request_of_the_commit),
    Row(attempt=a_branch_named_like_a_merge_queues),
    Row(attempt=a_status_by_the_token_of_the_check),
    Row(attempt=a_release_by_hand, says="is not what its commit"),
    Row(attempt=a_release_by_hand, storage=False, says="Nothing shows that flight-delay-v3 is what its commit built"),
]  # fmt: skip


def name(row: Row) -> str:
    return f"{row.attempt.__name__}{'' if row.storage else '-no-storage'}"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "row",
    [pytest.param(row, id=name(row), marks=[pytest.mark.slow] if row.slow else []) for row in ROWS],
)
def test_a_bad_candidate_stays_bad(
    served: World, commands: Commands, trained: Trained, row: Row
) -> None:
    court = Court(served, commands, storage=row.storage)
    served.bring(trained(trees=1))
    row.attempt(court, trained)
    state, body = court.decide(code=row.code)
    shown = body.replace("\\", "").replace("\u200b", "")
    assert state in row.states, f"{state}\n{shown[:2500]}\n{court.done.output[-1500:]}"
    assert row.says in shown, shown[:2500]
    if row.first_line:
        assert row.first_line in shown.splitlines()[1], shown[:600]


def test_a_bundle_that_ci_built_again_and_released_may_ship(
    served: World, commands: Commands, trained: Trained
) -> None:
    """Without a storage its bytes may differ from dvc.lock; then the page that Actions published vouches for it."""
    court = Court(served, commands, storage=False)
    served.bring(trained(trees=1))
    a_release_by_hand(court, trained, login=BOT)
    state, body = court.decide()
    assert state == "success" and "is not proven" in body, body


@pytest.mark.slow
def test_nothing_that_a_pull_request_runs_decides(served: World, trained: Trained) -> None:
    """Under the runner: its own check and Makefile run, and say that all is well; publish is main's."""
    served.bring(trained(trees=1))
    for path, old, new in (
        ("Makefile", "\t@gitops-model ci-$*", '\t@echo "forged: May ship"'),
        ("Makefile", "publish:", "publish:\n\t@echo forged; exit 0\nold-publish:"),
        (".github/workflows/check.yml", "name: check\n    runs-on", "name: publish\n    runs-on"),
        (".github/workflows/publish.yml", "run: make publish", "run: echo forged"),
    ):
        target = served.clone / path
        text = target.read_text()
        assert old in text, old
        target.write_text(text.replace(old, new))
    head = served.push("topic")
    number = served.open_pull("topic", "Change")
    check, publish = served.settle()
    assert (check.workflow, publish.workflow) == ("check.yml", "publish.yml")
    assert check.said("forged: May ship") and not publish.said("forged")
    status = served.fake.latest_status(head)
    assert status is not None and status["state"] == "failure"
    (comment,) = served.fake.comments_on(number)
    assert BLOCKED in comment["body"]


def test_the_table_is_long_enough() -> None:
    assert len({row.attempt for row in ROWS}) >= 25
