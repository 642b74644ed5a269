"""check.json as GitHub-flavoured Markdown: pull request comment, job summary and reports/check.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gitops_model.report import view as view
from gitops_model.report.markdown import Block, assemble, escape, prose, row, table

Check = Mapping[str, Any]

LIMIT = 65_536
BAR = 25
TURNED_OFF = 40


def render(check: Check, *, limit: int = LIMIT, footer: Sequence[str] = ()) -> str:
    """At most `limit` UTF-16 units of Markdown, cut between rows; verdict and failing gates are always kept.

    Takes any valid check.json, also `not_evaluated`. The trusted side may replace `state`, `sentence`, `hint`,
    `warnings` and `turned_off` by its own before rendering. `footer` lines are Markdown of the caller, used as they
    are; every text of the report is escaped. Order: verdict, gates that are off, warnings, gates, then details.
    """
    end = Block(before="".join(f"\n{line}\n" for line in footer))
    return assemble([_head(check), *_blocks(check), end], limit=limit)


def _head(check: Check) -> Block:
    mark = view.VERDICTS.get(check["state"], ("",))[0]
    off = [
        f"**⏸️ OFF: {escape(gate['gate'], limit=80)} is turned off: {escape(gate['reason'], limit=400)}**\n\n"
        for gate in (check.get("turned_off") or [])[:TURNED_OFF]
    ]
    title, sentence = view.title(check), str(check["sentence"])
    said_above = title.endswith(sentence) and len(title) <= 250
    said = "" if said_above else f"{prose(sentence, limit=2000)}\n"
    hint = f"\n{prose(check['hint'], limit=1500)}\n" if check.get("hint") else ""
    rest = f"{''.join(off)}{said}{hint}".strip("\n")
    return Block(before=f"### {mark} {prose(title, limit=300)}\n" + (f"\n{rest}\n" if rest else ""))


def _blocks(check: Check) -> Iterable[Block]:
    if special := view.warnings(check):
        yield Block(
            noun="warnings",
            before="\n> [!WARNING]\n",
            rows=[f"> - {prose(text, limit=500)}\n" for text in special],
        )
    if not check.get("gates"):
        return
    gates = view.gate_rows(check)
    yield Block(
        noun="gates",
        before="\n"
        + table(
            ["", "gate", "production", "this PR", "gain", "bounds", "limit", "verdict"],
            right=(2, 3, 4),
        ),
        rows=[_gate(gate) for gate in gates],
        first=True,
    )
    why = [f"- {prose(gate.sentence)}\n" for gate in gates if gate.blocks]
    if len(why) > 1:
        yield Block(noun="reasons", before="\n**Why it is blocked**\n\n", rows=why)
    yield Block(before=f"\n<sub>{_legend(check)}</sub>\n")
    yield from _details(check)


def _gate(gate: view.GateRow) -> str:
    name = f"**{escape(gate.name, limit=120)}**" if gate.blocks else escape(gate.name, limit=120)
    role = f" <sub>{gate.role}</sub>" if gate.role else ""
    word = f"**{gate.word}**" if gate.blocks else gate.word
    numbers = (gate.production, gate.candidate, gate.change, gate.bounds, gate.limit)
    return row([gate.mark, name + role, *(escape(text, limit=60) for text in numbers), word])


def _legend(check: Check) -> str:
    return (
        "▲ and + are better, ▼ and - are worse, whatever the metric's own direction. "
        f"Bounds are the worst and the best the gain may really be, each with {view.confidence(check)} confidence; "
        f"a gate passes when its whole interval is inside the limit. Compared on {escape(view.compared(check))}."
    )


def _details(check: Check) -> Iterable[Block]:
    yield _folded(
        "All metrics",
        "metrics",
        table(["metric", "better", "production", "this PR", "gain", "bounds"], right=(2, 3, 4)),
        [
            row(
                [
                    escape(m["title"]),
                    m["better"],
                    view.number(m["production"]),
                    view.number(m["candidate"]),
                    escape(view.gain(m["delta"])),
                    view.metric_bounds(m),
                ]
            )
            for m in check["metrics"]
        ],
    )
    yield _slices(check)
    yield _folded(
        "Suspicious slices nobody declared (for information, they block nothing)",
        "suspicious slices",
        table(["slice", "rows", "effect", "p"], right=(1, 2, 3)),
        [
            row([escape(s["slice"]), f"{s['rows']:,}", f"{s['effect']:.2f}", f"{s['p_value']:.2g}"])
            for s in check["suspects"]
        ],
    )
    for name, key in (("Parameters", "params_diff"), ("Data, code and environment", "data_diff")):
        columns, rows = view.table_of(check[key])
        yield _folded(
            f"{name} that changed ({len(rows)})",
            f"changes of {name.lower()}",
            table([escape(column, limit=40) for column in columns]),
            [row(escape(value, limit=160) for value in values) for values in rows],
        )
    yield _confusion(check)
    yield _folded(
        "Latency, memory and size",
        "measurements",
        table(["", "production", "this PR", ""], right=(1, 2)),
        [row(escape(text) for text in cells) for cells in view.cost_rows(check)],
    )
    yield _folded(
        "Test set and looks",
        "facts about the test set",
        table(["", ""]),
        [row([name, escape(value)]) for name, value in view.test_set(check)],
    )


def _slices(check: Check) -> Block:
    entries, relative = view.slice_entries(check), view.slices_relative(check)
    limit = view.slices_limit(check)
    judged = sum(s["state"] in ("pass", "fail") for s in entries)
    scale = _scale(entries, limit)
    compared = any(s["delta"] is not None for s in entries)
    header = [
        "",
        "slice",
        "rows",
        "production",
        "this PR",
        "gain",
        f"worst {'·' * 6} best",
        "verdict",
    ]
    rows = []
    for s in entries:
        mark, word = view.STATES[s["state"]]
        bar = (
            f"`{_bar(s, limit, scale)}`"
            if s["delta"] is not None
            else view.slice_bounds(s, relative=relative)
        )
        old, new = view.number(s["production"]), view.number(s["candidate"])
        change = escape(view.gain(s["delta"], relative=relative))
        rows.append(
            row(
                [mark, escape(s["slice"], limit=120), f"{s['rows']:,}", old, new, change, bar, word]
            )
        )
    marks = "`●` gain, `━` from worst to best, `│` production" + (
        ", `┆` limit" if limit is not None else ""
    )
    legend = (
        f"{marks}. Bounds are not adjusted for the number of slices; the verdict is (Holm).\n\n"
    )
    return _folded(
        f"Slices ({len(entries)}, {judged} judged)",
        "slices",
        (legend if compared else "") + table(header, right=(2, 3, 4, 5)),
        rows,
    )


def _scale(entries: Sequence[Mapping[str, Any]], limit: float | None) -> tuple[float, float]:
    ends = [s[key] for s in entries for key in ("delta", "lower", "upper") if s[key] is not None]
    ends += [0.0] + ([limit] if limit is not None else [])
    # One tiny slice with a huge interval must not squeeze the others into one character.
    reach = 4 * max(
        abs(limit or 0.0), sorted(abs(s["delta"] or 0.0) for s in entries)[len(entries) // 2], 1e-9
    )
    return max(min(ends), -reach), min(max(ends), reach)


def _bar(entry: Mapping[str, Any], limit: float | None, scale: tuple[float, float]) -> str:
    low, high = scale
    width = (high - low) or 1.0

    def place(value: float) -> int:
        return min(BAR - 1, max(0, round((value - low) / width * (BAR - 1))))

    cells = ["·"] * BAR
    ends = [entry["delta"] if entry[key] is None else entry[key] for key in ("lower", "upper")]
    for i in range(place(ends[0]), place(ends[1]) + 1):
        cells[i] = "━"
    cells[place(0.0)] = "│"
    if limit is not None:
        cells[place(limit)] = "┆"
    outside = "◀" if entry["delta"] < low else "▶" if entry["delta"] > high else "●"
    cells[place(entry["delta"])] = outside
    return "".join(cells)


def _confusion(check: Check) -> Block:
    matrix = ((check["curves"] or {}).get("candidate") or {}).get("confusion")
    if not matrix:
        return _folded("", "", "", [])
    names = [str(i + 1) for i in range(len(matrix))]
    return _folded(
        "Confusion of this PR: true class down, answered class across, in the contract's order",
        "classes",
        table(["", *names], right=range(1, len(names) + 1)),
        [
            row([f"**{name}**", *(f"{n:,}" for n in line)])
            for name, line in zip(names, matrix, strict=True)
        ],
    )


def _folded(summary: str, noun: str, before: str, rows: Sequence[str]) -> Block:
    if not rows:
        return Block()
    return Block(
        noun=noun,
        before=f"\n<details><summary>{summary}</summary>\n\n{before}",
        rows=rows,
        after="\n</details>\n",
    )


def headline(check: Check) -> str:
    """The verdict in one short line for a commit status or a pull request list; plain text."""
    mark = view.VERDICTS.get(check["state"], ("",))[0]
    return f"{mark} {view.title(check)}".strip()
