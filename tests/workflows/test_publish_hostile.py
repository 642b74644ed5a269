"""What a pull request may try on `publish`: its report's numbers and words, other bases and branches, no report."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest

from tests.support.places import TEMPLATE
from tests.workflows import filters
from tests.workflows.fake_state import BOT
from tests.workflows.scene import PUBLISH, Scene, scene, zipped

__all__ = ["scene"]  # the fixture
CHECK = filters.load((TEMPLATE / ".github/workflows/check.yml").read_text())


NOT_EVALUATED = {
    "schema": 1,
    "state": "not_evaluated",
    "exit_code": 3,
    "sentence": "Not evaluated: no reason",
}


def impossible(report: dict[str, Any], kind: str) -> Any:
    forged = copy.deepcopy(report)
    gates = {gate["id"]: gate for gate in forged["gates"]}
    row = forged["slices"][0]
    match kind:
        case "huge number":
            gates["primary"]["candidate"] = 10**400
        case "huge count":
            row |= {"wins": 10**400, "losses": 0}
        case "gain of nothing":
            gates["primary"] |= {"candidate": None, "production": None}
        case "ratio of nothing":
            gates["latency"] |= {"candidate": None, "production": None}
        case "wins without losses":
            row |= {"wins": 3, "losses": None}
        case "deep":
            text = json.dumps({**forged, "params_diff": [{"name": "x", "candidate": "HERE"}]})
            return zipped(("check.json", text.replace('"HERE"', "[" * 700 + "]" * 700).encode()))
        case "no slices":
            forged["slices"] = []
        case "one column of slices":
            forged["slices"] = [s for s in forged["slices"] if s["slice"].startswith("origin=")]
    return forged


@pytest.mark.parametrize(
    "kind",
    ["huge number", "huge count", "gain of nothing", "ratio of nothing", "wins without losses", "deep", "no slices",
     "one column of slices"],
)  # fmt: skip
def test_impossible_reports_end_in_a_sentence(
    scene: Scene, checks: dict[str, Any], kind: str
) -> None:
    head = scene.push()
    done = scene.publish(scene.checked(head, impossible(checks["pass"], kind)))
    assert done.code == 0, done.output
    assert scene.status(head)[0] in ("failure", "error"), done.output
    assert len(scene.bodies()) == 1


@pytest.mark.parametrize("changed", [True, False])
def test_another_primary_metric_is_not_the_pull_requests_to_choose(
    scene: Scene, checks: dict[str, Any], changed: bool
) -> None:
    """It says so, and what to do, where contract.yaml is changed; else the report is simply wrong."""
    report = copy.deepcopy(checks["pass"])
    next(gate for gate in report["gates"] if gate["id"] == "primary")["metric"] = "pr_auc"
    head = scene.push("contract.yaml" if changed else "dvc.lock")
    scene.publish(scene.checked(head, report))
    assert scene.status(head)[0] == "failure"
    (body,) = scene.bodies()
    assert "primary is about pr" in body.replace("\\_", "_")
    assert ("merge past this status" in body) == changed


def commented(scene: Scene, number: int) -> list[str]:
    return [c["body"] for c in scene.fake.comments_on(number) if c["login"] == BOT]


def test_a_base_that_holds_the_model_already_makes_nothing_green(scene: Scene) -> None:
    """To another branch it changes a document; to main, where its status counts, it brings a model."""
    git = scene.fake.git
    model = scene.push("dvc.lock")
    git.update("refs/heads/stack", model)
    head = scene.push("README.md", "words")
    scene.fake.state.pulls[scene.number]["base"] = "stack"
    done = scene.publish(scene.checked(head, None))
    assert done.code == 0, done.output
    assert scene.status(head)[0] == "error"


@pytest.mark.parametrize("state", ["open", "closed"])
def test_a_second_pull_request_of_the_commit_into_another_branch_makes_nothing_green(
    scene: Scene, checks: dict[str, Any], state: str
) -> None:
    """Its check runs with that branch's files, and looks like one of the pull request into main."""
    head = scene.push()
    scene.publish(scene.checked(head, checks["worse"]))
    assert scene.status(head)[0] == "failure"
    git = scene.fake.git
    git.update("refs/heads/evil-base", git.ref("refs/heads/main"))
    second = scene.open("acme:topic", base="evil-base")
    scene.fake.state.pulls[second]["state"] = state
    done = scene.publish(scene.checked(head, checks["pass"]))
    assert done.code == 0, done.output
    sentence = f"also in a pull request into another branch (#{second})"
    assert scene.status(head)[0] == "error"
    assert sentence in commented(scene, scene.number)[0].replace("\\", "").replace("\u200b", "")


