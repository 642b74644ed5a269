"""The truth table of the verdict: one change each, with state and the sentence people read."""

from dataclasses import replace

import numpy as np
import pytest

from gitops_model.evaluation import ledger
from gitops_model.formats.check import BY_KEYS, BY_KEYS_AND_TIME, TurnedOff
from gitops_model.formats.gates import Gates
from tests.support import cases
from tests.support.verdicts import PROBLEMS, evaluate, scenario, written


@pytest.mark.parametrize("problem", PROBLEMS)
def test_equal_passes(problem):
    result = evaluate(cases.inputs(problem))
    assert (result.state, result.exit_code) == ("pass", 0)
    assert result.sentence.startswith("May ship: ") and "stayed at" in result.sentence


@pytest.mark.parametrize("problem", PROBLEMS)
def test_better_passes(problem):
    result = evaluate(scenario(problem, 0.05, 1.5))
    assert result.state == "pass"
    assert cases.gate(result, "primary").lower > 0


@pytest.mark.parametrize("problem", PROBLEMS)
def test_worse_is_blocked_and_the_sentence_says_by_how_much(problem):
    result = evaluate(scenario(problem, 2.0))
    entry = cases.gate(result, "primary")
    assert (result.state, result.exit_code, entry.state) == ("blocked", 1, "fail")
    assert result.sentence.startswith(
        f"Blocked: {'RMSE rose' if problem == 'regression' else 'accuracy fell'}"
    )
    assert "at best" in result.sentence and "a loss below" in result.sentence


def test_worse_within_the_margin_passes():
    world = cases.world("regression", 20_000)
    base = world.scores(0.3, draw=1)
    result = evaluate(cases.inputs("regression", of=world, production=base, candidate=base + 0.1))
    entry = cases.gate(result, "primary")
    assert entry.candidate > entry.production and entry.upper < 0
    assert (result.state, entry.state) == ("pass", "pass")


def test_too_few_rows_is_inconclusive_says_how_many_are_needed_and_blocks():
    result = evaluate(scenario("binary", 0.5, 0.5, rows=200))
    entry = cases.gate(result, "primary")
    assert (result.state, entry.state) == ("blocked", "inconclusive")
    assert entry.rows_needed > 200
    assert f"would need about {entry.rows_needed:,} rows, the test set has 200" in entry.sentence


def test_inconclusive_warns_where_gates_say_so():
    kwargs = scenario("binary", 0.5, 0.5, rows=400)
    kwargs["gates"] = cases.gates(inconclusive="warn")
    result = evaluate(kwargs)
    assert result.state == "pass"
    assert any(w.startswith("Undecided: accuracy") for w in result.warnings)


def test_must_be_better_does_not_pass_when_equal():
    kwargs = cases.inputs()
    kwargs["gates"] = cases.gates(primary={"rule": "better", "margin": 0.01})
    assert cases.gate(evaluate(kwargs), "primary").state == "fail"


@pytest.mark.parametrize("problem", PROBLEMS)
def test_one_slice_much_worse_blocks_though_the_total_is_better(problem):
    world = cases.world(problem, 20_000, depots=10)
    production = world.scores(1.5, draw=1)
    hurt = world.depot == "d03"
    candidate = np.where(
        hurt if problem != "multiclass" else hurt[:, None],
        world.scores(4.0 if problem != "regression" else 3.0, draw=2),
        world.scores(0.3, draw=2),
    )
    result = evaluate(cases.inputs(problem, of=world, candidate=candidate, production=production))
    assert cases.gate(result, "primary").state == "pass"
    assert (result.state, cases.gate(result, "slices").state) == ("blocked", "fail")
    assert [s.slice for s in result.slices if s.state == "fail"] == ["depot=d03"]
    assert result.sentence.startswith("Blocked: the slice depot=d03 clearly lost more than")


