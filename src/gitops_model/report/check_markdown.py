"""A check as GitHub-flavoured Markdown: pull request comment, job summary and reports/check.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup

from gitops_model import templates
from gitops_model.formats.check import JUDGED, Check, GateState, Outcome
from gitops_model.markdown import escape, tidy, unbroken, units
from gitops_model.report import (
    facts,
    gate_lines,
    heading,
    interval,
    line_words,
    reasons,
    sight_line,
    view,
)
from gitops_model.report.gate_lines import GateLine
from gitops_model.report.heading import Verdict
from gitops_model.report.interval import Interval
from gitops_model.templates import ours

# What GitHub takes, counted in UTF-16 units.
LIMIT = 65_536
# Rows of the longest list whose length does not depend on the check: metrics and facts.
ALWAYS = 60
# What a reader sees without opening anything: rows of the table, of which metrics without a gate, and lines of a list.
ROWS, WORSE, LINES = 5, 2, 5


def render(
    check: Outcome | None,
    *,
    head: Verdict | None = None,
    limit: int = LIMIT,
    footer: Sequence[str] = (),
    report_url: str | None = None,
) -> str:
    """At most `limit` UTF-16 units of Markdown, cut between rows; verdict and failing gates are always kept.

    A trusted side may give a `head` of its own. `footer` lines and `report_url` are the caller's and used as they are;
    every text of the check is escaped. Order: verdict, gates that are off, warnings, gates, then what is folded. What
    a reader sees without opening a fold does not grow with the check.
    """
    head = head or heading.verdict(check)
    values: dict[str, object] = {"check": None}
    most = len(head.warnings)
    if isinstance(check, Check):
        values = _values(check, head)
        most = max(
            most, len(check.gates), len(check.slices), len(check.params_diff), len(check.data_diff)
        )
    values |= {"head": head, "footer": footer, "report_url": report_url, "shown_lines": LINES}

    def written(most: int) -> str:
        shown = templates.render("gitops_model.report", "check.md.j2", most=most, **values)
        return unbroken(tidy(shown))

    body = _longest(written, limit=limit, most=max(most, ALWAYS))
    return body if body is not None else _clipped(head, limit)


def _values(check: Check, head: Verdict) -> dict[str, object]:
    lines, slices = gate_lines.every(check), view.slice_lines(check)
    seen, quiet = gate_lines.split(lines)
    worse = view.clearly_worse(check)
    shown = worse[: max(0, min(WORSE, ROWS - len(seen)))]
    rest = (seen[ROWS:], worse[len(shown) :])
    blocking = [line for line in lines if line.gate.blocks]
    # The first one is what the sentence under the heading says, unless a trusted side decided by something else.
    first = bool(blocking) and head.said == reasons.explanation(check)
    curves, metrics = check.curves.candidate, view.metric_lines(check)
    changes = facts.changes(check)
    gains = [
        line.picture for line in slices if line.picture is not None and line.row.delta is not None
    ]
    return {
        "check": check,
        "drawn": _drawn,
        "production": facts.column(facts.production(check)),
        "confidence": facts.confidence(check),
        "compared": facts.compared(check),
        "sight": sight_line.line(check),
        "anchor": line_words.line(check),
        "lines": lines,
        "seen": seen[:ROWS],
        "worse": shown,
        "hidden": rest,
        "hidden_summary": _hidden(*rest),
        "quiet": quiet,
        "quiet_summary": _summary(quiet),
        "why": blocking[1:] if first else blocking,
        "why_title": "It is also blocked by" if first else "Why it is blocked",
        "changed": facts.changed(check.params_diff),
        "everything": _everything(metrics, slices, changed=sum(len(rows) for _, rows in changes)),
        "metrics": [_metric(line) for line in metrics],
        "slices": slices,
        "scale": interval.shared(gains) if gains else None,
        "judged": sum(line.row.state in JUDGED for line in slices),
        "suspects": facts.suspects(check),
        "changes": changes,
        "confusion": curves.confusion if curves is not None else None,
        "costs": facts.costs(check),
        "facts": facts.test_set(check),
    }


def _hidden(gates: Sequence[GateLine], worse: Sequence[view.MetricLine]) -> str:
    """What the rows are that found no room above; of fixed words alone, because it stands in HTML."""
    blocks = sum(line.gate.blocks for line in gates)
    parts = (
        (blocks, "blocking"),
        (len(gates) - blocks, "not blocking"),
        (len(worse), "clearly worse, no gate"),
    )
    found = [(count, words) for count, words in parts if count]
    if not found:
        return ""
    mark = "❌" if blocks else "⚠️"
    if len(found) == 1:
        return f"{mark} {found[0][0]} more below: {found[0][1]}"
    told = ", ".join(f"{count} {words}" for count, words in found)
    return f"{mark} {len(gates) + len(worse)} more below: {told}"


def _everything(
    metrics: Sequence[view.MetricLine], slices: Sequence[view.SliceLine], *, changed: int
) -> str:
    """What the last fold holds; of fixed words alone, because it stands in HTML."""
    parts = ((len(slices), "slices"), (changed, "things that changed"))
    told = "".join(f" · {words} ({count})" for count, words in parts if count)
    return f"All metrics ({len(metrics)}){told} · every gate in a sentence · the test set"


def _summary(lines: Sequence[GateLine]) -> str:
    """Of fixed words alone, because it stands in HTML."""
    passed = [line for line in lines if line.gate.state is GateState.PASS]
    names = ", ".join(dict.fromkeys(line.short for line in passed))
    others = len(lines) - len(passed)
    rest = f"; {others} not compared" if others else ""
    return (
        f"✅ {len(passed)} more gates passed: {names}{rest}"
        if passed
        else f"➖ {others} gates were not compared"
    )


def _drawn(picture: Interval | None, domain: interval.Domain | None = None) -> Markup:
    if picture is None:
        return Markup()
    # Of characters that mean nothing in Markdown, so that it may stand as code in a table.
    width = interval.WIDTH if domain is None else interval.WIDE
    return ours(f"`{interval.text(picture, domain=domain, width=width)}`")


def _metric(line: view.MetricLine) -> tuple[str, ...]:
    row = line.row
    return (
        row.title,
        row.better,
        line.production,
        line.candidate,
        line.change,
        line.bounds or line.own,
    )


def _longest(written: Callable[[int], str], *, limit: int, most: int) -> str | None:
    """The text with the most rows to a list that fits; None when not even one without them does."""
    best = written(most)
    if units(best) <= limit:
        return best
    found, low, high, step = None, -1, most, 1
    while high - low > 1:
        # Steps grow from few rows on: writing thousands of rows that will not fit takes long.
        middle = min(low + step, high - 1)
        body = written(middle)
        if units(body) <= limit:
            found, low, step = body, middle, 2 * step
        else:
            high, step = middle, max(1, (middle - low) // 2)
    return found


def _clipped(head: Verdict, limit: int) -> str:
    """The verdict alone, where not even what blocks has room; far below what GitHub takes."""
    first = f"### {head.mark} {escape(head.line, limit=300)}"
    while units(first) > max(0, limit):
        first = first[:-1]
    return first
