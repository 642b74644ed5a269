"""Blocks end where days end, and are as long as the data say."""

import numpy as np
import pytest

from gitops_model.evaluation import calendar
from gitops_model.evaluation.resampling import Resampler
from tests.support import cases


def dates(count, start="2024-04-01"):
    return np.datetime64(start) + np.arange(count)


@pytest.mark.parametrize(
    "time",
    [
        np.array(["2024-04-02T23:59:00", "2024-04-01T00:00:00+02:00", "2024-04-02 08:00"], dtype=object),
        np.array(["2024-04-02T23:59", "2024-04-01T00:00", "2024-04-02T08:00"], dtype="datetime64[m]"),
    ],
)  # fmt: skip
def test_days_are_those_of_the_calendar(time):
    assert calendar.days(time).tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    "time",
    [
        np.arange(5),
        np.array(["soon", "later"]),
        np.array(["1700000000", "1700000009"]),
        np.array(["2024-04-01", ""], dtype=object),
    ],
)
def test_what_is_no_date_has_no_days(time):
    assert calendar.days(time) is None


def wave(memory, count, seed):
    noise, series = np.random.default_rng(seed).normal(size=count + 100), np.zeros(count + 100)
    for i in range(1, count + 100):
        series[i] = memory * series[i - 1] + noise[i]
    return series[100:]


def test_days_that_stand_alone_are_blocks_of_one_day_and_others_longer():
    alone = [calendar.block_length(wave(0.0, 120, seed)) for seed in range(200)]
    bound = [calendar.block_length(wave(0.8, 120, seed)) for seed in range(200)]
    assert np.mean(np.array(alone) == 1) > 0.8
    assert np.median(bound) >= 5
    assert calendar.block_length(np.ones(30)) == 1


def test_no_block_cuts_a_day_and_there_are_at_least_ten():
    day = np.repeat(np.arange(57), 20)
    found = calendar.blocks(day, np.repeat(wave(0.95, 57, 1), 20)[:, None])
    assert len({(d, b) for d, b in zip(day, found, strict=True)}) == 57
    assert 10 <= found.max() + 1 < 57
    assert np.all(np.diff(found) >= 0)
    assert calendar.blocks(np.arange(9), np.zeros((9, 1))) is None


def test_a_block_of_days_is_drawn_as_a_whole():
    values, day = np.random.default_rng(1).normal(size=300), np.repeat(np.arange(30), 10)
    blocks, groups = (Resampler(300, seed=0, **{name: day}) for name in ("block", "group"))
    assert (blocks.kind, blocks.units) == ("blocks", 30)
    assert blocks.standard_error(values) == groups.standard_error(values)
    assert np.array_equal(blocks.means(values[:, None]), groups.means(values[:, None]))


def checked(times):
    kwargs = cases.inputs(rows=len(times)) | {"gates": cases.gates(rows="in_time_order")}
    return cases.check(**cases.change(kwargs, "test", time=times))


def test_a_check_of_28_days_has_28_blocks_and_one_of_3_days_says_what_it_cannot_see():
    found = checked(np.repeat(dates(28), 40).astype(str))
    assert (found.test_set.unit, found.test_set.units) == ("blocks", 28)
    few = checked(np.repeat(dates(3), 400).astype(str))
    assert (few.test_set.unit, few.test_set.units) == ("blocks", 40)
    assert any("lie on 3 days" in warning for warning in few.warnings)


def test_the_rows_of_a_slice_hang_together_by_days_and_groups_too():
    found = checked(np.repeat(dates(28), 40).astype(str))
    assert {row.method for row in found.slices} == {"t interval over blocks"}
    assert all(20 < row.degrees <= 27 for row in found.slices)
    kwargs = cases.inputs(rows=1200) | {"gates": cases.gates(rows="grouped")}
    found = cases.check(**cases.change(kwargs, "test", group=np.arange(1200) // 50))
    assert {row.method for row in found.slices} == {"t interval over groups"}
    assert all(15 < row.degrees <= 23 for row in found.slices)