@pytest.mark.parametrize(
    "other",
    [{"event": "push"}, {"workflow_file": "other.yml"}, {"event": "workflow_dispatch"}],
    ids=str,
)
def test_a_run_of_another_workflow_or_event_says_nothing(
    scene: Scene, checks: dict[str, Any], other: dict[str, Any]
) -> None:
    head = scene.push()
    run = scene.checked(head, checks["pass"])
    scene.fake.state.runs[run] |= other
    done = scene.publish(run)
    assert done.code == 2
    assert "is not a check of a pull request" in done.output
    assert scene.fake.latest_status(head) is None and scene.bodies() == []


def test_two_pull_requests_of_one_commit_get_a_comment_each(
    scene: Scene, checks: dict[str, Any]
) -> None:
    head = scene.push()
    scene.fake.git.update("refs/heads/twin", head)
    twin = scene.open("acme:twin")
    first = scene.checked(head, checks["pass"])
    second = scene.checked(head, checks["pass"])
    scene.fake.state.runs[second]["head_branch"] = "twin"
    for run_id in (second, first):
        assert scene.publish(run_id).code == 0
    for number in (scene.number, twin):
        assert len(commented(scene, number)) == 1, number


def test_a_fork_does_not_take_away_what_was_decided_about_the_same_commit(
    scene: Scene, checks: dict[str, Any]
) -> None:
    head = scene.push()
    scene.publish(scene.checked(head, checks["pass"]))
    assert scene.status(head)[0] == "success"
    scene.fake.git.update("refs/forks/eve/topic", head)
    scene.open("eve:topic")
    scene.publish(scene.checked(head, NOT_EVALUATED, repo="eve/model"))
    assert scene.status(head)[0] == "success"


def test_a_reports_words_are_no_workflow_commands(scene: Scene) -> None:
    head = scene.push()
    said = "Not evaluated: so\n::error::forged\r::add-mask::e ##[error]old \u202egnirts \ud800"
    done = scene.publish(scene.checked(head, {**NOT_EVALUATED, "sentence": said}))
    assert done.code == 0, done.output
    assert not re.search(r"^\s*::|##\[", done.output, re.MULTILINE), done.output
    state, description = scene.status(head)
    assert state == "error"
    assert not re.search("[\n\r\u202e\ud800]", description)


def test_the_maintainers_command_can_be_copied_and_names_the_commit_that_was_read(
    scene: Scene,
) -> None:
    head = scene.push(repo="eve/model")
    scene.publish(scene.checked(head, NOT_EVALUATED, repo="eve/model"))
    (body,) = scene.bodies()
    wanted = f"git fetch origin pull/{scene.number}/head && git push origin {head}:refs/heads/evaluate-{scene.number}"
    assert f"`{wanted}`" in body


def test_a_pointer_is_not_dressed_with_a_models_numbers(
    scene: Scene, checks: dict[str, Any]
) -> None:
    head = scene.push("production.yaml", "stable: nonsense\n")
    scene.publish(scene.checked(head, checks["worse"]))
    assert scene.status(head)[0] == "failure"
    (body,) = scene.bodies()
    assert "| gate |" not in body and "stable" in body.split("\n")[1]


