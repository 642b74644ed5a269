"""The sentences of a verdict: for each gate what was found, and one that answers "may this ship, and why"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gitops_model.evaluation.metrics import CATALOGUE

Entry = Mapping[str, Any]


def headline(entries: Sequence[Entry], *, baseline: Mapping[str, Any] | None) -> str:
    """One sentence: the verdict and its main reason."""
    blocking = [entry for entry in entries if entry["blocks"]]
    if blocking:
        rest = f" ({len(blocking) - 1} more below)" if len(blocking) > 1 else ""
        return f"Blocked: {blocking[0]['sentence']}{rest}"
    off = sum(entry["state"] == "off" for entry in entries)
    passed = sum(entry["state"] == "pass" for entry in entries)
    skipped = f", {off} turned off" if off else ""
    if baseline is None:
        return (
            f"May ship as the first release: nothing is in production to compare with, and the candidate "
            f"is inside its limits and budgets ({passed} gates passed{skipped})."
        )
    primary = next(entry for entry in entries if entry["id"] == "primary")
    warned = sum(entry["state"] == "inconclusive" for entry in entries)
    unsure = f", {warned} could not be decided" if warned else ""
    if primary["state"] == "pass":
        return f"May ship: {primary['sentence']} ({passed} gates passed{unsure}{skipped})"
    return f"May ship: {passed} gates passed{unsure}{skipped}. {primary['sentence']}"


def gate(entry: Entry, slices: Sequence[Entry]) -> str:
    """What one gate found, with both numbers and the limit."""
    state = entry["state"]
    name = title(entry)
    if state == "off":
        return f"{name} is turned off: {entry['reason']}"
    if entry["id"] in ("leakage", "schema"):
        return _facts(entry)
    if state == "not_compared":
        shown = (
            f" It is {number(entry['candidate'], entry)}." if entry["candidate"] is not None else ""
        )
        return f"{name} was not compared with production.{shown}"
    if state == "no_data" and entry["id"] != "slices":
        return f"{name} has no data: {_absent(entry)}."
    if entry["id"] == "slices":
        return _slices(entry, slices)
    if entry["id"] == "latency":
        return _latency(entry)
    if entry["delta"] is None:
        return _limit(entry)
    return _comparison(entry)


def title(entry: Entry) -> str:
    """What people call the gate."""
    name: str = entry["id"]
    metric = CATALOGUE.get(entry["metric"] or "")
    if name.startswith("prove:"):
        return (
            f"{metric.title if metric else 'the metric'} of the slice {name.removeprefix('prove:')}"
        )
    fixed = {
        "leakage": "the test set",
        "schema": "the contract",
        "slices": "the slice guard",
        "latency": "the median latency",
        "latency_p95": "the 95th percentile of latency",
        "memory": "peak memory",
        "artifact": "the bundle's size",
    }
    return fixed.get(name) or (metric.title if metric else name)


def number(value: float | None, entry: Entry) -> str:
    """A value in the gate's unit, with as many digits as people read."""
    if value is None:
        return "unknown"
    unit = entry["unit"]
    if unit == "metric":
        return f"{value:.4f}" if abs(value) < 100 else f"{value:,.1f}"
    return f"{value:.2f}" if unit == "ratio" else f"{value:.3g} {unit}"


def gain(value: float | None, *, relative: bool) -> str:
    """A signed gain: `+0.0077`, or `-2.4%` when it is a share of production's value."""
    if value is None:
        return "unknown"
    return (
        f"{value:+.1%}" if relative else (f"{value:+.4f}" if abs(value) < 100 else f"{value:+,.1f}")
    )


def _comparison(entry: Entry) -> str:
    relative, limit = entry["relative"], entry["limit"]
    moved = f"{title(entry)} {_arrow(entry)} ({gain(entry['delta'], relative=relative)}"
    worst, best = gain(entry["lower"], relative=relative), gain(entry["upper"], relative=relative)
    size = f"{abs(limit) * 100:.3g}%" if relative else f"{abs(limit):.3g}"
    aim = f"a gain above {size}" if limit > 0 else f"a loss below {size}"
    if entry["state"] == "pass":
        return f"{moved}, at worst {worst}); {aim} was asked for."
    if entry["state"] == "fail":
        return f"{moved}, at best {best}); {aim} was asked for."
    needed = entry["rows_needed"]
    rows = (
        f"; an equally good candidate would need about {needed:,} rows, the test set has {entry['rows']:,}"
        if needed and needed > entry["rows"] and limit < 0
        else ""
    )
    return f"{moved}, between {worst} and {best}), too uncertain to show {aim}{rows}."


