"""Metrics that gates.yaml declares: their numbers, and that they are treated like every other metric."""

import functools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_model.delivery.check import worded
from gitops_model.errors import BadInput
from gitops_model.evaluation import custom, metrics, recheck, verdict
from gitops_model.evaluation.comparison import compare
from gitops_model.evaluation.resampling import Resampler
from gitops_model.evaluation.rows import Rows
from gitops_model.formats import check as check_format
from gitops_model.formats.check import GateKind, GateState
from gitops_model.report import check_html, check_markdown
from tests.support import cases

COST = {"mean": "where(answer == 1, 5, label * min(weight, 50))", "better": "lower", "unit": "$"}
METRICS = {
    "cost_per_parcel": COST | {"margin": "5%"},
    "missed": {
        "ratio": {"of": "label * (1 - answer) * weight", "to": "label * weight"},
        "better": "lower",
        "margin": 0.05,
    },
    "kg_right": {"sum": "(answer == label) * weight", "better": "higher", "unit": "kg"},
    "worst": {"quantile": {"of": "abs(score - label) * weight", "at": 0.9}, "better": "lower"},
}


def inputs(problem="binary", declared=None, *, noise=0.35, rows=2000, weight=None, **changes):
    """What `verdict.evaluate` takes, for a candidate with this noise and rows with a weight."""
    world = cases.world(problem, rows)
    given = cases.inputs(problem, of=world, candidate=world.scores(noise, draw=2))
    if weight is None:
        weight = np.random.default_rng(3).lognormal(2, 1, rows)
    return given | {
        "gates": cases.gates(problem, metrics=METRICS if declared is None else declared, **changes),
        "test": replace(given["test"], numbers={"weight": weight}),
    }


def checked(**given):
    return verdict.evaluate(**given)


@functools.cache
def usual():
    """The check of `inputs()`."""
    return checked(**inputs())


def row(check, name):
    return next(row for row in check.metrics if row.metric == name)


def test_the_numbers_are_numpys():
    given, check = inputs(), usual()
    label, weight = given["test"].labels, given["test"].numbers["weight"]
    score = given["candidate"].scores
    answer = score >= 0.5
    wanted = {
        "cost_per_parcel": np.where(answer, 5, label * np.minimum(weight, 50)).mean(),
        "missed": (label * ~answer * weight).sum() / (label * weight).sum(),
        "kg_right": ((answer == label) * weight).sum(),
        "worst": np.quantile(np.abs(score - label) * weight, 0.9, method="inverted_cdf"),
    }
    for name, value in wanted.items():
        found = row(check, name)
        assert found.candidate == pytest.approx(value, rel=1e-8)
        assert found.candidate_lower < found.candidate < found.candidate_upper
        sign = 1 if name == "kg_right" else -1
        assert found.delta == pytest.approx(sign * (found.candidate - found.production), rel=1e-4)
        assert found.lower < found.delta < found.upper
    assert [row(check, name).unit for name in wanted] == ["$", "metric", "kg", "metric"]


def test_with_a_margin_it_is_a_gate_and_without_it_is_shown():
    check = usual()
    gates = [gate for gate in check.gates if gate.kind is GateKind.METRIC]
    assert [gate.id for gate in gates] == ["metric:cost_per_parcel", "metric:missed"]
    assert [gate.state for gate in gates] == [GateState.PASS, GateState.PASS]
    assert gates[0].relative and not gates[1].relative and gates[0].unit == "$"


def test_a_worse_candidate_fails_it():
    given = inputs(declared={"missed": METRICS["missed"]})
    lazy = replace(given["candidate"], scores=given["candidate"].scores * 0.75)
    check = checked(**given | {"candidate": lazy})
    gate = check.gate(GateKind.METRIC)
    assert gate.state is GateState.FAIL and gate.blocks and gate.upper < -0.05


def test_the_other_direction_is_a_gain():
    better = METRICS["missed"] | {"better": "higher"}
    given = inputs(declared={"missed": better})
    lazy = replace(given["candidate"], scores=given["candidate"].scores * 0.75)
    gate = checked(**given | {"candidate": lazy}).gate(GateKind.METRIC)
    assert gate.state is GateState.PASS and gate.delta > 0.05


def test_limits_and_slices_may_name_it():
    check = checked(
        **inputs(
            limits={"cost_per_parcel": {"below": 3}, "missed": {"below": 0.9}},
            slices={"metric": "missed", "margin": 0.2, "min_rows": 100},
        )
    )
    states = {gate.id: gate.state for gate in check.gates}
    assert states["limit:cost_per_parcel"] is GateState.FAIL
    assert states["limit:missed"] is GateState.PASS
    assert check.gate(GateKind.SLICE_GUARD).metric == "missed"
    assert all(each.delta is not None for each in check.slices)


