"""The sentences of a check: for each gate what was found, and one that answers "may this ship, and why".

Each says both numbers and what is allowed. Nothing speaks of time where the test rows have none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from gitops_model.evaluation import metrics
from gitops_model.formats.check import (
    BY_KEYS_AND_TIME,
    JUDGED,
    Check,
    Gate,
    GateKind,
    GateState,
    SliceRow,
    SliceState,
    Unit,
)
from gitops_model.report import guard_words
from gitops_model.report.quantities import between, gain, limit, margin, number, of_gate

_NO_INTERVAL = {
    "too few rows of one class": "there are too few rows of one class for an interval",
    "too few rows beyond the quantile": "there are too few rows beyond it for an interval",
    "undefined on too many resamples": "it has no value on too many resamples of the rows",
}
_TITLES = {
    GateKind.LEAKAGE: "the test set",
    GateKind.SCHEMA: "the contract",
    GateKind.SLICE_GUARD: "the slice guard",
    GateKind.LATENCY_RATIO: "the median latency",
    GateKind.LATENCY_P95: "the 95th percentile of latency",
    GateKind.MEMORY: "peak memory",
    GateKind.ARTIFACT: "the bundle's size",
}


def worded(check: Check) -> Check:
    """The check with a sentence in each gate and one for the whole."""
    told = tuple(replace(g, sentence=gate(g, slices=check.slices)) for g in check.gates)
    said = replace(check, gates=told)
    return replace(said, sentence=headline(said))


def headline(check: Check) -> str:
    """One sentence: the verdict and its main reason."""
    stopped = blocking(check.gates)
    if stopped:
        rest = f" ({len(stopped) - 1} more below)" if len(stopped) > 1 else ""
        return f"Blocked: {told(stopped[0], check)}{rest}"
    found = tally(check)
    if check.baseline is None:
        return (
            "May ship as the first release: nothing is in production to compare with, and the candidate is inside "
            f"its limits and budgets ({found})."
        )
    first = check.gate(GateKind.PRIMARY)
    if first is None:
        return f"May ship: {found}."
    said = told(first, check)
    if first.state is GateState.PASS:
        return f"May ship: {said} ({found})"
    return f"May ship: {found}. {capital(said)}"


def tally(check: Check) -> str:
    """How many gates passed, and what became of the others: `10 gates passed, 1 turned off`."""
    count = {state: sum(gate.state is state for gate in check.gates) for state in GateState}
    words = {
        GateState.INCONCLUSIVE: "undecided",
        GateState.NOT_COMPARED: "not compared",
        GateState.OFF: "turned off",
    }
    rest = "".join(f", {count[state]} {word}" for state, word in words.items() if count[state])
    return f"{count[GateState.PASS]} gates passed{rest}"


def blocking(gates: Iterable[Gate]) -> list[Gate]:
    """The gates that block: failed ones first, then those without data, then undecided ones."""
    order = (GateState.FAIL, GateState.NO_DATA, GateState.INCONCLUSIVE)
    stopped = [gate for gate in gates if gate.blocks]
    return sorted(stopped, key=lambda g: order.index(g.state) if g.state in order else len(order))


def gate(gate: Gate, *, slices: Sequence[SliceRow] = ()) -> str:
    """What one gate found, with both numbers and what is allowed.

    `slices` are the rows that the slice guard judged.
    """
    name, state = title(gate), gate.state
    if state is GateState.OFF:
        return f"{name} is turned off: {gate.reason}"
    if gate.kind is GateKind.LEAKAGE:
        return _leakage(gate)
    if gate.kind is GateKind.SCHEMA:
        return _contract(gate)
    if state is GateState.NOT_COMPARED:
        known = f" It is {of_gate(gate.candidate, gate)}." if gate.candidate is not None else ""
        return f"{name} was not compared with production.{known}"
    if gate.kind is GateKind.SLICE_GUARD:
        return _guard(gate, slices)
    if state is GateState.NO_DATA:
        return f"{name} has no data: {_absent(gate)}."
    if gate.kind is GateKind.LATENCY_RATIO:
        return _latency(gate)
    return _limit(gate) if gate.delta is None else _comparison(gate)


def title(gate: Gate) -> str:
    """What people call the gate."""
    if gate.kind is GateKind.SLICE_PROOF:
        return f"{metric(gate)} of the slice {gate.slice}"
    if gate.kind is GateKind.ANCHOR:
        return f"{metric(gate)} against the best release so far"
    return _TITLES.get(gate.kind) or metric(gate)


def metric(gate: Gate, *, other: str | None = None) -> str:
    """What people call the gate's metric; `other` (its own name) when the catalogue does not know it."""
    if other is not None and gate.metric not in metrics.CATALOGUE:
        return other
    return "the metric" if gate.metric is None else metrics.title(gate.metric)


