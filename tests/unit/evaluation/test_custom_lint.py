"""What `check --lint` says of metrics in gates.yaml that could not be computed; UPDATE_GOLDEN=1 writes it."""

import os
from pathlib import Path

import pytest

from gitops_model.errors import BadInput
from gitops_model.evaluation.lint import lint
from gitops_model.formats.contract import Contract
from gitops_model.formats.gates import Gates
from gitops_model.strict_yaml import dump
from tests.support import cases

GOLDEN = Path(__file__).parent / "golden" / "custom_metrics.txt"
CONTRACT = """
task: parcel-delay
problem: {problem}
schema_version: 1
inputs:
  weight: {{type: number, min: 0, max: 50}}
  floor: {{type: integer, min: -2, max: 30, missing: impute}}
  fragile: {{type: boolean}}
  depot: {{type: category, values: [north, south]}}
  age: {{type: number}}
output: {{name: late{output}}}
label: {{name: was_late, definition: delivered after the promised day, arrives_after_days: 2}}
keys: {{request: parcel, time: sent_at}}
slices: [depot]
success: {{primary: {primary}, risk: {primary}, columns: [amount]}}
"""
PROBLEMS = {
    "binary": (", threshold: 0.5", "roc_auc"),
    "multiclass": (", classes: [on time, late, very-late]", "accuracy"),
    "regression": ("", "rmse"),
}
SOUND = [
    ("binary", {"mean": "where(score >= threshold, 5, label * amount)"}),
    ("binary", {"mean": "log(max(score, 0.001)) * age"}),
    ("binary", {"mean": "answer * where(missing(floor), 0, floor) / max(weight, 1)"}),
    ("binary", {"ratio": {"of": "answer * fragile", "to": "weight"}}),
    ("binary", {"mean": "where(score >= threshold, 5, label * amount)", "margin": "2%"}),
    ("regression", {"mean": "score - label", "margin": 0.1}),
    (
        "regression",
        {"mean": "score - label", "margin": "2%", "enabled": False, "reason": "not yet agreed"},
    ),
    ("multiclass", {"mean": "score_on_time * (label == class_very_late) + answer * 0"}),
    ("regression", {"quantile": {"of": "abs(score - label) / age", "at": 0.95}}),
]
# (what is wrong in words, problem, the metric)
WRONG = [
    ("an unknown name", "binary", {"mean": "score * wieght"}),
    ("a category", "binary", {"mean": "score * depot"}),
    ("a key", "binary", {"mean": "score * parcel"}),
    ("an attribute", "binary", {"mean": "score.real"}),
    ("a call that is not known", "binary", {"sum": "label + open(score)"}),
    ("not an expression", "binary", {"mean": "score >"}),
    ("a huge number", "binary", {"mean": "score * 1e30"}),
    ("a huge power", "binary", {"mean": "score * 10 ** 10 ** 10"}),
    ("huge by what a row may hold", "binary", {"mean": "score * (weight * 1e6) ** 3"}),
    ("too many steps", "binary", {"mean": "score" + " + 1" * 90}),
    ("too long", "binary", {"mean": "score + " * 60 + "1"}),
    ("a division by what may be 0", "binary", {"mean": "answer / weight"}),
    ("a division by 0 between the ends", "binary", {"mean": "answer / where(missing(floor), 1, floor)"}),
    ("the logarithm of a score of 0", "binary", {"mean": "log(score)"}),
    ("the root of a loss", "binary", {"mean": "sqrt(label - score)"}),
    ("a value that may be missing", "binary", {"mean": "answer * floor"}),
    ("never a number", "binary", {"mean": "score * (0 / 0)"}),
    ("nothing of the model", "binary", {"mean": "label * weight"}),
    ("a ratio to nothing", "binary", {"ratio": {"of": "answer", "to": "label * 0"}}),
    ("a ratio with a wrong divisor", "binary", {"ratio": {"of": "answer", "to": "amunt"}}),
    ("a quantile of what is not there", "binary", {"quantile": {"of": "abs(score - truth)", "at": 0.9}}),
    ("the one score of several classes", "multiclass", {"mean": "score * label"}),
    ("a threshold of minutes", "regression", {"mean": "score >= threshold"}),
    ("a share that cannot be lost", "binary", {"mean": "answer", "better": "higher", "margin": "100%"}),
    ("a share of what may be zero", "regression", {"mean": "score - label", "margin": "2%"}),
    ("a share of a sum that may be zero", "binary", {"ratio": {"of": "score - label", "to": "weight"}, "margin": "2%"}),
    # Refused by the schema already.
    ("no expression", "binary", {}),
    ("two expressions", "binary", {"mean": "score", "sum": "score"}),
    ("a number for an expression", "binary", {"mean": 5}),
    ("a quantile at 1", "binary", {"quantile": {"of": "score", "at": 1}}),
    ("half a ratio", "binary", {"ratio": {"of": "score"}}),
    ("a unit that is a sentence", "binary", {"mean": "score", "unit": "dollars per parcel"}),
    ("an unknown key", "binary", {"mean": "score", "weights": "weight"}),
    ("no direction", "binary", {"mean": "score", "better": None}),
]  # fmt: skip
FILES = [
    ("a name that the library has", {"metrics": {"roc_auc": {"mean": "score", "better": "lower"}}}),
    ("a name that is none", {"metrics": {"Cost $": {"mean": "score", "better": "lower"}}}),
    ("a limit on what is not declared", {"limits": {"cost": {"below": 3}}}),
    ("slices by what is not declared", {"slices": {"metric": "cost", "margin": 1, "min_rows": 20}}),
    (
        "a limit on the wrong side",
        {
            "metrics": {"cost": {"mean": "score", "better": "lower"}},
            "limits": {"cost": {"above": 3}},
        },
    ),
    (
        "slices by a quantile",
        {
            "metrics": {"worst": {"quantile": {"of": "score", "at": 0.9}, "better": "lower"}},
            "slices": {"metric": "worst", "margin": 1, "min_rows": 20},
        },
    ),
    (
        "slices by a share of what may be zero",
        {
            "metrics": {"cost": {"mean": "score - label", "better": "lower"}},
            "slices": {"metric": "cost", "margin": "5%", "min_rows": 20},
        },
    ),
    ("weights of rows", {"weight": "amount"}),
]


