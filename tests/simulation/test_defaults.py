"""The gates.yaml and contract.yaml a new repository starts with fit together, for each problem."""

import jinja2
import pytest

from gitops_model.evaluation import lint
from gitops_model.formats.contract import Contract
from gitops_model.formats.gates import Gates
from tests.support.places import TEMPLATE


def rendered(name, problem):
    text = (TEMPLATE / name).read_text(encoding="utf-8")
    answers = {"problem": problem, "task": "flight-delay", "project_slug": "flight-delay"}
    return jinja2.Template(text, keep_trailing_newline=True).render(cookiecutter=answers)


@pytest.mark.parametrize("problem", ["binary", "multiclass", "regression"])
def test_default_gates_are_valid_short_and_sound(problem):
    text = rendered("gates.yaml", problem)
    contract = Contract.parse(rendered("contract.yaml", problem), name="contract.yaml")
    found = Gates.parse(text, name="gates.yaml")
    assert lint.lint(found, contract) == []
    assert found.turned_off == ()
    assert len(text.splitlines()) < 40
