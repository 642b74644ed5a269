"""From a score to the answer callers get. `package`, the service and the read-back of `deploy` agree through it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gitops_model.formats.contract import Contract

Score = float | Sequence[float]
# Largest difference between a golden score and a score computed elsewhere: float32 models
# agree to about 2e-7 between machines.
GOLDEN_TOLERANCE = 1e-5
# Requests whose id begins like this ask whether the service answers as recorded. They are no traffic, and not logged.
GOLDEN_ID = "golden-"


def score_of(scores: NDArray[np.float64], row: int) -> Score:
    """One row of `Model.predict`'s result as plain numbers: a float, or one float for each class."""
    score: Score = scores[row].tolist()
    return score


def answer(contract: Contract, score: Score) -> dict[str, Any]:
    """The public output for one score, ready for JSON.

    | problem | score | output |
    |---|---|---|
    | binary | probability of the positive class | `{<name>: true or false, "probability": p}` |
    | multiclass | one probability for each class | `{<name>: class, "probabilities": {class: p}}` |
    | regression | the value | `{<name>: value}`, and `"unit"` when the contract names one |

    A binary answer is true from the contract's threshold on; of equally probable classes the first is
    answered. Raises ValueError for a score that is not finite or has not the contract's shape: such a model
    did not answer.
    """
    output = contract.output
    numbers = [score] if isinstance(score, (int, float)) else list(score)
    classes = output.classes if contract.problem == "multiclass" and output.classes else ()
    if len(numbers) != max(1, len(classes)):
        raise ValueError(f"the score has {len(numbers)} numbers instead of {max(1, len(classes))}")
    if not all(math.isfinite(number) for number in numbers):
        raise ValueError("the score is not a finite number")
    if classes:
        best = max(range(len(classes)), key=numbers.__getitem__)
        probabilities = dict(zip(classes, numbers, strict=True))
        return {output.name: classes[best], "probabilities": probabilities}
    number = float(numbers[0])
    if contract.problem == "binary":
        threshold = 0.5 if output.threshold is None else output.threshold
        return {output.name: number >= threshold, "probability": number}
    value: dict[str, Any] = {output.name: number}
    return value if output.unit is None else value | {"unit": output.unit}


def answers(contract: Contract, scores: NDArray[np.float64]) -> list[dict[str, Any]] | None:
    """`answer` for each of n scores; None where one of them is none, which `answer` then says of it."""
    width = len(contract.output.classes or ()) if contract.problem == "multiclass" else 0
    if scores.shape[1:] != ((width,) if width else ()) or not np.isfinite(scores).all():
        return None
    name, numbers = contract.output.name, scores.tolist()
    if contract.problem == "binary":
        threshold = 0.5 if contract.output.threshold is None else contract.output.threshold
        return [{name: number >= threshold, "probability": number} for number in numbers]
    return [answer(contract, score) for score in numbers]


def score_difference(score: Score, expected: Score) -> float:
    """Largest absolute difference between two scores; infinite when their shapes differ or one is not finite.

    A regression score is compared relative to its size once that is above 1, because float32 carries seven
    digits, not five decimals.
    """
    found = [score] if isinstance(score, (int, float)) else list(score)
    wanted = [expected] if isinstance(expected, (int, float)) else list(expected)
    if len(found) != len(wanted):
        return math.inf
    differences = [abs(a - b) / max(1.0, abs(b)) for a, b in zip(found, wanted, strict=True)]
    return max((d if math.isfinite(d) else math.inf for d in differences), default=math.inf)


def golden_line(
    contract: Contract, inputs: Mapping[str, Any], scores: NDArray[np.float64], row: int
) -> dict[str, Any]:
    """One line of golden.jsonl: a request's inputs (null where missing), its score, and the output expected."""
    score = score_of(scores, row)
    return {"inputs": dict(inputs), "score": score, "output": answer(contract, score)}
