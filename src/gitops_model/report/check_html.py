"""check.json as one HTML page: self-contained, under 300 KB, readable without scripts, in light, dark and print."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from gitops_model.evaluation import wording
from gitops_model.report import charts as charts
from gitops_model.report import view as view
from gitops_model.report.markdown import plain
from gitops_model.report.style import CSS

Check = Mapping[str, Any]

MAX_BYTES = 300_000
# Rows of each long table; the first that fits is taken.
ROWS = (150, 80, 40, 15, 5)
_STATE = {"pass": "pass", "blocked": "fail", "not_evaluated": "maybe"}
_ICON = {
    "pass": '<path d="M5 18l8 9L29 8"/>',
    "blocked": '<path d="M7 7l20 20M27 7L7 27"/>',
    "not_evaluated": '<path d="M17 5v16M17 28v1"/>',
}


def render(check: Check) -> str:
    """The page. Takes any valid check.json, also `not_evaluated`; the same dict gives the same bytes."""
    page = ""
    for rows in ROWS:
        page = _page(check, rows=rows)
        if len(page.encode()) < MAX_BYTES:
            break
    return page


def text(value: object, *, limit: int = 600) -> str:
    """Foreign text, safe inside an element or attribute."""
    shown = plain(value)
    return escape(shown if len(shown) <= limit else shown[: limit - 1] + "…")


def prose(value: str, *, limit: int = 600) -> str:
    """A sentence in which `pairs of backticks` are shown as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", text(value, limit=limit))


def _page(check: Check, *, rows: int) -> str:
    parts = [_header(check)]
    if check.get("gates"):
        parts += [
            _gates(check),
            _slices(check, rows=rows),
            _curves(check),
            _metrics(check),
            _costs(check),
            _changes("Parameters that changed", check["params_diff"], rows=rows),
            _changes("Data, code and environment that changed", check["data_diff"], rows=rows),
            _suspects(check),
            _facts(check),
        ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{text(view.title(check), limit=160)}</title><style>{CSS}</style></head>\n"
        f'<body><main class="{_STATE.get(check["state"], "none")}">\n{"".join(part for part in parts if part)}'
        "<footer>Made from reports/check.json alone; all numbers stand there in full.</footer></main></body></html>\n"
    )


def _header(check: Check) -> str:
    word = view.verdict(check)
    icon = _ICON.get(check["state"], '<path d="M6 17h22"/>')
    off = "".join(
        f"<li>OFF: {text(gate['gate'])} is turned off: {text(gate['reason'])}</li>"
        for gate in check.get("turned_off") or []
    )
    special = "".join(f"<li>{prose(warning)}</li>" for warning in view.warnings(check)[:40])
    hint = f"<p>{prose(check['hint'], limit=2000)}</p>" if check.get("hint") else ""
    sentence = str(check["sentence"]).removeprefix(f"{word}: ")
    return (
        f'<header><h1><svg viewBox="0 0 34 34" aria-hidden="true">{icon}</svg>{text(word)}</h1>\n'
        + (f'<ul class="off">{off}</ul>' if off else "")
        + f'<p class="lead">{prose(_capital(sentence), limit=4000)}</p>{hint}{_figures(check)}'
        + (f'<ul class="warn" aria-label="Warnings">{special}</ul>' if special else "")
        + "</header>\n"
    )


def _figures(check: Check) -> str:
    entry = view.primary(check)
    if entry is None:
        return ""
    passed = sum(e["state"] == "pass" for e in check["gates"])
    cells = [(f"{wording.title(entry)}, this PR", view.number(entry["candidate"]), "")]
    if entry["production"] is not None:
        model = (check["baseline"] or {}).get("model") or "production"
        cells.insert(0, (f"{wording.title(entry)}, {model}", view.number(entry["production"]), ""))
        cells.append(("gain", view.gain(entry["delta"], relative=entry["relative"]), _way(entry)))
    cells.append(("gates passed", f"{passed} of {len(check['gates'])}", ""))
    cells.append(("test rows", f"{check['test_set']['rows']:,}", ""))
    shown = "".join(
        f'<div><span>{text(name)}</span><b class="{way}">{text(value)}</b></div>'
        for name, value, way in cells
    )
    return f'<div class="figures">{shown}</div>'


