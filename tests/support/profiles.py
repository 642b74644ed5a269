"""The profile of the contract for tests, with sixty days of training behind it."""

from __future__ import annotations

import functools

import numpy as np

from gitops_model.formats.profile import Profile
from gitops_model.pipeline import reference
from tests.support.factories import CARRIERS, make_contract


@functools.cache
def profile(*, timed: bool = True) -> Profile:
    """What `logs.traffic` looks like in training; not `timed`: the data has no time."""
    rng = np.random.default_rng(0)
    days = np.repeat(np.arange(60), 100)
    rows = len(days)
    return reference.build(
        make_contract(),
        {
            "distance": rng.normal(1000, 200, rows).astype(np.float32),
            "hour": rng.integers(0, 24, rows).astype(np.float32),
            "carrier": np.array(CARRIERS, dtype=object)[rng.integers(0, 3, rows)],
            "weekend": (rng.random(rows) < 2 / 7).astype(np.float32),
        },
        rng.beta(2, 6, rows),
        days=days if timed else None,
        score_days=days if timed else None,
    )
