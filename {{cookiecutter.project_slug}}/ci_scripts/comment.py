"""The one comment on a pull request, as text. Pure: data in, Markdown of at most 65,536 characters out.

Everything that a pull request can influence (names of metrics, slices and parameters, sentences, branches) goes through
`escape`: it can then neither mention people, link, open a table cell or a tag, nor pose as the comment's marker.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelops.evaluation import wording

LIMIT = 65_536
MARKER = "<!-- model-gate "
ICONS = {"pass": "✅", "blocked": "❌", "not_evaluated": "⚠️", "nothing": "➖", "pending": "⏳"}
WARNINGS_SHOWN = 20
_BREAK = "\u200b"  # zero width: invisible, and enough to keep GitHub from seeing a mention or a reference
_ENTITIES = {
    "&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "`": "&#96;", "[": "&#91;", "]": "&#93;", "*": "&#42;",
    "_": "&#95;", "~": "&#126;", "\\": "&#92;", "$": "&#36;", "!": "&#33;",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Footing:
    """What the trusted side knows and the comment says: the verdict, and where its parts can be found."""

    state: str
    sentence: str
    head_sha: str
    run_id: int
    run_attempt: int = 1
    run_url: str = ""
    report_url: str | None = None
    production: str | None = None
    production_age: str | None = None
    warnings: Sequence[str] = field(default_factory=tuple)
    hint: str | None = None
    monitored: str | None = None


def escape(text: object, *, limit: int = 300) -> str:
    """`text` as literal characters of one line of Markdown, cut to `limit`: no mention, link or tag survives."""
    plain = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in str(text))
    plain = " ".join(plain.split())
    if len(plain) > limit:
        plain = plain[: limit - 1].rstrip() + "…"
    plain = plain.replace("@", "@" + _BREAK).replace("#", "#" + _BREAK)
    plain = plain.replace("://", ":" + _BREAK + "//").replace("www.", "www" + _BREAK + ".")
    plain = plain.replace("GH-", "GH" + _BREAK + "-")
    return "".join(_ENTITIES.get(c, c) for c in plain)


def render(check: Mapping[str, Any] | None, footing: Footing) -> str:
    """The whole comment. `check` is a schema-valid check.json, or None when there is nothing to show.

    Verdict, warnings, blocking gates and footer are always kept; details are cut between rows, with a note.
    """
    check = check or {}
    head = [marker(footing), *_verdict(check, footing), *_warnings(footing)]
    foot = _footer(check, footing)
    room = LIMIT - _length("\n".join([*head, "", foot])) - 400
    body = []
    for block in _blocks(check):
        lines, cost = block.fit(room)
        body += lines
        room -= cost
    return "\n".join([*head, *body, "", foot]) + "\n"


def marker(footing: Footing) -> str:
    """The hidden first line by which the comment is found again and an older run recognised."""
    data = {
        "schema": 1,
        "head_sha": footing.head_sha,
        "run_id": footing.run_id,
        "attempt": footing.run_attempt,
    }
    return f"{MARKER}{json.dumps(data, sort_keys=True)} -->"


def read_marker(body: str) -> dict[str, Any] | None:
    """The data of `marker` when `body` begins with one, else None."""
    first = body.split("\n", 1)[0].strip()
    if not (first.startswith(MARKER) and first.endswith("-->")):
        return None
    try:
        data = json.loads(first.removeprefix(MARKER).removesuffix("-->"))
    except ValueError:
        return None
    return data if isinstance(data, dict) else None


def title(check: Mapping[str, Any], footing: Footing) -> str:
    """The verdict in one short line, old → new; also the commit status."""
    gates = check.get("gates", [])
    blocking = [g for g in gates if g["blocks"]]
    primary = next((g for g in gates if g["id"] == "primary"), None)
    moved = ""
    if primary is not None and primary["candidate"] is not None:
        name, new = wording.title(primary), wording.number(primary["candidate"], primary)
        old = primary["production"]
        moved = f"{name} {new}" if old is None else f"{name} {wording.number(old, primary)} → {new}"
        if old is not None:
            moved += f" ({_signed(primary['candidate'] - old)})"
    match footing.state:
        case "pass" if gates:
            return f"May ship: {moved}" if moved else "May ship"
        case "blocked" if blocking:
            plural = "gate blocks" if len(blocking) == 1 else "gates block"
            names = ", ".join(wording.title(g) for g in blocking[:3]) + (
                ", …" if len(blocking) > 3 else ""
            )
            return f"{len(blocking)} of {len(gates)} {plural} ({names})" + (
                f": {moved}" if moved else ""
            )
        case "not_evaluated":
            return "Not evaluated"
        case "nothing":
            return "Nothing to evaluate: no change reaches the model"
    return footing.sentence


def _verdict(check: Mapping[str, Any], footing: Footing) -> list[str]:
    lines = [f"### {ICONS.get(footing.state, '')} {escape(title(check, footing), limit=200)}", ""]
    lines.append(escape(footing.sentence, limit=1500))
    if footing.hint:
        lines += ["", escape(footing.hint, limit=800)]
    return lines


def _warnings(footing: Footing) -> list[str]:
    if not footing.warnings:
        return []
    shown = [f"> - {escape(text, limit=500)}" for text in footing.warnings[:WARNINGS_SHOWN]]
    if len(footing.warnings) > WARNINGS_SHOWN:
        shown.append(f"> - and {len(footing.warnings) - WARNINGS_SHOWN} more in the report")
    return ["", "> [!WARNING]", *shown]


def _footer(check: Mapping[str, Any], footing: Footing) -> str:
    baseline = check.get("baseline") or {}
    production = footing.production or baseline.get("model")
    parts = [f"commit {footing.head_sha[:12]}"]
    if footing.run_url:
        parts.append(f"[run]({footing.run_url})")
    if footing.report_url:
        parts.append(f"[full report]({footing.report_url})")
    if production:
        age = f", released {escape(footing.production_age)}" if footing.production_age else ""
        parts.append(f"compared with production {escape(production, limit=100)}{age}")
    else:
        parts.append("nothing is in production yet")
    if footing.monitored:
        parts.append(escape(footing.monitored))
    return f"<sub>{' · '.join(parts)}</sub>"


@dataclass(frozen=True, kw_only=True)
class _Block:
    """A piece that may be cut between its rows. `rows` that do not fit are counted in a note."""

    before: Sequence[str]
    rows: Sequence[str]
    after: Sequence[str] = ()
    note: str = "{left} more rows are in the full report."

    def fit(self, room: int) -> tuple[list[str], int]:
        """The lines that fit into `room` characters, and how many they take; nothing when not even one row does."""
        frame = _length("\n".join([*self.before, *self.after, self.note])) + 40
        if not self.rows or frame + _length(self.rows[0]) > room:
            return [], 0
        kept, used = [], frame
        for row in self.rows:
            cost = _length(row) + 1
            if used + cost > room:
                break
            kept.append(row)
            used += cost
        left = len(self.rows) - len(kept)
        note = ["", self.note.format(left=left)] if left else []
        return [*self.before, *kept, *note, *self.after], used


def _blocks(check: Mapping[str, Any]) -> Iterable[_Block]:
    """In the order in which space is given out: gates first, then what explains them."""
    gates = sorted(check.get("gates", []), key=lambda g: (not g["blocks"], g["state"] == "pass"))
    yield _Block(
        before=[
            "",
            "| | gate | production | this PR | change | limit |",
            "|---|---|---|---|---|---|",
        ],
        rows=[_gate_row(g) for g in gates],
    )
    blocking = [f"- {escape(g['sentence'], limit=600)}" for g in gates if g["blocks"]]
    yield _Block(before=["", "**Why it is blocked**", ""], rows=blocking)
    slices = sorted(
        check.get("slices", []), key=lambda s: (s["state"] != "fail", s["delta"] or 0.0)
    )
    yield _details(
        "All metrics",
        ["| metric | production | this PR | change | 95% of the change |", "|---|---|---|---|---|"],
        [_metric_row(m) for m in check.get("metrics", [])],
    )
    yield _details(
        f"Slices ({len(slices)})",
        ["| slice | rows | production | this PR | change | | |", "|---|---|---|---|---|---|---|"],
        [_slice_row(s, slices) for s in slices],
    )
    for name, key in (
        ("Parameters that changed", "params_diff"),
        ("Data and code that changed", "data_diff"),
    ):
        yield _details(
            name,
            ["| name | production | this PR |", "|---|---|---|"],
            [_diff_row(d) for d in check.get(key, [])],
        )
    confusion = ((check.get("curves") or {}).get("candidate") or {}).get("confusion")
    if confusion:
        yield _details(
            "Confusion of this PR (rows: true, columns: predicted)", *_confusion(confusion)
        )


def _details(name: str, header: Sequence[str], rows: Sequence[str]) -> _Block:
    before = ["", f"<details><summary>{name}</summary>", "", *header]
    return _Block(before=before, rows=rows, after=["", "</details>"])


def _gate_row(gate: Mapping[str, Any]) -> str:
    icon = {"pass": "✅", "off": "⏸️", "not_compared": "➖"}.get(
        gate["state"], "❌" if gate["blocks"] else "⚠️"
    )
    name = escape(wording.title(gate), limit=120)
    limit = gate["limit"]
    if gate["state"] == "off":
        shown = f"off: {escape(gate['reason'] or 'no reason given', limit=120)}"
    elif limit is None:
        shown = "none may be found"
    elif gate["delta"] is not None and gate["unit"] == "metric":
        shown = f"change above {wording.gain(limit, relative=gate['relative'])}"
    else:
        shown = (
            f"{'above' if gate['better'] == 'higher' else 'below'} {wording.number(limit, gate)}"
        )
    old, new = (
        wording.number(gate[k], _unit(gate)) if gate[k] is not None else "N/A"
        for k in ("production", "candidate")
    )
    if gate["problems"] is not None:
        new = f"{len(gate['problems'])} found"
    change = _change(gate["production"], gate["candidate"], better=_direction(gate))
    return f"| {icon} | {name} | {old} | {new} | {change} | {shown} |"


def _unit(gate: Mapping[str, Any]) -> dict[str, Any]:
    # A latency ratio is judged, but the two latencies it is made of are shown.
    return {**gate, "unit": "ms"} if gate["id"] == "latency" else dict(gate)


def _direction(gate: Mapping[str, Any]) -> str:
    """Which way is good for the shown numbers; the gate's own `better` is about what it tests."""
    from modelops.evaluation.metrics import CATALOGUE

    metric = CATALOGUE.get(gate["metric"] or "")
    return gate["better"] if metric is None else "higher" if metric.sign > 0 else "lower"


