"""Same rows for both models: matched by key, never by position; and no test row that was trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from gitops_model.errors import CannotEvaluate

SHOWN = 5


def align(
    keys: Sequence[str], answered: Sequence[str], scores: npt.NDArray[np.float64], *, who: str
) -> npt.NDArray[np.float64]:
    """Scores put into the order of `keys`.

    `answered` are the keys `scores` (m,) or (m, k) belong to, in any order. Raises CannotEvaluate when a key is
    missing, surplus or double on either side: a comparison of different rows would be unpaired.
    """
    if len(answered) != len(scores):
        raise CannotEvaluate(
            f"{who}: {len(scores)} scores for {len(answered)} row keys; they must be as many."
        )
    _refuse_duplicates(keys, "the test set")
    _refuse_duplicates(answered, who)
    wanted, given = set(keys), set(answered)
    if missing := wanted - given:
        raise CannotEvaluate(
            f"{who} has no score for {len(missing)} of {len(keys)} test rows: {_some(missing)}. "
            "Score the whole test set again: make train"
        )
    if surplus := given - wanted:
        raise CannotEvaluate(
            f"{who} has scores for {len(surplus)} rows that are not in the test set: {_some(surplus)}. "
            "Score this test set again: make train"
        )
    place = {key: i for i, key in enumerate(answered)}
    return scores[np.fromiter((place[key] for key in keys), dtype=np.intp, count=len(keys))]


def leaks(
    *,
    test_keys: Iterable[str],
    train_keys: Iterable[str],
    test_window: tuple[str, str] | None,
    train_window: tuple[str, str] | None,
) -> list[str]:
    """Why the test rows are not unseen, one sentence each; empty when nothing was found.

    Windows are (first, last) ISO times, both inclusive, and compared as text.
    """
    found = []
    if shared := set(train_keys).intersection(test_keys):
        found.append(f"{len(shared)} test rows were trained on: {_some(shared)}")
    if test_window and train_window and test_window[0] <= train_window[1]:
        found.append(
            f"the test window begins {test_window[0]}, not after the training window ends "
            f"({train_window[1]})"
        )
    return found


def _refuse_duplicates(keys: Sequence[str], who: str) -> None:
    if len(set(keys)) != len(keys):
        double = {key for key, count in Counter(keys).items() if count > 1}
        raise CannotEvaluate(
            f"{who} has {len(double)} row keys more than once: {_some(double)}. "
            "The key named in contract.yaml (keys.request) must be unique."
        )


def _some(keys: set[str]) -> str:
    shown = ", ".join(str(key) for key in sorted(keys)[:SHOWN])
    return shown + (", ..." if len(keys) > SHOWN else "")