def test_it_can_be_turned_off_with_a_reason():
    off = METRICS["missed"] | {"enabled": False, "reason": "not agreed upon yet"}
    check = checked(**inputs(declared={"missed": off}))
    assert check.gate(GateKind.METRIC).state is GateState.OFF
    assert [(each.gate, each.reason) for each in check.turned_off] == [
        ("metric:missed", "not agreed upon yet")
    ]


def test_reports_show_it_with_its_unit():
    check = cases.check(**inputs(declared={"kg_wrong": METRICS["kg_right"] | {"margin": "9%"}}))
    gate = check.gate(GateKind.METRIC)
    assert "kg wrong" in gate.sentence and gate.sentence.count(" kg ") == 2
    for text in (check_markdown.render(check), check_html.render(check)):
        assert "Kg wrong" in text and " kg" in text
    assert check_format.read(check.to_json()) == check


@pytest.mark.parametrize("unit", ["<b>", "a|b", "[x](y)", "`", "", "x" * 13])
def test_a_report_of_a_stranger_may_not_bring_any_unit(unit):
    data = usual().to_json()
    data["metrics"][-1]["unit"] = unit
    with pytest.raises(BadInput, match="unit"):
        check_format.read(data)


def test_the_power_line_names_what_is_seen_of_it():
    text = check_markdown.render(worded(usual()))
    assert "% in cost per parcel, 0.0" in text and " in missed overall" in text


def test_whoever_reads_a_report_again_finds_a_wrong_gain():
    given, check = inputs(), usual()
    trusted = recheck.Trusted(
        gates=given["gates"], primary="accuracy", risk="expected_cost", slices=("depot",),
        production_sha256=cases.PRODUCTION,
    )  # fmt: skip
    assert recheck.contradictions(check, trusted) == []
    forged = tuple(
        replace(gate, delta=-gate.delta, lower=None, upper=None)
        if gate.id == "metric:missed"
        else gate
        for gate in check.gates
    )
    assert "is not a gain of" in recheck.contradictions(replace(check, gates=forged), trusted)[0]


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e13])
def test_one_row_without_a_number_is_no_data_and_blocks(bad):
    weight = np.ones(2000)
    weight[7] = bad
    declared = {"weighed": {"mean": "score * weight", "better": "lower", "margin": 0.1}}
    check = checked(**inputs(declared=declared, weight=weight))
    gate = check.gate(GateKind.METRIC)
    assert gate.state is GateState.NO_DATA and gate.blocks and gate.candidate is None


def test_rows_that_lack_the_column_are_no_data():
    given = inputs(declared={"missed": METRICS["missed"]})
    bare = replace(given["test"], numbers={})
    assert checked(**given | {"test": bare}).gate(GateKind.METRIC).state is GateState.NO_DATA


def test_a_ratio_of_nothing_has_no_value():
    declared = {"rate": {"ratio": {"of": "answer", "to": "label * 0"}, "better": "lower"}}
    assert row(checked(**inputs(declared=declared)), "rate").candidate is None


def test_a_quantile_of_few_rows_has_no_interval_and_says_so():
    declared = {"worst": {"quantile": {"of": "abs(score - label)", "at": 0.99}, "better": "lower"}}
    declared["worst"]["margin"] = 0.1
    check = cases.check(**inputs(declared=declared, rows=900))
    gate = check.gate(GateKind.METRIC)
    assert gate.state is GateState.INCONCLUSIVE and "too few rows beyond it" in gate.sentence


def test_multiclass_names_scores_and_places_of_classes():
    declared = {
        "surprise": {"mean": "where(label == class_high, 1 - score_high, 0)", "better": "lower"},
        "steps": {"mean": "abs(answer - label)", "better": "lower", "margin": 0.05},
    }
    given = inputs("multiclass", declared)
    check, label, scores = checked(**given), given["test"].labels, given["candidate"].scores
    wanted = np.where(label == 2, 1 - scores[:, 2], 0).mean()
    assert row(check, "surprise").candidate == pytest.approx(wanted, rel=1e-8)
    wanted = np.abs(scores.argmax(axis=1) - label).mean()
    assert row(check, "steps").candidate == pytest.approx(wanted, rel=1e-8)


