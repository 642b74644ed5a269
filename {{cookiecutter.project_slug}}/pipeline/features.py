"""YOURS: from raw rows to the contract's inputs, keys and label.

Whatever is computed here for training, callers compute for a request; so a feature must be known when the request
is made. Here that moment is the scheduled departure.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from gitops_model import Contract

WEATHER = ["temp", "humid", "wind_speed", "precip", "visib"]
KEYS = ["flight_id", "sched_dep", "tailnum"]


def build(raw: pd.DataFrame, *, contract: Contract) -> pd.DataFrame:
    """One row for each example: the columns that contract.yaml names as keys, inputs, label and slices.

    `raw` is what `load` in source.py returned. The key `keys.request` differs in every row, the label is never missing
    (binary: 0 or 1; multiclass: a name in output.classes; regression: a number), and an input that is not known is
    missing (None or NaN). Other columns are left aside. `prepare` checks all of it and says what does not fit.

    Here: one row for each flight that left. Cancelled flights have no delay, hence no label, and are left out.
    """
    time = pd.to_datetime(raw["sched_dep"])
    hour = time.dt.floor("h")
    table = raw[[*KEYS, "origin", "carrier", "dest", "distance", *WEATHER]].copy()
    # A flight without a tail number still needs a key that a canary can stick to.
    table["tailnum"] = table["tailnum"].fillna(table["flight_id"])
    table["weekday"] = time.dt.day_name().str[:3].str.lower()
    table["minute"] = time.dt.hour * 60 + time.dt.minute
    table["traffic"] = raw.groupby(["origin", hour])["flight_id"].transform("size")
    table["recent_delay"] = _recent_delay(raw, hour)
    name, values = label(raw["dep_delay"], problem=contract.problem)
    table[name] = values
    return table[raw["dep_delay"].notna()]


def label(delay: pd.Series[float], *, problem: str) -> tuple[str, pd.Series[Any]]:
    """Name and values of the label for departure delays in minutes."""
    if problem == "binary":
        return "late", (delay >= 30).astype(int)
    if problem == "multiclass":
        classes = pd.cut(
            delay,
            [-float("inf"), 15, 60, float("inf")],
            right=False,
            labels=["on_time", "late", "very_late"],
        )
        return "punctuality", classes.astype(object)
    return "delay", delay.clip(upper=180)


def _recent_delay(raw: pd.DataFrame, hour: pd.Series[pd.Timestamp]) -> pd.Series[float]:
    """Mean delay at the airport of flights scheduled two or three clock hours earlier, each counted as at most 60.

    After two hours a delay of up to 60 minutes is known even for the last flight of its hour: nothing of this
    feature comes from the flight's own future. Missing when no such flight left.
    """
    capped = raw["dep_delay"].clip(-60, 60)
    hourly = capped.groupby([raw["origin"], hour]).agg(["sum", "count"])
    total, count = pd.Series(0.0, index=raw.index), pd.Series(0.0, index=raw.index)
    for lag in (2, 3):
        earlier = pd.MultiIndex.from_arrays([raw["origin"], hour - pd.Timedelta(hours=lag)])
        found = hourly.reindex(earlier).fillna(0.0)
        total += found["sum"].to_numpy()
        count += found["count"].to_numpy()
    return total / count.where(count > 0)
