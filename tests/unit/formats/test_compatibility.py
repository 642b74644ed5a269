"""Which changes of a contract break today's callers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_model.formats.compatibility import change, incompatibilities
from tests.support.factories import make_contract, parse_contract, with_place
from tests.support.strategies import INPUT_RULES, VALUES


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        ("inputs.hour", ..., "the input hour was removed"),
        ("inputs.gate", {"type": "category"}, "the input gate is new and required"),
        ("inputs.hour", {"type": "category"}, "the input hour changed from integer to category"),
        ("inputs.distance.min", 10, "the minimum of distance rose from 0 to 10"),
        ("inputs.distance.max", 5000, "the maximum of distance fell from 6000 to 5000"),
        ("inputs.distance.unit", "km", "the unit of distance changed from miles to km"),
        ("inputs.distance.missing", "reject", "the input distance may no longer be missing"),
        ("inputs.carrier.values", ["AA", "B6"], "carrier no longer accepts UA"),
        ("output.name", "late_30", "the output was renamed from delayed to late_30"),
        ("task", "taxi-delay", "the task changed from flight-delay to taxi-delay"),
    ],
)
def test_a_breaking_change_is_named(path: str, value: Any, why: str) -> None:
    found = incompatibilities(make_contract(), parse_contract(with_place(path, value)))
    assert len(found) == 1
    assert why in found[0]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("inputs.gate", {"type": "category", "missing": "impute"}),
        ("inputs.distance.max", 9000),
        ("inputs.distance.max", ...),
        ("inputs.hour", {"type": "number", "min": 0, "max": 23}),
        ("inputs.carrier.unknown", "accept"),
        ("inputs.carrier.values", ["AA", "B6", "UA", "DL"]),
        ("output.threshold", 0.3),
        ("output.fallback", None),
    ],
)
def test_a_harmless_change_is_not(path: str, value: Any) -> None:
    assert incompatibilities(make_contract(), parse_contract(with_place(path, value))) == []


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_what_an_old_contract_accepts_a_compatible_new_one_accepts(data: st.DataObject) -> None:
    inputs = st.dictionaries(st.sampled_from("xyz"), INPUT_RULES, min_size=1)
    old = make_contract(inputs=data.draw(inputs), slices=[])
    new = make_contract(inputs=data.draw(inputs), slices=[])
    if incompatibilities(old, new):
        return
    row = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(old.inputs, VALUES)))
    if not old.row_validator()(row).problems:
        assert new.row_validator()(row).problems == []


@pytest.mark.parametrize(
    ("path", "value", "version", "allowed"),
    [
        ("inputs.hour.max", 22, 1, False),
        ("inputs.hour.max", 22, 2, True),
        ("inputs.hour.max", 24, 1, True),
    ],
)
def test_a_break_is_allowed_when_a_higher_version_announces_it(
    path: str, value: Any, version: int, allowed: bool
) -> None:
    new = with_place(path, value) | {"schema_version": version}
    assert change(make_contract(), parse_contract(new)).allowed is allowed


def test_a_long_list_of_values_that_are_gone_is_counted() -> None:
    values = [f"c{n:02}" for n in range(25)]
    old = parse_contract(with_place("inputs.carrier.values", values))
    new = parse_contract(with_place("inputs.carrier.values", values[:5]))
    [sentence] = incompatibilities(old, new)
    assert sentence.startswith("carrier no longer accepts c05, c06,")
    assert sentence.endswith("c14 and 10 more")