def _gates(check: Check) -> str:
    by_id = {entry["id"]: entry for entry in check["gates"]}
    body = []
    for gate in view.gate_rows(check):
        bounds = f"<small>{text(gate.bounds)}</small>" if gate.bounds else ""
        own, gained = ("", bounds) if gate.change else (bounds, "")
        told = gate.state != "pass"
        body.append(
            f"<tr{' class=told' if told else ''}>"
            f'<td class="name">{text(gate.name)}<small>{text(gate.role)}</small></td>'
            f'<td class="num" data-l="production">{text(gate.production)}</td>'
            f'<td class="num" data-l="this PR">{text(gate.candidate)}{own}</td>'
            f'<td class="num {_way(by_id[gate.id])}">{text(gate.change)}{gained}</td>'
            f'<td class="pic">{charts.gate_strip(by_id[gate.id], gate.sentence)}</td>'
            f'<td class="limit" data-l="limit">{text(gate.limit)}</td>'
            f'<td class="state s-{"fail" if gate.blocks else gate.state}">'
            f"{_sign(gate.mark)} {text(gate.word)}</td></tr>\n"
        )
        if told:
            body.append(
                f'<tr class="why"><td colspan="7">{prose(_capital(gate.sentence))}</td></tr>\n'
            )
    return (
        '<section><h2>Gates</h2><p class="note">Right is better in every picture. The shaded side ends at the limit '
        "(dashed); the solid line is production. A bar reaches from the worst to the best the truth may be, each with "
        f"{view.confidence(check)} confidence: wholly right of the limit passes, wholly left fails, across is "
        "undecided.</p>"
        '<table class="cards"><thead><tr><th>gate</th><th class="num">production</th><th class="num">this PR</th>'
        '<th class="num">gain</th><th class="pic">worst to best</th><th>limit</th><th>verdict</th></tr></thead>\n'
        f"<tbody>{''.join(body)}</tbody></table></section>\n"
    )


def _slices(check: Check, *, rows: int) -> str:
    entries = view.slice_entries(check)
    if not entries:
        return ""
    relative, shown = view.slices_relative(check), entries[:rows]
    picture = charts.slice_strips(check, shown)
    body = []
    for s, strip in zip(shown, picture.strips, strict=True):
        mark, word = view.STATES[s["state"]]
        bounds = view.slice_bounds(s, relative=relative)
        body.append(
            f'<tr><td class="name">{text(s["slice"], limit=120)}</td><td class="num" data-l="rows">{s["rows"]:,}</td>'
            f'<td class="num" data-l="production">{view.number(s["production"])}</td>'
            f'<td class="num" data-l="this PR">{view.number(s["candidate"])}</td>'
            f'<td class="num {_way(s)}">{text(view.gain(s["delta"], relative=relative))}'
            f"<small>{text(bounds)}</small></td>"
            f'<td class="pic">{strip}</td><td class="state s-{s["state"]}">{_sign(mark)} {text(word)}</td></tr>\n'
        )
    left = len(entries) - len(shown)
    rest = (
        f'<p class="note">{left:,} more slices, all better than these, stand in check.json.</p>'
        if left
        else ""
    )
    return (
        f'<section><h2>Slices</h2><p class="note">{text(picture.note)}</p>'
        '<table class="cards"><thead><tr><th>slice</th><th class="num">rows</th><th class="num">production</th>'
        '<th class="num">this PR</th><th class="num">gain</th><th class="pic">worst to best</th><th>verdict</th></tr>'
        f'<tr class="axis-row"><th colspan="5"></th><th class="pic">{picture.axis}</th><th></th></tr></thead>\n'
        f"<tbody>{''.join(body)}</tbody></table>{rest}</section>\n"
    )


def _curves(check: Check) -> str:
    figures = charts.figures(check)
    if not figures:
        return ""
    both = check["baseline"] is not None and (check["curves"] or {}).get("production") is not None
    shown = "".join(
        f'<figure><h3>{text(f.title)}</h3>{f.body}<figcaption class="note">{text(f.caption)}</figcaption></figure>'
        for f in figures
    )
    return f'<section><h2>Behaviour</h2>{charts.key(both=both)}<div class="charts">{shown}</div></section>\n'


