"""From numbers to a verdict. Nothing here looks at rows, so anyone with check.json and gates.yaml can repeat it.

`judgement.judge` is the only place where a number is compared with a limit. `decide` applies it to the measured
gates, and `verdict_from_numbers` does so to a report that may be forged: it believes no state, only numbers, and those
only when they fit together and fit the gates it was given.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gitops_model.evaluation import slices as slice_rules
from gitops_model.evaluation import wording
from gitops_model.evaluation.judgement import State, judge
from gitops_model.evaluation.metrics import CATALOGUE
from gitops_model.formats.gates import ComparisonGate, Gates, Limit

Json = dict[str, Any]

TOLERANCE = 1e-6


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What gates.yaml demands of one measured gate."""

    limit: float | None
    better: str = "higher"
    relative: bool = False
    inconclusive: str = "block"
    enabled: bool = True
    reason: str | None = None
    compares: bool = False


def demands(gates: Gates) -> dict[str, Demand]:
    """Every gate of gates.yaml by id, in the order of the report."""
    found = {
        "leakage": Demand(limit=None),
        "schema": Demand(limit=None),
        "primary": _of_comparison(gates.primary),
        "risk": _of_comparison(gates.risk),
    }
    found |= {f"limit:{limit.metric}": _of_limit(limit) for limit in gates.limits}
    rule = gates.slices
    switch: Json = {
        "enabled": rule.enabled,
        "reason": rule.reason,
        "inconclusive": rule.inconclusive,
    }
    found["slices"] = Demand(
        limit=-rule.margin.value if rule.margin else None,
        relative=bool(rule.margin and rule.margin.relative),
        compares=True,
        **switch,
    )
    for proof in rule.prove:
        found[f"prove:{proof.slice}"] = Demand(
            limit=-proof.margin.value, relative=proof.margin.relative, compares=True, **switch
        )
    rate = gates.latency
    timed: Json = {
        "better": "lower",
        "enabled": rate.enabled,
        "reason": rate.reason,
        "inconclusive": rate.inconclusive,
    }
    found["latency"] = Demand(limit=rate.ratio_below, compares=True, **timed)
    found["latency_p95"] = Demand(limit=rate.p95_ms_below, **timed)
    for name, budget in (("memory", gates.memory), ("artifact", gates.artifact)):
        found[name] = Demand(
            limit=budget.mb_below,
            better="lower",
            enabled=budget.enabled,
            reason=budget.reason,
        )
    return found


def decide(
    measured: Sequence[Json], table: list[Json], gates: Gates, *, alpha: float
) -> list[Json]:
    """Set limit, state, blocks and sentence of every measured gate, and the state of every slice (in place).

    A demanded gate that was not measured becomes "no data", which blocks.
    """
    by_id = {entry["id"]: entry for entry in measured}
    decided = []
    for name, demand in demands(gates).items():
        entry = by_id.get(name) or blank(name)
        entry["limit"], entry["better"] = demand.limit, demand.better
        entry["state"] = _state(entry, demand, table, gates, alpha=alpha)
        entry["blocks"] = entry["state"] in ("fail", "no_data") or (
            entry["state"] == "inconclusive" and demand.inconclusive == "block"
        )
        entry["reason"] = demand.reason if not demand.enabled else None
        entry["sentence"] = wording.gate(entry, table)
        decided.append(entry)
    return decided


def blank(name: str, **known: Any) -> Json:
    """A gate entry without numbers."""
    entry: Json = {
        "id": name, "metric": None, "better": "higher", "unit": "metric", "relative": False,
        "compared": True, "problems": None, "candidate": None, "production": None, "delta": None,
        "lower": None, "upper": None, "limit": None, "rows": 0, "units": 0, "rows_needed": None,
        "method": "none", "state": "no_data", "blocks": True, "reason": None, "sentence": "",
    }  # fmt: skip
    return entry | known


def overall(entries: Sequence[Mapping[str, Any]]) -> str:
    """`pass` when no gate blocks, else `blocked`."""
    return "blocked" if any(entry["blocks"] for entry in entries) else "pass"


