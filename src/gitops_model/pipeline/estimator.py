"""build/estimator.skops: the fitted estimator between the stages that make, measure and pack it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gitops_model.errors import BadInput
from gitops_model.files import size_words, write_atomic
from gitops_model.formats.params import Params
from gitops_model.runtime import estimators

FILE = Path("build/estimator.skops")


def write(fitted: Any) -> str:
    """Store a fitted estimator; returns the size in words. Raises BadInput when skops cannot store it."""
    try:
        packed = estimators.dump(fitted)
        # Stored is what can be loaded again; whose types it consists of is asked where it is used.
        estimators.load(packed, trusted=estimators.untrusted(packed))
    except Exception as error:
        # skops raises whatever the parts of an estimator raise when they are taken apart or put together.
        raise BadInput(
            f"pipeline/train.py: fit returned a {type(fitted).__name__} that skops cannot store "
            f"({type(error).__name__}: {first_line(error)}); allowed: an estimator made of "
            "scikit-learn's parts, numbers and texts."
        ) from error
    write_atomic(FILE, packed)
    return size_words(len(packed))


def read(params: Params) -> Any:
    """The estimator. Raises BadArtifact when it consists of types that params.yaml does not trust."""
    return estimators.load(FILE.read_bytes(), trusted=estimators.TREES.union(params.trusted_types))


def first_line(error: BaseException) -> str:
    """What an error says, in at most 200 characters."""
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else "no message"
