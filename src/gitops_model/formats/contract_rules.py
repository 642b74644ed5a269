"""Rules of contract.yaml that JSON Schema cannot say, because they hold between two places of the file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitops_model.formats.inputs import MISSING, NUL, number_words

_METRICS: Mapping[str, frozenset[str]] = {
    "binary": frozenset(
        (
            *("roc_auc", "pr_auc", "f1", "precision", "recall", "accuracy"),
            *("log_loss", "brier", "ece", "expected_cost"),
        )
    ),
    "multiclass": frozenset(("accuracy", "f1_macro", "log_loss", "ece", "expected_cost")),
    "regression": frozenset(("rmse", "mae", "r2", "expected_cost")),
}
_COSTS = {
    "binary": {"false_positive", "false_negative"},
    "multiclass": {"over", "under"},
    "regression": {"over", "under"},
}


def contradictions(data: Mapping[str, Any]) -> list[str]:
    """One sentence for each contradiction in contract data that obeys the schema; empty when there is none."""
    found: list[str] = []
    problem, output, success = data["problem"], data["output"], data["success"]
    for name, rules in data["inputs"].items():
        low, high = rules.get("min"), rules.get("max")
        if low is not None and high is not None and low > high:
            least, most = number_words(low), number_words(high)
            found.append(f"inputs.{name}.min is {least}; allowed: at most its max, {most}.")
        if MISSING in (rules.get("values") or ()):
            found.append(
                f"inputs.{name}.values holds '{MISSING}', which is what the model gets for a missing value; remove it."
            )
        if any(NUL in value for value in rules.get("values") or ()):
            found.append(
                f"inputs.{name}.values holds a text with a NUL character, which ONNX cuts off; remove it."
            )
        if rules.get("unknown") and not rules.get("values"):
            found.append(
                f"inputs.{name}.unknown is set without values; list the values, or remove unknown."
            )
    for key in ("primary", "risk"):
        if success[key] not in _METRICS[problem]:
            allowed = ", ".join(sorted(_METRICS[problem]))
            found.append(
                f"success.{key} is '{success[key]}'; allowed for a {problem} problem: {allowed}."
            )
    priced = "expected_cost" in (success["primary"], success["risk"])
    if priced and set(success.get("costs", {})) != _COSTS[problem]:
        wanted = " and ".join(sorted(_COSTS[problem]))
        found.append(f"success.costs is needed by expected_cost; allowed for {problem}: {wanted}.")
    if output["name"] in ("probability", "probabilities", "unit"):
        found.append(
            f"output.name is '{output['name']}', which answers use for something else; choose another."
        )
    if problem == "binary" and output.get("threshold") is None:
        found.append(
            "output lacks 'threshold', which a binary problem needs. Example: threshold: 0.5"
        )
    if problem == "multiclass" and not output.get("classes"):
        found.append("output lacks 'classes', which a multiclass problem needs.")
    if problem != "multiclass" and output.get("classes"):
        found.append(
            f"output.classes is set; allowed only for a multiclass problem, not {problem}."
        )
    if problem != "binary" and output.get("threshold") is not None:
        found.append(f"output.threshold is set; allowed only for a binary problem, not {problem}.")
    found.extend(_fallback_problem(problem, output))
    label = data["label"]["name"]
    if label in data["inputs"]:
        found.append(
            f"label.name is '{label}', which is also an input: the model would see the answer."
        )
    taken = {label, *data["inputs"], *data["keys"].values(), *data.get("slices", ())}
    found.extend(
        f"success.columns[{i}] is '{name}', which is an input, a key, a slice or the label already; remove it."
        for i, name in enumerate(success.get("columns", ()))
        if name in taken
    )
    return found


def _fallback_problem(problem: str, output: Mapping[str, Any]) -> list[str]:
    fallback = output.get("fallback")
    if fallback is None:
        return []
    if problem == "multiclass":
        if not isinstance(fallback, list) or len(fallback) != len(output.get("classes") or ()):
            return ["output.fallback must be a list with one probability for each class, or null."]
        if abs(sum(fallback) - 1) > 1e-6:
            return [
                f"output.fallback adds up to {sum(fallback):g}; allowed: probabilities that add up to 1."
            ]
    elif isinstance(fallback, list):
        return [f"output.fallback is a list; allowed for a {problem} problem: one number, or null."]
    elif problem == "binary" and not 0 <= fallback <= 1:
        return [f"output.fallback is {fallback:g}; allowed: a probability from 0 to 1, or null."]
    return []
