"""Standard errors and resamples respect what stands on its own: rows, groups, stretches of time."""

import numpy as np
import pytest

from gitops_model.evaluation.resampling import BLOCKS, MAX_UNITS, Resampler


def test_the_same_seed_gives_the_same_resamples():
    columns = np.random.default_rng(0).normal(size=(300, 2))
    for options in ({}, {"group": np.arange(300) // 3}, {"time": np.arange(300)}):
        first = Resampler(300, seed=5, **options).means(columns)
        again = Resampler(300, seed=5, **options).means(columns)
        other = Resampler(300, seed=6, **options).means(columns)
        assert np.array_equal(first, again) and not np.array_equal(first, other)


@pytest.mark.parametrize("rows", [200, 3 * MAX_UNITS + 7])
@pytest.mark.parametrize("kind", ["rows", "groups", "blocks"])
def test_spread_of_resamples_is_the_standard_error(rows, kind):
    values = np.random.default_rng(1).exponential(size=rows)
    options = {
        "rows": {},
        "groups": {"group": np.arange(rows) // 2},
        "blocks": {"time": np.arange(rows)},
    }
    resampler = Resampler(rows, seed=0, **options[kind])
    spread = resampler.means(values[:, None]).std()
    assert resampler.standard_error(values - values.mean()) == pytest.approx(spread, rel=0.1)


def test_a_row_that_stands_ten_times_counts_once_as_a_group():
    values = np.random.default_rng(2).normal(size=500)
    tenfold = np.repeat(values, 10)
    alone = Resampler(500, seed=0).standard_error(values - values.mean())
    grouped = Resampler(5000, seed=0, group=np.repeat(np.arange(500), 10))
    naive = Resampler(5000, seed=0)
    centred = tenfold - tenfold.mean()
    assert grouped.standard_error(centred) == pytest.approx(alone)
    assert naive.standard_error(centred) == pytest.approx(alone / np.sqrt(10), rel=0.01)


def test_blocks_see_dependence_in_time_whatever_the_row_order():
    generator = np.random.default_rng(3)
    noise, values = generator.normal(size=8000), np.empty(8000)
    values[0] = noise[0]
    for i in range(1, 8000):
        values[i] = 0.9 * values[i - 1] + noise[i]
    true = 1 / (1 - 0.9) / np.sqrt(8000)
    shuffle = generator.permutation(8000)
    centred = (values - values.mean())[shuffle]
    blocks = Resampler(8000, seed=0, time=shuffle).standard_error(centred)
    naive = Resampler(8000, seed=0).standard_error(centred)
    assert blocks == pytest.approx(true, rel=0.3)
    assert naive < 0.35 * true


def test_groups_go_before_times():
    assert Resampler(50, seed=0, group=np.arange(50) // 5, time=np.arange(50)).kind == "groups"


def test_units_are_counted():
    assert Resampler(50, seed=0).units == 50
    assert Resampler(50, seed=0, group=np.array(["x", "y"] * 25)).units == 2
    assert Resampler(10_000, seed=0, time=np.arange(10_000)).units == BLOCKS


def test_few_units_widen_the_percentile():
    assert Resampler(10, seed=0).tail(0.05) < Resampler(10_000, seed=0).tail(0.05) < 0.0501
    assert Resampler(2, seed=0).tail(0.05) == 0


def test_one_unit_has_no_standard_error():
    assert Resampler(5, seed=0, group=np.zeros(5)).standard_error(np.ones(5)) == np.inf


def test_unequal_buckets_still_give_unbiased_means():
    rows = MAX_UNITS + 1
    resampler = Resampler(rows, seed=0)
    values = np.linspace(0, 1, rows)
    assert resampler.means(values[:, None]).mean() == pytest.approx(0.5, abs=2e-3)


def test_degrees_count_groups_that_tell_as_much_as_equal_ones():
    even = Resampler(60, seed=0, group=np.arange(60) // 6)
    assert (even.units, even.effective, even.degrees) == (10, pytest.approx(10), pytest.approx(9))
    # Worked by hand: shares 0.6, 0.2, 0.2 give 1 / (0.36 + 0.04 + 0.04).
    uneven = Resampler(10, seed=0, group=np.array([0] * 6 + [1] * 2 + [2] * 2))
    assert (uneven.effective, uneven.largest) == (pytest.approx(1 / 0.44), pytest.approx(0.6))
    assert Resampler(50, seed=0).degrees == 49


def test_the_error_of_unequal_groups_is_that_of_the_jackknife():
    generator = np.random.default_rng(4)
    group = np.repeat(np.arange(8), [90, 5, 20, 7, 1, 40, 3, 12])
    values = generator.normal(size=len(group)) + group % 3
    left_out = np.array([values[group != g].mean() for g in range(8)])
    jackknife = np.sqrt(7 / 8 * np.sum((left_out - values.mean()) ** 2))
    error = Resampler(len(group), seed=0, group=group).standard_error(values - values.mean())
    assert error == pytest.approx(jackknife)
