"""Two answers compared without the truth, and what is counted of them."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_model.runtime.compared import (
    PROBABILITY_EDGES,
    Compared,
    Facts,
    Spread,
    Tally,
    compare,
    facts_of,
)
from tests.support.factories import make_contract

COSTS = {"false_positive": 1.0, "false_negative": 4.0}
BINARY = Facts(problem="binary", output="late", schema_version=1, costs=COSTS)
CLASSES = Facts(problem="multiclass", output="delay", schema_version=1)
NUMBER = Facts(
    problem="regression", output="minutes", schema_version=1, tolerance=2.0,
    costs={"over": 1.0, "under": 3.0},
)  # fmt: skip


def binary(probability: float, *, threshold: float = 0.2) -> dict[str, Any]:
    return {"late": probability >= threshold, "probability": probability}


def classes(**probabilities: float) -> dict[str, Any]:
    best = max(probabilities, key=probabilities.__getitem__)
    return {"delay": best, "probabilities": probabilities}


@pytest.mark.parametrize(
    "answered, shadow, outcome, difference, beyond, cost",
    [
        (binary(0.10), binary(0.14), "same", 0.04, False, (0, 0)),
        (binary(0.19), binary(0.21), "other", 0.02, False, (-4, 1)),
        (binary(0.30), binary(0.10), "other", -0.20, True, (-1, 4)),
        # Each decides at the threshold of its own contract: that is what callers would get.
        (binary(0.3), binary(0.3, threshold=0.5), "other", 0.0, False, (-1, 4)),
    ],
)
def test_decisions(
    answered: Any, shadow: Any, outcome: str, difference: float, beyond: bool, cost: Any
) -> None:
    found = compare(BINARY, answered, shadow)
    assert (found.outcome, found.beyond, found.cost) == (outcome, beyond, cost)
    assert found.difference == pytest.approx(difference)


def test_classes_agree_when_the_same_one_is_answered() -> None:
    found = compare(CLASSES, classes(a=0.5, b=0.4, c=0.1), classes(a=0.41, b=0.4, c=0.19))
    assert (found.outcome, found.beyond, found.cost) == ("same", True, None)
    assert found.difference == pytest.approx(0.09)
    assert compare(CLASSES, classes(a=0.5, b=0.5), classes(a=0.4, b=0.6)).outcome == "other"


@pytest.mark.parametrize(
    "answered, shadow, outcome, cost",
    [(10, 12.0, "same", (-6, 2)), (10, 12.1, "other", (-6.3, 2.1)), (10, 7, "other", (-3, 9))],
)
def test_numbers_agree_within_the_tolerance(
    answered: float, shadow: float, outcome: str, cost: Any
) -> None:
    found = compare(NUMBER, {"minutes": answered}, {"minutes": shadow})
    assert (found.outcome, found.beyond) == (outcome, outcome == "other")
    assert found.cost == pytest.approx(cost)


def test_the_bounds_of_a_number_s_cost_hold_whatever_the_truth() -> None:
    def cost(value: float, truth: float) -> float:
        return 1.0 * max(value - truth, 0) + 3.0 * max(truth - value, 0)

    for answered, shadow in ((5.0, 9.0), (9.0, 5.0)):
        low, high = compare(NUMBER, {"minutes": answered}, {"minutes": shadow}).cost or (0, 0)
        changes = [cost(shadow, t / 4) - cost(answered, t / 4) for t in range(-40, 100)]
        assert low == pytest.approx(min(changes)) and high == pytest.approx(max(changes))


@pytest.mark.parametrize(
    "facts, answered, shadow",
    [
        (BINARY, {"delayed": True, "probability": 0.5}, binary(0.5)),
        (BINARY, {"late": 12.5}, binary(0.5)),
        (BINARY, binary(0.5), {"late": True, "probability": float("nan")}),
        (CLASSES, classes(a=1.0), classes(b=1.0)),
        (CLASSES, binary(0.5), classes(b=1.0)),
        (NUMBER, {"minutes": None}, {"minutes": 1.0}),
        (NUMBER, {"minutes": True}, {"minutes": 1.0}),
    ],
)
def test_answers_of_another_kind_are_not_compared(facts: Facts, answered: Any, shadow: Any) -> None:
    assert compare(facts, answered, shadow) == Compared(outcome="uncomparable")


def test_the_tolerance_of_a_number_is_a_share_of_its_range_or_of_the_answer() -> None:
    contract = make_contract("regression")
    assert facts_of(contract, span=(-10.0, 90.0)).tolerance == pytest.approx(2.0)
    unknown = facts_of(contract, span=None)
    assert unknown.tolerance is None
    name = contract.output.name
    assert compare(unknown, {name: 100.0}, {name: 104.9}).outcome == "same"
    assert compare(unknown, {name: 100.0}, {name: 105.1}).outcome == "other"


def test_a_spread_counts_in_constant_space_and_tells_quantiles() -> None:
    spread = Spread(PROBABILITY_EDGES)
    assert (spread.mean, spread.quantile(0.5)) == (None, None)
    for number in range(1, 1001):
        spread.add(number / 1000)
    assert spread.count == 1000 and spread.mean == pytest.approx(0.5005)
    assert spread.quantile(0.5) == pytest.approx(0.5, abs=0.01)
    assert spread.quantile(0.95) == pytest.approx(0.95, abs=0.01)
    assert spread.quantile(1) == 1.0
    spread.add(7.0)
    assert spread.quantile(1) == 7.0 and len(spread.counts) == len(PROBABILITY_EDGES) + 1


def test_a_tally_tells_shares_of_what_both_answered() -> None:
    tally = Tally(BINARY)
    assert tally.to_dict()["agreement"] is None
    pairs = [(0.1, 0.1), (0.1, 0.3), (0.5, 0.4), (0.9, 0.9)]
    for answered, shadow in pairs:
        tally.add(compare(BINARY, binary(answered), binary(shadow)))
    tally.add(Compared(outcome="refused"))
    found = tally.to_dict()
    assert found["rows"] == {"same": 3, "other": 1, "refused": 1, "failed": 0, "uncomparable": 0}
    assert found["agreement"] == 0.75 and found["cost_bounds"] == [-4, 1]
    assert found["difference"]["share_beyond"] == 0.5
    assert found["difference"]["mean_signed"] == pytest.approx(0.025)
