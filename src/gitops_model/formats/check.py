"""check.json: the verdict on a candidate, with every number it rests on, as frozen values.

A check either compared two models (`Check`) or could not (`NotEvaluated`); `read` gives one of the two. A field has the
name of its key in the file. Every change is a *gain*: positive is better, whatever the metric's own direction.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from gitops_model import strict_yaml
from gitops_model.errors import BadInput
from gitops_model.formats import values
from gitops_model.formats.line import Line

SCHEMA = 1
# A report is written by whoever is judged. No mapping of the format has this many keys, and a hundred wrong values are
# as wrong as a million.
MOST_KEYS = 40
DEEPEST = 12
# How a LEAKAGE gate looked: `Gate.method`.
BY_KEYS = "row keys"
BY_KEYS_AND_TIME = "row keys and time windows"

Json = dict[str, Any]
Better = Literal["higher", "lower"]
Problem = Literal["binary", "multiclass", "regression"]
# "metric" and "ratio" are not written behind a number; "ms", "MB" and the units of custom metrics are.
Unit = str
Same = Literal["same", "other", "unknown"]
Points = tuple[tuple[float, ...], ...]


class State(StrEnum):
    """The verdict."""

    PASS = "pass"  # noqa: S105
    BLOCKED = "blocked"
    NOT_EVALUATED = "not_evaluated"

    @property
    def exit_code(self) -> int:
        """What `check` ends with."""
        return {State.PASS: 0, State.BLOCKED: 1, State.NOT_EVALUATED: 3}[self]


class GateKind(StrEnum):
    """What a gate demands. There is one gate of each kind, and any number of LIMIT, METRIC and SLICE_PROOF."""

    LEAKAGE = "leakage"  # no test row was seen in training
    SCHEMA = "schema"  # today's callers are served by the candidate's contract
    PRIMARY = "primary"  # the primary metric against production
    RISK = "risk"  # the risk metric against production
    ANCHOR = "anchor"  # the primary metric against the best release so far
    LIMIT = "limit"  # a metric the candidate must reach whatever production does
    METRIC = "metric"  # a metric that gates.yaml declares, against production
    SLICE_GUARD = "slices"  # no declared slice clearly lost more than the margin
    SLICE_PROOF = "prove"  # one named slice is shown not to lose more than its margin
    LATENCY_RATIO = "latency"  # median time over production's
    LATENCY_P95 = "latency_p95"  # the candidate's 95th percentile
    MEMORY = "memory"  # peak memory of a process that serves the candidate
    ARTIFACT = "artifact"  # size of the bundle


class GateState(StrEnum):
    """What a gate found."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"  # too few rows to tell
    NO_DATA = "no_data"  # not measured, or not defined on these rows; it blocks
    NOT_COMPARED = "not_compared"  # nothing to compare with
    OFF = "off"  # turned off in gates.yaml, with a reason


class SliceState(StrEnum):
    """What the slice guard found on one slice."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    UNDECIDED = "undecided"  # no loss was shown, and neither that there is none; blocks nothing
    TOO_SMALL = "too_small"  # shown, not judged
    NO_DATA = "no_data"  # only one of the two models has a value on it
    NOT_JUDGED = "not_judged"  # the guard is off, or nothing is compared


JUDGED = (SliceState.PASS, SliceState.FAIL, SliceState.UNDECIDED)


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One gate: its numbers, what gates.yaml demands of them, and what was decided.

    Until somebody decides, a gate has no data and blocks. `metric` is set where the gate is about one, `slice`
    (`column=value`) for a SLICE_PROOF. `delta` is the gain, or for LATENCY_RATIO the ratio candidate / production.
    `lower` and `upper` are one-sided bounds of `delta`, or of `candidate` where nothing is compared; None: unbounded.
    When `relative`, delta, bounds and limit are shares of production's value. `problems` is what LEAKAGE and SCHEMA
    found; None: nobody looked. `reason` is why the gate is off. `sentence` is for people and decides nothing.
    """

    kind: GateKind
    metric: str | None = None
    slice: str | None = None
    better: Better = "higher"
    unit: Unit = "metric"
    relative: bool = False
    compared: bool = True
    problems: tuple[str, ...] | None = None
    candidate: float | None = None
    production: float | None = None
    delta: float | None = None
    lower: float | None = None
    upper: float | None = None
    limit: float | None = None
    rows: int = 0
    units: int = 0
    rows_needed: int | None = None
    method: str = "none"
    state: GateState = GateState.NO_DATA
    blocks: bool = True
    reason: str | None = None
    sentence: str = ""

    @property
    def id(self) -> str:
        """A name that no other gate of the check has: `primary`, `limit:ece`, `prove:origin=JFK`."""
        return gate_id(self.kind, metric=self.metric, slice=self.slice)


