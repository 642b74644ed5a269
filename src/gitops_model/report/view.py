"""Slices and metrics as a report shows them: as texts, in their order."""

from __future__ import annotations

from dataclasses import dataclass

from gitops_model.formats.check import (
    Check,
    GateKind,
    MetricRow,
    SliceRow,
    SliceState,
    Unit,
)
from gitops_model.report import interval, quantities
from gitops_model.report.interval import Interval

NOTHING = "–"
SLICES = {
    SliceState.PASS: ("✅", "pass"),
    SliceState.FAIL: ("❌", "fail"),
    SliceState.UNDECIDED: ("⚠️", "undecided"),
    SliceState.TOO_SMALL: ("▫️", "too few rows"),
    SliceState.NO_DATA: ("❔", "no data"),
    SliceState.NOT_JUDGED: ("➖", "not judged"),
}


@dataclass(frozen=True, kw_only=True)
class SliceLine:
    """One slice as texts."""

    row: SliceRow
    mark: str
    word: str
    production: str
    candidate: str
    change: str
    bounds: str
    way: str
    picture: Interval | None


@dataclass(frozen=True, kw_only=True)
class MetricLine:
    """One metric as texts; `own` are the bounds of the candidate's own value."""

    row: MetricRow
    production: str
    candidate: str
    change: str
    bounds: str
    own: str
    way: str
    picture: Interval | None


def slice_lines(check: Check) -> list[SliceLine]:
    """Slices, failing ones first, then by what they lost; those without a number last."""
    guard = check.gate(GateKind.SLICE_GUARD)
    relative, limit = (guard.relative, guard.limit) if guard else (False, None)
    unit = guard.unit if guard else "metric"
    order = {SliceState.FAIL: 0, SliceState.NO_DATA: 1}
    ordered = sorted(
        check.slices,
        key=lambda s: (order.get(s.state, 2), s.delta is None, s.delta or 0.0, s.slice),
    )
    compared = any(row.delta is not None for row in ordered)
    primary = check.gate(GateKind.PRIMARY)
    overall = None if primary is None else primary.candidate
    return [
        SliceLine(
            row=row,
            mark=SLICES[row.state][0],
            word=SLICES[row.state][1],
            production=shown(row.production, unit, when=compared),
            candidate=quantities.number(row.candidate, unit),
            change=quantities.arrow(row.delta, relative=quantities.share(row, relative=relative)),
            bounds=quantities.span(
                row.lower, row.upper, relative=quantities.share(row, relative=relative)
            )
            if row.delta is not None
            else quantities.between(row.lower, row.upper, unit),
            way=interval.way(row.delta, row.lower, row.upper),
            picture=interval.of_slice(row, limit=limit)
            if compared
            else interval.of_value(row, overall=overall),
        )
        for row in ordered
    ]


def metric_lines(check: Check) -> list[MetricLine]:
    """Every metric of the problem, in the order of the catalogue."""
    return [
        MetricLine(
            row=row,
            production=shown(row.production, row.unit, when=check.baseline is not None),
            candidate=quantities.number(row.candidate, row.unit),
            change=quantities.arrow(row.delta),
            bounds=quantities.span(row.lower, row.upper) if row.delta is not None else "",
            own=quantities.between(row.candidate_lower, row.candidate_upper, row.unit),
            way=interval.way(row.delta, row.lower, row.upper),
            picture=interval.of_metric(row),
        )
        for row in check.metrics
    ]


def clearly_worse(check: Check, *, gated: bool = False) -> list[MetricLine]:
    """Metrics that clearly lost, the largest loss first; `gated`: also those that a gate looks at."""
    seen = set() if gated else {gate.metric for gate in check.gates}
    lost = [m for m in metric_lines(check) if m.way == "down" and m.row.metric not in seen]
    # Metrics have different units, so the loss is ranked as a share of production's value.
    return sorted(lost, key=lambda m: (m.row.delta or 0.0) / (abs(m.row.production or 0.0) or 1.0))


def shown(value: float | None, unit: Unit = "metric", *, when: bool) -> str:
    """A metric's value; a dash where none is expected."""
    return quantities.number(value, unit) if value is not None or when else NOTHING
