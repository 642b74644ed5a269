"""What a test set can see, by hand and against what happens."""

import re
from dataclasses import replace

import numpy as np
import pytest

from gitops_model.evaluation import ledger, power
from gitops_model.report import sight_line
from tests.support import cases


def flipped(kwargs, share, seed=0):
    """The candidate answers this share of rows the other way."""
    scores = kwargs["production"].scores
    chosen = np.random.default_rng(seed).random(len(scores)) < share
    return cases.change(kwargs, "candidate", scores=np.where(chosen, 1 - scores, scores))


def test_the_loss_overall_by_hand():
    # 4,000 rows would reach 0.02, so 1,000 reach 0.04 = (1.645 + 0.842) x error.
    found = cases.check(**flipped(cases.inputs(), 0.02))
    found = cases.with_gate(
        found, "primary", rows=1000, rows_needed=4000, delta=0.0, lower=-0.0264606, limit=-0.02
    )
    seen = power.sight(found)
    assert (seen.overall, seen.more, seen.assumed) == (pytest.approx(0.04, abs=1e-5), 3000, False)


def test_the_slice_in_which_least_is_seen_by_hand():
    found = cases.check(**flipped(cases.inputs(), 0.02))
    rows = tuple(
        replace(row, state="pass", degrees=None, error=0.01 if i else 0.03)
        for i, row in enumerate(found.slices)
    )
    # Five slices: z(0.99) = 2.326, so (2.326 + 0.842) x 0.03; of the others 0.05 + 0.842 x 0.01 is less.
    seen = power.sight(replace(found, slices=rows))
    assert (seen.slice, seen.slice_loss) == (rows[0].slice, pytest.approx(0.09504, abs=1e-4))


def test_every_report_says_it_also_of_equal_models_and_of_a_first_release():
    compared = cases.check(**flipped(cases.inputs(), 0.02))
    equal = cases.check(**cases.inputs())
    first = cases.check(**cases.inputs() | {"production": None})
    assert "a loss of 0." in sight_line.line(compared) and "errs on other" not in sight_line.line(
        compared
    )
    for check in (equal, first):
        assert "errs on other rows than this one" in sight_line.line(check)
        assert power.sight(check).overall == pytest.approx(0.0249, abs=0.002)


def test_the_confidence_of_a_late_look_is_said_of_the_overall_loss_alone():
    # The guard uses all of the declared error at every look, so a slice's loss is not at what this look may use.
    found = cases.check(**flipped(cases.inputs(), 0.02))
    late = replace(found, alpha=ledger.allowed(0.05, 3), test_set=replace(found.test_set, looks=3))
    assert power.sight(late).slice_loss == power.sight(found).slice_loss
    said = sight_line.line(late)
    assert re.search(r"in accuracy overall at 99\.75% confidence and of .* \(8 times in 10\)", said)


def test_more_rows_see_more():
    narrow = {"gates": cases.gates(primary={"rule": "not_worse", "margin": 0.005})}
    few, many = (
        power.sight(cases.check(**flipped(cases.inputs(rows=n), 0.02) | narrow))
        for n in (1000, 16_000)
    )
    assert many.overall < 0.4 * few.overall
    assert 1000 < few.more < 16_000 and many.more is None


def test_no_margin_no_line():
    off = {"enabled": False, "reason": "Only a trial of the page."}
    assert (
        sight_line.line(cases.check(**cases.inputs() | {"gates": cases.gates(primary=off)})) == ""
    )
