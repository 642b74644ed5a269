"""How long monitors run until they ask for nothing, and how soon they ask for something.

`python -m ci_scripts.run_lengths` prints a Markdown table of ours, Evidently and NannyML on the same streams, each by
its own code and as it ships. With `--write` it goes into docs/monitoring.md; `--peers FILE` takes what
`ci_scripts.peer_rules` printed before.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from ci_scripts import peers, streams
from ci_scripts.streams import (
    CHANGES,
    COLUMNS,
    DELAY_DAYS,
    HISTORY,
    LONGEST,
    REPETITIONS,
    STREAMS,
    Array,
    World,
)
from gitops_model.formats import profile
from gitops_model.formats.monitor import Settings
from gitops_model.monitoring import counts, shift, windows
from gitops_model.monitoring.counts import Tally
from gitops_model.pipeline import reference

PAGE: Final = peers.ROOT / "docs/monitoring.md"
BEGIN: Final = "<!-- begin: python -m ci_scripts.run_lengths --write -->"
END: Final = "<!-- end: python -m ci_scripts.run_lengths --write -->"
SHIPPED: Final = next(peers.ROOT.glob("*cookiecutter.project_slug*")) / "monitor.yaml"

# Before a change ours has looked at so many ordinary days: its windows reach back.
ORDINARY: Final = 35
NAMES: Final = np.array([f"v{place}" for place in range(len(streams.SHARES))], dtype=object)
RULES: Final = {
    "ours-7": "ours, 7 days",
    "ours-1": "ours, 1 day",
    "evidently-7": "Evidently, 7 days, any column",
    "evidently-1": "Evidently, 1 day, any column",
    "evidently-share-7": "Evidently, 7 days, half of the columns",
    "evidently-share-1": "Evidently, 1 day, half of the columns",
    "nannyml-7": "NannyML, 7 days",
    "nannyml-1": "NannyML, 1 day",
}
WORDS: Final = {
    "independent": "independent days",
    "remembering": "days that remember",
    "weekly": "a weekly pattern",
}


Kind = tuple[World, int]
Cells = dict[str, list[str]]
Said = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Quiet:
    """A stream in which nothing changed: the first day of an alarm, from 1, and the share of windows with one."""

    first: int | None
    share: float


@lru_cache
def settings(width: int) -> Settings:
    """monitor.yaml as a new repository has it, but for the days of a window."""
    return replace(Settings.load(SHIPPED), window_days=width)


def alarms(column: streams.Column, days: Sequence[Array], width: int) -> list[bool]:
    """Whether ours asks about the column at the end of each of `days`, judged every day as the workflow does."""
    how = settings(width)
    rule = shift.Rule(
        smallest=how.smallest_shift, windows=how.windows, columns=COLUMNS, days=width, history=HISTORY
    )  # fmt: skip
    known = _profile(column)
    daily = [_tally(known, values) for values in days]
    seen: list[bool | None] = []
    for end in range(1, len(days) + 1):
        held = sum(daily[max(0, end - width) : end], counts.empty(known))
        seen.append(shift.measure(known, held, rule).seen if held.rows >= windows.FEWEST_ROWS else None)  # fmt: skip
    return [
        windows.state(seen[end % width : end + 1 : width], how) == "alarm"
        for end in range(len(days))
    ]


@lru_cache(maxsize=1)
def _profile(column: streams.Column) -> profile.Number | profile.Category:
    days = np.repeat(np.arange(HISTORY), column.rows)
    values = column.training()
    if column.number:
        return reference.number(values, days)
    return reference.category(NAMES[values.astype(int)], days)


def _tally(known: profile.Number | profile.Category, values: Array) -> Tally:
    if isinstance(known, profile.Number):
        return counts.numbers(known, values)
    found = np.bincount(values.astype(int), minlength=len(NAMES)).tolist()
    return counts.categories(known, dict(zip(NAMES.tolist(), found, strict=True)), missing=0)


def quiet(world: World, rows: int, stream: int) -> dict[str, Quiet]:
    """Ours on a year in which nothing changes, by rule."""
    asked: dict[str, list[list[bool]]] = {"ours-7": [], "ours-1": []}
    for column in streams.columns(world, rows, stream):
        days = [column.day(HISTORY + day) for day in range(LONGEST)]
        for width in (7, 1):
            asked[f"ours-{width}"].append(alarms(column, days, width))
    return {rule: _quiet(np.any(held, axis=0)) for rule, held in asked.items()}


def _quiet(flags: Any) -> Quiet:
    places = np.flatnonzero(flags)
    return Quiet(first=int(places[0]) + 1 if len(places) else None, share=float(np.mean(flags)))


def delays(name: str, world: World, rows: int, repetition: int) -> dict[str, int | None]:
    """On which day after the change ours asks about the column, by rule."""
    column = streams.changed(name, world, rows, repetition)
    start = HISTORY + ORDINARY
    days = [column.day(HISTORY + day) for day in range(ORDINARY)]
    days += [column.day(start + day, CHANGES[name]) for day in range(DELAY_DAYS)]
    found = {}
    for width in (7, 1):
        asked = alarms(column, days, width)[ORDINARY:]
        found[f"ours-{width}"] = next((day for day, flag in enumerate(asked, 1) if flag), None)
    return found


def ours(world: World, rows: int) -> Cells:
    """Our cells of the table for one kind of stream, by rule."""
    calm = [quiet(world, rows, stream) for stream in range(STREAMS[rows])]
    late = {
        name: [delays(name, world, rows, number) for number in range(REPETITIONS)]
        for name in CHANGES
    }
    return {
        rule: [
            *_calm([found[rule] for found in calm], LONGEST),
            *(_late([found[rule] for found in late[name]]) for name in CHANGES),
        ]
        for rule in ("ours-7", "ours-1")
    }


def theirs(found: Said) -> Cells:
    """The peers' cells for one kind of stream, from a line that `ci_scripts.peer_rules` printed."""
    cells: Cells = {}
    for rule in RULES:
        if rule not in found["null"][0]:
            continue
        calm = [Quiet(first=one[rule]["first"], share=one[rule]["share"]) for one in found["null"]]
        cells[rule] = _calm(calm, streams.DAYS)
        for name in CHANGES:
            # Half of the columns: one that changed is none of its business.
            late = found["delay"][name]
            cells[rule].append(_late([one[rule] for one in late]) if rule in late[0] else "–")
    return cells