def test_small_slices_are_shown_with_their_interval_and_not_judged():
    kwargs = cases.inputs(rows=900)
    depot = np.where(np.arange(900) < 60, "tiny", "large")
    kwargs = cases.change(kwargs, "test", slices={"depot": depot})
    scores = kwargs["production"].scores.copy()
    scores[:60] = 1 - scores[:60]
    result = evaluate(cases.change(kwargs, "candidate", scores=scores))
    tiny = next(s for s in result.slices if s.slice == "depot=tiny")
    assert tiny.state == "too_small" and tiny.upper < -0.05
    assert cases.gate(result, "slices").state == "pass"


def test_a_slice_to_prove_is_inconclusive_without_enough_rows():
    kwargs = cases.inputs(rows=1000)
    kwargs["gates"] = cases.gates(
        slices={"margin": 0.05, "prove": [{"slice": "depot=d01", "margin": 0.005}]}
    )
    result = evaluate(kwargs)
    entry = cases.gate(result, "prove:depot=d01")
    assert (entry.state, result.state) == ("inconclusive", "blocked")
    assert entry.rows_needed > entry.rows


def test_a_slice_to_prove_that_no_row_belongs_to_blocks():
    kwargs = cases.inputs()
    kwargs["gates"] = cases.gates(
        slices={"margin": 0.05, "prove": [{"slice": "depot=x", "margin": 0.1}]}
    )
    assert cases.gate(evaluate(kwargs), "prove:depot=x").state == "no_data"


@pytest.mark.parametrize("broken", [np.nan, np.inf])
@pytest.mark.parametrize("who", ["candidate", "production"])
def test_a_score_that_is_not_a_number_blocks(broken, who):
    kwargs = cases.inputs()
    scores = kwargs[who].scores.copy()
    scores[17] = broken
    result = evaluate(cases.change(kwargs, who, scores=scores))
    assert result.state == "blocked"
    assert cases.gate(result, "primary").state == "no_data"
    assert result.sentence.startswith(f"Blocked: accuracy has no data: {who}")


@pytest.mark.parametrize(
    ("part", "fields", "name"),
    [
        ("candidate", {"seconds": None}, "latency"),
        ("candidate", {"memory_mb": None}, "memory"),
        ("candidate", {"size_bytes": None}, "artifact"),
        ("facts", {"train_keys": None}, "leakage"),
        ("facts", {"incompatible": None}, "schema"),
        ("production", {"seconds": None}, "latency"),
    ],
)
def test_what_was_not_measured_blocks(part, fields, name):
    result = evaluate(cases.change(cases.inputs(), part, **fields))
    assert (result.state, cases.gate(result, name).state) == ("blocked", "no_data")


def test_first_release_is_judged_by_limits_and_budgets_and_says_so():
    result = evaluate(cases.inputs() | {"production": None})
    assert (result.state, result.baseline) == ("pass", None)
    assert result.sentence.startswith("May ship as the first release: nothing is in production")
    assert cases.gate(result, "primary").state == "not_compared"
    assert cases.gate(result, "artifact").state == "pass"
    world = cases.world()
    poor = cases.inputs(of=world, candidate=1 - world.scores(0.3)) | {"production": None}
    assert evaluate(poor).state == "blocked"


@pytest.mark.parametrize(
    ("limits", "state"),
    [
        ({"roc_auc": {"above": 0.6}}, "pass"),
        ({"roc_auc": {"above": 0.99}}, "blocked"),
        ({"ece": {"below": 0.2}}, "pass"),
        ({"ece": {"below": 0.001}}, "blocked"),
    ],
)
def test_limits(limits, state):
    kwargs = cases.inputs()
    kwargs["gates"] = cases.gates(limits=limits)
    assert evaluate(kwargs).state == state


def test_slower_larger_heavier_blocks():
    kwargs = cases.inputs()
    slow = cases.change(kwargs, "candidate", seconds=kwargs["candidate"].seconds * 2)
    result = evaluate(slow)
    assert cases.gate(result, "latency").state == "fail"
    assert result.sentence.startswith("Blocked: the median latency is 10")
    assert "longer than production's" in result.sentence
    crawl = cases.change(kwargs, "candidate", seconds=kwargs["candidate"].seconds + 1)
    assert cases.gate(evaluate(crawl), "latency_p95").state == "fail"
    large = evaluate(cases.change(kwargs, "candidate", size_bytes=60_000_000))
    assert large.sentence == "Blocked: the bundle's size is 60 MB; it must be below 50 MB."
    heavy = evaluate(cases.change(kwargs, "candidate", memory_mb=800.0))
    assert heavy.sentence == "Blocked: peak memory is 800 MB; it must be below 500 MB."


