"""What the trusted side makes of a report: the verdict is its own, and the newest check of the head speaks."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from gitops_model.actions import client, issues, publish, pulls, recompute, runs
from gitops_model.actions.job import Job
from gitops_model.delivery import served
from gitops_model.delivery.baseline import Baseline
from gitops_model.errors import BadArtifact, BadInput, CannotEvaluate, ExternalFailure
from gitops_model.evaluation.anchor import Served
from gitops_model.evaluation.ledger import Look
from gitops_model.formats.check import Check, GateState, SliceState, State
from gitops_model.formats.line import Line, Milestone
from gitops_model.formats.pointer import Pointer, Ref
from gitops_model.report import comment
from tests.support import cases

HEAD = "5" * 40
JOB = Job(repository="acme/model", token="")
SERVES = Pointer(stable=Ref(model="parcel-delay-v3", sha256=cases.PRODUCTION))
# What served on main: v2, the best, and v3, which is in production.
LINE = served.Past(
    served=(
        Served(model="parcel-delay-v2", sha256="2" * 64, gates={"anchor": {"sha256": "1" * 64}}, baseline=None),
        Served(model="parcel-delay-v3", sha256=cases.PRODUCTION, gates={}, baseline=None),
    )
)  # fmt: skip
STARTED: dict[str, Any] = {
    "id": 7,
    "head_sha": HEAD,
    "head_branch": "topic",
    "head_repository": {"full_name": "acme/model"},
    "html_url": "https://example.invalid/run/7",
    "event": "pull_request",
    "path": ".github/workflows/check.yml",
    "repository": {"full_name": "acme/model"},
    "conclusion": "success",
    "created_at": "2026-01-02T03:04:05Z",
    "actor": {"login": "ada"},
}


@functools.cache
def good() -> Check:
    return cases.check(**cases.inputs(rows=2000))


@functools.cache
def bad() -> Check:
    world = cases.world(rows=2000)
    return cases.check(**cases.inputs(of=world, candidate=world.scores(3.0, draw=5)))


def forged() -> Check:
    """A bad check that says it is a good one."""
    return replace(
        bad(),
        state=State.PASS,
        sentence="May ship! @everyone",
        gates=tuple(
            replace(gate, state=GateState.PASS, blocks=False, sentence="fine")
            for gate in bad().gates
        ),
        slices=tuple(replace(row, state=SliceState.PASS) for row in bad().slices),
    )


def rules(pointer: Pointer) -> Baseline:
    return Baseline(
        ref="HEAD", commit=HEAD, pointer=pointer, contract=cases.contract(), gates=cases.gates(), gates_ref="HEAD",
        trusted_types=(), warnings=(),
    )  # fmt: skip


class World:
    """The GitHub of one pull request, and main's files, as far as `publish.judge` asks for them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files = ["dvc.lock"]
        self.pointer = SERVES
        self.report: bytes | None = None
        self.statuses: list[tuple[str, str]] = []
        self.decided = False
        monkeypatch.setattr(publish.baseline, "find", lambda ref: rules(self.pointer))
        monkeypatch.setattr(publish.Git, "open", lambda path: SimpleNamespace(bring=str))
        monkeypatch.setattr(publish, "age", lambda *_, **__: None)
        self.past = served.Past()
        self.looks: list[Look] = []
        monkeypatch.setattr(publish.served, "past", lambda *_, **__: self.past)
        monkeypatch.setattr(publish.looks, "share", self.share)
        monkeypatch.setattr(runs, "find_pull", lambda *_: SimpleNamespace(number=12))
        monkeypatch.setattr(runs, "twins", lambda *_: [])
        monkeypatch.setattr(runs, "changed_files", lambda *_: self.files)
        monkeypatch.setattr(runs, "read_verdict", lambda *_: (self.member(), None))
        monkeypatch.setattr(runs, "load", lambda *_: STARTED)
        monkeypatch.setattr(runs, "is_decided", lambda *_: self.decided)
        monkeypatch.setattr(publish.Job, "from_environ", lambda *_, **__: JOB)
        monkeypatch.setattr(runs, "of_event", lambda job: 7)
        monkeypatch.setattr(runs, "Repository", lambda job: self.repository)
        monkeypatch.setattr(client, "set_status", self.set_status)
        self.repository: Any = SimpleNamespace(name="acme/model")

    def set_status(self, repository: Any, sha: str, *, state: str, **_: Any) -> None:
        self.statuses.append((sha, state))

    def share(self, git: Any, more: list[Look]) -> str:
        self.looks += more
        return ""

    def member(self) -> bytes:
        if self.report is None:
            raise BadArtifact("The check ended without a report; its log says why.")
        return self.report

    def judge(self, check: Check | None, **started: Any) -> publish.Verdict:
        self.report = None if check is None else json.dumps(check.to_json()).encode()
        return publish.judge(self.repository, STARTED | started, job=JOB)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_a_good_report_is_a_success(world: World) -> None:
    verdict = world.judge(good())
    assert (verdict.status, verdict.number) == ("success", 12)
    assert "May ship" in verdict.title


