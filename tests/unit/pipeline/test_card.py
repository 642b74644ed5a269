"""The model card: numbers of the manifest, rules of the contract, and nothing that does not exist."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from gitops_model.pipeline import card
from tests.support import cases

MANIFEST: dict[str, Any] = {
    "data": {
        "snapshot": "a" * 64,
        "split": {"by": "random", "test_share": 0.2},
        "timeframe": None,
        "rows": {"train": 5000, "test": 1200},
        "test_sha256": "b" * 64,
    },
    "metrics": {"rows": 1200, "accuracy": 0.7612, "roc_auc": None},
    "slices": [{"slice": "depot", "value": "d|01 `x` <b>", "rows": 40, "metrics": {}}],
    "code": {"sources_sha256": "c" * 64},
    "seed": 13,
    "params": {"model": {"depth": 3}},
    "environment": {"libraries": {"numpy": "2.1"}},
    "runtime": "onnx",
    "parity": {"largest_difference": 1e-7},
}


def rendered(**data: Any) -> str:
    manifest = copy.deepcopy(MANIFEST)
    manifest["data"] |= data
    return card.render(cases.contract("binary"), manifest)


def test_the_card_says_what_the_manifest_says() -> None:
    shown = rendered()
    for part in ("1,200 rows", "5,000 rows", "0.7612", "a" * 64, "seed 13, depth 3", "numpy 2.1"):
        assert part in shown
    assert "| accuracy (primary) | 0.7612 |" in shown


def test_what_is_missing_is_no_data() -> None:
    assert r"| roc\_auc | no data |" in rendered()
    assert card.number(float("nan")) == "no data"


def test_without_time_the_card_speaks_of_none() -> None:
    timed = rendered(
        timeframe={"train": ["2024-01-01", "2024-03-31"], "test": ["2024-04-01", "2024-04-30"]}
    )
    assert "On 1,200 rows from 2024-04-01 to 2024-04-30 that" in timed
    shown = rendered()
    assert "On 1,200 rows that" in shown
    for word in ("window", "month", "2024"):
        assert word not in shown


def test_a_foreign_value_stays_in_its_cell() -> None:
    assert r"| depot = d\|01 \`x\` &lt;b&gt; | 40 | no data |" in rendered()


@pytest.mark.parametrize("word", ["drift", "monitor", "watches"])
def test_the_card_promises_nothing_that_does_not_exist(word: str) -> None:
    assert word not in rendered()