def verdict_from_numbers(
    check: Mapping[str, Any],
    gates: Gates,
    *,
    primary: str | None = None,
    risk: str | None = None,
    slices: Sequence[str] = (),
    production_sha256: str | None = None,
) -> tuple[str, str]:
    """(state, sentence) recomputed from the numbers of a check.json that need not be trusted.

    Give what the trusted side knows: gates.yaml of the base branch, the metrics and slice columns its contract names,
    and the sha256 of the model in production. `production_sha256=None` means that nothing is in production.
    """
    if check.get("state") == "not_evaluated":
        return "not_evaluated", str(check.get("sentence", ""))
    entries = [copy.deepcopy(dict(entry)) for entry in check["gates"]]
    table = copy.deepcopy(list(check["slices"]))
    found = _contradictions(check, entries, gates, primary=primary, risk=risk)
    found += _incomplete(check, slices)
    baseline = (check.get("baseline") or {}).get("sha256")
    if baseline != production_sha256:
        found.append(
            f"it compares with {_short(baseline)}, and {_short(production_sha256)} is in production"
        )
    if found:
        return "blocked", f"Blocked: the report cannot be right, because {'; '.join(found)}."
    decided = decide(entries, table, gates, alpha=check["alpha"])
    state = overall(decided)
    return state, wording.headline(decided, baseline=check.get("baseline"))


def _contradictions(
    check: Mapping[str, Any],
    entries: Sequence[Mapping[str, Any]],
    gates: Gates,
    *,
    primary: str | None,
    risk: str | None,
) -> list[str]:
    found = []
    # As `ledger` makes it stricter past the budget of looks, and `evaluate` rounds it.
    alpha = gates.alpha * min(1.0, gates.looks / max(1, check["test_set"]["looks"]))
    if not 0 < check["alpha"] <= float(f"{alpha:.9g}") + 1e-12:
        found.append(f"its bounds have confidence {1 - check['alpha']:g}, not {1 - alpha:g}")
    # `absolute_only` is the one way in which a comparison may be left out while something is in production.
    excused = check.get("baseline") is None or (
        gates.schema_change == "absolute_only" and check["schema_comparison"]["version_raised"]
    )
    wanted = {"primary": primary, "risk": risk, "slices": gates.slices.metric or primary}
    known = demands(gates)
    ids = [entry["id"] for entry in entries]
    if len(set(ids)) != len(ids):
        found.append("a gate stands in it twice")
    for entry in entries:
        name, demand = entry["id"], known.get(entry["id"])
        if demand is None or not demand.enabled:
            continue
        if demand.compares and not entry["compared"] and not excused:
            found.append(f"{name} was not compared with production")
        if wanted.get(name) and entry["metric"] != wanted[name]:
            found.append(f"{name} is about {entry['metric']}, not {wanted[name]}")
        if name.startswith("limit:") and entry["metric"] != name.removeprefix("limit:"):
            found.append(f"{name} is about {entry['metric']}")
        if demand.compares and entry["compared"] and entry["relative"] != demand.relative:
            found.append(f"{name} has a gain in other units than its margin")
        found.extend(f"{name}: {problem}" for problem in _impossible(entry))
    guard = next((entry for entry in entries if entry["id"] == "slices"), blank("slices"))
    for numbers in check["slices"]:
        problems = _out_of_order(numbers) + _wrong_gain(numbers, guard["metric"], guard["relative"])
        found.extend(f"{numbers['slice']}: {problem}" for problem in problems)
    return found


def _incomplete(check: Mapping[str, Any], columns: Sequence[str]) -> list[str]:
    """Slices left out: the values of each column must add up to the whole test set."""
    rows = dict.fromkeys(columns, 0)
    for numbers in check["slices"]:
        column = numbers["slice"].partition("=")[0]
        rows[column] = rows.get(column, 0) + numbers["rows"]
    total = check["test_set"]["rows"]
    return [
        f"the slices of {column} hold {found:,} of {total:,} rows"
        for column, found in rows.items()
        if found != total
    ]


def _impossible(entry: Mapping[str, Any]) -> list[str]:
    found = _out_of_order(entry)
    if entry["id"] == "latency":
        found += _gain_of_nothing(entry)
    if entry["id"].startswith(("limit:", "latency_p95")) and entry["delta"] is not None:
        found.append("a limit has no gain")
    if entry["id"] in ("primary", "risk") or entry["id"].startswith("prove:"):
        found += _wrong_gain(entry, entry["metric"], entry["relative"])
    elif (
        entry["id"] in ("memory", "artifact")
        and not entry["candidate"] == entry["lower"] == entry["upper"]
    ):
        found.append("a size has no interval")
    return found


