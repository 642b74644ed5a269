"""The contract's rules for one request, their agreement with the rules for a table, and what breaks callers."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_model.errors import BadInput
from gitops_model.formats.contract import MISSING, Contract, incompatibilities
from gitops_model.pipeline.table import check_table
from gitops_model.runtime.models import columns_of
from tests.support.factories import REQUEST, contract_dict, make_contract
from tests.support.strategies import INPUT_RULES, VALUES

VALIDATE = make_contract().row_validator()


def _with(path: str, value: Any, *, problem: str = "binary") -> dict[str, Any]:
    """contract_dict with one place set; the value `...` removes it."""
    data = contract_dict(problem)
    place: Any = data
    *parents, last = path.split(".")
    for key in parents:
        place = place[key]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return data


def _parse(data: dict[str, Any]) -> Contract:
    return Contract.parse(yaml.safe_dump(data), name="contract.yaml")


def test_a_valid_request_becomes_numbers_and_texts() -> None:
    row = VALIDATE(REQUEST)
    assert row.values == {"distance": 1089.0, "hour": 17.0, "carrier": "UA", "weekend": 0.0}
    assert (row.problems, row.imputed) == ([], [])


def test_missing_inputs_are_imputed_where_the_contract_says_so() -> None:
    row = VALIDATE({"hour": 17, "weekend": True, "carrier": None})
    assert row.imputed == ["distance", "carrier"]
    assert math.isnan(float(row.values["distance"]))
    assert row.values["carrier"] == MISSING


@pytest.mark.parametrize(
    ("inputs", "problem"),
    [
        ({"distance": "12.5"}, "distance is '12.5'; allowed: a number from 0 to 6000 miles."),
        ({"distance": math.nan}, "distance is nan; allowed: a number from 0 to 6000 miles."),
        ({"distance": math.inf}, "distance is inf; allowed: a number from 0 to 6000 miles."),
        ({"distance": -0.001}, "distance is -0.001; allowed: a number from 0 to 6000 miles."),
        ({"distance": True}, "distance is true; allowed: a number from 0 to 6000 miles."),
        ({"distance": [1]}, "distance is a list; allowed: a number from 0 to 6000 miles."),
        ({"distance": {}}, "distance is a mapping; allowed: a number from 0 to 6000 miles."),
        ({"hour": 17.5}, "hour is 17.5; allowed: a whole number from 0 to 23."),
        ({"hour": 10**5000}, "hour is a number of over 40 digits; allowed: a whole number"),
        ({"hour": None}, "hour is missing; allowed: a whole number from 0 to 23."),
        ({"carrier": "XX"}, "carrier is 'XX'; allowed: one of AA, B6, UA."),
        ({"carrier": ""}, "carrier is ''; allowed: one of AA, B6, UA."),
        ({"carrier": 5}, "carrier is 5; allowed: one of AA, B6, UA."),
        ({"weekend": 1}, "weekend is 1; allowed: true or false."),
        ({"weekend": "true"}, "weekend is 'true'; allowed: true or false."),
        ({"hours": 3}, "hours is not an input of this model. Did you mean 'hour'?"),
    ],
)
def test_a_wrong_value_is_refused_with_name_found_and_allowed(
    inputs: dict[str, Any], problem: str
) -> None:
    row = VALIDATE(REQUEST | inputs)
    assert len(row.problems) == 1
    assert row.problems[0].startswith(problem)


def test_all_problems_of_a_request_are_named_at_once() -> None:
    row = VALIDATE({"distance": "far", "hour": 99, "carrier": "XX", "weekend": None, "colour": 1})
    assert [problem.split()[0] for problem in row.problems] == [
        *("distance", "hour", "carrier", "weekend", "colour")
    ]


# Parity: what the service refuses, imputes and feeds must be what training refused, imputed and fed.


@given(data=st.data())
@settings(max_examples=400, deadline=None)
def test_one_row_and_a_table_are_judged_alike(data: st.DataObject) -> None:
    rules = data.draw(st.dictionaries(st.sampled_from("xyz"), INPUT_RULES, min_size=1))
    names = sorted(rules)
    row = st.fixed_dictionaries({}, optional=dict.fromkeys(names, VALUES))
    rows = data.draw(st.lists(row, min_size=1, max_size=4))
    contract = make_contract(inputs=rules, slices=[])

    checked = [contract.row_validator()(row) for row in rows]
    table = pd.DataFrame(
        {
            name: pd.Series([row.get(name) for row in rows], dtype=object)
            for name in names
            if any(name in row for row in rows)
        },
        index=range(len(rows)),
    )
    whole = check_table(contract, table)

    assert whole.bad.tolist() == [bool(row.problems) for row in checked]
    imputed = {name: sum(name in row.imputed for row in checked) for name in names}
    assert whole.imputed == {name: count for name, count in imputed.items() if count}
    good = [i for i, row in enumerate(checked) if not row.problems]
    fed = columns_of(contract, [checked[i].values for i in good])
    for name in names:
        np.testing.assert_array_equal(fed[name], whole.columns[name][good])
        assert fed[name].dtype == whole.columns[name].dtype


def test_nan_in_a_table_is_missing_and_in_a_request_it_is_refused() -> None:
    contract = make_contract()
    table = pd.DataFrame([REQUEST | {"distance": math.nan}])
    assert check_table(contract, table).imputed == {"distance": 1}
    assert contract.row_validator()(REQUEST | {"distance": math.nan}).problems


# Which changes break callers.


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
    found = incompatibilities(make_contract(), _parse(_with(path, value)))
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
    assert incompatibilities(make_contract(), _parse(_with(path, value))) == []


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


# What a contract may say.


@pytest.mark.parametrize(
    ("problem", "path", "value", "sentence"),
    [
        ("binary", "output.threshold", ..., "output lacks 'threshold'"),
        ("binary", "output.fallback", 1.5, "output.fallback is 1.5; allowed: a probability"),
        ("binary", "output.name", "probability", "output.name is 'probability'"),
        ("binary", "label.name", "hour", "label.name is 'hour', which is also an input"),
        ("binary", "success.primary", "rmse", "success.primary is 'rmse'"),
        ("binary", "inputs.distance.max", -5, "inputs.distance.min is 0; allowed: at most its max"),
        ("multiclass", "output.classes", ..., "output lacks 'classes'"),
        ("multiclass", "output.fallback", [1, 0], "output.fallback"),
        ("regression", "output.threshold", 0.5, "output.threshold is set"),
    ],
)
def test_a_contradiction_is_refused(problem: str, path: str, value: Any, sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        _parse(_with(path, copy.deepcopy(value), problem=problem))
    assert any(sentence in found for found in caught.value.problems), caught.value.problems
