"""What one input may be: the rule behind the row check, the table check, the JSON Schema and the words for people.

A number counts as the model sees it, in float32: a value that float32 cannot tell from `max` is not beyond it, so
what was rounded to float32 and written down is accepted when it is read back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from gitops_model import hints

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Json = dict[str, Any]

# Models see float32; a number beyond this would silently become infinite.
FLOAT32_MAX = 3.4028234663852886e38
# The largest float64 that float32 still rounds to its largest, as 3.4028235e38 is, which is how that one is written.
_LARGEST = 3.4028235677973362e38
# What a category that is missing is called once it reaches the model. Callers send null for it, never this text.
MISSING = "(missing)"
LONGEST_TEXT = 1000
# ONNX Runtime ends a text here: it would answer 'UA\0x' as if 'UA' had been sent.
NUL = "\0"
# A list of values is written out up to this length; of a longer one the first few stand for the rest.
_LISTED, _SAMPLE = 20, 10


@dataclass(frozen=True, kw_only=True)
class Input:
    """One named input and its rule. `min` and `max` are inclusive and in `unit`."""

    name: str
    type: Literal["number", "integer", "category", "boolean"]
    min: float | None = None
    max: float | None = None
    values: tuple[str, ...] | None = None
    unit: str | None = None
    missing: Literal["reject", "impute"] = "reject"
    unknown: Literal["reject", "accept"] = "reject"
    description: str | None = None

    @property
    def closed(self) -> bool:
        """Whether only listed values are accepted."""
        return self.values is not None and self.unknown == "reject"


def parse(name: str, rules: Mapping[str, Any]) -> Input:
    """One entry of contract.yaml's `inputs` that obeys the schema."""
    values = rules.get("values")
    # Without a list there is nothing to compare with, so a category without `values` accepts every text.
    unknown = rules.get("unknown", "reject" if values else "accept")
    return Input(
        **{**rules, "name": name, "values": tuple(values) if values else None, "unknown": unknown}
    )


# In words.


def allowed(rules: Input) -> str:
    """What the input may be: `a whole number from 0 to 10 miles`, `one of A, B, C`, `any text`, `true or false`."""
    if rules.type == "boolean":
        return "true or false"
    if rules.type == "category":
        if rules.values is None:
            return "any text"
        return (
            f"one of {_listed(rules)}"
            if rules.closed
            else f"any text, usually one of {_listed(rules)}"
        )
    word = "a whole number" if rules.type == "integer" else "a number"
    unit = f" {rules.unit}" if rules.unit else ""
    low, high = (None if b is None else number_words(b) for b in (rules.min, rules.max))
    if low is not None and high is not None:
        return f"{word} from {low} to {high}{unit}"
    if low is not None:
        return f"{word} of at least {low}{unit}"
    if high is not None:
        return f"{word} of at most {high}{unit}"
    return f"{word} in{unit}" if unit else word


def when_missing(rules: Input) -> str:
    """What happens when the input is null or left out: `imputed` or `refused`."""
    return "imputed" if rules.missing == "impute" else "refused"


def number_words(value: float) -> str:
    """A number as a person writes it: 6000, 0.21, 1e+300."""
    if abs(value) < 1e15 and value == int(value):
        return str(int(value))
    return repr(float(value))


def as_sent(inputs: Mapping[str, Any]) -> Json:
    """`inputs` with each number in the fewest digits that mean the same float32: 0.21, not 0.20999999344348907."""
    import numpy as np

    return {
        name: float(str(np.float32(value)))
        if type(value) is float and abs(value) <= FLOAT32_MAX
        else value
        for name, value in inputs.items()
    }


def _listed(rules: Input) -> str:
    values = rules.values or ()
    if len(values) <= _LISTED:
        return ", ".join(value[:40] for value in values)
    return f"{len(values)} values: {', '.join(value[:40] for value in values[:_SAMPLE])}, …"


def shown(value: object) -> str:
    """A value somebody sent, in a few characters."""
    if value == MISSING:
        return f"'{MISSING}' instead of null"
    if isinstance(value, str):
        if NUL in value:
            return "a text with a NUL character"
        return f"'{value}'" if len(value) <= 40 else f"'{value[:40]}…'"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value) if abs(value) < 10**40 else "a number of over 40 digits"
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "a mapping"
    return f"'{str(value)[:40]}'"


