"""gates.yaml as frozen values. What the file means is said in its comments; what it decides, in `decision`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from gitops_model import strict_yaml
from gitops_model.errors import BadInput
from gitops_model.files import canonical_json, sha256_bytes
from gitops_model.formats.check import Better, GateKind, TurnedOff, gate_id

Policy = Literal["block", "warn"]
MetricKind = Literal["mean", "sum", "ratio", "quantile"]
KINDS: tuple[MetricKind, ...] = get_args(MetricKind)
BUILT_IN = (
    *(
        "roc_auc",
        "pr_auc",
        "f1",
        "precision",
        "recall",
        "accuracy",
        "f1_macro",
        "log_loss",
        "brier",
        "ece",
    ),
    *("rmse", "mae", "r2", "expected_cost"),
)


@dataclass(frozen=True, kw_only=True)
class Margin:
    """The largest loss one accepts: in units of the metric, or as a share of production's value."""

    value: float
    relative: bool = False

    @staticmethod
    def parse(raw: float | str) -> Margin:
        """0.005 -> points of the metric; '2%' -> a share of production's value."""
        if isinstance(raw, str):
            return Margin(value=float(raw.removesuffix("%")) / 100, relative=True)
        return Margin(value=float(raw))

    def __str__(self) -> str:
        return f"{self.value * 100:g}%" if self.relative else f"{self.value:g}"


@dataclass(frozen=True, kw_only=True)
class Switch:
    """Every gate can be turned off, with a reason that stands at the top of the report."""

    enabled: bool = True
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class ComparisonGate(Switch):
    """Primary or risk metric against production. `margin` is None only when the gate is off."""

    rule: Literal["not_worse", "better"] = "not_worse"
    margin: Margin | None = None
    inconclusive: Policy = "block"


@dataclass(frozen=True, kw_only=True)
class AnchorGate(Switch):
    """The primary metric against the best release so far. `since` begins that line anew, for a `reason`.

    `derived`: the file says nothing of it, and the margin follows from that of `primary`.
    """

    margin: Margin | None = None
    since: str | None = None
    derived: bool = False
    inconclusive: Policy = "block"


@dataclass(frozen=True, kw_only=True)
class Limit(Switch):
    """What the candidate must reach whatever production does; exactly one of `above` and `below` is set."""

    metric: str
    above: float | None = None
    below: float | None = None
    inconclusive: Policy = "block"


@dataclass(frozen=True, kw_only=True)
class CustomMetric(ComparisonGate):
    """A metric of the team's own: the mean, sum, ratio or quantile of expressions over the columns of a row.

    `expressions` is one text, or for a ratio two: what is divided, by what. `at` is set for a quantile. With `margin`
    it is compared with production; without, it is shown, and limits and slices may name it.
    """

    name: str
    kind: MetricKind
    expressions: tuple[str, ...]
    at: float | None = None
    better: Better
    unit: str = "metric"

    @property
    def places(self) -> tuple[str, ...]:
        """Where each of `expressions` stands in gates.yaml."""
        whole = f"metrics.{self.name}.{self.kind}"
        if self.kind == "ratio":
            return f"{whole}.of", f"{whole}.to"
        return (f"{whole}.of",) if self.kind == "quantile" else (whole,)


@dataclass(frozen=True, kw_only=True)
class Prove:
    """A critical slice that must be shown not to lose more than `margin`."""

    slice: str
    margin: Margin


@dataclass(frozen=True, kw_only=True)
class SliceGate(Switch):
    """Guard over all declared slices, proof for the named ones. `metric` None means the primary metric."""

    metric: str | None = None
    margin: Margin | None = None
    min_rows: int = 200
    prove: tuple[Prove, ...] = ()
    inconclusive: Policy = "block"


@dataclass(frozen=True, kw_only=True)
class LatencyGate(Switch):
    """Median time against production's, both measured in turns, and the candidate's 95th percentile."""

    ratio_below: float | None = None
    p95_ms_below: float | None = None
    inconclusive: Policy = "block"


@dataclass(frozen=True, kw_only=True)
class BudgetGate(Switch):
    """Peak memory or artifact size in MB (1,000,000 bytes)."""

    mb_below: float | None = None