def gate_id(kind: GateKind, *, metric: str | None = None, slice: str | None = None) -> str:
    """The name of a gate in check.json and in messages."""
    about = {
        GateKind.LIMIT: metric,
        GateKind.METRIC: metric,
        GateKind.SLICE_PROOF: slice,
    }.get(kind)
    return kind.value if about is None else f"{kind.value}:{about}"


@dataclass(frozen=True, kw_only=True)
class MetricRow:
    """One metric for both models, for information; bounds of the gain, and of the candidate's own value."""

    metric: str
    title: str
    better: Better
    candidate: float | None
    candidate_lower: float | None
    candidate_upper: float | None
    candidate_method: str
    production: float | None = None
    delta: float | None = None
    lower: float | None = None
    upper: float | None = None
    method: str = "none"
    unit: Unit = "metric"


@dataclass(frozen=True, kw_only=True)
class SliceRow:
    """One declared slice (`column=value`); bounds are one-sided and not adjusted for the number of slices.

    `error` and `degrees` (None: infinite) are what its p-value is computed from, `wins` and `losses` instead where rows
    are right or wrong: rows that only candidate, only production got right.
    """

    slice: str
    rows: int
    candidate: float | None
    production: float | None
    delta: float | None
    lower: float | None
    upper: float | None
    error: float | None
    degrees: float | None
    wins: int | None
    losses: int | None
    rows_needed: int | None
    method: str
    state: SliceState = SliceState.NOT_JUDGED


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A slice nobody declared where the candidate does worse; it blocks nothing."""

    slice: str
    rows: int
    effect: float
    p_value: float


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Medians in ms, their ratio candidate / production with one-sided bounds, and a p95 in ms with bounds.

    `production_p95_ms` is of the same minutes; None: there is no production, or the report is older than this field.
    """

    pairs: int
    candidate_ms: float
    production_ms: float | None
    ratio: float | None
    ratio_lower: float | None
    ratio_upper: float | None
    p95_ms: float
    p95_lower: float | None
    p95_upper: float | None
    production_p95_ms: float | None = None


