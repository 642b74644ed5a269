"""The workflow's retraining: begun once a question, handed on as data, proposed, and never more than that."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gitops_model.actions import question
from gitops_model.actions.client import Repository
from gitops_model.actions.job import Job
from gitops_model.formats.watch import Retrain, Watch
from tests.support.watches import TEMP, signal, watch
from tests.workflows import scopes
from tests.workflows.commands import Commands, Done
from tests.workflows.fake_github import FakeGitHub

JOBS = scopes.WORKFLOWS["monitor.yml"]["jobs"]
WANTED = replace(watch(signal(TEMP)), retrain=Retrain(wanted=True, why="Yes: answers are worse."))
GOOD = {"params.yaml": "seed: 2\n", "data/raw.dvc": "outs: []\n", "dvc.lock": "a: 1\n"}


def repository(fake: FakeGitHub) -> Repository:
    token = fake.job_token("monitor.yml/monitor", JOBS["monitor"]["permissions"])
    job = Job(repository=fake.full_name, token=token, api_url=fake.url, in_actions=True, pace=0)
    return Repository(job)


# -- once a question --------------------------------------------------------------------------------------------------


def claim(fake: FakeGitHub, found: Watch) -> int | None:
    question.settle(repository(fake), found)
    return question.claim_retraining(repository(fake), found)


def test_a_retraining_begins_once_a_question(fake: FakeGitHub) -> None:
    assert [claim(fake, WANTED) for _ in range(3)] == [1, None, None]
    assert "A workflow was told to on 2026-05-06" in fake.state.issues[1]["body"]
    clean = watch(signal(TEMP, "clean"))
    assert claim(fake, clean) is None and fake.state.issues[1]["state"] == "closed"
    assert claim(fake, WANTED) == 2


def test_no_retraining_without_evidence_or_without_an_issue(fake: FakeGitHub) -> None:
    assert claim(fake, watch(signal(TEMP))) is None
    assert claim(fake, replace(WANTED, retrain=Retrain(why="Not yet."))) is None
    assert claim(fake, WANTED) == 1
    fake.state.issues.clear()
    assert question.claim_retraining(repository(fake), WANTED) is None


# -- what is handed on ------------------------------------------------------------------------------------------------


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"git {words}: {done.stderr}"
    return done.stdout.strip()


Handed = Callable[..., Path]


@pytest.fixture
def handed(fake: FakeGitHub, tmp_path: Path) -> Handed:
    """A checkout of main with what a retraining handed on: `files` in a commit on top of main."""

    def make(
        files: Mapping[str, str] | None, *, name: str = "retrain/issue-1", links: str = ""
    ) -> Path:
        question.settle(repository(fake), WANTED)
        folder = tmp_path / "checkout"
        git(tmp_path, "clone", "-q", str(fake.git.path), str(folder))
        out = folder / "retrain"
        out.mkdir()
        (out / "said.md").write_text("### May ship\n\nROC AUC rose.\n")
        if files is not None:
            other = tmp_path / "other"
            git(tmp_path, "clone", "-q", str(fake.git.path), str(other))
            git(other, "switch", "-q", "-c", name)
            for path, text in files.items():
                (other / path).parent.mkdir(parents=True, exist_ok=True)
                (other / path).write_text(text)
            if links:
                os.symlink("/etc/passwd", other / links)
            git(other, "add", "--all")
            git(other, "commit", "-q", "-m", "Retrain on newer data")
            git(other, "bundle", "create", str(out / "change.bundle"), f"HEAD~1..refs/heads/{name}")
        git(folder, "remote", "set-url", "origin", f"{fake.url}/acme/model.git")
        return folder

    return make


def propose(
    fake: FakeGitHub, commands: Commands, folder: Path, *, issue: str = "1", without: str = ""
) -> Done:
    declared = JOBS["propose"]["permissions"]
    granted = {name: level for name, level in declared.items() if name != without}
    env = {
        "GITHUB_REPOSITORY": "acme/model", "GITHUB_API_URL": fake.url, "GITHUB_SERVER_URL": fake.url,
        "GITHUB_ACTIONS": "true", "GITHUB_API_PACE": "0", "ISSUE": issue,
        "GITHUB_TOKEN": fake.job_token("monitor.yml/propose", granted),
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
    }  # fmt: skip
    return commands.start("ci-propose", cwd=folder, env=env).wait()


def comments(fake: FakeGitHub) -> list[Any]:
    return [comment["body"] for comment in fake.comments_on(1)]


def test_the_commit_becomes_one_pull_request_that_the_issue_names(
    fake: FakeGitHub, commands: Commands, handed: Handed
) -> None:
    folder = handed(GOOD)
    for _ in range(2):
        done = propose(fake, commands, folder)
        assert done.code == 0, done.output
    (pull,) = fake.state.pulls.values()
    assert pull["head"] == "retrain/issue-1" and "ROC AUC rose." in pull["body"]
    assert len(comments(fake)) == 1 and comments(fake)[0].startswith(
        "A model was trained on newer data: "
    )
    assert (fake.git.read("retrain/issue-1", "params.yaml") or b"").decode() == GOOD["params.yaml"]
    assert fake.git.read("main", "params.yaml") is None


def test_where_actions_may_not_open_one_the_issue_has_the_link(
    fake: FakeGitHub, commands: Commands, handed: Handed
) -> None:
    fake.settings.actions_may_create_prs = False
    assert propose(fake, commands, handed(GOOD)).code == 0
    assert fake.state.pulls == {}
    assert "compare/main...retrain/issue-1" in comments(fake)[0]


def test_a_candidate_that_is_refused_is_said_in_the_issue(
    fake: FakeGitHub, commands: Commands, handed: Handed
) -> None:
    folder = handed(None)
    for _ in range(2):
        done = propose(fake, commands, folder)
        assert done.code == 0, done.output
    assert comments(fake) == ["### May ship\n\nROC AUC rose.\n"]
    assert fake.state.pulls == {} and fake.git.refs("refs/heads/retrain/") == {}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {**GOOD, ".github/workflows/deploy.yml": "x"},
            "changed .github/workflows/deploy.yml; allowed",
        ),
        ({**GOOD, "production.yaml": "x"}, "changed production.yaml"),
        ({**GOOD, "gates.yaml": "x"}, "changed gates.yaml"),
        ({**GOOD, "pipeline/train.py": "x"}, "changed pipeline/train.py"),
        ({**GOOD, "reports.py": "x"}, "changed reports.py"),
        ({**GOOD, "data/a\nb.py": "x"}, "changed data/a"),
    ],
)
def test_a_commit_that_changes_more_is_not_pushed(
    fake: FakeGitHub, commands: Commands, handed: Handed, files: dict[str, str], said: str
) -> None:
    done = propose(fake, commands, handed(files))
    assert done.code == 1 and said in done.output, done.output
    assert fake.state.pulls == {} and fake.git.refs("refs/heads/retrain/") == {}


def test_a_link_is_not_pushed(fake: FakeGitHub, commands: Commands, handed: Handed) -> None:
    done = propose(fake, commands, handed({"reports/a.json": "{}"}, links="reports/x"))
    assert done.code == 1 and "a link or a program" in done.output, done.output
    assert fake.git.refs("refs/heads/retrain/") == {}


def test_a_commit_on_another_main_is_not_pushed(
    fake: FakeGitHub, commands: Commands, handed: Handed
) -> None:
    folder = handed(GOOD)
    git(folder, "commit", "-q", "--allow-empty", "-m", "Main went on")
    done = propose(fake, commands, folder)
    assert done.code == 1 and "does not stand on this main" in done.output, done.output


@pytest.mark.parametrize("issue", ["", "x", "1; rm -rf", "-1", "٣"])
def test_the_number_of_the_issue_is_a_number(
    fake: FakeGitHub, commands: Commands, handed: Handed, issue: str
) -> None:
    done = propose(fake, commands, handed(GOOD), issue=issue)
    assert done.code == 2 and "allowed: the number" in done.output, done.output


@pytest.mark.parametrize("scope", scopes.PROPOSE)
def test_each_permission_is_needed_and_together_they_suffice(
    fake: FakeGitHub, commands: Commands, handed: Handed, scope: str
) -> None:
    folder = handed(GOOD)
    assert propose(fake, commands, folder, without=scope).code == 5
    assert fake.state.denials or scope == "contents"
    fake.state.denials.clear()
    assert propose(fake, commands, folder).code == 0 and fake.state.denials == []


# -- the jobs, one after the other -------------------------------------------------------------------------------------

TRAIN = """
import sys
from pathlib import Path
from gitops_model import cli
from gitops_model.delivery import check, retrain
def made(git, options):
    if {same!r}:
        return None
    git.out("switch", "--quiet", "--create", options.branch)
    Path("params.yaml").write_text("seed: 9\\n")
    git.out("add", "--all", "params.yaml")
    git.out("commit", "--quiet", "-m", "Retrain on newer data")
    Path("reports").mkdir(exist_ok=True)
    Path("reports/check.md").write_text("### {said}\\n")
    return retrain.Retrained(branch=options.branch, commit=git.need("HEAD"), code={code}, sentence={said!r})