@dataclass(frozen=True, kw_only=True)
class Gates:
    """A validated gates.yaml. `digest` changes with anything in it, and seeds the resampling."""

    confidence: float
    rows: Literal["independent", "grouped", "in_time_order"] | None
    primary: ComparisonGate
    risk: ComparisonGate
    anchor: AnchorGate | None
    limits: tuple[Limit, ...]
    metrics: tuple[CustomMetric, ...] = ()
    slices: SliceGate
    latency: LatencyGate
    memory: BudgetGate
    artifact: BudgetGate
    looks: int
    schema_change: Literal["block", "absolute_only"]
    digest: str

    @property
    def alpha(self) -> float:
        """One-sided error rate of each bound before any adjustment for reuse of the test set."""
        return round(1 - self.confidence, 12)

    @property
    def turned_off(self) -> tuple[TurnedOff, ...]:
        """Gates that are off, in file order. LATENCY_RATIO stands for both gates of latency."""
        named: list[tuple[str, Switch]] = [
            (GateKind.PRIMARY.value, self.primary),
            (GateKind.RISK.value, self.risk),
            *([(GateKind.ANCHOR.value, self.anchor)] if self.anchor else []),
            *((gate_id(GateKind.LIMIT, metric=limit.metric), limit) for limit in self.limits),
            *((gate_id(GateKind.METRIC, metric=metric.name), metric) for metric in self.metrics),
            (GateKind.SLICE_GUARD.value, self.slices),
            (GateKind.LATENCY_RATIO.value, self.latency),
            (GateKind.MEMORY.value, self.memory),
            (GateKind.ARTIFACT.value, self.artifact),
        ]
        return tuple(
            TurnedOff(gate=name, reason=switch.reason or "")
            for name, switch in named
            if not switch.enabled
        )

    @staticmethod
    def load(path: Path) -> Gates:
        """The gates in a file. Raises BadInput with all problems."""
        return Gates.from_dict(strict_yaml.load(path, "gates"), name=str(path))

    @staticmethod
    def parse(text: str, *, name: str) -> Gates:
        """The gates in a text; `name` is what messages call it. Raises BadInput with all problems."""
        return Gates.from_dict(strict_yaml.parse(text, kind="gates", name=name), name=name)

    @staticmethod
    def from_dict(data: Mapping[str, Any], *, name: str = "gates.yaml") -> Gates:
        """The gates in data that was validated against gates.schema.json. Raises BadInput for an unknown metric."""
        if unknown := _unknown_metrics(data):
            raise BadInput([f"{name}: {sentence}" for sentence in unknown])
        policy: Policy = data.get("inconclusive", "block")

        def section(key: str) -> Mapping[str, Any]:
            return {"inconclusive": policy, **_with_margin(data[key])}

        proofs = tuple(Prove(**_with_margin(proof)) for proof in data["slices"].get("prove", ()))
        return Gates(
            confidence=float(data.get("confidence", 0.95)),
            rows=data.get("rows"),
            primary=ComparisonGate(**section("primary")),
            risk=ComparisonGate(**section("risk")),
            anchor=_anchor(
                section("anchor") if "anchor" in data else None, data["primary"], policy
            ),
            limits=tuple(
                Limit(metric=metric, **{"inconclusive": policy, **rule})
                for metric, rule in data["limits"].items()
            ),
            metrics=tuple(
                _custom(metric, {"inconclusive": policy, **rule})
                for metric, rule in data.get("metrics", {}).items()
            ),
            slices=SliceGate(**{**section("slices"), "prove": proofs}),
            latency=LatencyGate(**section("latency")),
            memory=BudgetGate(**data["memory"]),
            artifact=BudgetGate(**data["artifact"]),
            looks=int(data["test_set"]["looks"]),
            schema_change=data.get("schema_change", "block"),
            digest=sha256_bytes(canonical_json(dict(data)).encode()),
        )


def _unknown_metrics(data: Mapping[str, Any]) -> list[str]:
    """What is wrong with names of metrics that are neither built in nor declared."""
    known = (*BUILT_IN, *data.get("metrics", {}))
    allowed = f"one of {', '.join(known)}, or declare it under metrics"
    found = [
        f"limits has the key '{metric}'; allowed as a key: {allowed}."
        for metric in data["limits"]
        if metric not in known
    ]
    metric = data["slices"].get("metric")
    if metric is not None and metric not in known:
        found.append(f"slices.metric is '{metric}'; allowed: {allowed}.")
    return found


def _custom(name: str, rule: Mapping[str, Any]) -> CustomMetric:
    kind: MetricKind = next(each for each in KINDS if each in rule)
    said = rule[kind]
    parts: Mapping[str, Any] = {"of": said} if isinstance(said, str) else said
    rest = {key: value for key, value in _with_margin(rule).items() if key != kind}
    expressions = tuple(parts[place] for place in ("of", "to") if place in parts)
    at = parts.get("at")
    return CustomMetric(name=name, kind=kind, expressions=expressions, at=at, **rest)


def _anchor(
    section: Mapping[str, Any] | None, primary: Mapping[str, Any], policy: Policy
) -> AnchorGate | None:
    """As written; without a section twice the margin against production, where there is one."""
    if section is not None:
        return AnchorGate(**section)
    if "margin" not in primary or not primary.get("enabled", True):
        return None
    once = Margin.parse(primary["margin"])
    return AnchorGate(margin=replace(once, value=2 * once.value), inconclusive=policy, derived=True)


def _with_margin(section: Mapping[str, Any]) -> dict[str, Any]:
    if "margin" not in section:
        return dict(section)
    return {**section, "margin": Margin.parse(section["margin"])}
