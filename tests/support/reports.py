"""Checks for the tests of the reports: real verdicts over small made-up test sets, one for each situation."""

from __future__ import annotations

import functools
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from gitops_model.actions import recompute
from gitops_model.formats.check import (
    BaselineModel,
    Check,
    Curves,
    Difference,
    Gate,
    GateKind,
    MetricRow,
    NotEvaluated,
    Outcome,
    SliceRow,
    Suspect,
    TurnedOff,
)
from gitops_model.formats.gate_changes import weakened
from gitops_model.report import comment
from gitops_model.report.pointer_comment import Comparison, Delta, Move
from tests.support import cases

GOLDEN = Path(__file__).parents[1] / "unit" / "report" / "golden"
Row = TypeVar("Row", Gate, SliceRow, MetricRow)
PROBLEMS = ("binary", "multiclass", "regression")
SITUATIONS = (
    "better",
    "equal",
    "blocked_by_slice",
    "blocked_by_primary",
    "inconclusive",
    "first_release",
    "not_evaluated",
    "turned_off",
    "other_test_rows",
    "gates_weakened",
)

# Every text a pull request can influence, in one: none of it may do anything in a comment or a page.
HOSTILE = (
    "@octocat #12 GH-34 acme/model#5 <img src=x onerror=alert(1)> <!-- model-gate --> | `code` ![p](http://a.b/c) "
    "[l](javascript:x) https://evil.example www.evil.example **b** ~~s~~ $x$ :tada: </details> "
    "&lt;b&gt; \u202e\u200d\ud800"
)


SHA = "1234567890abcdef" * 4
RECORD: dict[str, Any] = {
    "schema": 1,
    "model": "parcel-delay-v4",
    "sha256": "a" * 64,
    "artifact": {"path": "build/model.tar", "md5": "0" * 32, "size": 2_000_000},
    "code": {"commit": "c" * 40, "sources_sha256": SHA},
    "library": {"version": "0.1.0", "stages": {}},
    "data": {
        "snapshot": SHA,
        "split": {"by": "time", "test_days": 30},
        "timeframe": {"train": ["2024-01-01", "2024-03-31"], "test": ["2024-04-01", "2024-04-30"]},
        "rows": {"train": 3600, "test": 1200},
    },
    "contract": {"schema_version": 1, "sha256": SHA},
    "params": {},
    "seed": 13,
    "environment": {},
    "metrics": {},
    "gates": {},
    "baseline": {"model": "parcel-delay-v3"},
    "rollback_target": "parcel-delay-v3",
    "released": {"by": "release workflow", "at": "2024-05-02T09:00:00Z"},
}


SHIP = Move(
    change="parcel-delay-v3 → parcel-delay-v4",
    comparison=Comparison(
        old="parcel-delay-v3",
        new="parcel-delay-v4",
        deltas=(
            Delta(metric="accuracy", old=0.7608, new=0.7967, gain=0.0359),
            Delta(metric="expected_cost", old=0.6192, new=0.5383, gain=0.0809),
            Delta(
                metric="log_loss", old=0.4948, new=0.5103, gain=-0.0155, remark="the largest loss"
            ),
        ),
        measured="On the same test rows, when parcel-delay-v4 was judged.",
    ),
    served="parcel-delay-v3 has served for 14 days, since 2024-04-18.",
    way_back="A rollback would return to parcel-delay-v3.",
    following="merge to deploy it · `make status` shows what is live · `make rollback` goes back",
)
MOVES = {
    "ship": SHIP,
    "revert": Move(
        change="parcel-delay-v3 → parcel-delay-v2",
        kind="rollback",
        comparison=Comparison(
            old="parcel-delay-v3",
            new="parcel-delay-v2",
            deltas=(
                Delta(metric="accuracy", old=0.7608, new=0.7511, gain=-0.0097),
                Delta(metric="expected_cost", old=0.6192, new=0.6412, gain=-0.0220),
                Delta(
                    metric="ece", old=0.0324, new=0.0511, gain=-0.0187, remark="the largest loss"
                ),
            ),
            measured="Each on its own test rows.",
        ),
        notes=(
            "going back although tag parcel-delay-v2 stands on another commit than its record says: it was moved.",
        ),
        served="parcel-delay-v3 has served for less than a day, since 2024-05-02.",
        way_back="A rollback would return to parcel-delay-v3.",
        following="merge to deploy it · `make status` shows what is live",
    ),
    "canary": replace(
        SHIP,
        change="parcel-delay-v4 gets 10 % of the traffic",
        way_back="Reverting this change would return to: parcel-delay-v3.",
        following="merge to start it · `make ship MODEL=parcel-delay-v4` gives it all traffic later · "
        "`make rollback` takes it out",
    ),
    "ship_blocked": Move(
        change="parcel-delay-v3 → parcel-delay-v4",
        reasons=(
            "production is frozen: the depots are counted until Friday. Only a rollback may ship; lift it: "
            "make ship UNFREEZE=1",
            "parcel-delay-v4 did not pass the gates: Blocked: accuracy fell from 0.7608 to 0.6442 (-0.1167, at best "
            "-0.0964); allowed: a loss below 0.02. Ship another release, or take the responsibility: make ship "
            "MODEL=parcel-delay-v4 ACCEPT='reason' (the gate of a pull request stays red all the same)",
            "a rollback could not bring parcel-delay-v3 back: the bundle of parcel-delay-v3 is nowhere to be found.",
        ),
        served=SHIP.served,
        following="`make status` says what can be restored; `make ship` writes the file again.",
    ),
}


