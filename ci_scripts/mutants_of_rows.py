"""The bugs of `mutations` in what rows tell: how they hang together, copies, slices, and production at 0."""

from __future__ import annotations

from ci_scripts.mutants import inside

CALENDAR = "tests/unit/evaluation/test_calendar.py"
COMPARISON = "tests/unit/evaluation/test_comparison.py"
RESAMPLING = "tests/unit/evaluation/test_resampling.py"
SLICES = "tests/unit/evaluation/test_slices.py"
SUSPICIOUS = "tests/unit/evaluation/test_suspicious.py"
UNDECIDED = "tests/unit/evaluation/test_undecided.py"
VERDICT = "tests/unit/evaluation/test_verdict.py"

ROWS = (
    inside(
        "evaluation/verdict.py",
        "rows: blocks cut days",
        "seed=seed, group=group, block=block, time=columns.time)",
        "seed=seed, group=group, time=columns.time)",
        CALENDAR,
    ),
    inside(
        "evaluation/verdict.py",
        "rows: blocks cut days in slices",
        "        block=block,\n        time=columns.time,\n    )\n",
        "        time=columns.time,\n    )\n",
        CALENDAR,
    ),
    inside(
        "evaluation/verdict.py",
        "rows: slices forget groups",
        "        group=group,\n        block=block,\n",
        "        block=block,\n",
        CALENDAR,
    ),
    inside(
        "evaluation/calendar.py",
        "rows: blocks are one day long whatever the data say",
        "longest = max(longest, block_length(daily))",
        "longest = 1",
        CALENDAR,
    ),
    inside(
        "evaluation/resampling.py",
        "rows: a group of most rows counts as one of equal size",
        'if self._moving or self.kind == "rows"',
        "if True",
        RESAMPLING,
    ),
    inside(
        "evaluation/resampling.py",
        "rows: a large group hides its own deviation",
        "without = shift / (1 - self._shares)",
        "without = shift",
        RESAMPLING,
    ),
    inside(
        "evaluation/verdict.py",
        "rows: copies narrow the bounds",
        "        group = first\n",
        "        pass\n",
        SUSPICIOUS,
    ),
    inside(
        "evaluation/rows.py",
        "rows: logits are judged as probabilities",
        "if why := suspicious.out_of_range(scores, contract.problem):",
        'if why := "":',
        SUSPICIOUS,
    ),
    inside(
        "evaluation/verdict.py",
        "rows: primary and risk use what earlier looks have spent",
        "gates, contract, rows, ctx, resampler, alpha=account.alpha, compared=compared",
        "gates, contract, rows, ctx, resampler, alpha=gates.alpha, compared=compared",
        VERDICT,
    ),
    inside(
        "evaluation/slices.py",
        "slices: where production is at 0 any loss within the margin's number is allowed",
        "return 0.0 if relative and row.production == 0 else margin",
        "return margin",
        SLICES,
    ),
    inside(
        "evaluation/slices.py",
        "slices: two values without a gain are too small to judge",
        "if row.candidate is not None and row.delta is None:",
        "if False:",
        SLICES,
    ),
    inside(
        "evaluation/slices.py",
        "slices: undecided is passed",
        "return SliceState.PASS if whole is GateState.PASS else SliceState.UNDECIDED",
        "return SliceState.PASS",
        SLICES,
    ),
    inside(
        "evaluation/gates.py",
        "slices: a gain where production is at 0 proves a share",
        "if margin.relative and row.production == 0 and row.delta:",
        "if False:",
        COMPARISON,
    ),
    inside(
        "evaluation/gates.py",
        "rows: a gain where production is at 0 is judged as a share",
        "if found.relative != relative:",
        "if False:",
        COMPARISON,
    ),
    inside(
        "evaluation/decision.py",
        "slices: the guard shows a number of a slice that it did not judge",
        "row.state in JUDGED and row.delta is not None",
        "row.delta is not None",
        UNDECIDED,
    ),
    inside(
        "delivery/candidate.py",
        "looks: a check by hand does not count",
        "past = _claimed(git, look) if claims else looks.known(git)",
        "past = looks.known(git)",
        "tests/workflows/test_truth_table.py::"
        "test_a_check_by_hand_counts_its_look_though_no_pull_request_tells_of_it",
    ),
)