def test_a_changed_test_set_is_said():
    kwargs = cases.inputs()
    assert evaluate(cases.change(kwargs, "facts", production_test_sha256="c" * 64)).test_set.changed
    same = cases.change(kwargs, "facts", production_test_sha256=kwargs["test"].sha256)
    assert not evaluate(same).test_set.changed


BROKEN_CONTRACT = {
    "incompatible": ("the input weight was removed",),
    "production_schema_version": 1,
}


def test_an_incompatible_contract_blocks():
    result = evaluate(cases.change(cases.inputs(), "facts", **BROKEN_CONTRACT))
    assert result.state == "blocked"
    assert result.sentence == (
        "Blocked: the contract would break today's callers: the input weight was removed; "
        "raise schema_version in contract.yaml if this is meant."
    )


def test_an_incompatible_contract_with_raised_version_blocks_unless_gates_say_otherwise():
    kwargs = cases.change(cases.inputs(), "facts", **BROKEN_CONTRACT, schema_version=2)
    assert evaluate(kwargs).state == "blocked"
    kwargs["gates"] = cases.gates(schema_change="absolute_only")
    result = evaluate(kwargs)
    assert result.state == "pass"
    assert cases.gate(result, "primary").state == "not_compared"
    assert any("absolute_only" in warning for warning in result.warnings)


def test_absolute_only_does_not_excuse_a_version_that_was_not_raised():
    kwargs = cases.change(cases.inputs(), "facts", **BROKEN_CONTRACT)
    kwargs["gates"] = cases.gates(schema_change="absolute_only")
    assert evaluate(kwargs).state == "blocked"


def test_production_that_cannot_answer_blocks():
    kwargs = cases.change(
        cases.inputs(), "production", scores=None, unanswered="it lacks the input x"
    )
    result = evaluate(kwargs)
    assert result.state == "blocked"
    assert any("it lacks the input x" in warning for warning in result.warnings)


def test_leaks_block():
    kwargs = cases.inputs()
    known = cases.change(kwargs, "facts", train_keys=["p0000007", "t1"])
    assert evaluate(known).sentence == (
        "Blocked: the test set is not unseen: 1 test rows were trained on: p0000007."
    )
    late = cases.change(kwargs, "facts", train_window=("2024-01-01", "2024-04-01"))
    assert evaluate(late).state == "blocked"


@pytest.mark.parametrize(
    ("part", "fields"),
    [
        ("test", {"window": None, "time": None}),
        ("facts", {"train_window": None}),
    ],
)
def test_nothing_speaks_of_time_where_no_windows_were_compared(part, fields):
    timed = evaluate(cases.inputs())
    assert cases.gate(timed, "leakage").method == BY_KEYS_AND_TIME
    assert "follows the training window" in cases.gate(timed, "leakage").sentence
    found = evaluate(cases.change(cases.inputs(), part, **fields))
    gate = cases.gate(found, "leakage")
    assert (gate.state, gate.method) == ("pass", BY_KEYS)
    assert "window" not in gate.sentence and "time" not in gate.sentence


