"""contract.yaml: what the model takes, what it answers, and when that answer counts as good."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gitops_model import strict_yaml
from gitops_model.errors import BadInput
from gitops_model.formats.contract_rules import contradictions

Problem = Literal["binary", "multiclass", "regression"]

# Models see float32; a number beyond this would silently become infinite.
FLOAT32_MAX = 3.4028234663852886e38
# What a category that is missing, or not listed, is called once it reaches the model.
MISSING = "(missing)"


@dataclass(frozen=True, kw_only=True)
class Input:
    """One named input and its rules. `min` and `max` are inclusive and in `unit`."""

    name: str
    type: Literal["number", "integer", "category", "boolean"]
    min: float | None = None
    max: float | None = None
    values: tuple[str, ...] | None = None
    unit: str | None = None
    missing: Literal["reject", "impute"] = "reject"
    unknown: Literal["reject", "accept"] = "reject"
    description: str | None = None


@dataclass(frozen=True, kw_only=True)
class Output:
    """What is answered. `threshold` is the probability from which a binary answer is positive.

    `fallback` is answered when the model cannot: a score, or one probability for each class.
    """

    name: str
    classes: tuple[str, ...] | None = None
    threshold: float | None = None
    fallback: float | tuple[float, ...] | None = None
    unit: str | None = None
    description: str | None = None


@dataclass(frozen=True, kw_only=True)
class Label:
    """The truth the model is measured by, and how many days after the request it is known."""

    name: str
    definition: str
    arrives_after_days: float


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Columns that identify a row: its id, its time, whom a canary sticks to, which rows belong together.

    `time` is None when the data has none.
    """

    request: str
    time: str | None = None
    sticky: str | None = None
    group: str | None = None


