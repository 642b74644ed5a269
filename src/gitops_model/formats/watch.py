"""reports/monitor.json: what the monitor saw. Its signals decide whether a question is asked."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from gitops_model import strict_json
from gitops_model.errors import BadInput
from gitops_model.formats import values

SCHEMA = 1
MOST_BYTES = 20_000_000

State = Literal["alarm", "watching", "clean", "expected", "withheld"]
# What moved in an input or a score: its values, the share that is missing, or values that training did not list.
Moved = Literal["", "values", "missing", "new"]
WORST: tuple[State, ...] = ("alarm", "watching", "expected", "withheld", "clean")
# How the names of signals begin that say whether a release could serve again; all others are about the traffic.
WAY_BACK = "way back "


@dataclass(frozen=True, kw_only=True)
class Signal:
    """One thing that is watched. `name` is stable: `input temp`, `score late`, `quality roc_auc`, `silence`,
    `way back flight-delay-v3`.

    alarm: seen in enough of the last windows; watching: seen in some of them; expected: seen, and monitor.yaml says
    so; withheld: too little is known to judge. `sentence` says what was found, `evidence` lists it window by window.
    """

    name: str
    state: State
    sentence: str
    evidence: tuple[str, ...] = ()
    moved: Moved = ""

    @property
    def kind(self) -> str:
        """The first word of the name: input, score, quality, fallback, silence ..."""
        return self.name.partition(" ")[0]

    @property
    def is_way_back(self) -> bool:
        """Whether it says if a release could serve again, and nothing about the traffic."""
        return self.name.startswith(WAY_BACK)


@dataclass(frozen=True, kw_only=True)
class Retrain:
    """Whether the evidence asks for a new model, and why or why not; `why` is empty when nothing alarms."""

    wanted: bool = False
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Window:
    """Days `first` to `last` (ISO, included), and the rows answered in them."""

    first: str
    last: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class Watch:
    """One run of the monitor. `causes` are what may have happened, `advice` what to type; both may be empty."""

    made: str
    model: str
    windows: tuple[Window, ...]
    signals: tuple[Signal, ...]
    causes: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    retrain: Retrain = Retrain()

    @property
    def alarms(self) -> tuple[Signal, ...]:
        """Signals that ask a question."""
        return tuple(signal for signal in self.signals if signal.state == "alarm")

    @property
    def recovered(self) -> bool:
        """Whether every signal is clean, expected or withheld: an open question may be closed."""
        return all(signal.state in ("clean", "expected", "withheld") for signal in self.signals)

    def to_dict(self) -> dict[str, Any]:
        """As the file holds it."""
        return {"schema": SCHEMA, **asdict(self)}

    @staticmethod
    def load(path: Path) -> Watch:
        """Read reports/monitor.json. Raises BadInput when it is not one."""
        try:
            found: dict[str, Any] = strict_json.parse(
                path.read_bytes(), name=str(path), most_bytes=MOST_BYTES
            )
            if found["schema"] != SCHEMA:
                raise ValueError(f"schema is {found['schema']}; allowed: {SCHEMA}")
            return values.from_json(Watch, found)
        except (OSError, LookupError, TypeError, ValueError, AttributeError) as error:
            raise BadInput(
                f"{path} is not what `make monitor` writes ({error}). Run: make monitor"
            ) from None