def test_a_verdict_is_counted_as_a_look_at_its_rows_and_one_without_numbers_is_not(
    world: World,
) -> None:
    check = good()
    for told in (check, check, None):
        publish._remember(JOB, world.judge(told).look)
    assert [(look.test_sha256, look.candidate_sha256) for look in world.looks] == [
        (check.test_set.sha256, check.candidate.sha256)
    ] * 2


def test_a_look_that_cannot_be_counted_keeps_no_comment_back(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any) -> str:
        raise CannotEvaluate("the ledger of looks is too large")

    world.report = json.dumps(good().to_json()).encode()
    posted: list[publish.Verdict] = []
    monkeypatch.setattr(publish.looks, "share", broken)
    monkeypatch.setattr(publish.watching, "line", lambda *_, **__: "")
    monkeypatch.setattr(publish, "post", lambda *given, **_: posted.append(given[3]))
    assert publish.run(publish.Options(run=7)) == 0
    assert [verdict.status for verdict in posted] == ["success"]
    assert "could not be counted: the ledger of looks is too large" in capsys.readouterr().out


@pytest.mark.parametrize("source", [{"full_name": "eve/model"}, None])
def test_a_fork_spends_nothing_of_the_test_rows_and_gets_a_preview(
    world: World, source: dict[str, str] | None
) -> None:
    passed = world.judge(good(), head_repository=source)
    assert (passed.status, passed.look) == ("pending", None)
    assert f"git push origin {HEAD}:refs/heads/evaluate-12" in passed.body
    assert "are a preview" in passed.title and "| accuracy |" in passed.body
    blocked = world.judge(bad(), head_repository=source)
    assert (blocked.status, blocked.look) == ("failure", None)


def test_made_up_numbers_are_no_look(world: World) -> None:
    assert world.judge(cases.with_gate(good(), "primary", candidate=0.999)).look is None
    world.pointer = Pointer(stable=Ref(model="parcel-delay-v4", sha256="d" * 64))
    assert world.judge(good()).look is not None


def test_main_says_whether_a_report_had_to_compare_with_the_best_release(world: World) -> None:
    world.past = LINE
    verdict = world.judge(good())
    assert verdict.status == "failure" and "best release so far" in verdict.body


@pytest.mark.parametrize(
    ("sha256", "status"), [("1" * 64, "failure"), (cases.PRODUCTION, "success")]
)
def test_of_a_reports_line_only_the_choice_of_a_release_is_shown(
    world: World, sha256: str, status: str
) -> None:
    world.past = LINE
    shown = (Milestone(model="evil-v1", gain=9.0, best=True),) * 2
    line = Line(best="evil-v9", sha256=sha256, note="Everyone approved.", releases=shown)
    verdict = world.judge(replace(good(), line=line))
    assert verdict.status == status
    assert "evil" not in verdict.body and "Everyone" not in verdict.body
    if status == "success":
        plain = verdict.body.replace("\\", "")
        assert "Best release so far: parcel-delay-v3, which is in production" in plain
        assert "A better one could not be compared" in plain and "Releases: v2★ → v3" in plain


def test_no_state_and_no_sentence_of_a_report_is_believed(world: World) -> None:
    verdict = world.judge(forged())
    assert verdict.status == "failure"
    assert "everyone" not in verdict.body and "fine" not in verdict.body
    assert verdict.title == world.judge(bad()).title


def test_a_commit_that_also_goes_into_another_branch_makes_nothing_green(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "twins", lambda *_: [7])
    verdict = world.judge(good())
    assert (
        verdict.status == "error" and "also in a pull request into another branch" in verdict.title
    )


@pytest.mark.parametrize(
    ("what", "problem"),
    [
        ({}, None),
        ({"path": ".github/workflows/check.yml@main"}, None),
        ({"event": "merge_group"}, None),
        ({"event": "push"}, "check.yml, push"),
        ({"path": ".github/workflows/other.yml"}, "other.yml, pull_request"),
        ({"repository": {"full_name": "eve/model"}}, "is not a check of a pull request"),
    ],
    ids=str,
)
def test_a_run_is_believed_for_where_it_ran(what: dict[str, Any], problem: str | None) -> None:
    github: Any = SimpleNamespace(name="acme/model")
    if problem is None:
        runs.require_check(github, {**STARTED, **what})
    else:
        with pytest.raises(BadInput, match=problem):
            runs.require_check(github, {**STARTED, **what})


def test_a_report_about_another_production_asks_for_another_check(world: World) -> None:
    world.pointer = Pointer(stable=Ref(model="parcel-delay-v4", sha256="d" * 64))
    verdict = world.judge(good())
    assert verdict.status == "failure"
    assert "parcel-delay-v4 is in production now" in verdict.body.replace("\\", "")
    world.pointer = Pointer()
    assert world.judge(good()).status == "failure"


