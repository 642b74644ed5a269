"""The reference profile: small, deterministic, calm about outliers and gaps, and aware of how days differ."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gitops_model.errors import BadArtifact
from gitops_model.formats.contract import MISSING
from gitops_model.formats.profile import OTHER, Category, Number, Profile
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


def built(distance: NDArray[Any], carrier: list[str], scores: int = 5, **more: Any) -> Profile:
    return reference.build(make_contract(), columns(distance, carrier), np.zeros(scores), **more)


def number(profile: Profile, name: str) -> Number:
    found = profile.inputs[name]
    assert isinstance(found, Number)
    return found


def test_shares_add_up_and_gaps_are_counted_apart() -> None:
    distance = np.append(np.arange(1, 1000, dtype=float), np.nan)
    made = built(distance, ["AA"] * 600 + ["UA"] * 300 + [MISSING] * 100, 500)
    found, category = number(made, "distance"), made.inputs["carrier"]
    assert abs(sum(found.shares) - 1) < 1e-12
    assert len(found.shares) == len(found.edges) + 1 == reference.BINS
    assert found.missing == pytest.approx(1 / 1000)
    assert isinstance(category, Category)
    assert category.missing == 0.1 and category.shares == {"AA": 0.6, "UA": 0.3}
    assert number(made, "hour").edges == (7.0,)
    assert made.scores["delayed"].rows == 500


def test_an_outlier_moves_no_edge_and_hardly_the_mean() -> None:
    plain = np.arange(1000, dtype=float)
    spiked = plain.copy()
    spiked[-1] = 1e9
    one, other = (number(built(d, ["AA"] * 1000), "distance") for d in (plain, spiked))
    assert one.edges == other.edges
    assert abs(one.levels["mean"].value - other.levels["mean"].value) < 0.02 * plain.std()


def test_a_column_without_any_value_is_described_and_not_a_crash() -> None:
    made = built(np.full(5, np.nan), [MISSING] * 5)
    assert number(made, "distance").shares == (0.0,) and number(made, "distance").missing == 1.0
    made.to_bytes()


def test_rare_values_are_pooled_with_those_never_seen() -> None:
    many = [f"c{i}" for i in range(reference.MOST_VALUES + 50)]
    found = built(np.zeros(len(many)), many).inputs["carrier"]
    assert isinstance(found, Category) and len(found.shares) == reference.MOST_VALUES
    # All were seen once, so the next row may well hold a value that nobody has seen.
    assert found.other == pytest.approx((50 + len(many)) / len(many))


def days_of(count: int, rows: int) -> NDArray[np.int64]:
    return np.repeat(np.arange(count), rows) + 20_000


def test_days_that_differ_only_by_chance_count_as_equal() -> None:
    rng = np.random.default_rng(1)
    days = days_of(60, 50)
    made = [reference.level(rng.normal(size=len(days)), days) for _ in range(100)]
    assert sum(any(level.day_sd) for level in made) <= 2


def test_the_differences_between_days_are_found() -> None:
    rng = np.random.default_rng(2)
    days = days_of(400, 50)
    daily = rng.normal(scale=0.5, size=400)
    found = reference.level(daily[days - days.min()] + rng.normal(size=len(days)), days)
    assert found.day_sd[0] == pytest.approx(0.5, rel=0.1)
    assert found.day_sd[1] == pytest.approx(0.5 / np.sqrt(7), rel=0.3)
    assert found.row_sd == pytest.approx(1, rel=0.05) and found.memory < 1.5


def test_a_column_that_remembers_is_known_by_it() -> None:
    rng = np.random.default_rng(3)
    days, level = days_of(400, 50), np.zeros(400)
    for day in range(1, 400):
        level[day] = 0.8 * level[day - 1] + 0.6 * rng.normal()
    found = reference.level(level[days - days.min()] + rng.normal(size=len(days)), days)
    # A correlation of 0.8 from day to day is a memory of (1 + 0.8) / (1 - 0.8) = 9 days.
    assert 6 < found.memory < 14


def test_days_without_a_row_are_no_days_of_zero() -> None:
    days = days_of(40, 20)
    kept = days % 2 == 0
    found = reference.level(np.full(int(kept.sum()), 5.0), days[kept])
    assert found.value == 5.0 and not any(found.day_sd)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["AA", "B6", "UA", MISSING, "é\n|"]), min_size=1, max_size=60))
def test_what_is_written_is_read_back(carrier: list[str]) -> None:
    made = built(np.linspace(0, 9, len(carrier)), carrier, days=days_of(len(carrier), 1))
    text = made.to_bytes()
    again = Profile.parse(text, name="reference.json")
    assert again.to_bytes() == text
    assert again.days == len(carrier)


def test_a_profile_of_the_first_schema_is_read() -> None:
    first = {
        "schema": 1, "rows": 100,
        "inputs": {
            "distance": {"kind": "number", "missing": 0.0, "edges": [1.0], "shares": [0.4, 0.6], "mean": 2.0,
                         "std": 1.0, "min": 0.0, "max": 9.0},
            "carrier": {"kind": "category", "missing": 0.1, "shares": {"AA": 0.6, OTHER: 0.3}},
        },
        "scores": {"rows": 50, "delayed": {"kind": "number", "missing": 1.0, "edges": [], "shares": []}},
    }  # fmt: skip
    made = Profile.parse(json.dumps(first).encode(), name="reference.json")
    assert made.days is None and made.scores["delayed"].rows == 50
    carrier = made.inputs["carrier"]
    assert isinstance(carrier, Category) and carrier.other == 0.3 and list(carrier.shares) == ["AA"]


@pytest.mark.parametrize("text", ["{}", "[]", "{", '{"schema": 2, "rows": 1}', '{"schema": 9}'])
def test_what_is_no_profile_is_refused_in_words(text: str) -> None:
    with pytest.raises(BadArtifact, match="no profile that drift can be measured against"):
        Profile.parse(text.encode(), name="reference.json")


def test_forty_columns_take_less_than_fifty_kilobytes() -> None:
    rng = np.random.default_rng(4)
    days = days_of(80, 250)
    inputs: dict[str, Any] = {
        f"n{i}": reference.number(rng.normal(size=20_000), days) for i in range(30)
    }
    for place, size in enumerate((2, 3, 5, 8, 12, 20, 40, 80, 150, 200)):
        texts = np.array([f"v{i}" for i in range(size)], dtype=object)
        inputs[f"c{place}"] = reference.category(texts[rng.integers(0, size, 20_000)], days)
    made = Profile(rows=20_000, days=80, score_days=None, inputs=inputs, scores={})
    assert len(made.to_bytes()) < 50_000
