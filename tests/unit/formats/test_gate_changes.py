"""What a changed gates.yaml allows more: every value, in the direction that is weaker, and in no other."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_model.formats.gate_changes import weakened
from tests.support import cases

OFF = {"enabled": False, "reason": "The runner is being replaced."}
PROVEN = {"margin": 0.05, "min_rows": 100, "prove": [{"slice": "depot=d01", "margin": 0.03}]}
SHOWN: dict[str, Any] = {"lost": {"mean": "label - score", "better": "lower"}}
LOST, LOSES = ({"lost": SHOWN["lost"] | {"margin": margin}} for margin in (0.1, 0.2))
# (strict, lenient, what is said of the step from the first to the second)
STEPS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"confidence": 0.9}, "confidence 0.95 → 0.9"),
    ({"rows": "in_time_order"}, {}, "rows in_time_order → independent"),
    ({}, {"primary": {"rule": "not_worse", "margin": 0.5}}, "primary.margin 0.02 → 0.5"),
    ({}, {"risk": {"rule": "not_worse", "margin": "12%"}}, "risk.margin 10% → 12%"),
    (
        {"primary": {"rule": "better", "margin": 0.02}},
        {"primary": {"rule": "better", "margin": 0.01}},
        "primary.margin 0.02 → 0.01",
    ),
    ({"primary": {"rule": "better", "margin": 0.02}}, {}, "primary.rule better → not_worse"),
    ({}, {"risk": OFF}, "risk on → off"),
    (
        {},
        {"limits": {"roc_auc": {"above": 0.5}, "ece": {"below": 0.15}}},
        "limits.roc_auc.above 0.6 → 0.5",
    ),
    (
        {},
        {"limits": {"roc_auc": {"above": 0.6}, "ece": {"below": 0.2}}},
        "limits.ece.below 0.15 → 0.2",
    ),
    ({}, {"limits": {"roc_auc": {"above": 0.6}}}, "limits.ece a limit → none"),
    ({}, {"slices": {"margin": 0.06, "min_rows": 100}}, "slices.margin 0.05 → 0.06"),
    ({}, {"slices": {"margin": 0.05, "min_rows": 900}}, "slices.min_rows 100 → 900"),
    ({"slices": PROVEN}, {}, "slices.prove depot=d01 0.03 → none"),
    ({}, {"latency": {"ratio_below": 2, "p95_ms_below": 20}}, "latency.ratio_below 1.25 → 2"),
    ({}, {"latency": {"ratio_below": 1.25, "p95_ms_below": 40}}, "latency.p95_ms_below 20 → 40"),
    ({}, {"memory": {"mb_below": 600}}, "memory.mb_below 500 → 600"),
    ({}, {"artifact": OFF}, "artifact on → off"),
    (
        {"anchor": {"margin": 0.04}},
        {"anchor": {"margin": 0.05}},
        "anchor.margin 0.04 → 0.05",
    ),
    ({}, {"anchor": {"margin": 0.05}}, "anchor.margin 0.04 → 0.05"),
    ({}, {"anchor": OFF}, "anchor on → off"),
    ({}, {"test_set": {"looks": 30}}, "test_set.looks 20 → 30"),
    ({"metrics": LOST}, {"metrics": LOSES}, "metrics.lost.margin 0.1 → 0.2"),
    ({"metrics": LOST}, {"metrics": SHOWN}, "metrics.lost.margin 0.1 → none"),
    ({"metrics": LOST}, {}, "metrics.lost declared → none"),
    ({"metrics": LOST}, {"metrics": {"lost": LOST["lost"] | OFF}}, "metrics.lost on → off"),
    ({}, {"schema_change": "absolute_only"}, "schema_change block → absolute_only"),
]


@pytest.mark.parametrize(("strict", "lenient", "said"), STEPS, ids=[said for *_, said in STEPS])
def test_each_value_is_named_in_its_weaker_direction_only(
    strict: dict[str, Any], lenient: dict[str, Any], said: str
) -> None:
    one, other = cases.gates(**strict), cases.gates(**lenient)
    assert weakened(one, other) == (said,)
    assert weakened(other, one) == ()


def test_another_expression_is_another_measure_either_way() -> None:
    one = cases.gates(metrics=LOST)
    other = cases.gates(metrics={"lost": LOST["lost"] | {"mean": "label * (1 - score)"}})
    (found,) = weakened(one, other)
    assert found == "metrics.lost as it was → changed (another measure)"
    assert weakened(other, one) == (found,)


def test_a_policy_for_all_gates_is_named_for_each() -> None:
    found = weakened(cases.gates(), cases.gates(inconclusive="warn"))
    assert [line.split(".inconclusive")[0] for line in found] == [
        *("primary", "risk", "limits.roc_auc", "limits.ece", "slices", "latency"),
    ]


def test_what_cannot_be_compared_is_named_as_such() -> None:
    share = cases.gates(primary={"rule": "not_worse", "margin": "2%"})
    assert weakened(cases.gates(), share) == ("primary.margin 0.02 → 2% (another measure)",)
    other = cases.gates(slices={"metric": "f1", "margin": 0.05, "min_rows": 100})
    assert weakened(cases.gates(), other) == (
        "slices.metric the primary metric → f1 (another measure)",
    )


def test_the_same_gates_allow_nothing_more() -> None:
    assert weakened(cases.gates(), cases.gates()) == ()


def test_a_gate_that_was_off_cannot_become_weaker() -> None:
    assert weakened(cases.gates(latency=OFF, risk=OFF), cases.gates(latency=OFF, risk=OFF)) == ()