# One row.


@dataclass(frozen=True, kw_only=True)
class Row:
    """One validated request: values ready for the model, problems in words, names that were imputed."""

    values: dict[str, float | str]
    problems: list[str]
    imputed: list[str]


RowValidator = Callable[[Mapping[str, Any]], Row]
_Checked = tuple[float | str, str | None, bool]


def row_validator(inputs: Mapping[str, Input]) -> RowValidator:
    """A function that checks one request's inputs, in the order of `inputs`, in a few microseconds."""
    checks = [
        (name, _category(rules) if rules.type == "category" else _number(rules))
        for name, rules in inputs.items()
    ]
    known = frozenset(inputs)

    def validate(row: Mapping[str, Any]) -> Row:
        values: dict[str, float | str] = {}
        problems: list[str] = []
        imputed: list[str] = []
        for name, check in checks:
            value, problem, was_imputed = check(row.get(name))
            if problem:
                problems.append(problem)
                continue
            values[name] = value
            if was_imputed:
                imputed.append(name)
        if not known.issuperset(row):
            problems.extend(_unknown_names(row, known))
        return Row(values=values, problems=problems, imputed=imputed)

    return validate


def _unknown_names(row: Mapping[str, Any], known: frozenset[str]) -> list[str]:
    names, more = hints.first_unknown(row, known)
    sentences = []
    for name in names:
        near = hints.nearest(name, known)
        hint = f" Did you mean '{near}'?" if near else ""
        sentences.append(f"{name[:60]} is not an input of this model.{hint}")
    if more:
        sentences.append(f"{more:,} more names are not inputs of this model.")
    return sentences


def is_category(text: str) -> bool:
    """Whether a text that is not listed may be a category."""
    return 0 < len(text) <= LONGEST_TEXT and text != MISSING and NUL not in text


def _category(rules: Input) -> Callable[[Any], _Checked]:
    name, words, closed, listed = (
        rules.name,
        allowed(rules),
        rules.closed,
        frozenset(rules.values or ()),
    )

    def check(value: Any) -> _Checked:
        if value is None:
            if rules.missing == "impute":
                return MISSING, None, True
            return "", f"{name} is missing; allowed: {words}.", False
        if type(value) is str:
            if value in listed:
                return value, None, False
            if not closed and is_category(value):
                return value, None, False
        return "", f"{name} is {shown(value)}; allowed: {words}.", False

    return check


def _number(rules: Input) -> Callable[[Any], _Checked]:
    low, high = bounds(rules)
    name, words = rules.name, allowed(rules)
    boolean, whole = rules.type == "boolean", rules.type == "integer"

    def check(value: Any) -> _Checked:
        if value is None:
            if rules.missing == "impute":
                return math.nan, None, True
            return 0.0, f"{name} is missing; allowed: {words}.", False
        kind = type(value)
        if boolean:
            if kind is bool:
                return float(value), None, False
        # The comparison is written so that NaN, which compares false with everything, is refused.
        elif (
            (kind is float or kind is int)
            and low <= value <= high
            and not (whole and value != int(value))
        ):
            return float(value), None, False
        return 0.0, f"{name} is {shown(value)}; allowed: {words}.", False

    return check


def bounds(rules: Input) -> tuple[float, float]:
    """The outermost float64 that round to `min` and `max` in float32; beyond float32 itself nothing is accepted."""
    import numpy as np

    def reach(bound: float, sign: float) -> float:
        if not abs(bound) < FLOAT32_MAX:
            return math.copysign(_LARGEST, bound)
        near = np.float32(bound)
        beyond = np.nextafter(near, np.float32(sign * math.inf))
        edge = (float(near) + float(beyond)) / 2
        return edge if np.float32(edge) == near else math.nextafter(edge, float(near))

    return (
        -_LARGEST if rules.min is None else reach(rules.min, -1.0),
        _LARGEST if rules.max is None else reach(rules.max, 1.0),
    )


# One column of a table.


