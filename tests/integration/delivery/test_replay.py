"""`gitops-model replay`: who answered a day answers the same bytes; another release shows what it would change."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gitops_model import log
from gitops_model.delivery import again
from gitops_model.monitoring import closing
from tests.support import faint
from tests.support.factories import CARRIERS
from tests.support.server import Server
from tests.support.world import Clone, World, served

LOG = {"predictions": True, "folder": "log"}


def inputs(rng: np.random.Generator) -> dict[str, Any]:
    """What callers send: whole numbers and fractions, values that are missing, left out, null."""
    distance = rng.uniform(0, 6000)
    found: dict[str, Any] = {
        "hour": int(rng.integers(0, 24)),
        "weekend": bool(rng.random() < 0.3),
        "distance": int(distance) if rng.random() < 0.3 else float(distance),
    }
    chance = rng.random()
    if chance < 0.1:
        found["distance"] = None
    elif chance < 0.2:
        del found["distance"]
    if rng.random() < 0.9:
        found["carrier"] = CARRIERS[int(rng.integers(0, 3))]
    return found


def ask(server: Server, *, singles: int, batches: Sequence[int], seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    connection = server.connect()

    def post(body: Any) -> None:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/predict", json.dumps(body).encode(), headers)
        reply = connection.getresponse()
        text = reply.read()
        assert reply.status == 200, text

    for number in range(singles):
        post({"inputs": inputs(rng), "key": f"k{number}"})
    for number, rows in enumerate(batches):
        post({"rows": [inputs(rng) for _ in range(rows)], "key": f"b{number}"})
    connection.close()


def answered(clone: Clone, folder: Path, **asked: Any) -> Path:
    """A log of a real service of what `clone` ships; a request with an id of a test is in it, too."""
    with served(clone, folder, log=LOG, max_body_kb=4096) as server:
        assert clone.run("deploy").code == 0
        ask(server, **asked)
        server.predict(request_id="replay-1")
        assert server.stop() == 0
    return folder / "log"


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Path]]:
    """A stable release that falls back where a distance is missing, a canary of half the traffic, and their log."""
    folder = tmp_path_factory.mktemp("replay")
    world = World.create(folder / "world")
    clone = world.clones[0]
    clone.release(1, **faint.options())
    clone.ship()
    clone.release(2)
    clone.ship("flight-delay-v2", "--canary", "50")
    service = folder / "service"
    service.mkdir()
    yield world, answered(clone, service, singles=120, batches=[1, 2, 7, 50, 300])


@pytest.fixture
def clone(day: tuple[World, Path], tmp_path: Path) -> Clone:
    copied = day[0].copy(tmp_path / "world").clones[0]
    copied.write("logs/predictions/date=2000-01-01/keep", "")
    for path in day[1].glob("*/*.jsonl"):
        copied.write(f"logs/predictions/{path.parent.name}/{path.name}", path.read_bytes())
    return copied


def where(clone: Clone) -> Path:
    return clone.root / "logs" / "predictions"


def today(clone: Clone) -> str:
    (name,) = {path.parent.name for path in where(clone).glob("*/*.*")}
    return name.removeprefix("date=")


def close(clone: Clone) -> None:
    assert list(closing.close(where(clone), now=datetime.now(UTC) + timedelta(days=2)))


def change(clone: Clone, number: int, **changes: Any) -> None:
    """Change record `number` of the log, or remove it where `changes` is empty."""
    (path,) = where(clone).glob("*/*.jsonl")
    lines = path.read_text().splitlines()
    record = json.loads(lines[number]) | changes
    lines[number : number + 1] = [json.dumps(record, separators=(",", ":"))] if changes else []
    path.write_text("".join(f"{line}\n" for line in lines))


@pytest.mark.parametrize("closed", [False, True])
def test_the_releases_that_answered_answer_the_same_bytes(clone: Clone, closed: bool) -> None:
    frame = log.read(where(clone))
    routes = frame["route"].value_counts()
    assert routes["canary"] > 20 and routes["fallback"] > 10 and routes["stable"] > 20
    assert frame["imputed"].str.len().max() == 2
    # All rows of a batch with one fallback in it were once logged as fallbacks.
    missing = frame["imputed"].map(lambda names: "distance" in names)
    faint_ones = frame["model"] == "flight-delay-v1"
    assert ((frame["route"] == "fallback") == (missing & faint_ones)).all()
    if closed:
        close(clone)
    done = clone.ok("replay", today(clone))
    assert (
        f"{120 + 360:,} rows in 125 requests of {today(clone)}: all are answered with the same bytes."
        in done.out
    )
    assert "1 rows are a shadow's or a test's" in done.out
    page = (clone.root / "reports/replay.md").read_text()
    assert "| all rows | 480 | 480 | 0 | 0 |" in page and "carrier=AA" in page
    assert "flight-delay-v2 had answered" in page


@pytest.mark.parametrize("closed", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "changes",
    [
        {"output": {"delayed": False, "probability": 0.2500000000000001}},
        {"output": {"probability": 0.5, "delayed": True}},
        {"imputed": ["hour"]},
        {"route": "fallback"},
    ],
)
def test_a_row_that_is_answered_otherwise_is_shown(
    clone: Clone, changes: dict[str, Any], closed: bool
) -> None:
    (path,) = where(clone).glob("*/*.jsonl")
    routes = [json.loads(line)["route"] for line in path.read_text().splitlines()]
    number = routes.index("canary")
    change(clone, number, request_id="changed", **changes)
    if closed:
        close(clone)
    done = clone.run("replay", today(clone))
    assert done.code == 1
    assert ": 1 are answered otherwise now." in done.out
    assert "changed row 0, flight-delay-v2: " in done.out
    assert "| changed | 0 | flight-delay-v2 |" in (clone.root / "reports/replay.md").read_text()


def test_another_release_shows_what_would_change(clone: Clone) -> None:
    done = clone.ok("replay", today(clone), "--model", "flight-delay-v2")
    assert "answered by flight-delay-v2: " in done.out and " decisions turn, " in done.out
    page = (clone.root / "reports/replay.md").read_text()
    assert "The most different rows" in page
    changes = [
        abs(float(line.split("|")[-2].replace("\\", "")))
        for line in page.partition("The most different")[2].splitlines()[4:]
    ]
    assert len(changes) == 10 and changes == sorted(changes, reverse=True) and changes[0] > 0.1
    frame = log.read(where(clone))
    kept = (frame["model"] == "flight-delay-v2") & ~frame["request_id"].str.startswith("replay-")
    assert f"| all rows | 480 | {int(kept.sum())} |" in page


def test_rows_of_a_batch_that_is_not_whole_are_said_and_not_compared(clone: Clone) -> None:
    (path,) = where(clone).glob("*/*.jsonl")
    records = [json.loads(line) for line in path.read_text().splitlines()]
    last = max(n for n, one in enumerate(records) if one["rows"] == 7)
    change(clone, last)
    done = clone.ok("replay", today(clone))
    assert "473 rows in 124 requests" in done.out
    assert "6 rows belong to batches that are not whole in the log" in done.out


def test_rows_another_contract_refuses_are_counted(clone: Clone) -> None:
    for number in range(3):
        change(clone, number, inputs={"hour": 99, "weekend": True})
    done = clone.run("replay", today(clone))
    assert done.code == 1
    assert (
        "3 rows were not answered: refused: hour is 99; allowed: a whole number from 0 to 23."
        in done.out
    )


def test_a_release_whose_bundle_is_nowhere_is_named(clone: Clone) -> None:
    for number in range(3):
        change(clone, number, model="flight-delay-v9", sha256="e" * 64)
    done = clone.run("replay", today(clone))
    assert done.code == 4
    assert "3 rows of flight-delay-v9 were not answered again: " in done.out
    assert "477 rows in" in done.out


def test_a_day_without_rows_is_no_success(clone: Clone) -> None:
    done = clone.run("replay", "2001-01-01")
    assert done.code == 2 and "holds no row that was answered on 2001-01-01" in done.err
    assert clone.run("replay", "tomorrow").code == 2
    assert clone.run("replay", today(clone), "--model", "flight-delay-v7").code == 4


def test_a_process_that_ends_is_said(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(again, "MEMORY_MB", 1)
    real = again.Answerers.__init__

    def small(self: Any, *words: Any, **options: Any) -> None:
        real(self, *words, **options | {"memory_mb": 1})

    monkeypatch.setattr(again.Answerers, "__init__", small)
    done = clone.run("replay", today(clone))
    assert done.code in (4, 5) and "flight-delay-v" in done.err


@pytest.mark.slow
def test_100_000_rows_are_the_same_on_two_processes(tmp_path: Path) -> None:
    world = World.create(tmp_path / "world")
    clone = world.clones[0]
    clone.release(1, **faint.options())
    clone.ship()
    clone.release(2)
    clone.ship("flight-delay-v2", "--canary", "50")
    service = tmp_path / "service"
    service.mkdir()
    place = answered(clone, service, singles=20_000, batches=[1000] * 80)
    (path,) = place.glob("*/*.jsonl")
    name = path.parent.name.removeprefix("date=")
    for _ in range(2):
        done = clone.ok("replay", name, "--log", str(place))
        assert "100,000 rows in 20,080 requests" in done.out and "the same bytes" in done.out
        list(closing.close(place, now=datetime.now(UTC) + timedelta(days=2)))
    assert not list(place.glob("*/*.jsonl"))