@dataclass(frozen=True, kw_only=True)
class ModelCurves:
    """Curves of one model; None where the problem has no such curve, or the rows define none.

    `roc`: [false positive rate, true positive rate]; `pr`: [recall, precision]; `calibration`: [confidence, share that
    came true, rows]; `residuals`: [prediction, 10th, 50th, 90th percentile of the error]; `confusion`: rows by
    [true class][answered class].
    """

    roc: Points | None = None
    pr: Points | None = None
    calibration: Points | None = None
    residuals: Points | None = None
    confusion: tuple[tuple[int, ...], ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Curves:
    """None: the model is absent, or a score of it is missing or infinite."""

    candidate: ModelCurves | None
    production: ModelCurves | None


@dataclass(frozen=True, kw_only=True)
class CandidateModel:
    """The model that was judged; `model` is its release id, None before it has one.

    `in_lock`: whether the dvc.lock it came with names this very bundle.
    """

    model: str | None
    sha256: str
    size_bytes: int | None
    memory_mb: float | None
    in_lock: Same = "unknown"


@dataclass(frozen=True, kw_only=True)
class BaselineModel:
    """The model in production that it was compared with."""

    model: str | None
    sha256: str


@dataclass(frozen=True, kw_only=True)
class TestSummary:
    """The rows that judged, and how often they have.

    `window` is (first, last) time, None for rows without time. `unit` is what stands on its own, `units` how many there
    are. `changed`: production was released with another test set. `on_base`: whether the branch that a merge would go
    to names the same rows in its dvc.lock. `looks`: which candidate on these rows it is; `luck`: expected best of
    that many equal ones, in standard errors. `sketch` tells test sets of mostly the same rows.
    """

    __test__ = False  # not a test class, whatever pytest thinks of the name

    sha256: str
    rows: int
    units: int
    unit: Literal["rows", "groups", "blocks"]
    window: tuple[str, str] | None
    changed: bool
    on_base: Same = "unknown"
    looks: int
    budget: int
    luck: float
    sketch: str = ""


@dataclass(frozen=True, kw_only=True)
class ContractChange:
    """What the candidate's contract changes for today's callers."""

    version: int
    production_version: int | None
    version_raised: bool
    problems: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A value that differs between the two models' manifests, by dotted name; a scalar or a list of them."""

    name: str
    production: object
    candidate: object


@dataclass(frozen=True, kw_only=True)
class TurnedOff:
    """A gate that gates.yaml turns off, and why."""

    gate: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Check:
    """A verdict with everything it rests on. `baseline` None: nothing is in production. Each bound is at `alpha`.

    `sentence` is the verdict in words; empty until `report.sentences` has put it in.
    """

    state: State
    sentence: str = ""
    problem: Problem
    alpha: float
    turned_off: tuple[TurnedOff, ...]
    warnings: tuple[str, ...]
    candidate: CandidateModel
    baseline: BaselineModel | None
    test_set: TestSummary
    schema_comparison: ContractChange
    gates: tuple[Gate, ...]
    metrics: tuple[MetricRow, ...]
    slices: tuple[SliceRow, ...]
    suspects: tuple[Suspect, ...]
    latency: Latency | None
    curves: Curves
    params_diff: tuple[Difference, ...]
    data_diff: tuple[Difference, ...]
    gates_digest: str
    line: Line | None = None

    @property
    def exit_code(self) -> int:
        """0 may ship, 1 blocked."""
        return self.state.exit_code

    def gate(self, kind: GateKind) -> Gate | None:
        """The first gate of this kind."""
        return next((gate for gate in self.gates if gate.kind is kind), None)

    def to_json(self) -> Json:
        """The data of check.json."""
        data: Json = values.to_json(self)
        data |= {"schema": SCHEMA, "exit_code": self.exit_code}
        for gate, entry in zip(self.gates, data["gates"], strict=True):
            entry["id"] = gate.id
        # Only the curves that the problem has.
        data["curves"] = {
            who: curves and {name: points for name, points in curves.items() if points is not None}
            for who, curves in data["curves"].items()
        }
        return data


@dataclass(frozen=True, kw_only=True)
class NotEvaluated:
    """A check that could not be made; it never passes. `hint` is a command that mends it, when there is one."""

    sentence: str
    hint: str | None = None
    state: State = field(default=State.NOT_EVALUATED, init=False)

    @property
    def exit_code(self) -> int:
        """3."""
        return self.state.exit_code

    def to_json(self) -> Json:
        """The data of check.json."""
        data: Json = values.to_json(self)
        return data | {"schema": SCHEMA, "exit_code": self.exit_code}


Outcome = Check | NotEvaluated


def read(data: object, *, name: str = "check.json") -> Outcome:
    """What a check.json says. Raises BadInput for anything that does not fit the schema, in bounded time."""
    values.require_bounds(data, name=name, keys=MOST_KEYS, levels=DEEPEST)
    strict_yaml.check(data, kind="check", name=name, newer=True)
    assert isinstance(data, dict)
    if data["state"] == State.NOT_EVALUATED:
        return NotEvaluated(sentence=data["sentence"], hint=data.get("hint"))
    found = values.from_json(Check, data)
    for gate, entry in zip(found.gates, data["gates"], strict=True):
        if gate.id != entry["id"]:
            raise BadInput(
                f"{name}: a gate has the id '{entry['id'][:60]}', and kind, metric and slice say '{gate.id[:60]}'."
            )
    return found
