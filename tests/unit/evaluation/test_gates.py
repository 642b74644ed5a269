"""gates.yaml: what it may say, what is off, and what lint refuses."""

import pytest

from gitops_model import strict_yaml
from gitops_model.errors import BadInput
from gitops_model.evaluation.lint import lint
from gitops_model.formats.gates import Margin
from tests.support import cases


@pytest.mark.parametrize("problem", ["binary", "multiclass", "regression"])
def test_sound_gates_have_no_findings(problem):
    sizes = {"depot=d01": 900, "depot=d02": 1200}
    found = lint(
        cases.gates(problem),
        cases.contract(problem),
        rows=4000,
        slices=sizes,
    )
    assert found == []


def test_margins_are_points_or_shares():
    assert Margin.parse(0.01) == Margin(value=0.01, relative=False)
    assert Margin.parse("2.5%") == Margin(value=0.025, relative=True)
    assert (str(Margin.parse("2.5%")), str(Margin.parse(0.01))) == (
        "2.5%",
        "0.01",
    )


def test_gates_inherit_the_policy_unless_they_have_their_own():
    found = cases.gates(
        inconclusive="warn", risk={"rule": "not_worse", "margin": 0.1, "inconclusive": "block"}
    )
    assert (found.primary.inconclusive, found.risk.inconclusive) == ("warn", "block")
    assert found.limits[0].inconclusive == "warn"


def test_any_change_changes_the_digest():
    assert cases.gates().digest == cases.gates().digest
    assert cases.gates().digest != cases.gates(confidence=0.9).digest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"confidence": 1}, "confidence is 1; allowed: a number at least 0.8 and at most 0.999"),
        ({"inconclusive": "maybe"}, "inconclusive is 'maybe'; allowed: one of block, warn"),
        (
            {"primary": {"rule": "not_worse", "margin": 0}},
            "primary.margin is 0; allowed: a number above 0",
        ),
        ({"primary": {"rule": "not_worse", "margin": "high"}}, "primary.margin is 'high'; allowed"),
        ({"primary": {"rule": "not_worse"}}, "primary lacks 'margin'"),
        ({"primary": {"rule": "equal", "margin": 0.1}}, "one of not_worse, better"),
        ({"primary": {"enabled": False}}, "primary lacks 'reason'"),
        ({"primary": {"enabled": False, "reason": "no"}}, "primary.reason is 'no'"),
        ({"limits": {}}, "limits"),
        ({"limits": {"auc": {"above": 0.5}}}, "limits has the key 'auc'"),
        ({"limits": {"roc_auc": {}}}, "limits.roc_auc"),
        ({"limits": {"roc_auc": {"above": 0.5, "below": 0.9}}}, "limits.roc_auc"),
        ({"slices": {"margin": 0.05, "min_row": 10}}, "Did you mean 'min_rows'"),
        ({"slices": {"margin": 0.05, "prove": [{"slice": "JFK", "margin": 0.1}]}}, "column=value"),
        ({"test_set": {"looks": 0}}, "test_set.looks is 0"),
        ({"rows": "weekly"}, "rows is 'weekly'"),
        ({"schema_change": "allow"}, "one of block, absolute_only"),
    ],
)
def test_bad_gates_are_refused_with_what_is_allowed(changes, message):
    with pytest.raises(BadInput) as caught:
        cases.gates(**changes)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "section",
    ["primary", "risk", "limits", "slices", "latency", "memory", "artifact", "test_set"],
)
def test_a_section_cannot_be_dropped_silently(section):
    data = cases.gates_data()
    del data[section]
    with pytest.raises(BadInput, match=f"lacks '{section}'"):
        strict_yaml.check(data, kind="gates", name="gates.yaml")


def not_worse(margin):
    return {"rule": "not_worse", "margin": margin}


PROVE = {"slice": "depot=d01", "margin": 0.02}


