"""The smaller tables of a report: what it costs to run, what changed, and facts about the test set."""

from __future__ import annotations

from collections.abc import Sequence

from gitops_model.evaluation import ledger
from gitops_model.formats import record
from gitops_model.formats.check import Check, Difference, GateKind
from gitops_model.report import quantities
from gitops_model.report.view import NOTHING


def costs(check: Check) -> list[tuple[str, str, str, str]]:
    """(what, production, this candidate, remark) for latency, memory and size."""
    found = []
    times = check.latency
    if times is not None:
        remark = f"over {times.pairs:,} calls"
        if times.ratio is not None:
            bounds = (
                "?" if b is None else f"×{b:.3f}" for b in (times.ratio_lower, times.ratio_upper)
            )
            remark = f"×{times.ratio:.3f} ({' to '.join(bounds)}), {remark} each, taken in turns"
        production = NOTHING if times.production_ms is None else ms(times.production_ms)
        found.append(("median latency, one row", production, ms(times.candidate_ms), remark))
        ends = quantities.between(times.p95_lower, times.p95_upper, "ms")
        slowest = NOTHING if times.production_p95_ms is None else ms(times.production_p95_ms)
        found.append(("95th percentile, one row", slowest, ms(times.p95_ms), ends))
    for kind, what in ((GateKind.MEMORY, "peak memory"), (GateKind.ARTIFACT, "bundle size")):
        gate = check.gate(kind)
        if gate is not None and gate.candidate is not None:
            old = NOTHING if gate.production is None else quantities.of_gate(gate.production, gate)
            grown = gate.candidate / gate.production if gate.production else None
            new = quantities.of_gate(gate.candidate, gate)
            found.append((what, old, new, quantities.ratio(grown)))
    return found


def ms(value: float) -> str:
    """A time in milliseconds."""
    return quantities.number(value, "ms")


def differences(found: Sequence[Difference]) -> list[tuple[str, str, str]]:
    """(name, production, candidate) of what differs between the two manifests."""
    return [(each.name, _told(each.production), _told(each.candidate)) for each in found]


def changes(check: Check) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """What the two models were made from, where it differs, under two titles."""
    return [
        ("Parameters", differences(check.params_diff)),
        ("Data, code and environment", differences(check.data_diff)),
    ]


def suspects(check: Check) -> list[tuple[str, str, str, str]]:
    """(slice, rows, effect, p) of slices nobody declared."""
    return [(s.slice, f"{s.rows:,}", f"{s.effect:.2f}", f"{s.p_value:.2g}") for s in check.suspects]


def changed(found: Sequence[Difference], *, most: int = 3) -> list[tuple[str, str]]:
    """(name, `5→7`) of the first differences, for one line."""
    return [(name, f"{old[:20]}→{new[:20]}") for name, old, new in differences(found[:most])]


def compared(check: Check) -> str:
    """Which rows judged, and against whom."""
    test = check.test_set
    window = f" from {' to '.join(test.window)}" if test.window else ""
    rows = f"{test.rows:,} test rows{window}"
    if check.baseline is None:
        return f"{rows}; nothing is in production"
    return f"{rows}, answered by both; production is {production(check)}"


def production(check: Check) -> str:
    """What production is called, empty when there is none."""
    base = check.baseline
    return "" if base is None else base.model or base.sha256[:12]


def column(model: str) -> str:
    """What a release is called at the head of a column: `v12`, because a whole id is wider than its numbers."""
    return f"v{record.parse_id(model).number}" if record.is_id(model) else model


def confidence(check: Check) -> str:
    """Confidence of each one-sided bound: `97.5%`."""
    return quantities.confidence(check.alpha)


def test_set(check: Check) -> list[tuple[str, str]]:
    """Facts about the rows that judged, and how often they have."""
    test, contract = check.test_set, check.schema_comparison
    standing = {
        "rows": "each row on its own"
        if test.units >= test.rows
        else f"{test.units:,} different rows, each with its copies",
        "groups": f"{test.units:,} groups (contract.yaml: keys.group)",
        "blocks": f"{test.units:,} blocks of neighbouring rows (contract.yaml: keys.time)",
    }[test.unit]
    looks = f"{test.looks} of {test.budget} candidates"
    if test.looks > 1:
        looks += (
            f"; bounds {ledger.width(check.alpha, test.looks):.1f} times as wide as the first one's"
        )
    if test.luck > 0:
        looks += f"; the best of that many equal ones looks {test.luck:.1f} standard errors better by luck"
    before = contract.production_version
    version = f"{contract.version}" + (f" (production: {before})" if before is not None else "")
    same = "no" if test.changed else "yes" if check.baseline else NOTHING
    facts = [
        ("rows", f"{test.rows:,}"),
        ("window", " to ".join(test.window) if test.window else ""),
        ("independent", standing),
        ("confidence of each bound", confidence(check)),
        ("judged so far", looks),
        ("same rows as at production's release", same),
        ("same rows as main's", {"same": "yes", "other": "no"}.get(test.on_base, "")),
        ("contract schema_version", version),
        ("test set sha256", test.sha256),
        ("gates.yaml digest", check.gates_digest),
        ("candidate sha256", check.candidate.sha256),
        ("production sha256", check.baseline.sha256 if check.baseline else NOTHING),
    ]
    return [(name, value) for name, value in facts if value]


def _told(value: object) -> str:
    return NOTHING if value is None else str(value)