def _metric_row(metric: Mapping[str, Any]) -> str:
    entry = {"unit": "metric"}
    old, new = (
        wording.number(metric[k], entry) if metric[k] is not None else "N/A"
        for k in ("production", "candidate")
    )
    change = _change(metric["production"], metric["candidate"], better=metric["better"])
    span = (
        "" if metric["lower"] is None else f"{metric['lower']:+.4g} to {_number(metric['upper'])}"
    )
    return f"| {escape(metric['title'], limit=60)} | {old} | {new} | {change} | {span} |"


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:+.4g}"


def _slice_row(numbers: Mapping[str, Any], every: Sequence[Mapping[str, Any]]) -> str:
    entry = {"unit": "metric"}
    old, new = (
        wording.number(numbers[k], entry) if numbers[k] is not None else "N/A"
        for k in ("production", "candidate")
    )
    delta = numbers["delta"]
    largest = max((abs(s["delta"]) for s in every if s["delta"] is not None), default=0.0)
    bar = "█" * round(8 * abs(delta) / largest) if delta is not None and largest else ""
    # `delta` is a gain already: positive is better whatever the metric.
    change = "N/A" if delta is None else _arrow(delta, delta)
    state = {"fail": "❌", "pass": "", "too_small": "too few rows", "no_data": "no data"}.get(
        numbers["state"], ""
    )
    name = escape(numbers["slice"], limit=120)
    return f"| {name} | {numbers['rows']:,} | {old} | {new} | {change} | {bar} | {state} |"