@pytest.mark.parametrize(
    ("changes", "known", "sentence"),
    [
        (
            {"primary": not_worse(1)},
            {},
            "primary.margin is 1: accuracy lies between 0 and 1 and cannot lose",
        ),
        (
            {"primary": not_worse("100%")},
            {},
            "nothing can lose all of it, so the gate could never fail",
        ),
        ({"anchor": {"margin": 5}}, {}, "anchor.margin is 5: accuracy lies between 0 and 1"),
        ({"anchor": {"margin": "150%"}}, {}, "anchor.margin is 150%: nothing can lose all of it"),
        (
            {"primary": not_worse(0.6)},
            {},
            "primary.margin is 0.6: against the best release so far twice that may be lost, 1.2, so that gate could "
            "never fail. Give it its own margin. Example: anchor: {margin: 0.6}",
        ),
        (
            {"primary": not_worse("60%")},
            {},
            "twice that may be lost, 120%, so that gate could never fail. Give it its own margin. Example: anchor: "
            "{margin: 60%}",
        ),
        (
            {"primary": not_worse(0.02)},
            {"rows": 100},
            "with 100 test rows even a candidate that answers exactly like production could not pass; "
            "use at least 151 rows",
        ),
        (
            {"limits": {"rmse": {"below": 3}}},
            {},
            "limits.rmse: rmse is not defined for a binary problem",
        ),
        (
            {"limits": {"roc_auc": {"below": 0.6}}},
            {},
            "roc_auc is better when it is higher; write above",
        ),
        ({"limits": {"ece": {"above": 0.1}}}, {}, "ece is better when it is lower; write below"),
        ({"limits": {"roc_auc": {"above": 1}}}, {}, "no model could ever pass, roc_auc ends at 1"),
        ({"limits": {"ece": {"below": 0}}}, {}, "no model could ever pass, ece ends at 0"),
        (
            {"limits": {"accuracy": {"above": -0.1}}},
            {},
            "no model could ever fail, accuracy ends at 0",
        ),
        ({"limits": {"ece": {"below": 1.5}}}, {}, "no model could ever fail, ece ends at 1"),
        (
            {"latency": {"ratio_below": 1, "p95_ms_below": 9}},
            {},
            "as fast as production could never pass",
        ),
        (
            {"slices": {"margin": 0.05, "min_rows": 500}},
            {"slices": {"depot=d01": 300}},
            "the largest slice has 300 rows, so no slice is judged and the guard could never fail",
        ),
        ({"slices": {"margin": 2}}, {}, "slices.margin is 2"),
        ({"slices": {"margin": 0.05, "metric": "mae"}}, {}, "slices.metric is 'mae'; allowed"),
        (
            {"slices": {"margin": 0.05, "prove": [{"slice": "hub=x", "margin": 0.1}]}},
            {},
            "slices.prove[0].slice is 'hub=x': contract.yaml declares no slice hub",
        ),
        (
            {"slices": {"margin": 0.05, "prove": [PROVE]}},
            {"slices": {"depot=d02": 900}},
            "'depot=d01', which no test row belongs to",
        ),
        (
            {"slices": {"margin": 0.05, "min_rows": 50, "prove": [PROVE]}},
            {"slices": {"depot=d01": 120}},
            "with 120 rows of depot=d01 even a candidate that answers exactly like production could not pass; "
            "use at least 151 rows",
        ),
        (
            {"slices": {"margin": "5%", "prove": [PROVE]}},
            {},
            "give both as numbers or both as shares",
        ),
    ],
)
def test_lint_refuses_what_could_never_pass_or_never_fail(changes, known, sentence):
    found = lint(cases.gates(**changes), cases.contract(), **known)
    assert len(found) == 1 and sentence in found[0] and found[0].startswith("gates.yaml: ")


def test_shares_of_r2_mean_nothing():
    contract = cases.contract("regression", primary="r2")
    assert "r2 may be zero or negative" in lint(cases.gates("regression"), contract)[0]


def test_gates_that_are_off_are_not_linted():
    off = {"enabled": False, "reason": "not measured on this runner"}
    assert (
        lint(cases.gates(primary=off | {"rule": "not_worse", "margin": 2}), cases.contract()) == []
    )
