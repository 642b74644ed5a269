"""An estimator whose every call takes a given time, of the processor or of waiting, and bundles with it."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from gitops_model.runtime import estimators
from gitops_model.runtime.answers import golden_line
from tests.support.factories import REQUEST, make_contract

# As `trusted_types` in serving.yaml names it. Whoever loads it needs this repository on its PYTHONPATH.
TYPE = "tests.support.paced.Paced"
SCORE = 0.25


class Paced(BaseEstimator):  # type: ignore[misc]
    """Gives the same score to every row, after `burns` seconds of processor time and `waits` seconds without."""

    def __init__(self, burns: float = 0.0, waits: float = 0.0) -> None:
        self.burns = burns
        self.waits = waits

    def predict_proba(self, table: Any) -> NDArray[np.float64]:
        """Of each row: the scores of both classes."""
        until = time.thread_time() + self.burns
        while time.thread_time() < until:
            pass
        time.sleep(self.waits)
        return np.tile([1 - SCORE, SCORE], (len(table), 1))


def bundle_options(*, burns: float = 0.0, waits: float = 0.0) -> dict[str, Any]:
    """What `make_bundle` needs for a release with it."""
    golden = golden_line(make_contract(), REQUEST, np.array([SCORE]), 0)
    return {
        "model_runtime": "sklearn",
        "golden": [golden],
        "members": {"model.skops": estimators.dump(Paced(burns, waits))},
    }