def worst_slice(slices: Sequence[SliceRow]) -> SliceRow | None:
    """The failing slice that lost most, else the judged one with the smallest gain."""
    failed = [row for row in slices if row.state is SliceState.FAIL]
    judged = failed or [row for row in slices if row.state in JUDGED]
    return min(
        (row for row in judged if row.delta is not None), key=lambda r: r.delta or 0.0, default=None
    )


def capital(sentence: str) -> str:
    """With a first capital letter."""
    return sentence[:1].upper() + sentence[1:]


def told(entry: Gate, check: Check) -> str:
    """The gate's sentence, made where the check has none yet."""
    return entry.sentence or gate(entry, slices=check.slices)


def demands_gain(gate: Gate) -> bool:
    """True where the candidate must be better than production, False where it may lose a little."""
    return gate.limit is not None and gate.limit > 0 and gate.kind is not GateKind.LATENCY_RATIO


def demand(gate: Gate) -> str:
    """What a comparison asks for: `a loss below 0.02`."""
    shown = margin(gate.limit or 0.0, relative=gate.relative)
    return f"a gain above {shown}" if demands_gain(gate) else f"a loss below {shown}"


def _comparison(gate: Gate) -> str:
    said = (
        f"{title(gate)} {change(gate.production, gate.candidate, gate.unit)} "
        f"({gain(gate.delta, relative=gate.relative)}"
    )
    worst, best = (gain(end, relative=gate.relative) for end in (gate.lower, gate.upper))
    asked = demand(gate)
    word = "required" if demands_gain(gate) else "allowed"
    if gate.state is GateState.PASS:
        return f"{said}, at worst {worst}); {word}: {asked}."
    if gate.state is GateState.FAIL:
        return f"{said}, at best {best}); {word}: {asked}."
    if why := no_interval(gate):
        return f"{said}); {why}, so nothing shows {asked}."
    needed = gate.rows_needed
    rows = (
        f"; an equally good candidate would need about {needed:,} rows, the test set has {gate.rows:,}"
        if needed and needed > gate.rows and not demands_gain(gate)
        else ""
    )
    return f"{said}, between {worst} and {best}), too uncertain to show {asked}{rows}."


def change(old: float | None, new: float | None, unit: Unit = "metric") -> str:
    """`fell from 0.7778 to 0.6433`."""
    before, after = number(old, unit), number(new, unit)
    if old is None or new is None or before == after:
        return f"stayed at {after}"
    return f"{'rose' if new > old else 'fell'} from {before} to {after}"


def _limit(gate: Gate) -> str:
    name, value = title(gate), of_gate(gate.candidate, gate)
    side = "above" if gate.better == "higher" else "below"
    allowed = limit(gate.limit, gate.unit)
    exact = gate.lower == gate.upper and gate.lower is not None
    bounds = "" if exact else f" ({between(gate.lower, gate.upper, gate.unit)})"
    if gate.state is GateState.PASS:
        return f"{name} is {value}{bounds}, {side} {allowed}."
    if why := no_interval(gate):
        return f"{name} is {value}; {why}, so nothing shows that it is {side} {allowed}."
    if _busy(gate):
        return (
            f"{name} is {value}{bounds}, and production's is {of_gate(gate.production, gate)} in the same minutes: "
            f"this machine is too busy to say whether it is {side} {allowed}."
        )
    if gate.state is GateState.FAIL or exact:
        return f"{name} is {value}{bounds}; it must be {side} {allowed}."
    return f"{name} is {value}{bounds}, too uncertain to say that it is {side} {allowed}."


