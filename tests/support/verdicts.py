"""Checks of made-up models, for the tests of the verdict."""

import json

from gitops_model.files import canonical_json
from gitops_model.formats import check as check_format
from tests.support import cases

PROBLEMS = ("binary", "multiclass", "regression")


def evaluate(kwargs):
    """The check, which is what its file gives back."""
    found = cases.check(**kwargs)
    data = found.to_json()
    assert json.loads(canonical_json(data)) == data
    assert check_format.read(data) == found
    return found


def written(kwargs):
    """The text of check.json."""
    return canonical_json(evaluate(kwargs).to_json())


def scenario(problem, candidate_noise, production_noise=0.3, *, rows=4000, only=None):
    world = cases.world(problem, rows)
    return cases.inputs(
        problem,
        of=world,
        candidate=world.scores(candidate_noise, draw=7, only=only),
        production=world.scores(production_noise, draw=1 if only is None else 7, only=only),
    )
