"""Features of the example: known at the scheduled departure, and nothing of the label in them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import features


def raw(times: list[str], delays: list[float | None], origin: str = "JFK") -> pd.DataFrame:
    n = len(times)
    return pd.DataFrame(
        {
            "flight_id": [f"f{i}" for i in range(n)],
            "sched_dep": times,
            "carrier": "UA",
            "tailnum": [None, *["N1"] * (n - 1)],
            "origin": origin,
            "dest": "SFO",
            "distance": 2586,
            **dict.fromkeys(features.WEATHER, 1.0),
            "dep_delay": pd.Series(delays, dtype=float),
        }
    )


def test_recent_delay_is_the_mean_of_two_and_three_hours_ago_each_capped_at_an_hour() -> None:
    table = raw(
        ["2013-01-01 07:10", "2013-01-01 08:20", "2013-01-01 08:50", "2013-01-01 10:30"],
        [30.0, 400.0, None, 5.0],
    )
    built = features.build(table, problem="binary")
    assert built["recent_delay"].tolist()[-1] == (30 + 60) / 2
    assert np.isnan(built["recent_delay"].iloc[0])


def test_cancelled_flights_have_no_label_and_are_left_out() -> None:
    built = features.build(
        raw(["2013-01-01 07:10", "2013-01-01 08:20"], [None, 45.0]), problem="binary"
    )
    assert built["flight_id"].tolist() == ["f1"]
    assert built["late"].tolist() == [1]


def test_a_flight_without_a_tail_number_still_has_a_key_to_stick_to() -> None:
    built = features.build(
        raw(["2013-01-01 07:10", "2013-01-01 08:20"], [1.0, 2.0]), problem="binary"
    )
    assert built["tailnum"].tolist() == ["f0", "N1"]


def test_labels_at_their_borders() -> None:
    delays = pd.Series([-5.0, 14.9, 15.0, 29.9, 30.0, 59.9, 60.0, 500.0])
    assert features.label(delays, problem="binary")[1].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert features.label(delays, problem="multiclass")[1].tolist() == [
        *["on_time"] * 2,
        *["late"] * 4,
        *["very_late"] * 2,
    ]
    assert features.label(delays, problem="regression")[1].max() == 180


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 60 * 12), st.floats(-20, 300)), min_size=2, max_size=30),
    st.data(),
)
def test_no_feature_knows_what_happens_later(
    flights: list[tuple[int, float]], data: st.DataObject
) -> None:
    """Changing every delay that is not known yet at a flight's departure changes none of its features."""
    flights = sorted(flights)
    start = pd.Timestamp("2013-01-01 06:00")
    times = [start + pd.Timedelta(minutes=minute) for minute, _ in flights]
    table = raw([str(t) for t in times], [delay for _, delay in flights])
    place = data.draw(st.integers(0, len(flights) - 1))
    now = times[place]
    known_by = pd.to_datetime(table["sched_dep"]) + pd.to_timedelta(
        table["dep_delay"].clip(upper=60), unit="min"
    )
    later = table.copy()
    later.loc[known_by >= now, "dep_delay"] = 299.0
    inputs = ["weekday", "minute", "distance", "traffic", "recent_delay", *features.WEATHER]
    # A delay above an hour counts as an hour, which is known an hour after schedule.
    for first, second in zip(
        features.build(table, problem="binary")[inputs].iloc[place],
        features.build(later, problem="binary")[inputs].iloc[place],
        strict=True,
    ):
        assert first == second or (pd.isna(first) and pd.isna(second))