retrain.retrain = made
sys.exit(cli.main(["ci-retrain"]))
"""


@pytest.mark.parametrize(
    ("same", "code", "said", "proposed"),
    [
        (False, 0, "May ship", True),
        (False, 1, "Blocked", False),
        (True, 0, "There is no newer data", False),
    ],
)
def test_what_one_job_trains_the_next_one_proposes(
    fake: FakeGitHub,
    commands: Commands,
    tmp_path: Path,
    same: bool,
    code: int,
    said: str,
    proposed: bool,
) -> None:
    """The training itself is tested with real data in tests/e2e/test_retrain.py."""
    assert claim(fake, WANTED) == 1
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        git(tmp_path, "clone", "-q", str(fake.git.path), str(folder))
        git(folder, "remote", "set-url", "origin", f"{fake.url}/acme/model.git")
    env = {
        "GITHUB_REPOSITORY": "acme/model", "GITHUB_API_URL": fake.url, "GITHUB_ACTIONS": "true", "ISSUE": "1",
        "GITHUB_STEP_SUMMARY": str(first / "summary.md"),
    }  # fmt: skip
    stub = TRAIN.format(same=same, code=code, said=said)
    done = commands.start(cwd=first, env=env, code=stub).wait()
    assert done.code == 0, done.output
    (first / "retrain").rename(second / "retrain")
    done = propose(fake, commands, second)
    assert done.code == 0, done.output
    assert [pull["head"] for pull in fake.state.pulls.values()] == ["retrain/issue-1"] * proposed
    (comment,) = comments(fake)
    assert (said in comment) != proposed
