"""What production was when, told by Git alone: `history`, and what `status` says of the release that serves."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from gitops_model.delivery import history
from gitops_model.delivery.git import Git
from gitops_model.formats.pointer import (
    Canary,
    Pointer,
    Ref,
    frozen,
    switch,
    with_canary,
    with_shadow,
)
from tests.support.world import Clone, World, served

V1, V2, V3 = (Ref(model=f"m-v{i}", sha256=f"{i}" * 64) for i in (1, 2, 3))


@pytest.fixture
def clone(world: World) -> Clone:
    return world.clones[0]


def kinds(clone: Clone) -> list[str]:
    return [event.kind for event in history.events(Git.open(clone.root), "HEAD")]


def test_each_change_is_told_with_who_when_and_why(clone: Clone) -> None:
    clone.release(1)
    clone.ship()
    clone.release(2)
    clone.ship("--canary", "10")
    clone.ship("flight-delay-v2")
    clone.git("config", "user.name", "Grace Hopper")
    clone.ok("rollback", "--reason", "it is late again", "--push")
    clone.ship("--freeze=holidays")
    said = clone.ok("history").out.splitlines()
    assert said[0].split() == ["when", "(UTC)", "what", "by", "commit", "change"]
    told = [re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d +", "", line) for line in said[1:]]
    assert [re.sub(r" [0-9a-f]{12} ", " # ", line) for line in told] == [
        "other       Grace Hopper      #  freezes, because: holidays",
        "rollback    Grace Hopper      #  flight-delay-v2 → flight-delay-v1 (reason: it is late again)",
        "deploy      Ada Example       #  flight-delay-v1 → flight-delay-v2",
        "deploy      Ada Example       #  flight-delay-v2 gets 10 % of the traffic",
        "deploy      Ada Example       #  flight-delay-v1 is the first release to serve",
    ]
    assert clone.ok("history", "--last", "2").out.splitlines()[3] == (
        "3 earlier changes are not shown: make history LAST=5"
    )
    facts = json.loads(clone.ok("history", "--json").out)
    assert [one["stable"]["model"] for one in facts] == [
        f"flight-delay-v{number}" for number in (1, 1, 2, 1, 1)
    ]


def test_a_merge_a_revert_and_a_release_shipped_again_are_told_as_what_they_are(
    clone: Clone,
) -> None:
    clone.point(Pointer(stable=V1))
    clone.git("switch", "-q", "-c", "ship")
    two = switch(Pointer(stable=V1), V2)
    clone.write("production.yaml", two.to_yaml())
    clone.commit("Ship m-v2", "production.yaml")
    clone.git("switch", "-q", "main")
    clone.git("merge", "-q", "--no-ff", "--no-edit", "ship")
    clone.git("revert", "--no-edit", "-m", "1", "HEAD")
    clone.point(two)
    assert kinds(clone) == ["deploy", "deploy", "rollback", "deploy"]
    assert (
        clone.git("rev-list", "--count", "HEAD") == "6"
    )  # with the start, and the commit that was merged


@pytest.mark.parametrize(
    ("wanted", "kind"),
    [
        (with_shadow(Pointer(stable=V1), V2), "rollback"),
        (Pointer(stable=V1), "rollback"),  # the canary ends
        (with_canary(Pointer(stable=V1), V2, percent=50, key=None), "deploy"),
        (frozen(with_canary(Pointer(stable=V1), V2, percent=10, key=None), "x"), "other"),
        (Pointer(stable=V2, previous=V1), "deploy"),
        (Pointer(), "rollback"),
    ],
)
def test_what_becomes_of_a_canary(clone: Clone, wanted: Pointer, kind: str) -> None:
    clone.point(Pointer(stable=V1))
    clone.point(Pointer(stable=V1, canary=Canary(model=V2.model, sha256=V2.sha256, percent=10)))
    clone.point(wanted)
    assert kinds(clone) == ["deploy", "deploy", kind]


def test_a_file_that_makes_no_sense_changed_nothing(clone: Clone) -> None:
    clone.point(Pointer(stable=V1))
    clone.write("production.yaml", "stable: yes\n")
    clone.commit("Break it", "production.yaml")
    clone.point(Pointer(stable=V2, previous=V1))
    assert kinds(clone) == ["deploy", "unreadable", "deploy"]
    assert "cannot be read, so what served stayed" in clone.ok("history").out


@pytest.mark.parametrize("broken", ["stable: yes\n", "# none\n"])
def test_the_newest_run_of_a_release_begins_after_the_last_other_one(
    clone: Clone, broken: str
) -> None:
    git = Git.open(clone.root)

    def wreck() -> None:
        clone.write("production.yaml", broken)
        clone.commit("Break it", "production.yaml")

    assert history.since(git, "HEAD", V1) is None
    clone.point(Pointer(stable=V1))
    clone.point(Pointer(stable=V2))
    wreck()
    clone.point(Pointer(stable=V1))
    began = clone.git("rev-parse", "HEAD")
    wreck()
    clone.point(frozen(Pointer(stable=V1), "holidays"))
    wreck()
    found = history.since(git, "HEAD", V1)
    assert found is not None and (found.commit, found.by) == (began, "Ada Example")
    assert history.since(git, "HEAD", V2) is None


def test_a_long_history_costs_status_no_more_than_a_short_one(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = Git._run

    def counted(self: Git, *words: str, **more: Any) -> Any:
        asked.append(words[0])
        return real(self, *words, **more)

    monkeypatch.setattr(Git, "_run", counted)

    def cost() -> int:
        git = Git.open(clone.root)
        asked.clear()
        assert history.since(git, "HEAD", V2) is not None
        return len(asked)

    clone.point(Pointer(stable=V1))
    clone.point(Pointer(stable=V2))
    short = cost()
    for stable in (V3, V1, V2):
        clone.point(Pointer(stable=stable))
    assert cost() == short


@pytest.mark.parametrize("typed", ["0", "-1", "many", "9999999"])
def test_a_number_that_is_none_is_refused(clone: Clone, typed: str) -> None:
    done = clone.run("history", f"--last={typed}")
    assert done.code == 2 and "make history LAST=20" in done.text


def test_status_says_since_when_by_whom_of_which_data_and_how_good(
    clone: Clone, tmp_path: Path
) -> None:
    clone.release(1, manifest={"metrics": {"roc_auc": 0.71234, "brier": 0.18, "f1": 0.5}})
    clone.git("config", "user.name", "Grace Hopper")
    clone.ship()
    clone.ship("--freeze=holidays")
    with served(clone, tmp_path):
        clone.ok("deploy")
        said = clone.ok("status").out
        facts = json.loads(clone.ok("status", "--json").out)["serving"]
    ship = clone.git("rev-parse", "HEAD~1")
    assert re.search(
        rf"^since +\d{{4}}-\d\d-\d\d \d\d:\d\d UTC, by Grace Hopper \({ship[:12]}\)$", said, re.M
    )
    assert (
        "data             train 60 rows of 2013-01-01 to 2013-03-11, test 20 rows of 2013-03-12 to 2013-03-31, "
        "snapshot 111111111111…\n"
    ) in said
    assert "metrics          roc_auc 0.7123, brier 0.18\n" in said
    assert facts["commit"] == ship and facts["metrics"] == [["roc_auc", 0.71234], ["brier", 0.18]]


def test_a_shallow_clone_does_not_guess(world: World, tmp_path: Path) -> None:
    clone = world.clones[0]
    clone.release(1)
    clone.ship()
    clone.ship("--freeze=holidays")
    root = tmp_path / "shallow"
    clone.git("clone", "-q", "--depth", "1", f"file://{world.origin}", str(root))
    shallow = Clone(root)
    assert "since            unknown: this clone lacks the commit" in shallow.run("status").out
    assert "git fetch --unshallow" in shallow.ok("history").out
