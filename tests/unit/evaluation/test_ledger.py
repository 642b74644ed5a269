"""Counting looks at a test set."""

import pytest

from gitops_model.evaluation.ledger import Look, account


def past(count, test="t"):
    return [Look(test_sha256=test, candidate_sha256=f"m{i}") for i in range(count)]


@pytest.mark.parametrize(
    ("looks", "candidate", "counted", "alpha"),
    [
        ([], "new", 1, 0.05),
        (past(19), "new", 20, 0.05),
        (past(20), "new", 21, 0.05 * 20 / 21),
        (past(20), "m3", 20, 0.05),  # looking again at the same candidate is not a new look
        (past(20) * 3, "m3", 20, 0.05),
        (past(39), "new", 40, 0.025),
        (past(50, test="another"), "new", 1, 0.05),
    ],
)
def test_looks_are_distinct_candidates_on_this_test_set(looks, candidate, counted, alpha):
    found = account(looks, test_sha256="t", candidate_sha256=candidate, budget=20, alpha=0.05)
    assert (found.looks, found.alpha) == (counted, pytest.approx(alpha))
    assert (found.warning is None) == (counted <= 20)


def test_the_warning_says_what_to_do():
    found = account(past(20), test_sha256="t", candidate_sha256="new", budget=20, alpha=0.05)
    assert found.warning == (
        "This is candidate 21 judged on the same test set; its budget is 20 (gates.yaml: test_set.looks). Each bound "
        "now uses 95.24% confidence instead of 95.00%. Choose fresh test rows."
    )


def test_luck_is_the_expected_best_of_equal_candidates():
    found = account(past(19), test_sha256="t", candidate_sha256="new", budget=20, alpha=0.05)
    assert found.luck == pytest.approx(1.867, abs=0.01)  # expected maximum of 20 standard normals
    assert account([], test_sha256="t", candidate_sha256="x", budget=20, alpha=0.05).luck == 0
