"""Counting looks at a test set, and what each may still err."""

import numpy as np
import pytest
from scipy import stats

from gitops_model.evaluation import ledger, sketch, verdict
from gitops_model.evaluation.ledger import Look, account
from gitops_model.formats.check import GateState
from tests.support import cases


def look(candidate, test="t", rows=""):
    return Look(test_sha256=test, candidate_sha256=candidate, sketch=rows)


def past(count, test="t"):
    return [look(f"m{i}", test) for i in range(count)]


@pytest.mark.parametrize(
    ("looks", "candidate", "counted"),
    [
        ([], "new", 1),
        (past(19), "new", 20),
        (past(20), "new", 21),
        (past(20), "m3", 4),  # looking again at the same candidate is not a new look
        (past(20) * 3, "m3", 4),
        (past(50, test="another"), "new", 1),
    ],
)
def test_looks_are_distinct_candidates_on_this_test_set(looks, candidate, counted):
    found = account(looks, look(candidate), budget=20, alpha=0.05)
    assert (found.looks, found.alpha) == (
        counted,
        pytest.approx(0.04 if counted == 1 else 0.01 / 2 ** (counted - 1)),
    )
    assert (found.warning is None) == (counted <= 20)


def test_all_looks_together_err_no_more_than_was_declared():
    assert sum(ledger.allowed(0.05, k) for k in range(1, 5000)) <= 0.05 + 1e-11
    assert ledger.declared(ledger.allowed(0.05, 7), 7) == pytest.approx(0.05)
    assert ledger.allowed(0.05, 10**9) > 0


def test_bounds_widen_with_each_look():
    widths = [ledger.width(ledger.allowed(0.05, k), k) for k in (1, 5, 20, 90)]
    quantiles = stats.norm.isf([0.04, 0.01 / 2**4, 0.01 / 2**19, 0.01 / 2**89])
    assert widths == pytest.approx(list(quantiles / quantiles[0]))


def test_test_sets_that_share_half_of_their_rows_are_one():
    rows = [f"r{i}" for i in range(3000)]
    old, new = sketch.of(rows[:1000]), sketch.of(rows[300:1300])
    fresh = sketch.of(rows[1000:2000])
    seen = [look("m0", "t0", old), look("m1", "t0", old)]
    assert account(seen, look("m2", "t1", new), budget=20, alpha=0.05).looks == 3
    assert account(seen, look("m2", "t2", fresh), budget=20, alpha=0.05).looks == 1
    # A candidate keeps its place on whatever version of the rows it is judged again.
    assert account(seen, look("m1", "t1", new), budget=20, alpha=0.05).looks == 2


def test_rows_are_compared_once_for_each_test_set(monkeypatch):
    asked = []
    overlap = sketch.overlap
    monkeypatch.setattr(sketch, "overlap", lambda *two: asked.append(two) or overlap(*two))
    rows = {name: sketch.of(range(place, 500 + place)) for place, name in enumerate("abc")}
    seen = [look(f"m{i}", name, rows[name]) for i in range(40) for name in rows]
    # A test set whose rows another line tells, and rows that stand under another hash.
    seen += [look("n", "a"), look("o", "d", rows["a"])]
    assert account(seen, look("new", "t", rows["b"]), budget=20, alpha=0.05).looks == 43
    assert len(asked) == 3


def test_the_warning_says_what_it_costs_and_what_to_do():
    found = account(past(20), look("new"), budget=20, alpha=0.05)
    assert found.warning == (
        "This is candidate 21 judged on the same test rows, and 20 are meant to be (gates.yaml: test_set.looks). Its "
        "bounds are 3.2 times as wide as the first one's. Choose fresh test rows."
    )


def test_luck_is_the_expected_best_of_equal_candidates():
    found = account(past(19), look("new"), budget=20, alpha=0.05)
    assert found.luck == pytest.approx(1.867, abs=0.01)  # expected maximum of 20 standard normals
    assert account([], look("x"), budget=20, alpha=0.05).luck == 0


@pytest.mark.parametrize("shared", [0.0, 0.3, 0.5, 0.8, 1.0])
def test_a_sketch_tells_the_share_of_rows_in_common(shared):
    found = []
    for seed in range(20):
        common = int(4000 * shared)
        first = [f"{seed}-{i}" for i in range(4000)]
        second = first[:common] + [f"{seed}-new-{i}" for i in range(4000 - common)]
        found.append(sketch.overlap(sketch.of(first), sketch.of(second)))
    assert np.mean(found) == pytest.approx(shared, abs=0.03)
    assert np.abs(np.array(found) - shared).max() < 0.15


def test_a_part_of_a_test_set_is_that_test_set():
    rows = list(range(5000))
    assert sketch.overlap(sketch.of(rows), sketch.of(rows[::4])) > 0.9
    assert sketch.overlap(sketch.of(rows[:60]), sketch.of(rows[30:90])) == 0.5
    assert sketch.overlap(sketch.of([]), sketch.of(rows)) == 0


def test_order_and_copies_change_no_sketch_and_times_tell_equal_keys_apart():
    assert sketch.of(["b", "a", "a"]) == sketch.of(["a", "b"])
    assert sketch.overlap(sketch.of(["1"], ["2024-01-01"]), sketch.of(["1"], ["2024-02-01"])) == 0
    assert sketch.is_sketch(sketch.of(range(1000))) and not sketch.is_sketch("xyz")


def test_the_guard_over_slices_sees_no_less_after_many_looks():
    # Of 5 slices one has p = 1e-5: clear at 5 %, not with what 40 looks leave.
    world = cases.world("binary", 2000)
    kwargs = cases.inputs(
        of=world, candidate=world.scores(2.0, draw=3, only="d01"), production=world.scores(0.0)
    )
    looks = [look(f"m{i}", kwargs["test"].sha256) for i in range(40)]
    first = verdict.evaluate(**kwargs)
    last = verdict.evaluate(**cases.change(kwargs, "facts", looks=looks))
    for found in (first, last):
        assert cases.gate(found, "slices").state == GateState.FAIL
        assert [row.slice for row in found.slices if row.state == "fail"] == ["depot=d01"]
    assert last.latency == first.latency
