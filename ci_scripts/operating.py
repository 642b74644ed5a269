"""What the gates let pass and what they stop, as a table; `--write` puts it into docs/gates.md.

Each line is a setting: a problem with the template's own gates.yaml and contract.yaml, and test rows that are made up.
Every figure comes from whole verdicts (`gitops_model.evaluation.trials`), from seed 0.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Final

import jinja2

from ci_scripts.bake import ROOT
from ci_scripts.wheel import TEMPLATE
from gitops_model.delivery import simulate_canary
from gitops_model.evaluation import made_up, metrics, trials
from gitops_model.evaluation.made_up import Pair, Unit
from gitops_model.evaluation.trials import Counts, Trials
from gitops_model.formats.check import GateKind
from gitops_model.formats.contract import Contract
from gitops_model.formats.gates import Gates
from gitops_model.formats.serving import Guard

PAGE: Final = ROOT / "docs/gates.md"
BEGIN: Final = "<!-- begin: python -m ci_scripts.operating --write -->"
END: Final = "<!-- end: python -m ci_scripts.operating --write -->"

SKILL: Final = {"binary": 1.1, "multiclass": 1.1, "regression": 0.5}
ALIKE: Final = 0.9
# The same for all settings that cost alike, chosen before any was looked at.
TRIALS: Final = 1000
COSTLY_TRIALS: Final = 400
CHEAP_ROWS: Final = 1000
# The loss that is caught is searched with so many of them.
SEARCHED: Final = 100


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One line. `common`: how much of what two models do not share moves whole days or groups."""

    problem: str
    rows: int
    words: str = ""
    unit: Unit = "rows"
    units: int = 0
    common: float = 0.0
    positives: float = 0.2
    decimals: int | None = None
    slices: dict[str, int] = field(default_factory=lambda: {"origin": 3, "carrier": 16})
    min_rows: int | None = None
    worse: bool = False

    @property
    def trials(self) -> int:
        """How many, by what one costs, and not by what is found."""
        return COSTLY_TRIALS if self.unit == "rows" and self.rows > CHEAP_ROWS else TRIALS


@dataclass(frozen=True, kw_only=True)
class Line:
    """Counts of one setting: equal candidates at all gates, and at the margin of primary; the loss that is caught."""

    equal: Counts
    at_margin: Counts | None
    caught: float | None
    relative: bool


def _settings() -> tuple[Setting, ...]:
    found = []
    many, tiny = {"origin": 4, "carrier": 36}, {"origin": 2, "carrier": 198}
    for problem in ("binary", "multiclass", "regression"):
        row, alone = Setting(problem=problem, rows=5000), "each row by itself"
        found += [
            replace(row, words=alone, rows=200),
            replace(row, words=alone, rows=1000, worse=True),
            replace(row, words=alone),
            replace(row, words=alone, rows=25_000),
            replace(row, words="28 days", unit="days", units=28, common=0.01, worse=True),
            replace(row, words="200 groups", unit="groups", units=200, common=0.05, worse=True),
            replace(row, words="40 slices", min_rows=50, slices=many),
            replace(row, words="200 tiny slices", min_rows=10, slices=tiny),
        ]
    row = Setting(problem="binary", rows=5000)
    return (
        *found,
        replace(row, words="scores in steps of 0.1", decimals=1),
        replace(row, words="1 % positives", positives=0.01),
    )


SETTINGS: Final = _settings()


def rendered(name: str, problem: str) -> str:
    """A file of the template as a new repository has it."""
    answers = {"problem": problem, "task": "example", "project_slug": "example"}
    raw = (TEMPLATE / name).read_text("utf-8")
    found: str = jinja2.Template(raw, keep_trailing_newline=True).render(cookiecutter=answers)
    return found


def files(problem: str) -> tuple[Contract, Gates]:
    """contract.yaml and gates.yaml as a new repository has them."""
    contract = Contract.parse(rendered("contract.yaml", problem), name="contract.yaml")
    return contract, Gates.parse(rendered("gates.yaml", problem), name="gates.yaml")


def judged(setting: Setting) -> Trials:
    """The trials of a setting."""
    contract, gates = files(setting.problem)
    if setting.min_rows is not None:
        gates = replace(gates, slices=replace(gates.slices, min_rows=setting.min_rows))
    ground = made_up.ground(
        setting.problem,
        rows=setting.rows,
        classes=len(contract.output.classes or ()),
        positives=setting.positives,
        unit=setting.unit,
        units=setting.units,
        slices=setting.slices,
    )
    pair = Pair(
        ctx=metrics.context(contract),
        ground=ground,
        skill=SKILL[setting.problem],
        alike=ALIKE,
        common=setting.common,
        decimals=setting.decimals,
    )
    return Trials(pair=pair, contract=contract, gates=gates)


def measure(setting: Setting) -> Line:
    """The figures of one setting."""
    tried = judged(setting)
    equal = tried.run(setting.trials)
    gate = next(gate for gate in equal[0].gates if gate.kind is GateKind.PRIMARY)
    found = Line(equal=trials.counts(equal), at_margin=None, caught=None, relative=gate.relative)
    if not setting.worse:
        return found
    worse = tried.at_limit(gate, setting.trials)
    return replace(
        found,
        at_margin=None if worse is None else trials.counts(worse, gate.id),
        caught=tried.caught_from(gate, equal[:SEARCHED]),
    )


def cells(setting: Setting, line: Line) -> list[str]:
    """One row of the table."""
    equal, size = line.equal, line.at_margin
    caught = (
        "-"
        if line.caught is None
        else f"{line.caught:.1%}"
        if line.relative
        else f"{line.caught:.4f}"
    )
    return [
        setting.problem,
        f"{setting.rows:,}",
        setting.words,
        str(equal.passed),
        str(equal.undecided),
        f"{equal.failed} of {equal.trials}",
        "-" if size is None else f"{size.passed} of {size.trials}",
        caught,
    ]


HEAD: Final = [
    "problem",
    "test rows",
    "they are",
    "equal: passed",
    "undecided",
    "failed",
    "at the margin: passed",
    "fails 8 in 10 from",
]


def table(lines: Sequence[Sequence[str]]) -> str:
    """Rows of cells as Markdown."""
    found = [HEAD, ["---"] * 3 + ["---:"] * 5, *lines]
    return "\n".join(f"| {' | '.join(each)} |" for each in found)


def committed() -> dict[tuple[str, str, str], list[str]]:
    """The rows of the table in docs/gates.md by problem, rows and what they are."""
    text = PAGE.read_text("utf-8").partition(BEGIN)[2].partition(END)[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    return {(row[0], row[1], row[2]): row for row in rows[2:]}


def canary() -> str:
    """What the guard of a canary does, which may be looked at any time."""
    options = simulate_canary.Options(hours=0.5, canaries=300)
    return "\n".join(simulate_canary.report(options, Guard()))


def main() -> None:
    """Measure every setting, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--write", action="store_true", help=f"put it into {PAGE.relative_to(ROOT)}"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    began, lines = time.monotonic(), []
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, mp_context=spawn) as pool:
        for number, line in enumerate(pool.map(measure, SETTINGS), start=1):
            row = cells(SETTINGS[number - 1], line)
            lines.append(row)
            print(
                f"[{time.monotonic() - began:5.0f} s, {number} of {len(SETTINGS)}] {' | '.join(row)}",
                flush=True,
            )
    found = f"{table(lines)}\n\n```\n{canary()}\n```"
    if not options.write:
        print(found)
        return
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{found}\n{END}{after}", "utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