def no_interval(gate: Gate) -> str:
    """Why an undecided gate has a number without bounds; empty when it has some."""
    if gate.state is not GateState.INCONCLUSIVE or (gate.lower, gate.upper) != (None, None):
        return ""
    return _NO_INTERVAL.get(gate.method, "there are too few rows for an interval")


def _busy(gate: Gate) -> bool:
    """Whether production broke the candidate's limit of latency, too."""
    if gate.kind is not GateKind.LATENCY_P95 or gate.state is not GateState.INCONCLUSIVE:
        return False
    return gate.production is not None and gate.production > (gate.limit or 0.0)


def _latency(gate: Gate) -> str:
    more, most = (((x or 1.0) - 1) * 100 for x in (gate.delta, gate.limit))
    said = (
        f"the median latency is {abs(more):.0f}% {'longer' if more >= 0 else 'shorter'} than production's "
        f"({of_gate(gate.production, gate)} to {of_gate(gate.candidate, gate)})"
    )
    if gate.state is GateState.INCONCLUSIVE:
        return f"{said}, too uncertain to say that it is less than {most:.0f}% longer."
    return f"{said}; allowed: less than {most:.0f}% longer."


def _guard(gate: Gate, slices: Sequence[SliceRow]) -> str:
    failed = [row for row in slices if row.state is SliceState.FAIL]
    judged = sum(row.state in JUDGED for row in slices)
    small = [row for row in slices if row.state is SliceState.TOO_SMALL]
    allowed = margin(gate.limit or 0.0, relative=gate.relative)
    worst = worst_slice(slices)
    if failed and worst is not None:
        others = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
        return (
            f"the slice {worst.slice}{others} clearly lost more than {allowed}: {metric(gate)} "
            f"{change(worst.production, worst.candidate, gate.unit)} on {worst.rows:,} rows."
        )
    if gate.state is GateState.NO_DATA:
        named = ", ".join(row.slice for row in slices if row.state is SliceState.NO_DATA)
        if not named:
            return "the slice guard has no data: it was not measured."
        return f"only one of the two models has a value on {named}."
    if not judged:
        return (
            f"no slice was judged{guard_words.too_small(small, relative=gate.relative)}."
            if small
            else "no slices declared."
        )
    shown = guard_words.undecided(slices, relative=gate.relative)
    shown += guard_words.too_small(small, relative=gate.relative)
    if judged == 1:
        return f"the only slice judged did not clearly lose more than {allowed}{shown}."
    return f"none of {judged} slices clearly lost more than {allowed}{shown}."


def _leakage(gate: Gate) -> str:
    if gate.problems is None:
        return "the test set has no data: it was not checked."
    if gate.problems:
        return f"the test set is not unseen: {'; '.join(gate.problems)}."
    timed = gate.method == BY_KEYS_AND_TIME
    later = ", and the test window follows the training window" if timed else ""
    return f"no test row was trained on{later}."


def _contract(gate: Gate) -> str:
    if gate.problems is None:
        return "the contract has no data: it was not checked."
    if gate.problems:
        return f"the contract would break today's callers: {'; '.join(gate.problems)}."
    return "today's callers can use the candidate as it is."


def _absent(gate: Gate) -> str:
    if gate.rows == 0 and gate.candidate is None:
        return "it was not measured"
    if gate.relative and gate.production == 0:
        return "production's value is 0, of which there is no share; give the margin as a number"
    given = {"candidate": gate.candidate, "production": gate.production}
    who = " and ".join(name for name, value in given.items() if value is None) or "the comparison"
    return (
        f"{who} has no value on {gate.rows:,} rows (a missing or infinite score, or only one class)"
    )
