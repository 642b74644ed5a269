"""The gate of production.yaml: everything that stands against a change is named, and nothing is invented."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_model.actions import pointer_gate
from gitops_model.actions.job import Job
from gitops_model.delivery.pointer_checks import Findings
from gitops_model.errors import BadArtifact, BadInput, Blocked
from gitops_model.formats.pointer import Pointer, Ref, switch

REPOSITORY: Any = None
JOB = Job(repository="acme/model", token="")
V1, V2 = (Ref(model=f"m-v{i}", sha256=f"{i}" * 64) for i in (1, 2))
ONE = Pointer(stable=V1)


class Gate:
    """The gate with a given file, and given findings about it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.text = switch(ONE, V2).to_yaml()
        self.found = Findings()
        self.locked, self.published = True, False
        page, tags = pointer_gate.release_page, pointer_gate.releases
        monkeypatch.setattr(page, "published_by_us", lambda *_: self.published)
        monkeypatch.setattr(tags, "is_locked", lambda *_: self.locked)
        monkeypatch.setattr(tags, "verify", self.verified)
        monkeypatch.setattr(pointer_gate, "read", lambda *_: self.text)
        monkeypatch.setattr(pointer_gate.Git, "open", lambda _: None)
        monkeypatch.setattr(pointer_gate.pointer_checks, "examine", lambda *_: self.found)
        monkeypatch.setattr(pointer_gate.pointer_story, "served", lambda *_, at: f"since {at}")
        monkeypatch.setattr(pointer_gate.pointer_story, "compare", lambda *_: None)
        monkeypatch.setattr(
            pointer_gate.Contract, "load", lambda path: (_ for _ in ()).throw(BadInput("no file"))
        )

    def verified(self, _: object, ref: Ref) -> Ref:
        if self.found.problems:
            raise BadArtifact("lost.")
        return ref

    def judge(self, *files: str) -> pointer_gate.Judged:
        named = ["production.yaml", *files]
        return pointer_gate.judge(REPOSITORY, JOB, "a" * 40, files=named, current=ONE, at="noon")


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


def test_a_good_change(gate: Gate) -> None:
    gate.found.notes += ["a note.", "a note."]
    judged = gate.judge()
    assert (judged.state, judged.sentence) == ("pass", "May ship: m-v1 → m-v2.")
    move = judged.move
    assert (move.notes, move.served, move.comparison) == (("a note.",), "since noon", None)
    assert move.way_back == "A rollback would return to m-v1."


def test_every_reason_is_named_once(gate: Gate) -> None:
    gate.found.problems += [Blocked("frozen."), BadArtifact("lost."), BadArtifact("lost.")]
    judged = gate.judge(*(f"file{i}" for i in range(7)))
    assert judged.state == "blocked" and judged.sentence.startswith("Do not merge: ")
    first, *rest = judged.move.reasons
    assert "changes nothing else" in first and first.endswith("file3, file4 and 2 more.")
    assert rest == ["frozen.", "lost."]
    assert judged.move.way_back is None


@pytest.mark.parametrize("published", [True, False])
def test_what_dvc_lock_does_not_name_needs_a_page_of_ours(gate: Gate, published: bool) -> None:
    """Only the release that comes in is asked for: m-v1 serves already."""
    gate.locked, gate.published = False, published
    move = gate.judge().move
    assert [reason.split(" is what")[0] for reason in move.reasons] == (
        [] if published else ["nothing shows that m-v2"]
    )


def test_a_file_that_is_no_pointer_is_told_with_all_its_problems(gate: Gate) -> None:
    gate.text = "stable: 7\nprevious: null\ncanary: 8\nshadow: null\nfreeze: null\n"
    judged = gate.judge("README.md")
    assert judged.state == "blocked" and len(judged.move.reasons) == 3
    assert judged.move.change == "m-v1 → a file that cannot be used"
    assert judged.move.served is None and judged.move.comparison is None