@dataclass(frozen=True, kw_only=True)
class Column:
    """`values` are ready for `Model.predict`, shape (n,); `refused` marks rows that break the rule.

    `problem` says how many and what the first one is, or None.
    """

    values: NDArray[Any]
    refused: NDArray[np.bool_]
    problem: str | None


def check_column(rules: Input, values: NDArray[Any], missing: NDArray[np.bool_]) -> Column:
    """Apply the rule to n values of any dtype; `missing` marks those that are not there, whatever stands for them.

    Agrees with `row_validator` on every value. NaN in a table is a missing value; JSON has no NaN.
    """
    check = _category_column if rules.type == "category" else _number_column
    column, refused = check(rules, values, missing)
    refused = refused & ~missing
    if rules.missing == "reject":
        refused = refused | missing
    if not refused.any():
        return Column(values=column, refused=refused, problem=None)
    place = int(refused.argmax())
    first = "missing" if missing[place] else shown(_plain(values[place]))
    problem = (
        f"{rules.name}: {int(refused.sum()):,} rows, first {first}; allowed: {allowed(rules)}."
    )
    return Column(values=column, refused=refused, problem=problem)


_Checks = tuple["NDArray[Any]", "NDArray[np.bool_]"]


def _category_column(rules: Input, values: NDArray[Any], missing: NDArray[np.bool_]) -> _Checks:
    import numpy as np

    column = values.astype(object)
    column[missing] = MISSING
    closed, listed = rules.closed, frozenset(rules.values or ())
    good = (isinstance(v, str) and (v in listed or (not closed and is_category(v))) for v in column)
    return column, ~np.fromiter(good, dtype=bool, count=len(column))


def _number_column(rules: Input, values: NDArray[Any], missing: NDArray[np.bool_]) -> _Checks:
    import numpy as np

    low, high = bounds(rules)
    if rules.type == "boolean":
        numbers = np.array(
            [float(v) if isinstance(v, (bool, np.bool_)) else np.nan for v in values]
        )
    elif values.dtype.kind == "f":
        numbers = values.astype(np.float64)
    else:
        # Compared as Python compares: an integer beyond 2**53 is not rounded before.
        kinds = (int, float, np.integer, np.floating)
        numbers = np.array(
            [
                float(v)
                if isinstance(v, kinds) and not isinstance(v, bool) and low <= v <= high
                else np.nan
                for v in values.astype(object)
            ],
            dtype=np.float64,
        )
    numbers = np.where(missing, np.nan, numbers)
    refused = np.isnan(numbers)
    if rules.type != "boolean":
        refused = ~((numbers >= low) & (numbers <= high))
    if rules.type == "integer":
        refused = refused | (numbers != np.floor(numbers))
    # What is refused may lie beyond float32, and no model sees it.
    return np.where(refused, np.nan, numbers).astype(np.float32), refused


def _plain(value: Any) -> Any:
    """The Python value in a numpy scalar."""
    return value.item() if hasattr(value, "item") else value


# As JSON Schema.


def json_schema(rules: Input) -> Json:
    """JSON Schema of one value: it accepts what `row_validator` accepts, null included where it may be missing.

    Only what float32 decides stays out: the last digit at a bound, and numbers too large for it.
    """
    schema: Json = {"type": {"category": "string"}.get(rules.type, rules.type)}
    if rules.type == "category" and not rules.closed:
        schema |= {
            "minLength": 1,
            "maxLength": LONGEST_TEXT,
            "pattern": r"^[^\u0000]*$",
            "not": {"const": MISSING},
        }
    for key, value in (("minimum", rules.min), ("maximum", rules.max)):
        if value is not None:
            schema[key] = value
    if rules.values:
        schema |= (
            {"enum": list(rules.values)}
            if rules.closed
            else {"examples": list(rules.values[:_LISTED])}
        )
    words = [rules.description, f"In {rules.unit}." if rules.unit else None]
    if rules.missing == "impute":
        schema["type"] = [schema["type"], "null"]
        if "enum" in schema:
            schema["enum"].append(None)
        words.append("May be null or left out; it is then imputed.")
    description = " ".join(word for word in words if word)
    return schema | ({"description": description} if description else {})
