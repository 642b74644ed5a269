"""What cannot be evaluated, and the sentence that says why."""

import numpy as np
import pytest

from tests.support import cases


def test_rows_that_do_not_match_cannot_be_evaluated():
    kwargs = cases.inputs(rows=500)
    scores, names = kwargs["candidate"].scores, cases.keys(500)
    missing = cases.change(kwargs, "candidate", keys=names[:-2], scores=scores[:-2])
    assert "no score for 2 of 500 test rows: p0000498, p0000499" in cases.refused(missing)
    double = cases.change(kwargs, "candidate", keys=[*names[:-1], names[0]])
    assert "more than once: p0000000" in cases.refused(double)
    surplus = cases.change(
        kwargs, "production", keys=[*names, "z"], scores=np.append(kwargs["production"].scores, 0.5)
    )
    assert (
        "production (parcel-delay-v3) has scores for 1 rows that are not in the test set: z"
        in cases.refused(surplus)
    )
    short = cases.change(kwargs, "candidate", scores=scores[:-1])
    assert "499 scores for 500 row keys" in cases.refused(short)
    twice = cases.change(kwargs, "test", keys=[*names[:-1], names[0]])
    assert "the test set has 1 row keys more than once" in cases.refused(twice)


@pytest.mark.parametrize(
    ("part", "fields", "sentence"),
    [
        ("test", {"keys": [], "labels": []}, "has no rows"),
        ("test", {"slices": {}}, "declares the slices depot"),
        ("candidate", {"scores": np.zeros((4000, 2))}, "must give one number for each row"),
        ("candidate", {"scores": None, "unanswered": "it does not load"}, "it does not load"),
        ("test", {"labels": np.full(4000, 2.0)}, "must be 0 to 1"),
        ("test", {"labels": np.full(4000, np.nan)}, "4000 of 4000 test labels are missing"),
        ("test", {"labels": ["x"] * 4000}, "are not numbers"),
    ],
)
def test_what_cannot_be_evaluated(part, fields, sentence):
    assert sentence in cases.refused(cases.change(cases.inputs(), part, **fields))


def test_unknown_class_names_cannot_be_evaluated():
    kwargs = cases.inputs("multiclass")
    assert "contain huge; allowed: low, middle, high" in cases.refused(
        cases.change(kwargs, "test", labels=["huge"] * 4000)
    )