@functools.cache
def make(situation: str, problem: str = "binary") -> Check:
    """The check of the situation."""
    rows = 300 if situation == "inconclusive" else 1200
    world = cases.world(problem, rows=rows, depots=6)
    base = world.scores(0.8, draw=1)
    scores = base if situation != "better" else world.scores(0.1, draw=1)
    if situation == "inconclusive":
        scores = world.scores(0.9, draw=1)
    if situation == "blocked_by_primary":
        scores = world.scores(3.0, draw=1)
    if situation == "blocked_by_slice":
        hurt = world.depot == "d01"
        scores = world.scores(0.2, draw=1)
        scores[hurt] = world.scores(4.0, draw=2)[hurt]
    if situation in ("other_test_rows", "gates_weakened"):
        scores = world.scores(0.4, draw=1)
    given = cases.inputs(problem, of=world, candidate=scores, production=base, rows=rows)
    # A depot is split, so that every report has a slice that is too small to judge.
    depot = np.where(np.arange(rows) % 100 == 7, "corner", world.depot)
    given = cases.change(given, "test", slices={"depot": depot})
    given = cases.change(
        given,
        "facts",
        params_diff=[Difference(name="model.depth", production=5, candidate=7)],
        data_diff=[
            Difference(name="data.window.last_month", production="2024-02", candidate="2024-03")
        ],
    )
    if situation == "other_test_rows":
        given = cases.change(given, "facts", test_on_base="other")
    if situation == "gates_weakened":
        weaker = cases.gates(problem, primary={"rule": "not_worse", "margin": 0.5})
        told = "; ".join(weakened(given["gates"], weaker))
        given = cases.change(
            given,
            "facts",
            warnings=[
                "gates.yaml differs from main. This verdict uses the gates of main; a change counts only once it is "
                "there.",
                f"gates.yaml here allows more: {told}.",
            ],
        )
    if situation == "first_release":
        given["production"] = None
        given = cases.change(given, "facts", params_diff=[], data_diff=[])
    if situation == "turned_off":
        reason = "The runner is being replaced until Friday."
        given["gates"] = cases.gates(problem, latency={"enabled": False, "reason": reason})
        given = cases.change(given, "facts", production_test_sha256="c" * 64)
    return cases.check(**given)


def not_evaluated() -> NotEvaluated:
    """A check that could not be made."""
    return NotEvaluated(
        sentence="Not evaluated: the candidate's bundle build/model.tar is missing. Run `make train`, then commit "
        "dvc.lock.",
        hint="A maintainer can run: `make check`",
    )


def comment_of(situation: str) -> str:
    """The comment on a pull request in the situation, as the publishing job writes it."""
    if situation in MOVES:
        footing = _footing(state=MOVES[situation].state, sentence="")
        return comment.render(MOVES[situation], replace(footing, report_url=None))
    found = outcome(situation)
    check = found if isinstance(found, Check) else None
    files = ["dvc.lock", "params.yaml"]
    if situation == "gates_weakened":
        files.append("gates.yaml")
    footing = _footing(state=str(found.state), sentence=found.sentence)
    footing = replace(footing, warnings=recompute.warnings(check, files))
    if check is None:
        footing = replace(footing, hint=not_evaluated().hint, report_url=None)
    if situation == "first_release":
        footing = replace(footing, production=None, production_age=None)
    return comment.render(check, footing)


