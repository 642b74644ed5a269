"""What one input may be: a row, a table, the JSON Schema and the words agree, because one rule is behind them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gitops_model.formats import inputs
from gitops_model.formats.inputs import FLOAT32_MAX, MISSING
from gitops_model.pipeline.table import check_table
from gitops_model.runtime.models import columns_of
from tests.support.factories import REQUEST, make_contract
from tests.support.strategies import INPUT_RULES, VALUES

VALIDATE = make_contract().row_validator()


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
        ({"carrier": "U\0"}, "carrier is a text with a NUL character; allowed: one of AA, B6, UA."),
        ({"weekend": 1}, "weekend is 1; allowed: true or false."),
        ({"weekend": "true"}, "weekend is 'true'; allowed: true or false."),
        ({"carrier": "(missing)"}, "carrier is '(missing)' instead of null; allowed: one of AA"),
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


def test_many_unknown_names_are_counted_and_few_are_named() -> None:
    row = VALIDATE(REQUEST | {f"hour{n}": 1 for n in range(58_000)})
    assert len(row.problems) == 6
    assert row.problems[0] == "hour0 is not an input of this model. Did you mean 'hour'?"
    assert row.problems[-1] == "57,995 more names are not inputs of this model."


def test_no_hint_is_looked_for_when_the_name_is_long() -> None:
    assert VALIDATE(REQUEST | {"hour" + "s" * 97: 1}).problems[0].endswith("of this model.")


# A row, a table, and the schema.


@given(data=st.data())
@settings(max_examples=600, deadline=None)
def test_one_row_and_a_table_are_judged_alike(data: st.DataObject) -> None:
    rules = data.draw(st.dictionaries(st.sampled_from("xyz"), INPUT_RULES, min_size=1))
    names = sorted(rules)
    row = st.fixed_dictionaries({}, optional=dict.fromkeys(names, VALUES))
    rows = data.draw(st.lists(row, min_size=1, max_size=4))
    # pandas makes int64, float64, bool or text of a column when it may, and objects of what it may not.
    dtype = data.draw(st.sampled_from([object, None]))
    contract = make_contract(inputs=rules, slices=[])

    checked = [contract.row_validator()(row) for row in rows]
    columns = {name: [row.get(name) for row in rows] for name in names}
    table = pd.DataFrame(
        {
            name: pd.Series(values, dtype=dtype)
            for name, values in columns.items()
            if any(name in row for row in rows)
        },
        index=range(len(rows)),
    )
    whole = check_table(contract, table)

    assert whole.bad.tolist() == [bool(row.problems) for row in checked]
    imputed = {name: sum(name in row.imputed for row in checked) for name in names}
    missing = {name: sum(row.get(name) is None for row in rows) for name in names}
    for name in names:
        assert whole.imputed.get(name, 0) == (
            missing[name] if rules[name].get("missing") == "impute" else 0
        )
        assert imputed[name] == whole.imputed.get(name, 0)
    good = [i for i, row in enumerate(checked) if not row.problems]
    fed = columns_of(contract, [checked[i].values for i in good])
    for name in names:
        np.testing.assert_array_equal(fed[name], whole.columns[name][good])
        assert fed[name].dtype == whole.columns[name].dtype


@given(rules=INPUT_RULES, value=VALUES)
@settings(max_examples=600, deadline=None)
def test_what_is_accepted_is_accepted_again_when_it_was_rounded_to_float32_and_written_down(
    rules: dict[str, Any], value: Any
) -> None:
    contract = make_contract(inputs={"x": rules}, slices=[])
    validate = contract.row_validator()
    row = validate({"x": value})
    if row.problems or not isinstance(row.values["x"], float) or math.isnan(row.values["x"]):
        return
    number = np.float32(row.values["x"])
    column = pd.DataFrame({"x": [number]})
    if rules["type"] == "boolean":
        return
    assert check_table(contract, column).problems == []
    for written in (float(number), float(str(number))):
        assert validate({"x": written}).problems == []


@pytest.mark.parametrize(
    "values",
    [
        pd.Series(pd.to_datetime(["2026-01-01"])),
        pd.Series([pd.Timestamp("2026-01-01")], dtype=object),
        pd.Series([pd.Timedelta(days=1)]),
        pd.Series([1 + 2j]),
        pd.Series([[1]]),
        pd.Series([{}]),
        pd.Series([b"a"]),
    ],
    ids=lambda v: f"{v.dtype} {v[0]}",
)
@pytest.mark.parametrize("kind", ["number", "integer", "category", "boolean"])
def test_what_no_request_can_hold_is_refused_in_a_table(kind: str, values: pd.Series[Any]) -> None:
    checked = check_table(
        make_contract(inputs={"x": {"type": kind}}, slices=[]), pd.DataFrame({"x": values})
    )
    assert checked.bad.tolist() == [True]
    assert checked.problems[0].startswith("x: 1 rows, first ")


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("number", pd.array([1.5, None], dtype="Float64")),
        ("integer", pd.array([1, None], dtype="Int64")),
        ("boolean", pd.array([True, None], dtype="boolean")),
        ("category", pd.array(["a", None], dtype="string")),
        ("category", pd.Categorical(["a", None])),
        ("number", np.array([1.5, np.nan], dtype=np.float32)),
        ("boolean", np.array([True, None], dtype=object)),
    ],
)
def test_every_way_pandas_holds_a_missing_value_is_one(kind: str, values: Any) -> None:
    rules = {"type": kind, "missing": "impute"}
    checked = check_table(
        make_contract(inputs={"x": rules}, slices=[]), pd.DataFrame({"x": values})
    )
    assert (checked.problems, checked.imputed) == ([], {"x": 1})


def test_nan_in_a_table_is_missing_and_in_a_request_it_is_refused() -> None:
    contract = make_contract()
    table = pd.DataFrame([REQUEST | {"distance": math.nan}])
    assert check_table(contract, table).imputed == {"distance": 1}
    assert contract.row_validator()(REQUEST | {"distance": math.nan}).problems


def _decided_by_float32(rules: dict[str, Any], value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    bounds = (rules.get("min", -FLOAT32_MAX), rules.get("max", FLOAT32_MAX))
    return abs(value) >= FLOAT32_MAX or any(np.float32(value) == np.float32(b) for b in bounds)


@given(rules=INPUT_RULES, value=VALUES)
@example(rules={"type": "category"}, value="")
@example(rules={"type": "category"}, value="c" * 1001)
@example(rules={"type": "category", "values": ["a", "b"], "missing": "impute"}, value=None)
@settings(max_examples=600, deadline=None)
def test_the_schema_accepts_what_the_row_check_accepts(rules: dict[str, Any], value: Any) -> None:
    if _decided_by_float32(rules, value):
        return
    rule = inputs.parse("x", rules)
    found = inputs.row_validator({"x": rule})({"x": value})
    assert Draft202012Validator(inputs.json_schema(rule)).is_valid(value) == (not found.problems)


# The words.


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"type": "boolean"}, "true or false"),
        ({"type": "number"}, "a number"),
        ({"type": "number", "unit": "miles"}, "a number in miles"),
        (
            {"type": "integer", "min": 0, "max": 10, "unit": "miles"},
            "a whole number from 0 to 10 miles",
        ),
        ({"type": "number", "min": 0.21}, "a number of at least 0.21"),
        ({"type": "number", "max": 1234567.5}, "a number of at most 1234567.5"),
        ({"type": "integer", "max": 2000000}, "a whole number of at most 2000000"),
        ({"type": "category"}, "any text"),
        ({"type": "category", "values": ["A", "B"]}, "one of A, B"),
        (
            {"type": "category", "values": ["A", "B"], "unknown": "accept"},
            "any text, usually one of A, B",
        ),
        (
            {"type": "category", "values": [f"v{n}" for n in range(25)]},
            "one of 25 values: v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, …",
        ),
    ],
)
def test_an_input_in_words(rules: dict[str, Any], words: str) -> None:
    """Refusals of rows and tables, card, docs and gates all say these."""
    contract = make_contract(inputs={"x": rules}, slices=[])
    assert inputs.allowed(contract.inputs["x"]) == words
    refused = contract.row_validator()({"x": []}).problems
    assert refused == [f"x is a list; allowed: {words}."]
    table = check_table(contract, pd.DataFrame({"x": pd.Series([[]], dtype=object)}))
    assert table.problems == [f"x: 1 rows, first a list; allowed: {words}."]


def test_an_example_shows_numbers_as_a_person_writes_them() -> None:
    """Golden requests hold what float32 made of them."""
    sent = {"a": float(np.float32(0.21)), "b": 7, "c": True, "d": None, "e": MISSING, "f": 1e300}
    assert inputs.as_sent(sent) == sent | {"a": 0.21}