@dataclass(frozen=True, kw_only=True)
class Success:
    """One primary metric, one cost or risk metric, and the prices the latter is computed with."""

    primary: str
    risk: str
    costs: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One validated request: values ready for the model, problems in words, names that were imputed."""

    values: dict[str, float | str]
    problems: list[str]
    imputed: list[str]


RowValidator = Callable[[Mapping[str, Any]], Row]


@dataclass(frozen=True, kw_only=True)
class Contract:
    """A validated contract.yaml."""

    task: str
    problem: Problem
    schema_version: int
    inputs: Mapping[str, Input]
    output: Output
    label: Label
    keys: Keys
    slices: tuple[str, ...]
    success: Success
    text: str

    @staticmethod
    def load(path: Path) -> Contract:
        """Read contract.yaml. Raises BadInput with every problem of the file."""
        try:
            text = path.read_text(encoding="utf-8")
        except OSError:
            strict_yaml.load(path, "contract")
            raise
        return Contract.parse(text, name=str(path))

    @staticmethod
    def parse(text: str, *, name: str) -> Contract:
        """Parse contract text; `name` is what messages call the file. Raises BadInput with every problem."""
        data = strict_yaml.parse(text, kind="contract", name=name)
        problems = [f"{name}: {sentence}" for sentence in contradictions(data)]
        if problems:
            raise BadInput(problems)
        success = data["success"]
        return Contract(
            task=data["task"],
            problem=data["problem"],
            schema_version=data["schema_version"],
            inputs={key: _input(key, rules) for key, rules in data["inputs"].items()},
            output=_output(data["output"]),
            label=Label(**data["label"]),
            keys=Keys(**data["keys"]),
            slices=tuple(data.get("slices", ())),
            success=Success(
                primary=success["primary"],
                risk=success["risk"],
                costs=dict(success.get("costs", {})),
            ),
            text=text,
        )

    @property
    def columns(self) -> list[str]:
        """Names a prepared table carries besides the inputs, without repetition: keys, label, slices."""
        keys = self.keys
        names = [keys.request, keys.time, keys.sticky, keys.group, self.label.name, *self.slices]
        return [n for n in dict.fromkeys(names) if n is not None and n not in self.inputs]

    def row_validator(self) -> RowValidator:
        """A function that checks one request's inputs, in the contract's order, in a few microseconds."""
        checks = [(name, _checker(rules)) for name, rules in self.inputs.items()]
        known = frozenset(self.inputs)

        def validate(inputs: Mapping[str, Any]) -> Row:
            values: dict[str, float | str] = {}
            problems: list[str] = []
            imputed: list[str] = []
            for name, check in checks:
                value, problem, was_imputed = check(inputs.get(name))
                if problem:
                    problems.append(problem)
                    continue
                values[name] = value
                if was_imputed:
                    imputed.append(name)
            if not known.issuperset(inputs):
                problems.extend(_unknown_names(inputs, known))
            return Row(values=values, problems=problems, imputed=imputed)

        return validate


def _unknown_names(inputs: Mapping[str, Any], known: frozenset[str]) -> list[str]:
    sentences = []
    for name in inputs:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            sentences.append(f"{str(name)[:60]} is not an input of this model.{hint}")
    return sentences


_Checked = tuple[float | str, str | None, bool]


def _checker(rules: Input) -> Callable[[Any], _Checked]:
    if rules.type == "category":
        return _category_checker(rules)
    return _number_checker(rules)


def _category_checker(rules: Input) -> Callable[[Any], _Checked]:
    listed = frozenset(rules.values or ())
    closed = rules.unknown == "reject" and rules.values is not None
    allowed = f"one of {', '.join((rules.values or ())[:20])}" if closed else "a text"
    name = rules.name

    def check(value: Any) -> _Checked:
        if value is None:
            if rules.missing == "impute":
                return MISSING, None, True
            return "", f"{name} is missing; allowed: {allowed}.", False
        if type(value) is not str or not value or len(value) > 1000:
            return "", f"{name} is {_shown(value)}; allowed: {allowed}.", False
        if closed and value not in listed:
            return "", f"{name} is {_shown(value)}; allowed: {allowed}.", False
        return value, None, False

    return check


def _number_checker(rules: Input) -> Callable[[Any], _Checked]:
    low = -FLOAT32_MAX if rules.min is None else rules.min
    high = FLOAT32_MAX if rules.max is None else rules.max
    allowed = allowed_number(rules)
    name, boolean, whole = rules.name, rules.type == "boolean", rules.type == "integer"

    def check(value: Any) -> _Checked:
        if value is None:
            if rules.missing == "impute":
                return math.nan, None, True
            return 0.0, f"{name} is missing; allowed: {allowed}.", False
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
        return 0.0, f"{name} is {_shown(value)}; allowed: {allowed}.", False

    return check


def allowed_number(rules: Input) -> str:
    """What a numeric or boolean input may be, in words: `a number from 0 to 6000 miles`."""
    if rules.type == "boolean":
        return "true or false"
    word = "a whole number" if rules.type == "integer" else "a number"
    unit = f" {rules.unit}" if rules.unit else ""
    if rules.min is not None and rules.max is not None:
        return f"{word} from {rules.min:g} to {rules.max:g}{unit}"
    if rules.min is not None:
        return f"{word} of at least {rules.min:g}{unit}"
    if rules.max is not None:
        return f"{word} of at most {rules.max:g}{unit}"
    return f"{word}{' in' + unit if unit else ''}"


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f"'{value[:40]}'"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        if isinstance(value, int) and abs(value) >= 10**40:
            return "a number of over 40 digits"
        return f"{value:.12g}" if isinstance(value, float) else str(value)
    return "a mapping" if isinstance(value, dict) else "a list"


def incompatibilities(old: Contract, new: Contract) -> list[str]:
    """Why a caller that obeys `old` could be refused or misled by `new`: one sentence each, empty when none.

    A new input is harmless when it may be missing; a wider range is harmless, a narrower one is not.
    """
    found: list[str] = []
    if old.task != new.task:
        found.append(f"the task changed from {old.task} to {new.task}")
    if old.problem != new.problem:
        found.append(f"the problem changed from {old.problem} to {new.problem}")
    for name in old.inputs.keys() - new.inputs.keys():
        found.append(f"the input {name} was removed, and callers that send it would be refused")
    for name in new.inputs.keys() - old.inputs.keys():
        if new.inputs[name].missing == "reject":
            found.append(f"the input {name} is new and required, and callers do not send it yet")
    for name in old.inputs.keys() & new.inputs.keys():
        found.extend(_narrowed(old.inputs[name], new.inputs[name]))
    if old.output.name != new.output.name:
        found.append(f"the output was renamed from {old.output.name} to {new.output.name}")
    if old.output.classes != new.output.classes:
        found.append("the output's classes changed")
    if old.output.unit != new.output.unit:
        found.append(f"the output's unit changed from {old.output.unit} to {new.output.unit}")
    return sorted(found)


def _narrowed(old: Input, new: Input) -> list[str]:
    name = old.name
    if old.type != new.type and (old.type, new.type) != ("integer", "number"):
        return [f"the input {name} changed from {old.type} to {new.type}"]
    found = []
    if old.missing == "impute" and new.missing == "reject":
        found.append(f"the input {name} may no longer be missing")
    if old.unit != new.unit:
        found.append(f"the unit of {name} changed from {old.unit} to {new.unit}")
    if new.min is not None and (old.min is None or new.min > old.min):
        found.append(f"the minimum of {name} rose from {_bound(old.min)} to {new.min:g}")
    if new.max is not None and (old.max is None or new.max < old.max):
        found.append(f"the maximum of {name} fell from {_bound(old.max)} to {new.max:g}")
    if new.unknown == "reject" and new.values is not None:
        if old.unknown == "accept" or old.values is None:
            found.append(f"unlisted values of {name} are no longer accepted")
        elif gone := sorted(set(old.values) - set(new.values)):
            found.append(f"{name} no longer accepts {', '.join(gone[:10])}")
    return found


def _bound(value: float | None) -> str:
    return "none" if value is None else f"{value:g}"


def _input(name: str, rules: Mapping[str, Any]) -> Input:
    values = rules.get("values")
    # Without a list there is nothing to compare with, so a category without `values` accepts every text.
    unknown = rules.get("unknown", "reject" if values else "accept")
    return Input(
        **{**rules, "name": name, "values": tuple(values) if values else None, "unknown": unknown}
    )


def _output(rules: Mapping[str, Any]) -> Output:
    classes, fallback = rules.get("classes"), rules.get("fallback")
    return Output(
        **{
            **rules,
            "classes": tuple(classes) if classes else None,
            "fallback": tuple(fallback) if isinstance(fallback, list) else fallback,
        }
    )
