"""Pictures in one line of text: where value, bounds, production and limit stand."""

from __future__ import annotations

import pytest

from gitops_model.formats.check import Gate, GateKind, GateState
from gitops_model.report import interval
from gitops_model.report.interval import Interval


@pytest.mark.parametrize(
    ("drawn", "shown"),
    [
        (Interval(value=0.5, lower=0.25, upper=0.75, reference=0.0, limit=-0.5), "···┆··│·━●━··"),
        (Interval(value=0.5, reference=0.0), "······│··●···"),
        (Interval(value=0.5, lower=0.25, reference=0.0), "······│·━●━━━"),
        (Interval(value=-2.0, lower=-3.0, upper=0.0, limit=-0.5), "◀━━┆━━━······"),
        (Interval(value=3.0), "············▶"),
    ],
)
def test_a_picture_in_text(drawn: Interval, shown: str) -> None:
    assert interval.text(drawn, domain=(-1.0, 1.0)) == shown


def test_right_is_better_whatever_the_direction() -> None:
    slow = Gate(
        kind=GateKind.LATENCY_RATIO,
        better="lower",
        delta=1.5,
        lower=1.4,
        upper=1.7,
        limit=1.25,
        state=GateState.FAIL,
    )
    drawn = interval.of_gate(slow)
    assert drawn is not None and drawn.lower is not None
    assert (drawn.value, drawn.limit, drawn.reference) == (-0.5, -0.25, 0.0)
    assert drawn.lower == pytest.approx(-0.7) and drawn.upper == pytest.approx(-0.4)


def test_a_tiny_slice_does_not_squeeze_the_others() -> None:
    usual = [Interval(value=0.01 * i, lower=0.0, upper=0.05, limit=-0.05) for i in range(5)]
    huge = Interval(value=-9.0, lower=-20.0, upper=20.0, limit=-0.05)
    low, high = interval.shared(
        [*(i if i.reference is not None else _against_zero(i) for i in usual), _against_zero(huge)]
    )
    assert -0.2 < low and high < 0.2


def _against_zero(given: Interval) -> Interval:
    return Interval(
        value=given.value, lower=given.lower, upper=given.upper, limit=given.limit, reference=0.0
    )
