"""The sentences of a verdict: for each gate what was found, and one that answers "may this ship, and why"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from modelops.evaluation.metrics import CATALOGUE

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
        shown = f" It is {number(entry['candidate'], entry)}." if entry["candidate"] is not None else ""
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
        return f"{metric.title if metric else 'the metric'} of the slice {name.removeprefix('prove:')}"
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
    return f"{value:+.1%}" if relative else (f"{value:+.4f}" if abs(value) < 100 else f"{value:+,.1f}")


def _comparison(entry: Entry) -> str:
    relative = entry["relative"]
    name, limit = title(entry), entry["limit"]
    moved = (
        f"{name} went from {number(entry['production'], entry)} to {number(entry['candidate'], entry)}"
    )
    size = f"{abs(limit):.3g}" if not relative else f"{abs(limit):.3g}"
    size = f"{abs(limit) * 100:.3g}%" if relative else size
    aim = f"a gain of more than {size}" if limit > 0 else f"a loss of less than {size}"
    worst, best = gain(entry["lower"], relative=relative), gain(entry["upper"], relative=relative)
    if entry["state"] == "pass":
        return f"{moved}, a gain of at least {worst}; {aim} was asked for."
    if entry["state"] == "fail":
        return f"{moved}, a gain of at most {best}; {aim} was asked for."
    needed = entry["rows_needed"]
    rows = (
        f"; about {needed:,} rows would tell, the test set has {entry['rows']:,}"
        if needed and needed > entry["rows"]
        else ""
    )
    return f"{moved}, a gain between {worst} and {best}, too wide to show {aim}{rows}."


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
        f"({number(entry['production'], entry | {'unit': 'ms'})} to "
        f"{number(entry['candidate'], entry | {'unit': 'ms'})})"
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
            f"the slice {worst['slice']}{others} clearly lost more than {size}: {metric} went from "
            f"{number(worst['production'], entry)} to {number(worst['candidate'], entry)} on "
            f"{worst['rows']:,} rows."
        )
    if entry["state"] == "no_data":
        named = ", ".join(s["slice"] for s in slices if s["state"] == "no_data")
        return f"the candidate has no value on {named}, where production has one."
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
