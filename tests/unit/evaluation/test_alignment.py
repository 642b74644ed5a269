"""Rows are matched by key; leaks are found in keys and in windows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_model.errors import CannotEvaluate
from gitops_model.evaluation.alignment import align, leaks


@given(st.permutations(list("abcdef")))
def test_scores_follow_their_keys(answered):
    scores = np.array([ord(key) for key in answered], dtype=float)
    assert align("abcdef", answered, scores, who="x").tolist() == [ord(key) for key in "abcdef"]


def test_rows_of_class_scores_stay_together():
    found = align(["a", "b"], ["b", "a"], np.array([[0.1, 0.9], [0.7, 0.3]]), who="x")
    assert found.tolist() == [[0.7, 0.3], [0.1, 0.9]]


@pytest.mark.parametrize(
    ("keys", "answered", "count", "sentence"),
    [
        ("abc", "ab", 2, "the model has no score for 1 of 3 test rows: c."),
        ("ab", "abc", 3, "the model has scores for 1 rows that are not in the test set: c."),
        ("abb", "ab", 2, "the test set has 1 row keys more than once: b."),
        ("ab", "abb", 3, "the model has 1 row keys more than once: b."),
        ("ab", "ab", 3, "the model: 3 scores for 2 row keys; they must be as many."),
        ("abcdefgh", "h", 1, "no score for 7 of 8 test rows: a, b, c, d, e, ...."),
    ],
)
def test_rows_that_do_not_match_are_refused_with_their_keys(keys, answered, count, sentence):
    with pytest.raises(CannotEvaluate) as caught:
        align(list(keys), list(answered), np.zeros(count), who="the model")
    assert sentence in str(caught.value)


JANUARY, FEBRUARY = ("2024-01-01", "2024-01-31"), ("2024-02-01", "2024-02-29")


@pytest.mark.parametrize(
    ("test", "train", "test_window", "train_window", "found"),
    [
        ("ab", "cd", FEBRUARY, JANUARY, []),
        ("ab", "bcd", FEBRUARY, JANUARY, ["1 test rows were trained on: b"]),
        (
            "ab", "cd", JANUARY, FEBRUARY,
            ["the test window begins 2024-01-01, not after the training window ends (2024-02-29)"],
        ),
        (
            "a", "c", JANUARY, JANUARY,
            ["the test window begins 2024-01-01, not after the training window ends (2024-01-31)"],
        ),
        ("ab", "cd", None, JANUARY, []),
    ],
)  # fmt: skip
def test_leaks(test, train, test_window, train_window, found):
    assert found == leaks(
        test_keys=test, train_keys=train, test_window=test_window, train_window=train_window
    )
