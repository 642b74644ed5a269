"""What a replay counts and shows, and how records become the requests they were."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from gitops_model.monitoring import asked
from gitops_model.monitoring.asked import Row
from gitops_model.monitoring.replayed import MOST_SHOWN, Again, Replayed, compared
from tests.support.factories import make_contract
from tests.support.logs import record

CONTRACT = make_contract()


def text(probability: float, delayed: bool = False) -> str:
    return json.dumps({"delayed": delayed, "probability": probability}, separators=(",", ":"))


def add(found: Replayed, at: int, logged: str, again: str, carrier: str | None = "AA") -> None:
    row = Row(inputs={"carrier": carrier}, output=logged, imputed=[], fell_back=False)
    found.add(CONTRACT, row, Again(output=again), at=at, name=(f"r{at}", 0, "m-v1"))


def test_the_last_digit_counts() -> None:
    found = Replayed()
    add(found, 0, text(0.12345678901234566), text(0.12345678901234566))
    assert found.differing == 0
    add(found, 1, text(0.12345678901234566), text(0.12345678901234568))
    assert found.differing == 1 and found.first[0].request_id == "r1"


def test_the_most_different_and_the_first_rows_are_shown_in_any_order() -> None:
    found = Replayed()
    numbers = list(range(1, 200))
    random.Random(1).shuffle(numbers)
    for number in numbers:
        add(found, number, text(0.0), text(number / 200))
    assert [one.request_id for one in found.far] == [f"r{199 - n}" for n in range(MOST_SHOWN)]
    assert [one.request_id for one in found.first] == [f"r{1 + n}" for n in range(MOST_SHOWN)]


def test_slices_and_decisions_are_counted() -> None:
    found = Replayed()
    add(found, 0, text(0.25), text(0.75, True), carrier="AA")
    add(found, 1, text(0.25), text(0.25), carrier=None)
    assert (found.all.rows, found.all.same, found.all.turned) == (2, 1, 1)
    assert found.groups["carrier=AA"].turned == 1 and found.groups["carrier=AA"].largest == 0.5
    assert found.groups["carrier=(missing)"].same == 1
    for number in range(100):
        add(found, 2, text(0.1), text(0.1), carrier=f"c{number}")
    assert len(found.groups) == 21 and found.groups["carrier=(other)"].rows == 82


@pytest.mark.parametrize(
    ("logged", "again", "wanted"),
    [
        ({"a": True, "probability": 0.75}, {"a": False, "probability": 0.5}, (True, -0.25)),
        ({"a": 3.0, "unit": "h"}, {"a": 4.5}, (False, 1.5)),
        (
            {"a": "x", "probabilities": {"x": 0.75, "y": 0.25}},
            {"a": "z", "probabilities": {"x": 0.25, "z": 0.75}},
            (True, 0.75),
        ),
        (None, {"a": 1.0}, (False, None)),
    ],
)
def test_answers_are_compared_by_problem(logged: Any, again: Any, wanted: Any) -> None:
    assert compared(logged, again) == wanted


def test_rows_of_a_request_stay_together() -> None:
    rows = [
        record(1, rows=1),
        record(1, rows=1),  # asked again under the same id
        *(record(2, row=n, rows=3) for n in range(3)),
        *(record(2, row=n, rows=3) for n in range(3)),
        *(record(3, row=n, rows=3) for n in (0, 2)),
        *(record(4, row=n, rows=3) for n in (0, 1)),
        *(record(5, row=n) for n in range(2)),  # of an earlier version
    ]
    found = list(asked.requests(rows))
    assert [(one.request_id, len(one.rows), one.whole) for one in found] == [
        ("r1", 1, True),
        ("r1", 1, True),
        ("r2", 3, True),
        ("r2", 3, True),
        ("r3", 2, False),
        ("r4", 2, False),
        ("r5", 2, True),
    ]


@pytest.mark.parametrize(
    "changes", [{"request_id": "golden-1"}, {"request_id": "replay-1"}, {"route": "shadow"}]
)
def test_what_nobody_waited_for_is_apart(changes: dict[str, str]) -> None:
    assert asked.is_apart(record(0, **changes)) and not asked.is_apart(record(0))
