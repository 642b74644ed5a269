"""reports/compare.md, and the lines a terminal shows: a shadow against what was answered, or two days."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gitops_model import templates
from gitops_model.formats.comparison import DayReport, Estimate, ShadowReport
from gitops_model.report.check_html import PACKAGE

MOST_GROUPS = 40
MOST_CHANGES = 60


def markdown(made: ShadowReport | DayReport) -> str:
    """The report. It fits into a comment: rows and texts are bounded."""
    words = {"percent": percent, "interval": interval, "number": number, "named": named}
    if isinstance(made, ShadowReport):
        return templates.render(
            PACKAGE,
            "compare.md.j2",
            made=made,
            shown=made.groups[:MOST_GROUPS],
            headline=headline(made),
            cost=cost(made),
            **words,
        )
    return templates.render(
        PACKAGE, "compare_days.md.j2", made=made, shown=made.changes[:MOST_CHANGES], **words
    )


def lines(made: ShadowReport | DayReport) -> Iterator[str]:
    """What the terminal says."""
    if isinstance(made, DayReport):
        yield f"{made.rows[0]:,} rows on {made.days[0]}, {made.rows[1]:,} on {made.days[1]}."
        for change in made.changes:
            if change.group == made.changes[0].group:
                before, after = map(number, change.values)
                yield f"{change.name}: {before} then {after}, {interval(change.difference, sign=True)}"
        yield from made.notes
        return
    yield headline(made)
    every = made.groups[0]
    if every.shift is not None:
        yield f"score, shadow less answered: mean {interval(every.shift, sign=True)}"
    yield (
        f"difference without sign: p50 {number(every.p50)}, p95 {number(every.p95)}; "
        f"beyond the tolerance: {percent(every.beyond)}"
    )
    yield f"rows: {named(made.outcomes)}"
    if made.latency is not None:
        p50, p95 = made.latency
        yield f"the shadow took {p50:.3g} ms (p50), {p95:.3g} ms (p95) for a request"
    yield from cost(made)
    yield from made.notes


def headline(made: ShadowReport) -> str:
    """One sentence on everything."""
    every = made.groups[0]
    span = made.first if made.first == made.last else f"{made.first} to {made.last}"
    if every.agreement is None:
        return f"{made.model} as shadow ({span}): of {every.rows:,} rows none can be compared"
    return (
        f"{made.model} as shadow ({span}): agrees on {interval(every.agreement, share=True)} "
        f"of the rows that both answered, {every.rows:,} rows seen"
    )


def cost(made: ShadowReport) -> list[str]:
    """What can be said of the cost without labels, in sentences."""
    rows = made.outcomes["same"] + made.outcomes["other"]
    if made.cost is None or not rows:
        return ["The contract names no costs that can be bounded here."]
    low, high = (1000 * value / rows for value in made.cost)
    said = [
        f"Cost for 1,000 rows would change by {low:+.4g} to {high:+.4g}, whatever the labels say; only labels tell "
        "which."
    ]
    if made.expected is not None:
        ours, theirs = (1000 * value / rows for value in made.expected)
        said.append(
            f"Expected from the probabilities alone: {ours:+.4g} if the answering model's are right, {theirs:+.4g} if "
            "the shadow's are."
        )
    return said


def percent(value: float | None) -> str:
    """`12.3 %`."""
    return "no data" if value is None else f"{100 * value:.1f} %"


def number(value: float | None) -> str:
    """Four digits."""
    return "no data" if value is None else f"{value:.4g}"


def interval(found: Estimate | None, *, share: bool = False, sign: bool = False) -> str:
    """A value with its interval."""
    if found is None:
        return "no data"
    if share:
        return f"{percent(found.value)} ({100 * found.low:.1f} to {percent(found.high)})"
    shape = "+.4g" if sign else ".4g"
    return f"{found.value:{shape}} ({found.low:{shape}} to {found.high:{shape}})"


def named(counts: Mapping[str, int]) -> str:
    """`same 120, other 3`; nothing of zero."""
    return ", ".join(f"{name} {count:,}" for name, count in counts.items() if count) or "none"
