"""The reference profile: small, deterministic, and calm about outliers and gaps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gitops_model.files import canonical_json
from gitops_model.formats.contract import MISSING
from gitops_model.pipeline import reference
from tests.support.factories import make_contract


def columns(distance: NDArray[Any], carrier: list[str]) -> dict[str, NDArray[Any]]:
    n = len(distance)
    return {
        "distance": distance.astype(np.float32),
        "hour": np.full(n, 7, dtype=np.float32),
        "carrier": np.array(carrier, dtype=object),
        "weekend": np.zeros(n, dtype=np.float32),
    }


def test_shares_add_up_and_gaps_are_counted_apart() -> None:
    distance = np.append(np.arange(1, 1000, dtype=float), np.nan)
    built = reference.build(
        make_contract(),
        columns(distance, ["AA"] * 600 + ["UA"] * 300 + [MISSING] * 100),
        np.linspace(0, 1, 500),
    )
    number, category = built["inputs"]["distance"], built["inputs"]["carrier"]
    assert abs(sum(number["shares"]) - 1) < 1e-12
    assert len(number["shares"]) == len(number["edges"]) + 1 == reference.BINS
    assert abs(number["missing"] - 1 / 1000) < 1e-12
    assert category == {"kind": "category", "missing": 0.1, "shares": {"AA": 0.6, "UA": 0.3}}
    assert built["inputs"]["hour"]["edges"] == [7.0]
    assert built["scores"]["rows"] == 500


def test_an_outlier_moves_no_edge() -> None:
    plain = np.arange(1000, dtype=float)
    spiked = plain.copy()
    spiked[-1] = 1e9
    edges = [
        reference.build(make_contract(), columns(d, ["AA"] * 1000), np.zeros(3))["inputs"][
            "distance"
        ]["edges"]
        for d in (plain, spiked)
    ]
    assert edges[0] == edges[1]


def test_a_column_without_any_value_is_described_and_not_a_crash() -> None:
    built = reference.build(
        make_contract(), columns(np.full(5, np.nan), [MISSING] * 5), np.zeros(5)
    )
    assert built["inputs"]["distance"] == {
        "kind": "number",
        "missing": 1.0,
        "edges": [],
        "shares": [],
    }
    canonical_json(built)


def test_rare_values_are_pooled() -> None:
    many = [f"c{i}" for i in range(reference.MOST_VALUES + 50)]
    built = reference.build(make_contract(), columns(np.zeros(len(many)), many), np.zeros(2))
    shares = built["inputs"]["carrier"]["shares"]
    assert len(shares) == reference.MOST_VALUES + 1
    assert abs(shares[reference.OTHER] - 50 / len(many)) < 1e-12
