"""contract.yaml: what the model takes, what it answers, and when that answer counts as good."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gitops_model import strict_yaml
from gitops_model.errors import BadInput
from gitops_model.formats import inputs
from gitops_model.formats.contract_rules import contradictions
from gitops_model.formats.inputs import MISSING as MISSING
from gitops_model.formats.inputs import Input, RowValidator

Problem = Literal["binary", "multiclass", "regression"]


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
    """One primary metric, one cost or risk metric, and the prices the latter is computed with.

    `columns` are numbers that test rows carry besides the inputs, for the metrics of gates.yaml.
    """

    primary: str
    risk: str
    costs: Mapping[str, float]
    columns: tuple[str, ...] = ()


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
            inputs={name: inputs.parse(name, rules) for name, rules in data["inputs"].items()},
            output=_output(data["output"]),
            label=Label(**data["label"]),
            keys=Keys(**data["keys"]),
            slices=tuple(data.get("slices", ())),
            success=Success(
                primary=success["primary"],
                risk=success["risk"],
                costs=dict(success.get("costs", {})),
                columns=tuple(success.get("columns", ())),
            ),
            text=text,
        )

    @property
    def columns(self) -> list[str]:
        """Names a prepared table carries besides the inputs, without repetition: keys, label, slices, and what
        `success.columns` names."""
        keys, more = self.keys, (*self.slices, *self.success.columns)
        names = [keys.request, keys.time, keys.sticky, keys.group, self.label.name, *more]
        return [n for n in dict.fromkeys(names) if n is not None and n not in self.inputs]

    @property
    def question(self) -> tuple[Problem, tuple[str, ...] | None, str]:
        """(problem, classes, label): models that answer the same question can be compared on the same rows."""
        return self.problem, self.output.classes, self.label.name

    def row_validator(self) -> RowValidator:
        """A function that checks one request's inputs, in the contract's order, in a few microseconds."""
        return inputs.row_validator(self.inputs)


def _output(rules: Mapping[str, Any]) -> Output:
    classes, fallback = rules.get("classes"), rules.get("fallback")
    return Output(
        **{
            **rules,
            "classes": tuple(classes) if classes else None,
            "fallback": tuple(fallback) if isinstance(fallback, list) else fallback,
        }
    )
