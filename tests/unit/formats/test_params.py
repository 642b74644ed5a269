"""params.yaml as a value: the split, and what is the team's own."""

from __future__ import annotations

import pytest

from gitops_model.errors import BadInput
from gitops_model.formats.params import Params, Split
from tests.support.factories import contract_dict, make_contract

TEXT = "seed: 13\ndata: {split: %s, rooms: [kitchen]}\nmodel: {runtime: sklearn, depth: 5}\n"


def _parse(split: str, more: str = "") -> Params:
    return Params.parse(TEXT % split + more, name="params.yaml")


def test_everything_the_file_says_is_in_the_value() -> None:
    params = _parse("{by: time, test_days: 28}", "trusted_types: [pipeline.model.Mean]\n")
    assert params == Params(
        seed=13,
        split=Split(by="time", test_days=28),
        max_refused=0.0,
        data={"split": {"by": "time", "test_days": 28}, "rooms": ["kitchen"]},
        model={"runtime": "sklearn", "depth": 5},
        runtime="sklearn",
        trusted_types=("pipeline.model.Mean",),
    )


@pytest.mark.parametrize(
    "text",
    [
        "{by: time, test_days: 28}",
        "{by: time, test_share: 0.2}",
        "{by: group, test_share: 0.25}",
        "{by: random, test_share: 0.1}",
    ],
)
def test_a_split_is_written_back_as_it_was_read(text: str) -> None:
    params = _parse(text)
    assert params.split.to_dict() == params.data["split"]


@pytest.mark.parametrize("by", ["time", "group"])
def test_a_split_by_a_column_the_contract_does_not_name_is_a_contradiction(by: str) -> None:
    params = _parse(f"{{by: {by}, test_share: 0.2}}")
    without = make_contract(keys={"request": "flight_id", "time": None})
    [sentence] = params.contradictions(without)
    assert sentence.startswith(f"data.split.by is {by}, but contract.yaml names no keys.{by};")
    named = make_contract(keys={"request": "flight_id", "time": "at", "group": "tailnum"})
    assert params.contradictions(named) == []


def test_a_contract_without_a_time_has_no_column_for_it() -> None:
    without = make_contract(keys={"request": "flight_id"}, slices=[])
    assert without.keys.time is None
    assert without.columns == ["flight_id", contract_dict()["label"]["name"]]


def test_trusted_types_of_the_model_are_refused_where_they_used_to_stand() -> None:
    """`model` is the team's, and main's top-level list is what counts: one place, seen in a review."""
    with pytest.raises(BadInput, match="trusted_types"):
        Params.parse(
            "seed: 1\ndata: {split: {by: random, test_share: 0.2}}\n"
            "model: {runtime: onnx, trusted_types: [a.B]}\n",
            name="params.yaml",
        )