def _arrow(entry: Entry) -> str:
    new, old = entry["candidate"], entry["production"]
    if new == old:
        return f"stayed at {number(old, entry)}"
    verb = "rose" if new > old else "fell"
    return f"{verb} from {number(old, entry)} to {number(new, entry)}"


def _limit(entry: Entry) -> str:
    name, value = title(entry), number(entry["candidate"], entry)
    side = "above" if entry["better"] == "higher" else "below"
    limit = number(entry["limit"], entry)
    exact = entry["lower"] == entry["upper"]
    span = "" if exact else f" ({number(entry['lower'], entry)} to {number(entry['upper'], entry)})"
    if entry["state"] == "pass":
        return f"{name} is {value}{span}, {side} {limit}."
    if entry["state"] == "fail" or exact:
        return f"{name} is {value}{span}; it must be {side} {limit}."
    return f"{name} is {value}{span}, too uncertain to say that it is {side} {limit}."


def _latency(entry: Entry) -> str:
    more = (entry["delta"] - 1) * 100
    moved = (
        f"the median latency is {abs(more):.0f}% {'longer' if more >= 0 else 'shorter'} than production's "
        f"({entry['production']:.3g} ms to {entry['candidate']:.3g} ms)"
    )
    allowed = f"{(entry['limit'] - 1) * 100:.0f}%"
    if entry["state"] == "pass":
        return f"{moved}, less than {allowed} longer."
    if entry["state"] == "fail":
        return f"{moved}; less than {allowed} longer was asked for."
    return f"{moved}, too uncertain to say that it is less than {allowed} longer."


def _slices(entry: Entry, slices: Sequence[Entry]) -> str:
    failed = [s for s in slices if s["state"] == "fail"]
    margin = abs(entry["limit"])
    size = f"{margin * 100:.3g}%" if entry["relative"] else f"{margin:.3g}"
    judged = [s for s in slices if s["state"] in ("pass", "fail")]
    small = sum(s["state"] == "too_small" for s in slices)
    if failed:
        worst = min(failed, key=lambda s: s["delta"])
        others = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
        metric = CATALOGUE[entry["metric"]].title
        return (
            f"the slice {worst['slice']}{others} clearly lost more than {size}: {metric} "
            f"{_arrow({**worst, 'unit': 'metric'})} on "
            f"{worst['rows']:,} rows."
        )
    if entry["state"] == "no_data":
        named = ", ".join(s["slice"] for s in slices if s["state"] == "no_data")
        if not named:
            return "the slice guard has no data: it was not measured."
        return f"only one of the two models has a value on {named}."
    if not judged:
        return (
            f"no slice is large enough to judge ({small} too small)."
            if small
            else "no slices declared."
        )
    shown = f"; {small} too small to judge" if small else ""
    return f"none of {len(judged)} slices clearly lost more than {size}{shown}."


def _facts(entry: Entry) -> str:
    problems = entry["problems"]
    if problems is None:
        return f"{title(entry)} has no data: it was not checked."
    if entry["id"] == "leakage":
        if problems:
            return f"the test set is not unseen: {'; '.join(problems)}."
        return "no test row was trained on, and the test window follows the training window."
    if problems:
        return f"the contract would break today's callers: {'; '.join(problems)}."
    return "today's callers are served by the candidate's contract."


def _absent(entry: Entry) -> str:
    if entry["rows"] == 0 and entry["candidate"] is None:
        return "it was not measured"
    missing = [who for who in ("candidate", "production") if entry[who] is None]
    who = " and ".join(missing) or "the comparison"
    return f"{who} has no defined value on {entry['rows']:,} rows (a missing or infinite score, or one class)"
