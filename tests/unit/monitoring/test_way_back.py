"""What a rehearsal says, which release served before another one, and what a broken way back advises."""

from __future__ import annotations

from typing import get_args

import pytest

from gitops_model.delivery.monitor import advice
from gitops_model.delivery.way_back import Before, before
from gitops_model.formats.pointer import Pointer, Ref
from gitops_model.formats.watch import Signal, Watch
from gitops_model.monitoring.way_back import STATES, Kind, Rehearsed, signal
from gitops_model.report import watch_pages

V1, V2, V3, V4 = (Ref(model=f"flight-delay-v{n}", sha256=str(n) * 64) for n in range(1, 5))


def at(stable: Ref, previous: Ref | None = None) -> Pointer:
    return Pointer(stable=stable, previous=previous)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_outcome_is_a_signal_with_a_sentence(kind: Kind) -> None:
    found = signal(Rehearsed(ref=V1, kind=kind, said="this and that."), storage=True)
    assert found.name == "way back flight-delay-v1" and found.is_way_back
    assert found.state == STATES[kind] and "this and that" in found.sentence
    assert ".." not in found.sentence and found.sentence.endswith((".", "`."))


def test_what_mends_it_depends_on_what_is_wrong_and_where_bundles_are_kept() -> None:
    def said(kind: Kind, *, storage: bool = True) -> str:
        return signal(Rehearsed(ref=V1, kind=kind, said="x"), storage=storage).sentence

    assert "cannot be fetched" in said("absent") and "dvc push" in said("absent")
    without = said("absent", storage=False)
    assert "gh release upload flight-delay-v1 build/model.tar" in without and "dvc" not in without
    assert "not what was released" in said("wrong")
    assert "make verify MODEL=flight-delay-v1" in said("wrong") and "push" not in said("wrong")
    assert "make rollback TO=" in said("refused")


@pytest.mark.parametrize("kind", get_args(Kind))
def test_the_command_is_not_cut_off_in_the_issue(kind: Kind) -> None:
    long = Ref(model="a" * 60 + "-v123", sha256="1" * 64)
    found = Rehearsed(ref=long, kind=kind, said="why " * 400, tried=("one", "two " * 200))
    said = signal(found, storage=False)
    assert len(said.sentence) <= 400 and said.evidence == found.tried


def test_what_served_before() -> None:
    line = [at(V1), at(V2, V1), at(V3, V2)]
    assert before(V2, line, whole=True) == Before(ref=V1)
    assert before(V1, line, whole=True) == Before(ref=None)
    # What the pointer named counts before what stands earlier in the history.
    assert before(V3, [at(V1), at(V3, V2), at(V4, V3)], whole=True) == Before(ref=V2)
    # An old pointer without `previous`, and a canary in between, which is no other release.
    assert before(V2, [at(V1), at(V2), at(V2), at(V3, V2)], whole=True) == Before(ref=V1)


def test_what_served_before_is_not_guessed() -> None:
    unknown = Before(known=False)
    assert before(V3, [at(V1), at(V4, V3)], whole=True) == unknown  # squashed: V3 stood nowhere
    assert before(V1, [at(V1), at(V2, V1)], whole=False) == unknown  # the clone is shallow
    assert before(V1, [], whole=False) == unknown


def alarm(name: str) -> Signal:
    return Signal(name=name, state="alarm", sentence="s")


def test_a_broken_way_back_never_advises_to_go_back() -> None:
    (only,) = advice((alarm("way back flight-delay-v1"),))
    assert only.startswith("A rollback to flight-delay-v1 would fail today")
    both = advice((alarm("way back flight-delay-v1"), alarm("input temp")))
    assert both[0] == only and any("make rollback REASON=" in line for line in both[1:])


def made(*signals: Signal) -> Watch:
    return Watch(made="2026-11-21", model="m-v1", windows=(), signals=signals, advice=("Do it.",))


def test_the_pages_of_a_run_that_saw_no_log() -> None:
    works = signal(Rehearsed(ref=V1, kind="works", said="the store"), storage=True)
    assert watch_pages.headline(made(works)) == "Too little traffic to judge m-v1"
    broken = made(alarm("way back flight-delay-v1"))
    assert watch_pages.headline(broken) == "1 signal of m-v1 alarms"
    for page in (watch_pages.markdown(broken), watch_pages.html(broken, [])):
        assert "The log was not looked at" in page and "Do it." in page
        assert "What may have happened" not in page and "What to do" in page