def _diff_row(diff: Mapping[str, Any]) -> str:
    values = (diff.get(k) for k in ("name", "production", "candidate"))
    return "| " + " | ".join("N/A" if v is None else escape(v, limit=160) for v in values) + " |"


def _confusion(matrix: Sequence[Sequence[int]]) -> tuple[list[str], list[str]]:
    width = len(matrix[0]) if matrix else 0
    header = ["| | " + " | ".join(str(i) for i in range(width)) + " |", "|---" * (width + 1) + "|"]
    return header, [
        f"| {i} | " + " | ".join(f"{n:,}" for n in row) + " |" for i, row in enumerate(matrix)
    ]


def _change(old: float | None, new: float | None, *, better: str) -> str:
    if old is None or new is None:
        return "N/A"
    difference = new - old
    return _arrow(difference, difference if better == "higher" else -difference)


def _arrow(difference: float, gain: float) -> str:
    if difference == 0:
        return "±0"
    return f"{_signed(difference)} {'▲ better' if gain > 0 else '▼ worse'}"


def _signed(value: float) -> str:
    text = f"{value:+.4f}" if abs(value) < 100 else f"{value:+,.1f}"
    return text.replace("-", "−")


def _length(text: str) -> int:
    """Characters as GitHub's database counts them at worst: those outside the basic plane are two."""
    return len(text.encode("utf-16-le", errors="surrogatepass")) // 2
