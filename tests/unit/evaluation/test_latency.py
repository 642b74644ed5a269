"""Paired timings, order statistics, and measuring itself."""

import sys

import numpy as np
import pytest
from scipy import stats

from gitops_model.delivery import memory, timing
from gitops_model.errors import CannotEvaluate
from gitops_model.evaluation import latency


def timings(ratio=1.0, pairs=400, seed=0):
    """Timings that share the machine's noise, which changes by a factor of two and comes in waves."""
    generator = np.random.default_rng(seed)
    machine = 1e-4 * (1 + 0.5 * np.sin(np.arange(pairs) / 30)) * generator.lognormal(0, 0.05, pairs)
    return ratio * machine * generator.lognormal(0, 0.03, pairs), machine * generator.lognormal(
        0, 0.03, pairs
    )


@pytest.mark.parametrize("ratio", [1.0, 1.1, 2.0, 0.5])
def test_the_ratio_is_found_despite_waves_of_noise(ratio):
    found = latency.summarise(*timings(ratio), alpha=0.05, seed=0)
    assert found.ratio == pytest.approx(ratio, rel=0.01)
    assert found.ratio_lower <= found.ratio <= found.ratio_upper < 1.02 * found.ratio


def test_without_production_there_is_no_ratio():
    found = latency.summarise(timings()[0], None, alpha=0.05, seed=0)
    assert (found.ratio, found.ratio_lower, found.production_ms) == (None, None, None)
    assert found.p95_lower <= found.p95_ms <= found.p95_upper


def test_the_same_timings_give_the_same_numbers():
    one = latency.summarise(*timings(), alpha=0.05, seed=3)
    assert one == latency.summarise(*timings(), alpha=0.05, seed=3)


def test_quantile_bounds_agree_with_scipy():
    values = np.random.default_rng(1).exponential(size=400)
    expected = stats.quantile_test(values, p=0.95).confidence_interval(0.9)
    assert latency.quantile_interval(values, 0.95, alpha=0.05) == pytest.approx(
        (expected.low, expected.high)
    )


def test_too_few_values_have_no_upper_bound():
    lower, upper = latency.quantile_interval(np.arange(1.0, 31), 0.95, alpha=0.05)
    assert 0 < lower < 30 and upper == np.inf


def test_calls_are_made_in_turns_after_a_warm_up():
    calls, ticks = [], iter(range(10_000))
    candidate, production = timing.interleaved(
        lambda: calls.append("c"),
        lambda: calls.append("p"),
        pairs=4,
        warmup=1,
        clock=lambda: next(ticks),
    )
    assert "".join(calls) == "cp" + "cp" + "pc" + "cp" + "pc"
    assert candidate.tolist() == production.tolist() == [1e-9] * 4


def test_a_candidate_alone_is_timed_too():
    candidate, production = timing.interleaved(lambda: None, None, pairs=3, warmup=0)
    assert len(candidate) == 3 and (candidate > 0).all() and production is None


def test_peak_memory_is_that_of_the_child():
    grow = "x = bytearray(80_000_000)"
    # A bare interpreter takes 5 to 15 MB, depending on how much of it is touched.
    assert 80 < memory.peak_mb([sys.executable, "-S", "-c", grow]) < 100


def test_this_process_does_not_weigh_on_its_child():
    ballast = np.ones(20_000_000)
    assert memory.peak_mb([sys.executable, "-S", "-c", "pass"]) < 60 < ballast.nbytes / 1e6


def test_a_command_that_fails_or_hangs_is_named():
    with pytest.raises(CannotEvaluate, match="ended with code 1: ValueError: no"):
        memory.peak_mb([sys.executable, "-c", "raise ValueError('no')"])
    with pytest.raises(CannotEvaluate, match="did not end within"):
        memory.peak_mb([sys.executable, "-c", "input()"], timeout=0)
