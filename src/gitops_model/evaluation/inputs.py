"""What a verdict is made from: the test rows, both models' answers, and what the caller found out besides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gitops_model.evaluation.ledger import Look
from gitops_model.formats.check import Difference, Same

Array = npt.NDArray[np.float64]
Column = Sequence[Any] | npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class TestSet:
    """The rows both models answer. All columns are (n,), in any order of rows.

    `labels`: 0/1 (binary), class name or index (multiclass), number (regression). `sha256` identifies the test set.
    `window` is (first, last) ISO time, inclusive; None when rows have no time. `explore` holds undeclared columns for
    the slice finder, `numbers` those that metrics of gates.yaml may name. `sketch` tells test sets of mostly the same
    rows.
    """

    __test__ = False  # not a test class, whatever pytest thinks of the name

    keys: Sequence[str]
    labels: Column
    sha256: str
    window: tuple[str, str] | None = None
    slices: Mapping[str, Column] = field(default_factory=dict)
    group: Column | None = None
    time: Column | None = None
    explore: Mapping[str, Column] = field(default_factory=dict)
    numbers: Mapping[str, Array] = field(default_factory=dict)
    sketch: str = ""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """One model's scores with the keys they belong to, and what it costs to run.

    `model` is the release id, or None for a candidate that has none yet. `scores` None: it cannot answer these rows,
    for the reason in `unanswered`. `seconds` (m,) are single-row calls taken in turns with the other model's.
    """

    model: str | None
    sha256: str
    keys: Sequence[str] = ()
    scores: Array | None = None
    unanswered: str | None = None
    seconds: Array | None = None
    memory_mb: float | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the caller found out about data, contract and history.

    `train_keys` None: the training rows are unknown, and the leakage gate has no data. `train_window` None: training
    rows have no time. `test_on_base`: whether the base branch's dvc.lock names the same test rows. `incompatible` None:
    the contracts were not compared. `looks`: earlier evaluations, oldest first. The differences are carried into the
    report as they are.
    """

    train_keys: Sequence[str] | None
    train_window: tuple[str, str] | None = None
    production_test_sha256: str | None = None
    test_on_base: Same = "unknown"
    schema_version: int = 1
    production_schema_version: int | None = None
    incompatible: Sequence[str] | None = ()
    looks: Sequence[Look] = ()
    params_diff: Sequence[Difference] = ()
    data_diff: Sequence[Difference] = ()
    warnings: Sequence[str] = ()

    @property
    def version_raised(self) -> bool:
        """Whether the candidate's contract says that it breaks callers on purpose."""
        before = self.production_schema_version
        return before is not None and self.schema_version > before