def test_who_speaks_on_the_first_screen(scene: Scene, checks: dict[str, Any]) -> None:
    """Few of the report's own warnings are shown, and no name of its own."""
    report = copy.deepcopy(checks["pass"])
    report["warnings"] = [f"Approved by security, part {i}" for i in range(100)]
    report["baseline"]["model"] = "a model that was approved by everybody"
    head = scene.push()
    scene.publish(scene.checked(head, report))
    (body,) = scene.bodies()
    lines = [line for line in body.splitlines() if "Approved by security" in line]
    assert 0 < len(lines) <= 5
    assert "approved by everybody" not in body


def test_a_pointer_that_github_does_not_show_ends_in_a_sentence(scene: Scene) -> None:
    head = scene.push("production.yaml", "stable: null\n")
    run_id = scene.checked(head, None)
    scene.fake.fault(path="/contents/", kind=500, times=100)
    done = scene.publish(run_id)
    assert done.code == 5 and "Traceback" not in done.output, done.output
    assert "GitHub" in done.output


@pytest.mark.parametrize(
    ("conclusion", "state", "words"),
    [
        ("action_required", "pending", "approv"),
        ("cancelled", "error", "cancelled or ran out of time"),
        ("startup_failure", "error", "could not start"),
        ("timed_out", "error", "without a candidate"),
        ("skipped", "error", "without a candidate"),
        ("failure", "error", "without a candidate"),
        ("success", "error", "The judge ended without a verdict"),
    ],
)
def test_a_check_without_a_report_says_why(
    scene: Scene, conclusion: str, state: str, words: str
) -> None:
    head = scene.push()
    done = scene.publish(scene.checked(head, None, conclusion=conclusion))
    assert done.code == 0, done.output
    assert scene.status(head)[0] == state
    (body,) = scene.bodies()
    assert body.count(words) == 1
    assert "compared with" not in body  # nothing was


def test_a_check_that_a_newer_commit_cancelled_says_nothing(scene: Scene) -> None:
    old = scene.push()
    scene.push(content="2")
    done = scene.publish(scene.checked(old, None, conclusion="cancelled"))
    assert done.code == 0, done.output
    assert scene.fake.latest_status(old) is None and scene.bodies() == []


def test_publish_runs_however_the_check_ended() -> None:
    """A job that ran out of time is cancelled too, and its pull request would wait for a status for ever."""
    assert "if" not in PUBLISH["jobs"]["judge"]
    assert PUBLISH["jobs"]["publish"]["if"] == "${{ !cancelled() }}"


def test_a_candidate_that_github_did_not_take_is_said(scene: Scene) -> None:
    (keep,) = (s for s in CHECK["jobs"]["check"]["steps"] if "upload-artifact" in s.get("uses", ""))
    head = scene.push()
    run_id = scene.checked(head, None, conclusion="failure")
    scene.fake.state.runs[run_id]["failed_steps"] = [keep["name"]]
    scene.publish(run_id)
    assert scene.status(head)[0] == "error"
    assert "storage of artifacts is full" in scene.bodies()[0]


@pytest.mark.parametrize(
    ("file", "event"),
    [("check.yml", "pull_request"), ("publish.yml", "push"), ("other.yml", "workflow_run")],
)
def test_a_verdict_of_another_run_is_not_the_judges(
    scene: Scene, checks: dict[str, Any], file: str, event: str
) -> None:
    """The pull request's own check may keep an artifact under any name."""
    head = scene.push()
    run_id = scene.checked(head, None)
    scene.judged(run_id, checks["pass"], file=file, event=event)
    done = scene.publish(run_id)
    assert done.code == 0, done.output
    assert scene.status(head)[0] == "error"
    assert "The judge ended without a verdict" in scene.bodies()[0]
    scene.judged(run_id, checks["pass"])
    scene.publish(run_id)
    assert scene.status(head)[0] == "success"


def test_a_report_that_expired_says_so(scene: Scene, checks: dict[str, Any]) -> None:
    head = scene.push()
    run_id = scene.checked(head, checks["pass"])
    for artifact in scene.fake.state.artifacts.values():
        artifact["expired"] = True
    scene.publish(run_id)
    assert scene.status(head)[0] == "error" and "expired" in scene.bodies()[0]
