"""What a change of production.yaml means, told from Git: words, numbers of two records, and how long one served."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gitops_model.delivery import pointer_story, releases
from gitops_model.delivery.git import Git
from gitops_model.formats import record
from gitops_model.formats.pointer import (
    Pointer,
    Ref,
    frozen,
    switch,
    with_canary,
    with_shadow,
)
from tests.support import cases
from tests.support.world import Clone

V1, V2, V3 = (Ref(model=f"m-v{i}", sha256=f"{i}" * 64) for i in (1, 2, 3))
ONE = Pointer(stable=V1)
TWO = switch(ONE, V2)
TEN = with_canary(TWO, V3, percent=10, key=None)


@pytest.mark.parametrize(
    ("current", "wanted", "said", "back"),
    [
        (Pointer(), ONE, "m-v1 is the first release to serve", "There is nothing to roll back to"),
        (ONE, TWO, "m-v1 → m-v2", "A rollback would return to m-v1."),
        (TWO, switch(TWO, V1), "m-v2 → m-v1", "A rollback would return to m-v2."),
        (
            TWO,
            replace(TWO, stable=V3, previous=None),
            "m-v2 → m-v3",
            "It names no previous release",
        ),
        (TWO, TEN, "m-v3 gets 10 % of the traffic", "Reverting this change would return to: m-v2."),
        (
            TEN,
            with_canary(TEN, V3, percent=50, key=None),
            "m-v3 gets 50 % of the traffic, 10 % until now",
            "Reverting this change would return to: m-v2, canary m-v3 at 10 %.",
        ),
        (TEN, TWO, "the canary m-v3 ends", "Reverting this change would return to: m-v2, canary"),
        (TEN, switch(TEN, V3), "m-v2 → m-v3", "A rollback would return to m-v2."),
        (
            TWO,
            with_shadow(TWO, V3),
            "m-v3 sees a copy of the traffic and answers nobody",
            "Reverting",
        ),
        (with_shadow(TWO, V3), TWO, "the shadow m-v3 ends", "Reverting"),
        (TWO, frozen(TWO, "incident 12"), "freezes, because: incident 12", "Reverting"),
        (frozen(TWO, "x"), TWO, "the freeze is lifted", "Reverting"),
        (TWO, replace(TWO, previous=None), "a rollback would return to nothing", "Reverting"),
        (TWO, TWO, "nothing changes", "Reverting"),
        (
            TWO,
            with_canary(switch(TWO, V3), V1, percent=5, key=None),
            "m-v2 → m-v3; m-v1 gets 5 % of the traffic",
            "A rollback",
        ),
    ],
)
def test_a_change_in_words(current: Pointer, wanted: Pointer, said: str, back: str) -> None:
    assert pointer_story.change(current, wanted) == said
    assert pointer_story.way_back(current, wanted).startswith(back)


def test_a_rollback_is_a_return_to_what_served_before() -> None:
    assert pointer_story.is_rollback(TWO, switch(TWO, V1))
    assert not pointer_story.is_rollback(TWO, switch(TWO, V3))
    assert not pointer_story.is_rollback(TWO, TEN)


# How long


def committed(clone: Clone, pointer: Pointer, when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clone.write("production.yaml", pointer.to_yaml())
    with monkeypatch.context() as dates:
        dates.setenv("GIT_COMMITTER_DATE", when)
        clone.commit("Move", "production.yaml")


def test_time_counts_from_the_commit_that_named_the_release(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = Git.open(clone.root)
    committed(clone, ONE, "2024-03-01T12:00:00Z", monkeypatch)
    committed(clone, TWO, "2024-04-01T12:00:00Z", monkeypatch)
    committed(clone, TEN, "2024-04-09T12:00:00Z", monkeypatch)

    def said(at: str, ref: Ref | None = V2) -> str | None:
        return pointer_story.served(git, ref, at=at)

    # A canary beside it does not end its service.
    assert said("2024-04-11T13:00:00Z") == "m-v2 has served for 10 days, since 2024-04-01."
    assert said("2024-04-02T13:00:00Z") == "m-v2 has served for 1 day, since 2024-04-01."
    assert said("2024-04-01T13:00:00Z") == "m-v2 has served for less than a day, since 2024-04-01."
    # What is not so, or not known, is not said.
    assert said("") is None and said("2024-04-11") is None
    assert said("2024-04-11T13:00:00Z", V1) is None and said("2024-04-11T13:00:00Z", None) is None


def test_a_break_in_its_service_starts_the_time_anew(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pointer, day in ((TWO, "01"), (switch(TWO, V1), "05"), (switch(switch(TWO, V1), V2), "07")):
        committed(clone, pointer, f"2024-04-{day}T12:00:00Z", monkeypatch)
    said = pointer_story.served(Git.open(clone.root), V2, at="2024-04-11T13:00:00Z")
    assert said == "m-v2 has served for 4 days, since 2024-04-07."


def test_a_history_that_is_cut_says_nothing(
    clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed(clone, TWO, "2024-04-01T12:00:00Z", monkeypatch)
    clone.git("commit", "-q", "--allow-empty", "-m", "Else")
    clone.git("clone", "-q", "--depth", "1", f"file://{clone.root}", str(tmp_path / "cut"))
    assert pointer_story.served(Git.open(tmp_path / "cut"), V2, at="2024-05-01T00:00:00Z") is None
    monkeypatch.setattr(pointer_story, "DEEP", 1)
    assert pointer_story.served(Git.open(clone.root), V2, at="2024-05-01T00:00:00Z") is None


# Numbers


def released(clone: Clone, model: str, **fields: object) -> Ref:
    """A tag with the record of flight-delay-v1, with other fields; its place in the pointer."""
    made = releases.load(Git.open(clone.root), "flight-delay-v1")
    sha256 = str(fields.get("sha256", made.record["sha256"]))
    text = record.format_record({**made.record, **fields, "model": model})
    clone.git("tag", "-a", model, "-m", text, "HEAD")
    return Ref(model=model, sha256=sha256)


OLD = {"accuracy": 0.76, "expected_cost": 0.62, "log_loss": 0.5, "roc_auc": 0.8, "rows": 99}
NEW = {"accuracy": 0.78, "expected_cost": 0.60, "log_loss": 0.6, "roc_auc": 0.79}


def test_numbers_come_from_the_check_of_the_new_release(two: Clone) -> None:
    old = released(two, "flight-delay-v7", metrics=OLD)
    deltas = {"accuracy": 0.01, "expected_cost": 0.03, "log_loss": -0.2, "roc_auc": "x", "no": 1.0}
    new = released(
        two,
        "flight-delay-v8",
        metrics=NEW,
        sha256="8" * 64,
        baseline={"model": None, "sha256": old.sha256, "deltas": deltas},
    )
    ship, git = Pointer(stable=new, previous=old), Git.open(two.root)
    found = pointer_story.compare(git, Pointer(stable=old), ship, cases.contract())
    assert found is not None
    assert found.measured == "On the same test rows, when flight-delay-v8 was judged."
    assert [(d.metric, round(d.old, 9), d.new, d.gain, d.remark) for d in found.deltas] == [
        ("accuracy", 0.77, 0.78, 0.01, ""),
        ("expected_cost", 0.63, 0.6, 0.03, ""),
        ("log_loss", 0.4, 0.6, -0.2, "the largest loss"),
    ]
    # The way back has the same numbers, turned round.
    back = pointer_story.compare(git, ship, Pointer(stable=old, previous=new), cases.contract())
    assert back is not None and back.measured == found.measured
    assert [(d.metric, d.old, round(d.new, 9), d.gain) for d in back.deltas] == [
        ("accuracy", 0.78, 0.77, -0.01),
        ("expected_cost", 0.6, 0.63, -0.03),
        ("log_loss", 0.6, 0.4, 0.2),
    ]


def test_without_such_a_check_each_record_speaks_for_itself(two: Clone) -> None:
    old = released(two, "flight-delay-v7", metrics=OLD)
    new = released(two, "flight-delay-v8", metrics=NEW, sha256="8" * 64)
    data = releases.load(Git.open(two.root), "flight-delay-v1").record["data"]
    other = released(
        two, "flight-delay-v9", metrics=NEW, sha256="9" * 64, data={**data, "snapshot": "9" * 64}
    )
    empty = released(two, "flight-delay-v10", sha256="7" * 64)
    git = Git.open(two.root)
    canary = with_canary(Pointer(stable=old), new, percent=10, key=None)
    found = pointer_story.compare(git, Pointer(stable=old), canary, cases.contract())
    assert found is not None and found.measured == "On the same test rows."
    assert [(d.metric, round(d.gain, 9)) for d in found.deltas] == [
        ("accuracy", 0.02),
        ("expected_cost", 0.02),
        ("log_loss", -0.1),
    ]
    moved = pointer_story.compare(git, Pointer(stable=old), Pointer(stable=other), cases.contract())
    assert moved is not None and moved.measured == "Each on its own test rows."
    for wanted in (
        Pointer(stable=empty),
        Pointer(stable=Ref(model="flight-delay-v99", sha256="1" * 64)),
        Pointer(),
    ):
        assert pointer_story.compare(git, Pointer(stable=old), wanted, cases.contract()) is None
    # A pointer that names other bytes than the record gets no numbers of that record.
    forged = Pointer(stable=replace(new, sha256="6" * 64))
    assert pointer_story.compare(git, Pointer(stable=old), forged, cases.contract()) is None
