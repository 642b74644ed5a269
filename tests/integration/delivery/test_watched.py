"""`gitops-model status` says when nobody has watched what serves."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from gitops_model.delivery.status import watched
from tests.support.world import Clone, World

TODAY = date(2026, 11, 28)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (None, "never ran in this clone"),
        ("2026-11-28", None),
        ("2026-11-26", None),
        ("2026-12-24", None),
        ("2026-11-25", "last ran in this clone 3 days ago, for 2026-11-25"),
        ("2026-05-06T05:23:00Z", "206 days ago"),
        ("a while ago", "is no day"),
    ],
)
def test_the_sentence(made: str | None, words: str | None) -> None:
    said = watched(made, today=TODAY)
    assert (said is None) == (words is None)
    if said is not None and words is not None:
        assert words in said and said.endswith("make monitor") and "\n" not in said


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return World.create(tmp_path / "world").clones[0]


def notes(clone: Clone) -> tuple[int, list[str]]:
    done = clone.run("status", "--ref", "HEAD", "--json")
    return done.code, [note for note in json.loads(done.out)["notes"] if "monitor" in note]


def test_status_says_it_and_keeps_its_exit_code(clone: Clone) -> None:
    clone.run("status")
    assert notes(clone)[1] == []  # nothing serves, so there is nothing to watch
    clone.release(1)
    clone.ship()
    code, (never,) = notes(clone)
    assert "never ran" in never
    clone.ok("monitor")
    assert notes(clone) == (code, [])
    old = datetime.now(UTC).date() - timedelta(days=9)
    clone.ok("monitor", "--last", str(old))
    assert notes(clone)[0] == code and "8 days ago" in notes(clone)[1][0]
    clone.write("reports/monitor.json", "{")
    assert notes(clone)[0] == code and "not valid JSON" in notes(clone)[1][0]
    assert f"note: {notes(clone)[1][0]}" in clone.run("status", "--ref", "HEAD").out