def contract(problem, classes=None):
    output, primary = PROBLEMS[problem]
    text = CONTRACT.format(problem=problem, output=classes or output, primary=primary)
    return Contract.parse(text, name="contract.yaml")


def sentences(problem, **changes):
    data = cases.gates_data(problem, **changes)
    try:
        return lint(Gates.parse(dump(data), name="gates.yaml"), contract(problem))
    except BadInput as error:
        return list(error.problems)


def declared(problem, metric):
    metric = {"better": "lower"} | metric
    return sentences(problem, metrics={"mine": {k: v for k, v in metric.items() if v is not None}})


@pytest.mark.parametrize(("problem", "metric"), SOUND)
def test_sound_metrics_have_no_findings(problem, metric):
    assert declared(problem, metric) == []


def test_each_refusal_has_its_place_and_says_what_is_allowed():
    shown = ""
    for words, problem, metric in WRONG:
        found = declared(problem, metric)
        assert len(found) == 1 and found[0].startswith("gates.yaml: metrics.mine"), (words, found)
        shown += f"# {words}\n{found[0]}\n\n"
    for words, changes in FILES:
        (found,) = sentences("binary", **changes)
        shown += f"# {words}\n{found}\n\n"
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(shown)
    assert shown == GOLDEN.read_text()


def test_classes_that_are_spelled_alike_are_named():
    gates = cases.gates("multiclass", metrics={"mine": {"mean": "answer", "better": "lower"}})
    alike = contract("multiclass", ", classes: [very late, very-late, on time]")
    assert "spelled alike" in lint(gates, alike)[0]


def test_many_columns_are_probed_in_bounded_work():
    inputs = "\n".join(f"  x{i}: {{type: number, min: 0, max: 9}}" for i in range(30))
    text = CONTRACT.format(problem="binary", output=", threshold: 0.5", primary="roc_auc")
    wide = Contract.parse(text.replace("inputs:", f"inputs:\n{inputs}"), name="contract.yaml")
    for divisor, count in (("x3", 1), ("(x3 + 1)", 0)):
        mean = f"score * ({' + '.join(f'x{i}' for i in range(15))}) / {divisor}"
        gates = cases.gates(metrics={"mine": {"mean": mean, "better": "lower"}})
        found = [each for each in lint(gates, wide) if "metrics.mine" in each]
        assert len(found) == count, found