def test_rows_without_time_or_group_stand_on_their_own():
    data = cases.gates_data()
    del data["rows"]
    timeless = cases.change(cases.inputs(), "test", window=None, time=None)
    found = evaluate(timeless | {"gates": Gates.from_dict(data)})
    assert (found.test_set.window, found.test_set.unit) == (None, "rows")
    grouped = cases.change(timeless, "test", group=np.arange(4000) // 4)
    assert evaluate(grouped | {"gates": Gates.from_dict(data)}).test_set.unit == "groups"
    ordered = timeless | {"gates": cases.gates(rows="in_time_order")}
    assert "keys.time" in cases.refused(ordered)


def test_gates_that_are_off_are_named_first_and_do_not_block():
    kwargs = scenario("binary", 2.0)
    why = "the primary metric is being replaced"
    off = {"enabled": False, "reason": why}
    kwargs["gates"] = cases.gates(
        primary=off, risk=off, slices=off, limits={"roc_auc": {"above": 0.6}}
    )
    result = evaluate(kwargs)
    assert result.state == "pass"
    assert result.turned_off == tuple(
        TurnedOff(gate=name, reason=why) for name in ("primary", "risk", "slices")
    )
    assert "3 turned off" in result.sentence


def test_looks_widen_the_bounds_and_past_the_budget_warn():
    kwargs = scenario("regression", 0.4)
    past = [
        ledger.Look(test_sha256=kwargs["test"].sha256, candidate_sha256=f"{i:064x}")
        for i in range(20)
    ]
    first = evaluate(kwargs)
    last = evaluate(cases.change(kwargs, "facts", looks=past))
    assert not any("candidate 21" in w for w in first.warnings)
    assert any("This is candidate 21 judged on the same test rows" in w for w in last.warnings)
    assert last.alpha == pytest.approx(0.01 / 2**20)
    assert cases.gate(last, "primary").lower < cases.gate(first, "primary").lower


@pytest.mark.parametrize("problem", PROBLEMS)
def test_identical_inputs_give_identical_bytes_in_any_order_of_rows(problem):
    kwargs = scenario(problem, 0.6, rows=1500)
    first = written(kwargs)
    assert written(kwargs) == first
    order = np.random.default_rng(0).permutation(1500)
    names = np.array(cases.keys(1500))[order].tolist()
    for who in ("candidate", "production"):
        answers = kwargs[who]
        kwargs = cases.change(kwargs, who, keys=names, scores=answers.scores[order])
        assert written(kwargs) == first
    test = kwargs["test"]
    reversed_test = replace(
        test,
        keys=test.keys[::-1],
        labels=test.labels[::-1],
        slices={"depot": test.slices["depot"][::-1]},
        time=test.time[::-1],
    )
    assert written(kwargs | {"test": reversed_test}) == first


def test_class_names_are_labels_too():
    kwargs = cases.inputs("multiclass")
    names = np.array(["low", "middle", "high"])[kwargs["test"].labels.astype(int)]
    assert written(cases.change(kwargs, "test", labels=names)) == written(kwargs)


def test_rows_in_time_order_and_groups_widen_the_bounds():
    kwargs = scenario("binary", 0.6)
    kwargs["gates"] = cases.gates(rows="grouped")
    assert "no group column" in cases.refused(kwargs)
    grouped = evaluate(cases.change(kwargs, "test", group=np.arange(4000) // 4))
    assert grouped.test_set.unit == "groups" and grouped.test_set.units == 1000
    data = cases.gates_data()
    del data["rows"]
    kwargs["gates"] = Gates.from_dict(data)
    assert evaluate(kwargs).test_set.unit == "blocks"


def test_curves_are_small_and_for_both():
    for problem in PROBLEMS:
        curves = evaluate(cases.inputs(problem)).curves
        assert curves.candidate and curves.production
        assert len(str(curves)) < 20_000


def test_finder_names_an_undeclared_slice_that_got_worse_and_blocks_nothing():
    world = cases.world("binary", 8000)
    generator = np.random.default_rng(3)
    colour = generator.choice(["red", "green", "blue", "grey"], size=8000)
    base = world.scores(0.3, draw=1)
    worse = np.where(colour == "green", world.scores(1.5, draw=2), base)
    kwargs = cases.inputs(of=world, candidate=worse, production=base)
    kwargs = cases.change(
        kwargs, "test", explore={"colour": colour, "noise": generator.normal(size=8000)}
    )
    result = evaluate(kwargs)
    assert [s.slice for s in result.suspects] == ["colour=green"]
    clean = cases.change(cases.inputs(), "test", explore={"depot2": world.depot[:4000]})
    assert evaluate(clean).suspects == ()
