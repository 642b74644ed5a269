"""`success.columns`: numbers that test rows carry beside the inputs, for the metrics of gates.yaml."""

import numpy as np
import pandas as pd
import pytest

from gitops_model.errors import BadInput
from gitops_model.pipeline import examples, prepared
from tests.support.factories import contract_dict, parse_contract

CONTRACT = parse_contract(
    contract_dict() | {"success": {"primary": "roc_auc", "risk": "brier", "columns": ["price"]}}
)


def table(**changes):
    columns = {
        "flight_id": ["a", "b", "c"],
        "scheduled_at": pd.to_datetime(["2026-01-01", "2026-01-02", "2026-01-03"]),
        "tailnum": ["N1", "N2", "N1"],
        "late": [0, 1, 0],
        "distance": [100.5, None, 2000.0],
        "hour": [1, 2, 23],
        "carrier": ["AA", "B6", None],
        "weekend": [True, False, True],
        "price": [1e-7, 3, 123456789.125],
    }
    return pd.DataFrame(columns | changes)


def test_they_are_read_back_as_the_very_same_numbers(tmp_path):
    kept = examples.complete(CONTRACT, table())
    (tmp_path / "test.csv").write_bytes(prepared.text(CONTRACT, kept))
    back = prepared.read(CONTRACT, "test", folder=tmp_path)
    found = prepared.numbers(CONTRACT, back)
    assert list(found) == ["distance", "hour", "weekend", "price"]
    assert found["price"].tolist() == [1e-7, 3.0, 123456789.125]
    np.testing.assert_array_equal(found["distance"], [100.5, np.nan, 2000])
    assert found["weekend"].tolist() == [1.0, 0.0, 1.0]
    assert all(column.dtype == np.float64 for column in found.values())


def test_no_model_is_given_them():
    assert "price" not in prepared.columns(CONTRACT, table())
    assert "price" not in CONTRACT.inputs


@pytest.mark.parametrize("bad", ["ten", None, float("inf"), ""])
def test_every_row_needs_a_number(bad):
    wrong = table(price=pd.Series([1.0, bad, 2.0], dtype=object))
    with pytest.raises(BadInput, match="1 row whose price is no number") as refused:
        examples.complete(CONTRACT, wrong)
    assert "contract.yaml: success.columns" in str(refused.value)


def test_a_table_without_them_is_refused_by_name():
    with pytest.raises(BadInput, match="without price"):
        examples.complete(CONTRACT, table().drop(columns="price"))


def test_numbers_of_a_column_that_holds_texts_are_missing():
    """A candidate's own contract may call a column of main's contract a text."""
    found = prepared.numbers(CONTRACT, table(price=["ten", "3", None]))
    np.testing.assert_array_equal(found["price"], [np.nan, 3.0, np.nan])
