"""The examples of docs/custom_metrics.md: each is sound, is judged, and gives what numpy gives."""

import re
from dataclasses import replace

import numpy as np
import pytest

from gitops_model import strict_yaml
from gitops_model.evaluation import lint, verdict
from gitops_model.formats.contract import Contract
from gitops_model.formats.gates import Gates
from tests.support import cases
from tests.support.places import ROOT

EXAMPLES = re.findall(
    r"```yaml\n(.*?)```", (ROOT / "docs/custom_metrics.md").read_text(), re.DOTALL
)
PROBLEMS = ("binary", "regression", "multiclass")


def wanted(problem, label, score, column):
    if problem == "binary":
        return np.where(score >= 0.5, 5, label * column["price"]).mean()
    if problem == "regression":
        return np.average(np.abs(score - label), weights=column["seats"])
    return np.quantile(np.where(label == 2, 1 - score[:, 2], 0), 0.9, method="inverted_cdf")


def test_there_are_three():
    assert len(EXAMPLES) == len(PROBLEMS)


@pytest.mark.parametrize(("problem", "text"), list(zip(PROBLEMS, EXAMPLES, strict=True)))
def test_an_example_of_the_page(problem, text):
    world = cases.world(problem, 600)
    given = cases.inputs(problem, of=world, candidate=world.scores(0.35, draw=2))
    said = given["contract"].text.replace("[low, middle, high]", "[on time, late, very late]")
    contract = Contract.parse(
        re.sub("success: {", "success: {columns: [price, seats], ", said), name="contract.yaml"
    )
    data = cases.gates_data(problem, **strict_yaml.read(text, name="docs/custom_metrics.md"))
    gates = Gates.parse(strict_yaml.dump(data), name="gates.yaml")
    assert lint.lint(gates, contract) == []
    generator = np.random.default_rng(4)
    numbers = {"price": generator.lognormal(3, 1, 600), "seats": generator.uniform(50, 400, 600)}
    test = replace(given["test"], numbers=numbers)
    check = verdict.evaluate(**given | {"gates": gates, "contract": contract, "test": test})
    found = check.metrics[-1]
    assert found.metric == gates.metrics[0].name
    answers = given["candidate"].scores
    assert found.candidate == pytest.approx(
        wanted(problem, test.labels, answers, numbers), rel=1e-8
    )
    assert found.candidate_lower is not None and found.lower is not None