def test_regression_has_label_and_score():
    declared = {"late": {"quantile": {"of": "max(label - score, 0)", "at": 0.9}, "better": "lower"}}
    given = inputs("regression", declared)
    short = np.maximum(given["test"].labels - given["candidate"].scores, 0)
    found = row(checked(**given), "late").candidate
    assert found == pytest.approx(np.quantile(short, 0.9, method="inverted_cdf"), rel=1e-8)


def test_the_order_of_rows_changes_nothing():
    given = inputs()
    turned = np.random.default_rng(1).permutation(2000)
    test = given["test"]
    other = replace(
        test,
        keys=[test.keys[i] for i in turned],
        labels=test.labels[turned],
        slices={"depot": test.slices["depot"][turned]},
        time=test.time[turned],
        numbers={"weight": test.numbers["weight"][turned]},
    )
    assert checked(**given | {"test": other}).metrics == usual().metrics


NUMBERS = st.lists(
    st.tuples(st.booleans(), st.floats(0, 1), st.floats(0.1, 1e6), st.sampled_from("abc")),
    min_size=1,
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(NUMBERS)
def test_sums_over_slices_add_up_and_a_weighted_ratio_is_numpys_average(drawn):
    label, score, weight = (
        np.array(each, dtype=float) for each in list(zip(*drawn, strict=True))[:3]
    )
    place = np.array([each[3] for each in drawn])
    declared = cases.gates(
        metrics={
            "total": {"sum": "abs(score - label) * weight", "better": "lower"},
            "average": {
                "ratio": {"of": "abs(score - label) * weight", "to": "weight"},
                "better": "lower",
            },
        }
    ).metrics
    ctx = metrics.context(cases.contract(), declared)
    rows = Rows(labels=label, candidate=score, production=None, named={"weight": weight})

    def total(part):
        return part.linear(metrics.find("total", ctx), ctx)[0].value

    parts = [total(rows.subset(place == each)) for each in np.unique(place)]
    assert sum(parts) == pytest.approx(total(rows))
    wanted = np.average(np.abs(score - label), weights=weight)
    found = rows.linear(metrics.find("average", ctx), ctx)[0].value
    assert found == pytest.approx(wanted)


@pytest.mark.parametrize(("digits", "least"), [pytest.param(9, 1, marks=pytest.mark.slow), (1, 0)])
def test_equal_quantiles_are_missed_at_most_at_the_declared_rate(digits, least):
    """150 pairs of equally good models: a bound of 5 % misses at most 9 %, also where many values are equal."""
    metric = {"quantile": {"of": "abs(score - label)", "at": 0.5}, "better": "lower"}
    declared = cases.gates("regression", metrics={"usual": metric}).metrics
    ctx = metrics.context(cases.contract("regression"), declared)
    generator = np.random.default_rng(5)
    resampler = Resampler(1000, seed=1, replicates=200)
    missed = np.zeros(2)
    for _ in range(150):
        shared = generator.normal(size=1000)
        new, old = (np.round(shared + 0.5 * generator.normal(size=1000), digits) for _ in range(2))
        rows = Rows(labels=np.zeros(1000), candidate=new, production=old)
        found = compare("usual", rows, ctx, resampler, alpha=0.05)
        missed += found.lower > 0, found.upper < 0
    assert (missed <= 0.09 * 150).all() and (missed >= least).all()


@pytest.mark.parametrize("kind", ["rows", "group", "time"])
def test_a_resampled_quantile_is_that_of_the_rows_drawn(kind):
    """Against plain resampling: the same mean and spread, whatever stands on its own."""
    values = np.random.default_rng(6).exponential(size=800)
    extra = {"group": {"group": np.arange(800) // 4}, "time": {"time": np.arange(800)}}.get(
        kind, {}
    )
    drawn = custom.resampled_quantile(values, 0.8, Resampler(800, seed=2, **extra))[:, 0]
    generator = np.random.default_rng(7)
    plain = np.quantile(values[generator.integers(800, size=(2000, 800))], 0.8, axis=1)
    assert set(drawn) <= set(values)
    assert drawn.mean() == pytest.approx(plain.mean(), rel=0.03)
    assert drawn.std() == pytest.approx(plain.std(), rel=0.35 if kind == "time" else 0.2)


def test_the_influence_of_a_quantile_gives_its_standard_error():
    """Of the median of normal rows: sqrt(pi / 2 / n)."""
    values = np.random.default_rng(2).normal(size=20_000)
    value, influence = custom.quantile(values, 0.5)
    assert value == np.quantile(values, 0.5, method="inverted_cdf")
    assert influence.std() == pytest.approx(np.sqrt(np.pi / 2), rel=0.05)