def _footing(*, state: str, sentence: str) -> comment.Footing:
    return comment.Footing(
        state=state,
        sentence=sentence,
        head_sha="3f2a9c1" + "0" * 33,
        run_id=1,
        run_url="https://example.invalid/run",
        report_url="https://example.invalid/report",
        production="parcel-delay-v3",
        production_age="2024-04-18 (14 days ago)",
    )


def outcome(situation: str, problem: str = "binary") -> Outcome:
    """The check of the situation, `not_evaluated` among them."""
    return not_evaluated() if situation == "not_evaluated" else make(situation, problem)


def without_numbers(check: Check) -> Check:
    """The check with every float in it gone: nothing was measured."""
    return replace(
        check,
        gates=tuple(_empty(gate) for gate in check.gates),
        slices=tuple(_empty(row) for row in check.slices),
        metrics=tuple(_empty(row) for row in check.metrics),
        curves=Curves(candidate=None, production=None),
        latency=None,
    )


def hostile() -> Check:
    """A check in which every free text is hostile."""
    made = make("blocked_by_slice")
    difference = Difference(name=HOSTILE, production=HOSTILE, candidate=[HOSTILE])
    return replace(
        made,
        sentence=HOSTILE,
        turned_off=(TurnedOff(gate=HOSTILE[:60], reason=HOSTILE),),
        warnings=(HOSTILE,),
        candidate=replace(made.candidate, model=HOSTILE),
        baseline=BaselineModel(model=HOSTILE, sha256="a" * 64),
        test_set=replace(made.test_set, window=(HOSTILE, HOSTILE)),
        gates=tuple(
            replace(
                gate,
                slice=HOSTILE if gate.kind is GateKind.SLICE_PROOF else gate.slice,
                metric=HOSTILE[:40] if gate.kind is GateKind.LIMIT else gate.metric,
                problems=None if gate.problems is None else (HOSTILE,),
                reason=HOSTILE,
                sentence=HOSTILE,
                method=HOSTILE,
            )
            for gate in made.gates
        ),
        metrics=tuple(replace(row, metric=HOSTILE[:40], title=HOSTILE) for row in made.metrics),
        slices=tuple(replace(row, slice=HOSTILE, method=HOSTILE) for row in made.slices),
        suspects=(Suspect(slice=HOSTILE, rows=60, effect=0.4, p_value=0.01),),
        params_diff=(difference,),
        data_diff=(difference,),
    )


def huge(rows: int = 2000) -> Check:
    """A check as large as the schema allows, several megabytes."""
    found = hostile()
    long = HOSTILE * 10
    failing = next(gate for gate in found.gates if gate.blocks)
    proofs = tuple(
        replace(failing, kind=GateKind.SLICE_PROOF, slice=f"d={i} {HOSTILE}"[:190])
        for i in range(60 - len(found.gates))
    )
    return replace(
        found,
        slices=tuple(
            replace(found.slices[i % 4], slice=f"depot=d{i:05d} {HOSTILE}") for i in range(rows)
        ),
        params_diff=(Difference(name=long, production=long, candidate=long),) * 500,
        data_diff=(Difference(name=long, production=long, candidate=long),) * 500,
        warnings=tuple(f"{i} {HOSTILE * 15}" for i in range(100)),
        turned_off=(TurnedOff(gate=HOSTILE[:60], reason=HOSTILE[:300]),) * 40,
        gates=(*found.gates, *proofs),
    )


def _empty(row: Row) -> Row:
    gone = {key: None for key, value in vars(row).items() if isinstance(value, float)}
    return replace(row, **gone)


def check_golden(name: str, shown: str) -> None:
    """Compare with the golden file; UPDATE_GOLDEN=1 writes it instead."""
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(shown, encoding="utf-8")
    assert shown == path.read_text(encoding="utf-8"), (
        f"{name} differs; look at it, then run with UPDATE_GOLDEN=1"
    )
