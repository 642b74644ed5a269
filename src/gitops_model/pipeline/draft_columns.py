"""What one column of a CSV file could be in contract.yaml, by the values that were seen. Pure.

Values count as `pandas.read_csv` reads them, because that is what `load` in pipeline/source.py calls.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gitops_model.formats.inputs import LONGEST_TEXT, MISSING

# What pandas reads as a missing value unless it is told otherwise.
NOTHING = frozenset(
    {"", "<NA>", "#N/A", "#N/A N/A", "#NA", "N/A", "NA", "n/a", "NULL", "null", "None"}
    | {"NaN", "nan", "-NaN", "-nan", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"}
)
TRUTHS = frozenset(("True", "TRUE", "true", "False", "FALSE", "false"))
MOST_VALUES = 50
LONGEST_VALUE = 100
# Below so many rows "each value once" says little.
FEWEST_FOR_IDS = 20
# What pandas passes over beside a number, but not beside inf. Python's strip() takes more.
_BLANK = " \t\n\v\f\r"
_WHOLE = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9:.]+(Z|[+-][0-9:]+)?)?")
_LARGEST_WHOLE = 2**63
_MODEL_WHOLE = 2**24
_LARGEST = 3.4e38

Kind = Literal["number", "integer", "boolean", "category", "date", "empty"]


@dataclass(frozen=True, kw_only=True)
class Column:
    """`header`: its name in the file, `name`: in the contract. `missing`: share of the rows, 0 to 1.

    `values`: the different texts in order, when there are at most MOST_VALUES. `low`, `high`: of numbers, finite.
    `unique`: no value is missing or stands twice. `notes`: what a person should know.
    """

    header: str
    name: str
    kind: Kind
    missing: float
    distinct: int
    values: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    unique: bool = False
    notes: tuple[str, ...] = ()


def describe(header: str, name: str, texts: Sequence[str]) -> Column:
    """One column; `texts` has one value a row."""
    known = [text for text in texts if text not in NOTHING]
    different = set(known)
    kind = _kind(different)
    low = high = None
    if kind in ("number", "integer"):
        finite = [n for n in map(float, different) if math.isfinite(n)]
        low, high = min(finite, default=None), max(finite, default=None)
    return Column(
        header=header,
        name=name,
        kind=kind,
        missing=1 - len(known) / len(texts),
        distinct=len(different),
        values=tuple(sorted(different)) if len(different) <= MOST_VALUES else (),
        low=low,
        high=high,
        unique=len(different) == len(texts),
        notes=tuple(_notes(kind, different)),
    )


def bound(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50, … from |value| on, with its sign; 0 for 0."""
    if value == 0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(abs(value)))
    for step in (1.0, 2.0, 5.0, 10.0, 20.0):
        # Through text, so that 0.1 * 5 is 0.5.
        reached = float(f"{step * power:.0e}")
        if reached >= abs(value):
            return math.copysign(reached, value)
    raise AssertionError(value)


def range_of(column: Column) -> tuple[float | None, float | None]:
    """min and max for the contract: wider than what was seen, and 0 where no value lies on the other side."""
    if column.low is None or column.high is None:
        return None, None
    low, high = min(bound(column.low), 0.0), max(bound(column.high), 0.0)
    if low == high:
        return None, None
    return low if abs(low) <= _LARGEST else None, high if abs(high) <= _LARGEST else None


def is_id(column: Column, rows: int) -> bool:
    """Whether each row has a value of its own that counts nothing: an identifier, not an input."""
    if not column.unique or rows < FEWEST_FOR_IDS:
        return False
    if column.kind == "category":
        return True
    named = re.search(r"(^|_)(id|key|uuid|number|no|nr)($|_)", column.name)
    counts = column.kind == "integer" and column.low in (0, 1) and column.high is not None
    return column.kind == "integer" and bool(
        named or (counts and column.high - column.low + 1 == rows)  # type: ignore[operator]
    )


def is_prose(column: Column) -> bool:
    """Whether its texts are sentences rather than names."""
    return "free text" in column.notes


def _kind(different: set[str]) -> Kind:
    if not different:
        return "empty"
    if different <= TRUTHS:
        return "boolean"
    bare = [text.strip(_BLANK) for text in different]
    if all(map(_WHOLE.fullmatch, bare)):
        return "integer" if all(map(_fits, bare)) else "category"
    numbers = {text for text in different if _NUMBER.fullmatch(text.strip(_BLANK))}
    if numbers and all(map(_INFINITE.fullmatch, different - numbers)):
        return "number"
    return "date" if all(map(_is_date, different)) else "category"


def _fits(text: str) -> bool:
    """Whether pandas reads this whole number as one, whatever stands beside it."""
    return len(text) < 30 and abs(int(text)) < _LARGEST_WHOLE


def _is_date(text: str) -> bool:
    if not _DATE.fullmatch(text):
        return False
    try:
        datetime.datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _notes(kind: Kind, different: set[str]) -> list[str]:
    found: list[str] = []
    if len(different) == 1:
        found.append("the same in every row that has it")
    if kind == "integer":
        if any(re.fullmatch(r"[+-]?0[0-9]+", text.strip(_BLANK)) for text in different):
            found.append("begins with zeros: if it is a code, let load read it with dtype=str")
        if any(abs(int(text)) > _MODEL_WHOLE for text in different):
            found.append("models see numbers above 16,777,216 rounded; an identifier is no input")
    if kind == "number" and any(_INFINITE.fullmatch(text) for text in different):
        found.append("has infinite values, which the contract refuses: let build make them missing")
    if kind == "number" and any(_LARGEST < abs(float(text)) < math.inf for text in different):
        found.append("has numbers beyond 3.4e38, which the contract refuses")
    if kind == "category":
        if any(_WHOLE.fullmatch(text.strip(_BLANK)) and not _fits(text) for text in different):
            found.append("whole numbers beyond 64 bits: let load read them with dtype=str")
        if all(map(_DECIMAL_COMMA.fullmatch, different)):
            found.append("decimal commas: let load read them with decimal=','")
        elif sum(len(text.split()) for text in different) > 4 * len(different):
            found.append("free text")
        if any(len(text) > LONGEST_TEXT for text in different):
            found.append(f"has texts of over {LONGEST_TEXT:,} characters: let build cut them")
        if MISSING in different:
            found.append(f"has the text {MISSING}, which the contract refuses")
    return found
