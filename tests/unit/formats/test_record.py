"""Ids are never reused, and a tag message says the same after a round trip."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_model.errors import BadInput
from gitops_model.formats import record
from gitops_model.formats.record import ModelId


@given(
    st.from_regex(r"[a-z][a-z0-9]{0,5}(-[a-z0-9]{1,4}){0,3}", fullmatch=True),
    st.integers(1, 999_999),
)
def test_an_id_survives_text(task: str, number: int) -> None:
    model = ModelId(task=task, number=number)
    assert record.parse_id(str(model)) == model


@pytest.mark.parametrize(
    "text",
    [
        *("", "v1", "-v1", "fraud", "fraud-v", "fraud-v0", "fraud-v01", "fraud-v1.0", "Fraud-v1"),
        *("fraud--x-v1", "fraud-v1 ", "fraud_x-v1", "fraud-v1000000", "fraud-v1\n"),
        "fraud-v\N{ARABIC-INDIC DIGIT ONE}",
    ],
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="is not a model id; allowed: <task>-v<N>"):
        record.parse_id(text)


@pytest.mark.parametrize(
    ("taken", "number"),
    [
        ([], 1),
        (["fraud-v1", "fraud-v2"], 3),
        # a deleted id leaves a hole, and the hole is not filled
        (["fraud-v1", "fraud-v7"], 8),
        # 10 is more than 9, though its text sorts before it
        (["fraud-v9", "fraud-v10"], 11),
        # other tasks, and tags that are no ids at all, do not count
        (["fraud-eu-v5", "v3", "fraud-v2-rc1", "fraud-v3"], 4),
    ],
)
def test_the_next_id_is_one_more_than_the_highest_ever_used(taken: list[str], number: int) -> None:
    assert record.next_id("fraud", taken) == ModelId(task="fraud", number=number)


def a_record() -> dict[str, Any]:
    return {
        "schema": 1,
        "model": "flight-delay-v2",
        "sha256": "a" * 64,
        "artifact": {"path": "build/model.tar", "md5": "b" * 32, "size": 563200},
        "code": {"commit": "c" * 40, "sources_sha256": "d" * 64},
        "library": {"version": "0.1.0", "stages": {}},
        "data": {
            "snapshot": "e" * 64,
            "split": {"by": "random", "test_share": 0.2},
            "timeframe": None,
            "rows": {"test": 10},
        },
        "contract": {"schema_version": 1, "sha256": "f" * 64},
        "params": {"model": {"trees": 60}},
        "seed": 13,
        "environment": {"lock_sha256": "0" * 64},
        "metrics": {"roc_auc": 0.796, "f1": None},
        "gates": {"state": "pass"},
        "baseline": None,
        "rollback_target": None,
        "released": {"by": "Zoë <zoe@example.com>", "at": "2026-01-01T00:00:00Z"},
    }


def test_a_record_survives_the_tag_message_and_keeps_its_order() -> None:
    text = record.format_record(a_record())
    assert text.startswith("Release flight-delay-v2\n\nschema: 1\nmodel: flight-delay-v2\n")
    assert record.parse_record(text, name="flight-delay-v2") == a_record()


def test_a_record_repeats_what_stands_in_it_twice() -> None:
    """Aliases are refused where records are read, so they must not be written."""
    split = {"by": "random", "test_share": 0.2}
    twice = a_record() | {"params": {"data": {"split": split}, "model": split}}
    text = record.format_record(twice)
    assert "*" not in text
    assert record.parse_record(text, name="flight-delay-v2") == twice


def test_a_signature_after_the_record_is_not_part_of_it() -> None:
    signed = (
        record.format_record(a_record())
        + "-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n"
    )
    assert record.parse_record(signed, name="flight-delay-v2") == a_record()


def test_a_tag_made_by_hand_is_no_release() -> None:
    with pytest.raises(BadInput, match="is not a release record; was it made by hand"):
        record.parse_record("my favourite model\n", name="flight-delay-v3")


def test_a_record_that_lacks_something_is_not_written() -> None:
    incomplete = a_record()
    del incomplete["data"], incomplete["seed"]
    with pytest.raises(BadInput) as caught:
        record.format_record(incomplete)
    assert "lacks 'data', 'seed'" in str(caught.value)
