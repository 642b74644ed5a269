"""`simulate gates`: how often gates.yaml lets an equal candidate pass, and a worse one, on test rows like yours.

The rows are those of build/prepared, drawn anew by whole days or groups, or made up; the models are made up
(`evaluation.made_up`); the verdicts are the gate's own.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gitops_model.errors import BadInput
from gitops_model.evaluation import calendar, ledger, made_up, metrics, trials
from gitops_model.evaluation.inputs import TestSet
from gitops_model.evaluation.made_up import Ground, Pair, Unit
from gitops_model.evaluation.trials import Counts, Trials
from gitops_model.formats.check import JUDGED, Check, Gate, GateKind
from gitops_model.formats.contract import Contract
from gitops_model.formats.gates import Gates
from gitops_model.progress import Progress

METRICS = Path("reports/metrics.json")
# Where nothing was trained yet: an ROC AUC of 0.76, and a correlation of 0.6.
SKILL = {"binary": 1.0, "multiclass": 1.5, "regression": 0.6}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    default = Options()
    add = parser.add_argument
    add("--rows", type=int, help="make up so many test rows, and take none from build/prepared")
    add("--days", type=int, help="with --rows: they lie on so many days")
    add("--groups", type=int, help="with --rows: they belong to so many groups")
    add("--positives", type=float, default=default.positives, metavar="SHARE",
        help="with --rows: share of the rarer answers (%(default)s)")  # fmt: skip
    add("--values", type=int, default=default.values,
        help="with --rows: values of each slice column (%(default)s)")  # fmt: skip
    add("--alike", type=float, default=default.alike, metavar="SHARE",
        help="what both models' errors have in common (%(default)s: the same settings, trained anew)")  # fmt: skip
    add("--common", type=float, default=default.common, metavar="SHARE",
        help="how much of the rest moves whole days or groups (%(default)s)")  # fmt: skip
    add("--look", type=int, default=default.look, metavar="NUMBER",
        help="how many candidates the rows have judged by then, this one too (%(default)s)")  # fmt: skip
    add("--runs", type=int, default=default.runs, help="test sets a figure (%(default)s)")
    add("--seed", type=int, default=default.seed, help="(%(default)s)")


@dataclass(frozen=True, kw_only=True)
class Options:
    """`rows` None: the prepared test rows. Without `days` and `groups`, rows that are made up stand alone."""

    rows: int | None = None
    days: int | None = None
    groups: int | None = None
    positives: float = 0.3
    values: int = 5
    alike: float = 0.95
    common: float = 0.0005
    look: int = 1
    runs: int = 300
    seed: int = 0


def run(options: Options) -> int:
    """Print the table. Returns 0. Raises BadInput for files and options that cannot be used."""
    _require_sensible(options)
    contract, gates = Contract.load(Path("contract.yaml")), Gates.load(Path("gates.yaml"))
    if options.rows:
        _require_fitting(options, gates)
    ctx = metrics.context(contract)
    ground = _made_up(options, contract) if options.rows else prepared_ground(contract, gates)
    pair = Pair(
        ctx=ctx,
        ground=ground,
        skill=SKILL[contract.problem],
        alike=options.alike,
        common=options.common,
    )
    if not options.rows and (known := _reached(contract.success.primary)) is not None:
        pair = pair.reaching(contract.success.primary, known) or pair
    gates, left_out = built_in(gates)
    for line in report(options, pair, contract, gates, left_out=left_out):
        print(line, flush=True)
    return 0


def built_in(gates: Gates) -> tuple[Gates, list[str]]:
    """The same file without what needs a metric that it declares, and the names of that.

    Made-up models have no columns that an expression could read.
    """
    own = {metric.name for metric in gates.metrics}
    left_out = [f"metrics.{metric.name}" for metric in gates.metrics]
    left_out += [f"limits.{limit.metric}" for limit in gates.limits if limit.metric in own]
    slices = gates.slices
    if slices.metric in own:
        left_out.append("slices")
        slices = replace(slices, enabled=False, metric=None, prove=(), reason="not simulated")
    limits = tuple(limit for limit in gates.limits if limit.metric not in own)
    return replace(gates, metrics=(), limits=limits, slices=slices), left_out


def _require_sensible(options: Options) -> None:
    if options.rows is None and (options.days or options.groups):
        raise BadInput("--days and --groups describe made-up rows. Example: --rows 5000 --days 28")
    if options.days and options.groups:
        raise BadInput("rows lie on days or belong to groups: give --days or --groups, not both.")
    units = options.days or options.groups or 2
    if options.rows is not None and options.rows < max(20, units):
        raise BadInput(f"--rows must be at least {max(20, units)}, and is {options.rows}.")
    if not (units >= 2 and options.runs >= 20 and options.values >= 1):
        raise BadInput("--days and --groups must be at least 2, --runs 20, --values 1.")
    if not 1 <= options.look <= ledger.LAST:
        raise BadInput(f"--look is {options.look}; allowed: from 1 to {ledger.LAST}.")
    shares = {"--alike": options.alike, "--common": options.common}
    for name, share in shares.items():
        if not 0 <= share < 1:
            raise BadInput(f"{name} is {share:g}; allowed: from 0 to below 1.")
    if not 0 < options.positives < 1:
        raise BadInput(f"--positives is {options.positives:g}; allowed: between 0 and 1.")


def _require_fitting(options: Options, gates: Gates) -> None:
    """Made-up rows must hang together as gates.yaml says that rows do."""
    needed = {"in_time_order": ("days", "--days 28"), "grouped": ("groups", "--groups 200")}
    name, example = needed.get(gates.rows or "", ("", ""))
    if not name or getattr(options, name):
        return
    other = {"days": "groups", "groups": "days"}[name]
    instead = f" instead of --{other}" if getattr(options, other) else ""
    raise BadInput(
        f"gates.yaml says rows: {gates.rows}, and these made-up rows are not. Add {example}{instead}."
    )


def _made_up(options: Options, contract: Contract) -> Ground:
    assert options.rows is not None
    return made_up.ground(
        contract.problem,
        rows=options.rows,
        classes=len(contract.output.classes or ()),
        positives=options.positives,
        unit="days" if options.days else "groups" if options.groups else "rows",
        units=options.days or options.groups or options.rows,
        slices=dict.fromkeys(contract.slices, options.values),
        seed=options.seed,
    )


def prepared_ground(contract: Contract, gates: Gates) -> Ground:
    """The test rows of build/prepared. Raises BadInput when they are not there, or not as gates.yaml says."""
    # pandas takes a second to import, which made-up rows do without.
    from gitops_model.delivery import scoring
    from gitops_model.pipeline import prepared

    if not (prepared.FOLDER / "test.csv").is_file():
        raise BadInput(
            "there are no test rows in build/prepared. Run `make train`, or say how many to make up. Example: "
            "gitops-model simulate gates --rows 5000 --days 28"
        )
    table = prepared.read(contract, "test")
    test = scoring.test_set(contract, table, scoring.described(prepared.FOLDER))
    unit, place = units(test, gates)
    return Ground(
        labels=prepared.labels(contract, table),
        slices={name: np.asarray(column).astype(str) for name, column in test.slices.items()},
        unit=unit,
        place=place,
    )


def units(test: TestSet, gates: Gates) -> tuple[Unit, npt.NDArray[np.intp] | None]:
    """What is drawn as a whole, and the day or group of each row (n,). Raises BadInput where gates.yaml says another.

    Rows that it calls independent are drawn by group or day all the same, if they have any: so the table shows what
    that word costs where it is wrong.
    """
    if test.group is not None and gates.rows != "in_time_order":
        place = np.unique(np.asarray(test.group).astype(str), return_inverse=True)[1]
        return "groups", place.ravel().astype(np.intp)
    day = None if test.time is None else calendar.days(np.asarray(test.time))
    if day is not None and gates.rows != "grouped":
        return "days", day
    if gates.rows in ("grouped", "in_time_order"):
        lacks = "no group (keys.group)" if gates.rows == "grouped" else "no dates (keys.time)"
        raise BadInput(
            f"gates.yaml says rows: {gates.rows}, and the test rows of build/prepared have {lacks}. Name the column in "
            "contract.yaml, or say what the rows are. Example: rows: independent"
        )
    return "rows", None


def _reached(metric: str) -> float | None:
    """What the model in build/ reaches on the test rows."""
    try:
        found = json.loads(METRICS.read_text(encoding="utf-8"))[metric]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return float(found) if isinstance(found, (int, float)) else None


def report(
    options: Options,
    pair: Pair,
    contract: Contract,
    gates: Gates,
    *,
    left_out: Sequence[str] = (),
) -> Iterator[str]:
    """The figures as lines of text. `left_out` names what is not simulated, and `gates` does not have."""
    began = time.monotonic()
    ground, primary = pair.ground, contract.success.primary
    yield (
        f"{len(ground.labels):,} {'made-up ' if options.rows else ''}test rows{_lie(ground)}; production's "
        f"{metrics.title(primary)} is {pair.measure(primary, pair.skill):.3f};"
    )
    yield (
        f"candidates share {options.alike:.0%} of its errors. {options.runs:,} test sets a figure, from seed "
        f"{options.seed}.{f' This is look {options.look} at its rows.' if options.look > 1 else ''}"
    )
    if left_out:
        yield f"Not simulated, because made-up models have no columns: {', '.join(left_out)}."
    yield ""
    yield f"{'':<34}{'':>8}{'an equal candidate':^28}  {'one exactly at':>15}  {'fails 8 times in':>16}"
    yield (
        f"{'gate':<34}{'margin':>8}{'passes':>8}{'undecided':>11}{'fails':>8}  {'the margin passes':>15}"
        f"{'10 from a loss of':>18}"
    )
    progress = Progress("simulating")
    judged = Trials(
        pair=pair,
        contract=contract,
        gates=gates,
        seed=options.seed,
        look=options.look,
        step=progress.step,
    )
    equal = judged.run(options.runs)
    progress.end()
    for gate in equal[0].gates:
        if gate.kind not in trials.SIMULATED or gate.state in ("off", "not_compared"):
            continue
        yield _line(gate, judged, equal)
        progress.end()
        if gate.kind is GateKind.SLICE_GUARD:
            for line in _slices(gate, judged, equal):
                progress.end()
                yield line
    yield _row("all of them together", "", _shares(trials.counts(equal)), "", "")
    yield ""
    yield (
        f"Took {time.monotonic() - began:.0f} s. Days and groups are drawn as wholes; what one day leaves to the next "
        "is not simulated."
    )


def _lie(ground: Ground) -> str:
    if ground.unit == "rows":
        return ", each by itself"
    return f" {'on' if ground.unit == 'days' else 'in'} {ground.units:,} {ground.unit}"


def _line(gate: Gate, judged: Trials, equal: list[Check]) -> str:
    name, margin, at_margin, caught = _name(gate), "", "", ""
    if gate.kind is GateKind.SLICE_GUARD:
        margin = _amount(gate.limit, relative=gate.relative)
    elif gate.kind is not GateKind.LIMIT:
        margin = _amount(gate.limit, relative=gate.relative)
        worse = judged.at_limit(gate, len(equal))
        at_margin = "-" if worse is None else _share(trials.counts(worse, gate.id).passed, worse)
        if gate.slice is None:
            caught = _amount(judged.caught_from(gate, equal), relative=gate.relative)
    return _row(name, margin, _shares(trials.counts(equal, gate.id)), at_margin, caught)


def _slices(guard: Gate, judged: Trials, equal: list[Check]) -> Iterator[str]:
    """A line for each slice that is judged, and one for all that are not."""
    small = 0
    for row in equal[0].slices:
        if row.state not in JUDGED:
            small += 1
            continue
        states = [each.state for check in equal for each in check.slices if each.slice == row.slice]
        decided = {state: states.count(state) / len(states) for state in JUDGED}
        caught = judged.slice_caught_from(row.slice, equal)
        column, _, value = row.slice.partition("=")
        size = int((judged.pair.ground.slices[column] == value).sum())
        yield _row(
            f"  {row.slice} ({size:,} rows)",
            "",
            tuple(f"{decided[state]:.1%}" for state in (JUDGED[0], JUDGED[2], JUDGED[1])),
            "",
            _amount(caught, relative=guard.relative),
        )
    if small:
        yield f"  {small} smaller than min_rows or without an interval: not judged"


def _name(gate: Gate) -> str:
    title = metrics.title(gate.metric) if gate.metric else ""
    words = {
        GateKind.PRIMARY: "primary",
        GateKind.RISK: "risk",
        GateKind.LIMIT: "limit",
        GateKind.SLICE_GUARD: "slices",
        GateKind.SLICE_PROOF: f"proof of {gate.slice}",
    }
    return f"{words[gate.kind]}: {title}"


def _shares(counts: Counts) -> tuple[str, str, str]:
    parts = (counts.passed, counts.undecided, counts.failed)
    found = [f"{part / counts.trials:.1%}" for part in parts]
    return found[0], found[1], found[2]


def _share(part: int, checks: list[Check]) -> str:
    return f"{part / len(checks):.1%}"


def _amount(value: float | None, *, relative: bool) -> str:
    if value is None:
        return "-"
    return f"{abs(value):.1%}" if relative else f"{abs(value):.3g}"


def _row(name: str, margin: str, shares: tuple[str, ...], at_margin: str, caught: str) -> str:
    passed, undecided, failed = shares
    line = (
        f"{name:<34}{margin:>8}{passed:>8}{undecided:>11}{failed:>8}  {at_margin:>15}{caught:>18}"
    )
    return line.rstrip()
