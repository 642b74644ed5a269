"""The flights of April to December against January to March, week by week: what the monitor sees, and another test.

The other test shares nothing with `monitoring.shift`: Kolmogorov and Smirnov's distance for numbers, Cramér's V for
categories, both at least 0.1 and beyond what each week of training lies from the other ones; and Fisher's test of the
share that is missing and of the categories that training never had. scipy computes them, and the error is divided by
the number of cells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats

from ci_scripts.bake import bake, export
from ci_scripts.demo_drift import only_later_months
from ci_scripts.stage import Stage
from gitops_model.formats.contract import Contract
from gitops_model.formats.monitor import Settings
from gitops_model.formats.profile import Category, Column, Profile
from gitops_model.monitoring import counts, shift, windows
from gitops_model.monitoring.shift import Rule
from gitops_model.pipeline import prepared, reference

pytestmark = pytest.mark.slow

SETTINGS = Settings(window_days=7)
START = date(2013, 4, 1)
WEEKS = 39
LARGE = 0.1
SMALLEST_WEEK = 2000


@dataclass(frozen=True)
class Year:
    """The profile of January to March, its rows, and those of each later week."""

    profile: Profile
    train: pd.DataFrame
    later: pd.DataFrame

    def seen(self, name: str) -> list[bool]:
        """What the monitor sees of an input, week by week."""
        column = self.profile.inputs[name]
        rule = Rule(
            windows=SETTINGS.windows,
            columns=len(self.profile.inputs) + len(self.profile.scores),
            days=7,
            history=self.profile.days,
        )
        return [
            shift.measure(
                column, _tally(column, self.later[name][self.later["week"] == week]), rule
            ).seen
            for week in range(WEEKS)
        ]

    def other(self, name: str) -> list[bool]:
        """What the other test says."""
        category = isinstance(self.profile.inputs[name], Category)
        distance = _cramer if category else _kolmogorov
        alpha = 0.01 / WEEKS / len(self.profile.inputs)
        train, weeks = self.train[name], self.train["week"]
        own = max(
            distance(train[weeks == week], train[weeks != week])[0]
            for week in weeks.unique()
            if (weeks == week).sum() >= SMALLEST_WEEK
        )
        found = []
        for week in range(WEEKS):
            rows = self.later[name][self.later["week"] == week]
            size, chance = distance(rows, train)
            absent = _share(rows.isna(), train.isna())
            known = train.unique()
            new = _share(~rows.isin(known), ~train.isin(known)) if category else 1.0
            moved = chance < alpha and size >= LARGE and size > own
            found.append(moved or absent < alpha or new < alpha)
        return found


def _share(one: pd.Series, two: pd.Series) -> float:  # type: ignore[type-arg]
    """Fisher's exact probability that as many are true in both."""
    return float(stats.fisher_exact([[s.sum(), (~s).sum()] for s in (one, two)]).pvalue)


def _tally(column: Column, values: pd.Series) -> counts.Tally:  # type: ignore[type-arg]
    if isinstance(column, Category):
        names = values.value_counts().to_dict()
        return counts.categories(column, names, missing=int(values.isna().sum()), wrong=0)
    return counts.numbers(column, values.to_numpy(dtype=np.float64), wrong=0)


def _kolmogorov(one: pd.Series, two: pd.Series) -> tuple[float, float]:  # type: ignore[type-arg]
    found = stats.ks_2samp(one.dropna(), two.dropna(), method="asymp")
    return float(found.statistic), float(found.pvalue)


def _cramer(one: pd.Series, two: pd.Series) -> tuple[float, float]:  # type: ignore[type-arg]
    table = pd.DataFrame({"one": one.value_counts(), "two": two.value_counts()}).fillna(0)
    held: NDArray[np.int64] = table[table.sum(axis=1) >= 10].to_numpy(dtype=np.int64).T
    return (
        float(stats.contingency.association(held, method="cramer")),
        float(stats.chi2_contingency(held).pvalue),
    )


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Year]:
    folder = tmp_path_factory.mktemp("year")
    stage = Stage(folder, log=folder / "log")
    bake(export(folder / "template"), folder, {"project_slug": stage.repo.name})
    train = _rows(stage, "train")
    only_later_months(stage.repo / "params.yaml", until="2013-12")
    later = _rows(stage, "test")
    contract = Contract.load(stage.repo / "contract.yaml")
    profile = reference.build(
        contract,
        prepared.columns(contract, train),
        np.linspace(0, 1, len(train)),
        days=prepared.days(contract, train),
    )
    yield Year(profile, _by_week(train, contract), _by_week(later, contract))


def _rows(stage: Stage, part: str) -> pd.DataFrame:
    stage.run("gitops-model", "data", cwd=stage.repo)
    stage.run("gitops-model", "prepare", cwd=stage.repo)
    contract = Contract.load(stage.repo / "contract.yaml")
    return prepared.read(contract, part, folder=stage.repo / prepared.FOLDER)


def _by_week(table: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    days = prepared.days(contract, table)
    assert days is not None
    return table.assign(week=(days - (START - date(1970, 1, 1)).days) // 7)


def states(seen: list[bool]) -> list[str]:
    return [windows.state(seen[: week + 1], SETTINGS) for week in range(len(seen))]


def alarms(year: Year) -> dict[str, list[date]]:
    """By input, the last days of the weeks on which it alarms."""
    found = {}
    for name in year.profile.inputs:
        ends = [
            START + timedelta(days=7 * week + 6)
            for week, state in enumerate(states(year.seen(name)))
            if state == "alarm"
        ]
        if ends:
            found[name] = ends
    return found


def test_the_summer_alarms_and_spring_and_december_do_not(year: Year) -> None:
    found = alarms(year)
    assert set(found) == {"temp", "dest"}
    assert found["temp"][0] == date(2013, 6, 23) and found["temp"][-1] == date(2013, 10, 6)
    assert date(2013, 7, 28) == found["dest"][0] and found["dest"][-1] < date(2013, 11, 1)


def test_whatever_the_monitor_sees_the_other_test_sees_too(year: Year) -> None:
    """The other way round it is more careful: it asks for more than weeks of training differ by chance."""
    both = ours = theirs = 0
    for name in year.profile.inputs:
        seen, other = np.array(year.seen(name)), np.array(year.other(name))
        assert not (seen & ~other).any(), (name, np.flatnonzero(seen & ~other))
        both, ours, theirs = both + (seen & other).sum(), ours + seen.sum(), theirs + other.sum()
    assert both == ours > 25 and theirs > both


def test_another_month_of_the_same_winter_would_be_seen_as_such(year: Year) -> None:
    """The weeks of training themselves: no week is a shift."""
    rule = Rule(windows=SETTINGS.windows, columns=14, days=7, history=year.profile.days)
    for name, column in year.profile.inputs.items():
        for week, rows in year.train.groupby("week"):
            if len(rows) >= SMALLEST_WEEK:
                assert not shift.measure(column, _tally(column, rows[name]), rule).seen, (
                    name,
                    week,
                )