def _metrics(check: Check) -> str:
    body = []
    for m in check["metrics"]:
        bounds = view.metric_bounds(m) if m["delta"] is not None else ""
        own = view.values(m["candidate_lower"], m["candidate_upper"], {"unit": "metric"})
        body.append(
            f'<tr><td class="name">{text(m["title"])}<small>{m["better"]} is better</small></td>'
            f'<td class="num" data-l="production">{view.number(m["production"])}</td>'
            f'<td class="num" data-l="this PR">{view.number(m["candidate"])}<small>{text(own)}</small></td>'
            f'<td class="num {_way(m)}">{text(view.gain(m["delta"]))}<small>{text(bounds)}</small></td>'
            f'<td class="pic">{charts.metric_strip(m)}</td></tr>\n'
        )
    return (
        '<section><h2>All metrics</h2><p class="note">For information; only the gates above decide. '
        "A bar left of the line is clearly worse, right of it clearly better.</p>"
        '<table class="cards"><thead><tr><th>metric</th><th class="num">production</th><th class="num">this PR</th>'
        '<th class="num">gain</th><th class="pic">worst to best</th></tr></thead>\n'
        f"<tbody>{''.join(body)}</tbody></table></section>\n"
    )


def _costs(check: Check) -> str:
    return _table(
        "Latency, memory and size", ("", "production", "this PR", ""), view.cost_rows(check)
    )


def _changes(title: str, changes: Sequence[Mapping[str, Any]], *, rows: int) -> str:
    columns, cells = view.table_of(changes)
    return _table(f"{title} ({len(cells)})", columns, cells, rows=rows)


def _suspects(check: Check) -> str:
    cells = [
        (s["slice"], f"{s['rows']:,}", f"{s['effect']:.2f}", f"{s['p_value']:.2g}")
        for s in check["suspects"]
    ]
    note = (
        "Found on one half of the rows and confirmed on the other; nobody declared these slices, and they block "
        "nothing. The effect is the difference in mean loss, in standard deviations."
    )
    return _table(
        "Suspicious slices nobody declared", ("slice", "rows", "effect", "p"), cells, note=note
    )


def _facts(check: Check) -> str:
    shown = "".join(
        f"<dt>{text(name)}</dt><dd>{f'<code>{text(value)}</code>' if len(value) == 64 else text(value)}</dd>"
        for name, value in view.test_set(check)
    )
    return f'<section><h2>Test set and looks</h2><dl class="facts">{shown}</dl></section>\n'


def _table(
    title: str,
    columns: Sequence[str],
    cells: Sequence[Sequence[str]],
    *,
    rows: int = 200,
    note: str = "",
) -> str:
    if not cells:
        return ""
    head = "".join(f"<th>{text(column)}</th>" for column in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{text(value, limit=160)}</td>' for value in row)}</tr>\n"
        for row in cells[:rows]
    )
    left = len(cells) - rows
    rest = f'<p class="note">{left:,} more rows stand in check.json.</p>' if left > 0 else ""
    said = f'<p class="note">{text(note)}</p>' if note else ""
    return (
        f'<section><h2>{text(title)}</h2>{said}<div class="wide"><table><thead><tr>{head}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>{rest}</section>\n"
    )


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _sign(mark: str) -> str:
    # Plain signs take the colour of the state; emoji would bring their own.
    return {"✅": "✓", "❌": "✕", "⚠️": "◆", "❔": "?", "➖": "–", "⏸️": "○", "▫️": "○"}.get(mark, "")


def _way(entry: Mapping[str, Any]) -> str:
    """Colour only for a clear change: an interval that holds "no change" is not shown as bad or good."""
    if entry["delta"] is None:
        return ""
    even = 1.0 if entry.get("id") == "latency" else 0.0
    ends = [None if entry[key] is None else entry[key] - even for key in ("lower", "upper")]
    better, worse = ends[0] is not None and ends[0] > 0, ends[1] is not None and ends[1] < 0
    if entry.get("id") == "latency":
        better, worse = worse, better
    return "up" if better else "down" if worse else ""