def _wrong_gain(numbers: Mapping[str, Any], name: str | None, relative: bool) -> list[str]:
    metric = CATALOGUE.get(name or "")
    new, old, gain = numbers["candidate"], numbers["production"], numbers["delta"]
    if problems := _gain_of_nothing(numbers):
        return problems
    if metric is None or None in (new, old, gain):
        return []
    expected = metric.sign * (new - old) / (abs(old) if relative and old else 1.0)
    if abs(expected - gain) > TOLERANCE * max(1.0, abs(expected)):
        return [f"{new} against {old} is not a gain of {gain}"]
    wins, losses = numbers.get("wins"), numbers.get("losses")
    if wins is not None and abs((wins - losses) / max(1, numbers["rows"]) - gain) > TOLERANCE:
        return [f"{wins} wins and {losses} losses are not a gain of {gain}"]
    return []


def _gain_of_nothing(numbers: Mapping[str, Any]) -> list[str]:
    known = None not in (numbers["candidate"], numbers["production"])
    return [] if known or numbers["delta"] is None else ["a gain without both values"]


def _out_of_order(entry: Mapping[str, Any]) -> list[str]:
    middle = entry["delta"] if entry["delta"] is not None else entry["candidate"]
    lower, upper = entry["lower"], entry["upper"]
    if middle is None:
        return []
    slack = TOLERANCE * max(1.0, abs(middle))
    if (lower is not None and lower > middle + slack) or (
        upper is not None and upper < middle - slack
    ):
        return [f"the interval {lower} to {upper} does not hold {middle}"]
    return []


def _state(entry: Json, demand: Demand, table: list[Json], gates: Gates, *, alpha: float) -> State:
    if entry["id"] == "slices":
        return _slices_state(entry, demand, table, gates, alpha=alpha)
    if not demand.enabled:
        return "off"
    if entry["id"] in ("leakage", "schema"):
        if entry["problems"] is None:
            return "no_data"
        return "fail" if entry["problems"] else "pass"
    if demand.compares and not entry["compared"]:
        return "not_compared"
    if demand.limit is None:
        return "no_data"
    tested = entry["delta"] if demand.compares else entry["candidate"]
    return judge(
        value=tested,
        lower=entry["lower"],
        upper=entry["upper"],
        limit=demand.limit,
        better=demand.better,
    )


def _slices_state(
    entry: Json, demand: Demand, table: list[Json], gates: Gates, *, alpha: float
) -> State:
    # Slices are shown with their numbers also when the gate is off or nothing is in production.
    if not demand.enabled or not entry["compared"] or demand.limit is None:
        for numbers in table:
            numbers["state"] = "not_judged"
        return "off" if not demand.enabled else "not_compared"
    states = slice_rules.judge_all(
        table, margin=-demand.limit, min_rows=gates.slices.min_rows, alpha=alpha
    )
    for numbers, state in zip(table, states, strict=True):
        numbers["state"] = state
    entry["delta"] = min((n["delta"] for n in table if n["delta"] is not None), default=None)
    if "fail" in states:
        return "fail"
    # The metric is set by whoever measured the slices; without it nobody did.
    return "no_data" if "no_data" in states or entry["metric"] is None else "pass"


def _of_comparison(gate: ComparisonGate) -> Demand:
    margin = gate.margin
    size = margin.value if margin else None
    if size is not None and gate.rule == "not_worse":
        size = -size
    return Demand(
        limit=size,
        relative=bool(margin and margin.relative),
        inconclusive=gate.inconclusive,
        enabled=gate.enabled,
        reason=gate.reason,
        compares=True,
    )


def _of_limit(limit: Limit) -> Demand:
    return Demand(
        limit=limit.above if limit.above is not None else limit.below,
        better="higher" if limit.above is not None else "lower",
        inconclusive=limit.inconclusive,
        enabled=limit.enabled,
        reason=limit.reason,
    )


def _short(sha256: str | None) -> str:
    return f"model {sha256[:12]}" if sha256 else "no model"
