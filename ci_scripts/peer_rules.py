"""What Evidently and NannyML say of the streams, by their own code: runs in the environment of `ci_scripts.peers`.

Prints a line of JSON for each kind of stream: by rule the first day of a false alarm and the share of windows with one,
and for each change the day on which the column is named. Days count from 1; null is "not within the days looked at".

Evidently: the tests that its DataDriftPreset chooses by itself, called without the drawing of a report; checked against
a whole report below. NannyML: its UnivariateDriftCalculator, nothing set but the size of a chunk.
"""

from __future__ import annotations

import itertools
import json
import sys
from typing import Any

import nannyml
import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.legacy.calculations.stattests import get_stattest
from evidently.legacy.core import ColumnType
from evidently.presets import DataDriftPreset

from ci_scripts import streams
from ci_scripts.streams import (
    CHANGES,
    COLUMNS,
    DAYS,
    DELAY_DAYS,
    HISTORY,
    REPETITIONS,
    STREAMS,
    Array,
    World,
)
from ci_scripts.usage import used

WIDTHS = (1, 7)
# Evidently sorts its reference for every column and window. So many rows of it leave an error of 0.008 in a distance
# whose limit is 0.1, and take a twentieth of the time of 450,000.
MOST_REFERENCE = 10_000
DRIFT_SHARE = 0.5

Found = dict[str, Any]


def evidently_reference(training: Array) -> Any:
    """Training as Evidently gets it: without missing rows, as it drops them itself, and sorted, which saves time."""
    values = training[~np.isnan(training)]
    if len(values) > MOST_REFERENCE:
        values = np.random.default_rng(0).choice(values, MOST_REFERENCE, replace=False)
    return pd.Series(np.sort(values))


def evidently_says(reference: Any, values: Array, *, number: bool) -> bool:
    """Whether Evidently's default test of a column says that it drifted."""
    current = pd.Series(np.sort(values[~np.isnan(values)]))
    kind = ColumnType.Numerical if number else ColumnType.Categorical
    test = get_stattest(reference, current, kind, None)
    return bool(test(reference, current, kind, None).drifted)


def nannyml_says(training: Array, seen: Array, *, number: bool, rows: int) -> Array:
    """For each window of `rows` rows of `seen` whether NannyML alerts."""
    calculator = nannyml.UnivariateDriftCalculator(
        column_names=["x"],
        treat_as_numerical=["x"] if number else [],
        treat_as_categorical=[] if number else ["x"],
        chunk_size=rows,
    ).fit(pd.DataFrame({"x": training}))
    found = calculator.calculate(pd.DataFrame({"x": seen})).filter(period="analysis").to_df()
    return np.asarray(found["x"]["jensen_shannon"]["alert"], dtype=np.float64)


def first(flags: Array, width: int) -> int | None:
    """The last day of the first flagged window, days counted from 1."""
    places = np.flatnonzero(flags)
    return int(places[0] + 1) * width if len(places) else None


def null(world: World, rows: int, stream: int) -> Found:
    """False alarms of one stream, by rule: first day, share of windows, share of columns flagged."""
    columns = streams.columns(world, rows, stream)
    flags: dict[tuple[str, int], list[Array]] = {}
    for column in columns:
        training, number = column.training(), column.number
        reference, seen = evidently_reference(training), column.days(HISTORY, HISTORY + DAYS)
        for width in WIDTHS:
            windows = np.split(seen, DAYS // width)
            said = [evidently_says(reference, w, number=number) for w in windows]
            flags.setdefault(("evidently", width), []).append(np.array(said, dtype=np.float64))
            alerts = nannyml_says(training, seen, number=number, rows=width * rows)
            flags.setdefault(("nannyml", width), []).append(alerts)
    found: Found = {}
    for (peer, width), held in flags.items():
        flagged = np.sum(held, axis=0)
        rules = {f"{peer}-{width}": flagged > 0}
        if peer == "evidently":
            rules[f"evidently-share-{width}"] = flagged / COLUMNS >= DRIFT_SHARE
        for rule, alarms in rules.items():
            found[rule] = {
                "first": first(alarms, width),
                "share": float(alarms.mean()),
                "flagged": float(flagged.mean() / COLUMNS),
            }
    return found


def delay(name: str, world: World, rows: int, repetition: int) -> Found:
    """On which day the changed column is named, by rule."""
    column = streams.changed(name, world, rows, repetition)
    training, number = column.training(), column.number
    seen = column.days(HISTORY, HISTORY + DELAY_DAYS, CHANGES[name])
    reference = evidently_reference(training)
    found: Found = {}
    for width in WIDTHS:
        windows = np.split(seen, DELAY_DAYS // width)
        said = (at for at, w in enumerate(windows) if evidently_says(reference, w, number=number))
        place = next(said, None)
        found[f"evidently-{width}"] = None if place is None else (place + 1) * width
        alerts = nannyml_says(training, seen, number=number, rows=width * rows)
        found[f"nannyml-{width}"] = first(alerts, width)
    return found


def check() -> None:
    """A whole report of Evidently must say of every column what `evidently_says` says. Raises AssertionError."""
    columns = streams.columns("remembering", 200, 0)
    names = [f"x{place}" for place in range(COLUMNS)]
    kinds = DataDefinition(
        numerical_columns=names[: streams.NUMBERS], categorical_columns=names[streams.NUMBERS :]
    )
    before, now = (
        pd.DataFrame(dict(zip(names, values, strict=True)))
        for values in ([c.training() for c in columns], [c.day(HISTORY) for c in columns])
    )
    report = Report([DataDriftPreset()]).run(
        Dataset.from_pandas(now, kinds), Dataset.from_pandas(before, kinds)
    )
    values = {
        metric["config"]["column"]: bool(metric["value"] >= metric["config"]["threshold"])
        for metric in report.dict()["metrics"]
        if "column" in metric["config"]
    }
    ours = {
        name: evidently_says(evidently_reference(c.training()), c.day(HISTORY), number=c.number)
        for name, c in zip(names, columns, strict=True)
    }
    assert values == ours, (values, ours)


def main(words: list[str]) -> int:
    """Print a line for each kind of stream, or for those that `words` name, such as weekly-200."""
    check()
    for world, rows in itertools.product(streams.WORLDS, streams.ROWS):
        key = f"{world}-{rows}"
        if words and key not in words:
            continue
        found = {
            "key": key,
            "mark": streams.mark(),
            "null": [null(world, rows, stream) for stream in range(STREAMS[rows])],
            "delay": {
                name: [delay(name, world, rows, number) for number in range(REPETITIONS)]
                for name in CHANGES
            },
            "cpu": used(),
        }
        print(json.dumps(found), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