def test_numbers_that_cannot_be_right_are_a_failure(world: World) -> None:
    verdict = world.judge(cases.with_gate(good(), "primary", candidate=0.999))
    assert verdict.status == "failure" and "the report cannot be right" in verdict.body
    assert "merge past this status" not in verdict.body
    world.files = ["contract.yaml", "dvc.lock"]
    verdict = world.judge(cases.with_gate(good(), "primary", metric="f1"))
    assert verdict.status == "failure" and "merge past this status" in verdict.body


def test_the_models_name_in_production_is_the_pointers(world: World) -> None:
    named = replace(good(), baseline=replace(good().baseline, model="anything"))
    body = world.judge(named).body
    assert "anything" not in body and "parcel-delay-v3" in body.replace("\\", "")


def test_without_a_report_nothing_is_green(world: World) -> None:
    assert world.judge(None).status == "error"
    world.report = b'{"state": "pass"}'
    assert publish.judge(world.repository, STARTED, job=JOB).status == "error"


def test_a_change_that_reaches_no_model_is_green_whatever_its_report_says(world: World) -> None:
    world.files = ["README.md"]
    assert world.judge(bad()).status == "success"


def test_a_reports_own_warnings_come_last_and_are_few(world: World) -> None:
    warned = replace(
        good(), warnings=("Undecided: no", *(f"own {i}" for i in range(50)), "gates.yaml differs x")
    )
    said = recompute.warnings(
        recompute.recompute(warned, rules(SERVES), [], past=served.Past()).check,
        [],
    )
    assert said == [f"own {i}" for i in range(recompute.OWN_WARNINGS)]


@pytest.mark.parametrize(("decided", "statuses"), [(False, [(HEAD, "pending")]), (True, [])])
def test_pending_takes_no_verdict_away(
    world: World, monkeypatch: pytest.MonkeyPatch, decided: bool, statuses: list[tuple[str, str]]
) -> None:
    world.decided = decided
    pending = publish.Verdict(number=None, status="pending", title="Waits", body="")
    monkeypatch.setattr(publish, "judge", lambda *_, **__: pending)
    assert publish.run(publish.Options(run=7)) == 0
    assert world.statuses == statuses


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (BadInput(["gates.yaml, line 3: margin"]), "gates.yaml, line 3: margin"),
        (ExternalFailure("`dvc pull` failed: key = s3cret"), "Its log says why."),
        (KeyError("base"), "Its log says why."),
    ],
)
def test_a_publish_that_fails_says_so_where_the_pull_request_waits(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def broken(*_: Any, **__: Any) -> publish.Verdict:
        raise error

    told: list[str] = []
    monkeypatch.setattr(publish, "judge", broken)
    monkeypatch.setattr(
        client,
        "set_status",
        lambda _, sha, *, state, description, **__: told.extend([sha, state, description]),
    )
    with pytest.raises(type(error)):
        publish.run(publish.Options(run=7))
    assert told[:2] == [HEAD, "error"]
    assert told[2] == f"publish failed: {said}"


class Conversation:
    """The comments of one pull request, in place of those on GitHub."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.comments: list[issues.Comment] = []
        monkeypatch.setattr(issues, "comments", lambda *_, **__: list(self.comments))
        monkeypatch.setattr(issues, "add_comment", lambda _, __, body: self.add(body))
        monkeypatch.setattr(issues, "edit_comment", lambda _, old, body: self.edit(old, body))
        monkeypatch.setattr(issues, "delete_comment", lambda _, old: self.comments.remove(old))

    def add(self, body: str) -> None:
        self.comments.append(issues.Comment(id=len(self.comments), body=body))

    def edit(self, old: issues.Comment, body: str) -> None:
        self.comments[self.comments.index(old)] = replace(old, body=body)


def said_by(run_id: int) -> publish.Verdict:
    footing = comment.Footing(state="pass", sentence="x", head_sha=HEAD, run_id=run_id)
    body = f"{comment.marker(footing)}\nby run {run_id}"
    return publish.Verdict(number=12, status="success", title="x", body=body)


def test_the_newest_check_of_the_head_speaks_whoever_comes_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    conversation = Conversation(monkeypatch)
    conversation.add(said_by(3).body)
    conversation.add(said_by(4).body)
    repository: Any = SimpleNamespace(login=lambda: "bot")
    monkeypatch.setattr(runs, "newest_run", lambda *_: {**STARTED, "id": 9})
    monkeypatch.setattr(publish, "judge", lambda _, started, **__: said_by(started["id"]))
    publish.post(repository, JOB, STARTED, said_by(7), below="")
    assert [comment.body for comment in conversation.comments] == [said_by(9).body]


@pytest.mark.parametrize(
    ("sha", "repository", "found"),
    [(HEAD, "acme/model", True), ("6" * 40, "acme/model", False), (HEAD, "eve/model", False)],
)
def test_a_pull_request_is_found_by_repository_branch_and_commit(
    sha: str, repository: str, found: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pull = SimpleNamespace(head_sha=sha, head_repository=repository)
    monkeypatch.setattr(pulls, "into_main", lambda *_, **__: [pull])
    github: Any = SimpleNamespace(name="acme/model")
    assert (runs.find_pull(github, STARTED) is pull) == found
