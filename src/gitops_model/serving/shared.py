"""What the workers of one service share: a folder with two files of each worker, and a board of numbers.

    worker-3.state.json     what it serves: its part of /status, written when that changes, and twice a second
    worker-3.metrics.json   what it counted, written before it tells anybody
    ended.json              the counts of the workers that are gone
    board                   a row of numbers for each worker, seen by all at once, which outlive it

Files are replaced in one step, and not flushed to a disk: they end with the service.
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gitops_model.serving import history, merging
from gitops_model.serving.history import Minute
from gitops_model.serving.merging import Families, Family

# A row of the board: whether the worker accepts connections, whether it has a model to answer with, how many
# connections it has; rows that it took to write into the prediction log, and rows that it wrote or gave up.
OPEN, READY, CONNECTIONS, TAKEN, WRITTEN = range(5)
_WIDTH = 5
# So many ended workers are remembered by number, until everybody has seen that their own files are gone.
REMEMBERED = 100
LOST = "Records the prediction log could not take."


class Board:
    """Rows of whole numbers in memory that all workers map; each is written by one worker only."""

    def __init__(self, path: Path, places: int) -> None:
        size = places * _WIDTH * 8
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(handle).st_size < size:
                os.ftruncate(handle, size)
            self._cells = memoryview(mmap.mmap(handle, size)).cast("q")
        finally:
            os.close(handle)
        self._places = places

    def row(self, place: int) -> memoryview[int]:
        """The numbers of one worker."""
        return self._cells[place * _WIDTH : (place + 1) * _WIDTH]

    def clear(self, place: int) -> None:
        """Nobody is there."""
        self.row(place)[:] = memoryview(bytes(8 * _WIDTH)).cast("q")

    def owed(self, place: int) -> int:
        """Rows of the prediction log that a worker took and did not write."""
        return max(0, self.row(place)[TAKEN] - self.row(place)[WRITTEN])

    def others_ready(self, place: int) -> bool:
        """Whether somebody else accepts connections and can answer."""
        rows = (self.row(other) for other in range(self._places) if other != place)
        return any(row[OPEN] and row[READY] for row in rows)

    def connections(self, place: int) -> list[int]:
        """Of the others that accept connections, how many each has."""
        cells = self._cells
        return [
            cells[at + CONNECTIONS]
            for at in range(0, self._places * _WIDTH, _WIDTH)
            if cells[at + OPEN] and at != place * _WIDTH
        ]


@dataclass(frozen=True)
class Counts:
    """What one or several workers counted: metrics, and the minutes of the last hour."""

    families: Families = field(default_factory=dict)
    hour: list[Minute] = field(default_factory=list)

    def to_plain(self) -> dict[str, Any]:
        """For JSON."""
        hour = [minute.to_plain() for minute in self.hour]
        return {"families": merging.to_plain(self.families), "hour": hour}

    @staticmethod
    def from_plain(data: Mapping[str, Any]) -> Counts:
        """What `to_plain` made."""
        hour = [Minute.from_plain(minute) for minute in data["hour"]]
        return Counts(merging.from_plain(data["families"]), hour)


@dataclass(frozen=True, kw_only=True)
class Colleague:
    """A worker as all others know it; `serving`: it accepts connections and can answer."""

    number: int
    pid: int
    started_at: str
    serving: bool


@dataclass(frozen=True, kw_only=True)
class Crew:
    """What the supervisor tells all workers of the service.

    `ends`: how many ended by themselves or were killed; `lost_rows`: what of the prediction log went with them;
    `said`: the sentence on the last of them.
    """

    wanted: int = 1
    ends: int = 0
    lost_rows: int = 0
    said: str | None = None
    workers: tuple[Colleague, ...] = ()

    @property
    def serving(self) -> list[Colleague]:
        """Those that serve."""
        return [one for one in self.workers if one.serving]

    def to_plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @staticmethod
    def from_plain(data: Mapping[str, Any]) -> Crew:
        """What `to_plain` made."""
        return Crew(**{**data, "workers": tuple(Colleague(**one) for one in data["workers"])})


@dataclass(frozen=True)
class Folder:
    """The files of a service's workers, by the number that each worker has for itself alone."""

    path: Path

    @property
    def settings(self) -> Path:
        """What the service runs by, for workers that are yet to start."""
        return self.path / "settings.json"

    @property
    def board(self) -> Path:
        return self.path / "board"

    def write(self, number: int, what: str, data: Any) -> None:
        """Replace a worker's `state` or `metrics`."""
        _replace(self._file(number, what), data)

    def read(self, number: int, what: str) -> Any:
        """What a worker wrote; None where it has not."""
        return _read(self._file(number, what))

    def numbers(self) -> list[int]:
        """The workers that wrote metrics, and whose counts may not stand in ended.json yet."""
        names = (path.name.split(".") for path in self.path.glob("worker-*.metrics.json"))
        return sorted(int(name[0].removeprefix("worker-")) for name in names)

    def counts(self, *, but: int | None = None) -> tuple[dict[int, Counts], Counts]:
        """What each worker `but` one counted, by number, and what the ended ones did; nobody is in both, or in none."""
        found = {number: self.read(number, "metrics") for number in self.numbers() if number != but}
        # Last: whoever was added to it meanwhile is left out above, whether or not its file was still there.
        ended = self._ended()
        live = {
            number: Counts.from_plain(data)
            for number, data in found.items()
            if data is not None and number not in ended["numbers"]
        }
        return live, Counts.from_plain(ended)

    def fold(self, number: int, *, lost: int = 0) -> None:
        """A worker ended, and `lost` rows of the prediction log with it: what it counted is kept without it."""
        live, ended = self.counts()
        last = live.pop(number, Counts())
        if lost:
            family = last.families.setdefault("prediction_log_dropped", Family("counter", LOST))
            key = ("prediction_log_dropped_total", ())
            family.samples[key] = family.samples.get(key, 0.0) + lost
        models = {model for one in live.values() for model in merging.models_of(one.families)}
        kept = Counts(
            families=merging.folded(ended.families, last.families, models=models),
            hour=history.added([*ended.hour, *last.hour]),
        )
        numbers = [*self._ended()["numbers"], number][-REMEMBERED:]
        _replace(self.path / "ended.json", kept.to_plain() | {"numbers": numbers})
        for what in ("state", "metrics"):
            self._file(number, what).unlink(missing_ok=True)

    def _ended(self) -> Any:
        return _read(self.path / "ended.json") or {"numbers": [], **Counts().to_plain()}

    def _file(self, number: int, what: str) -> Path:
        return self.path / f"worker-{number}.{what}.json"


def gives_way(mine: int, others: Sequence[int]) -> bool:
    """Whether a worker with `mine` connections leaves the next one to another, because one has fewer."""
    return bool(others) and mine > min(others)


def surplus(mine: int, others: Sequence[int]) -> int:
    """How many connections a worker has beyond its share, where that is worth a caller's new connection."""
    if not others:
        return 0
    share = -(-(mine + sum(others)) // (1 + len(others)))
    return mine - share if mine > share + 1 else 0


def _replace(path: Path, data: Any) -> None:
    new = path.with_suffix(".new")
    new.write_text(json.dumps(data), encoding="utf-8")
    new.replace(path)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