def _calm(found: Sequence[Quiet], horizon: int) -> list[str]:
    """The first day, as median and range over streams, and the share of windows with two standard errors."""
    days = sorted(horizon + 1 if one.first is None else one.first for one in found)
    if days[0] > horizon:
        return [f"none in {len(found)} × {horizon}", "0 %"]
    shares = np.array([one.share for one in found])
    error = 200 * shares.std(ddof=1) / np.sqrt(len(shares))
    low, high = (f"> {horizon}" if day > horizon else str(day) for day in (days[0], days[-1]))
    share = 100 * float(shares.mean())
    around = f" ± {error:.1f}" if error else ""
    return [f"{_median(days, horizon)} [{low}, {high}]", f"{_percent(share)}{around} %"]


def _percent(value: float) -> str:
    return f"{value:.1f}" if 0 < value < 99.95 else f"{value:.0f}"


def _late(found: Sequence[int | None]) -> str:
    """The median day, how many found it if not all, and the middle 95 % interval of the median by order statistics."""
    days = sorted(DELAY_DAYS + 1 if day is None else day for day in found)
    caught = sum(day is not None for day in found)
    if caught == 0:
        return "never"
    if caught < len(days) / 2:
        return f"{caught} of {len(days)}"
    # Ranks 3 and 10 of 12 hold the median in 96 % of all cases.
    low, high = (f"> {DELAY_DAYS}" if day > DELAY_DAYS else str(day) for day in (days[2], days[-3]))
    return f"{_median(days, DELAY_DAYS)} [{low}, {high}]" + (
        f", {caught} of {len(days)}" if caught < len(days) else ""
    )


def _median(days: Sequence[int], horizon: int) -> str:
    middle = float(np.median(days))
    return f"> {horizon}" if middle > horizon else f"{middle:g}"


def everywhere() -> dict[Kind, Cells]:
    """Our cells for every kind of stream, one kind to a processor."""
    kinds = [(world, rows) for world in streams.WORLDS for rows in streams.ROWS]
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        return dict(zip(kinds, pool.map(ours, *zip(*kinds, strict=True)), strict=True))


def lines(mine: Mapping[Kind, Cells], found: Mapping[str, Said]) -> Iterator[str]:
    """The table; a kind of stream that is not in `found` has our rows alone."""
    head = ["stream", "rows a day", "rule", "first false alarm, day", "windows with one", *CHANGES]
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for (world, rows), cells in mine.items():
        said = found.get(f"{world}-{rows}")
        known = cells | theirs(said) if said else cells
        for rule, words in RULES.items():
            if rule in known:
                yield f"| {' | '.join([WORDS[world], f'{rows:,}', words, *known[rule]])} |"


def ask(file: Path | None) -> dict[str, Said]:
    """What the peers say, by kind of stream; nothing where they are not to be had.

    Raises ValueError when they saw other rows, CalledProcessError when they failed.
    """
    if file is None and not peers.MONITORS.ready():
        return {}
    text = file.read_text("utf-8") if file else peers.run("ci_scripts.peer_rules")
    found = {said["key"]: said for said in map(json.loads, text.splitlines())}
    if any(said["mark"] != streams.mark() for said in found.values()):
        raise ValueError("the peers' numpy draws other rows than ours, so nothing can be compared")
    return found


def main(words: list[str]) -> int:
    """Print the table, or write it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="put it into docs/monitoring.md")
    parser.add_argument("--peers", type=Path, help="what ci_scripts.peer_rules printed before")
    options = parser.parse_args(words)
    try:
        found = ask(options.peers)
    except subprocess.CalledProcessError as error:
        print(f"The peers failed, so ours stands alone: {error}", file=sys.stderr)
        found = {}
    table = "\n".join(lines(everywhere(), found))
    if not options.write:
        print(table)
        return 0
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
