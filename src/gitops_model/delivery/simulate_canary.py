"""`simulate canary`: what `guard` in serving.yaml does, by the judge's own arithmetic over made-up traffic.

Three groups of canaries see the same kind of traffic, from seeds: as good as stable, worse as asked for, and good until
they are ok. Requests come in bursts and waves, and stable has errors that remember each other; both arms meet them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gitops_model.delivery import service
from gitops_model.errors import BadInput
from gitops_model.formats.serving import Guard
from gitops_model.progress import Progress
from gitops_model.serving.guard import BUCKET_SECONDS, PATIENCE_SECONDS, acting

Numbers = NDArray[np.float64]
# How much the logarithms of answer times scatter: the slowest of a thousand takes about three times the middle one.
SCATTER = 0.35


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    default = Options()
    add = parser.add_argument
    add("--rate", type=float, default=default.rate, help="requests a second (%(default)s)")
    add("--percent", type=float, default=default.percent, help="the canary's share (%(default)s)")
    add("--hours", type=float, default=default.hours, help="how long each one runs (%(default)s)")
    add("--canaries", type=int, default=default.canaries, help="how many (%(default)s)")
    add("--base-errors", type=float, default=default.base_errors, metavar="SHARE",
        help="what fails anyway, at both (%(default)s)")  # fmt: skip
    add("--error-rate", type=float, default=default.error_rate, metavar="SHARE",
        help="what a bad canary fails on besides (%(default)s)")  # fmt: skip
    add("--slow", type=float, default=default.slow, metavar="TIMES",
        help="a bad canary takes so many times as long (%(default)s)")  # fmt: skip
    add("--after", type=float, default=default.after, metavar="MINUTES",
        help="a bad canary turns bad after this (%(default)s)")  # fmt: skip
    add("--seed", type=int, default=default.seed, help="(%(default)s)")


@dataclass(frozen=True, kw_only=True)
class Options:
    """`canaries` of each kind run for `hours`, at `rate` requests a second, `percent` of them the canary's."""

    rate: float = 50.0
    percent: float = 10.0
    hours: float = 1.0
    canaries: int = 1000
    base_errors: float = 0.001
    error_rate: float = 0.05
    slow: float = 1.0
    after: float = 0.0
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Found:
    """For each canary of a group: seconds until it was bad, and until it was ok; infinite where it never was."""

    bad: Numbers
    ok: Numbers


def run(options: Options) -> int:
    """Print what the settings of serving.yaml do. Returns 0. Raises BadInput with every option that makes no sense."""
    _require_sensible(options)
    path = Path("serving.yaml")
    data = service.settings(path.parent).get("guard") or {} if path.exists() else {}
    rules = Guard.from_dict(data)
    for line in report(options, rules):
        print(line, flush=True)
    return 0


def _require_sensible(options: Options) -> None:
    """The upper bounds keep numpy's draws and this machine's memory within what they can do."""
    o, minutes = options, options.hours * 60
    bounds = (
        ("--rate", o.rate, 0 < o.rate <= 1e6, "above 0, at most 1,000,000"),
        ("--percent", o.percent, 0 < o.percent < 100, "above 0, below 100"),
        ("--hours", o.hours, 0 < o.hours <= 168, "above 0, at most 168"),
        ("--canaries", o.canaries, 1 <= o.canaries <= 100_000, "from 1 to 100,000"),
        ("--base-errors", o.base_errors, 0 <= o.base_errors <= 1, "from 0 to 1"),
        ("--error-rate", o.error_rate, 0 <= o.error_rate <= 1, "from 0 to 1"),
        ("--slow", o.slow, 0 < o.slow <= 1000, "above 0, at most 1000"),
        ("--after", o.after, o.after == 0 or 0 < o.after < minutes,
            f"from 0, below {minutes:g}, which is when --hours ends"),
        ("--seed", o.seed, o.seed >= 0, "a whole number from 0 on"),
    )  # fmt: skip
    wrong = [
        f"{name} is {value:g}; allowed: {allowed}."
        for name, value, good, allowed in bounds
        if not good
    ]
    if wrong:
        raise BadInput(wrong)


def report(options: Options, rules: Guard) -> Iterator[str]:
    """The figures as lines of text."""
    canaries, hours = options.canaries, options.hours
    yield (
        f"{options.rate:g} requests a second, {options.percent:g} % of them to the canary, {canaries:,} canaries of "
        f"{hours:g} h; {options.base_errors:.2%} fail anyway. From seed {options.seed}."
    )
    good = simulate(options, rules, buckets=_buckets(hours * 3600), worse=False)
    out = int(np.isfinite(good.bad).sum())
    yield (
        f"  as good as stable:  {out} of {canaries:,} taken out (at most {rules.false_removals:.2%} are to be)"
        f"; ok after {_span(good.ok)}"
    )
    bad = simulate(options, rules, buckets=_buckets(hours * 3600), worse=True)
    words = f"{options.error_rate:.1%} more errors"
    if options.slow != 1:
        words += f", {options.slow:g} times as slow"
    late = f", from minute {options.after:g} on" if options.after else ""
    yield f"  {words}{late}:  out after {_span(bad.bad - options.after * 60)}"
    if np.isfinite(bad.ok).any() and not options.after:
        yield f"  ... and ok before that: {int((bad.ok < bad.bad).sum())} of {canaries:,}"


def _buckets(seconds: float) -> int:
    return max(1, round(seconds / BUCKET_SECONDS))


def _span(seconds: Numbers) -> str:
    """`28 s (nine of ten within 46 s)`."""
    middle, most = np.quantile(seconds, [0.5, 0.9], method="inverted_cdf")
    if not np.isfinite(middle):
        share = np.isfinite(seconds).mean()
        return f"more time than this ({share:.0%} got there)"
    return f"{_time(middle)} (nine of ten within {_time(most)})"


def _time(seconds: float) -> str:
    if not np.isfinite(seconds):
        return "more time than this"
    return f"{seconds:.0f} s" if seconds < 300 else f"{seconds / 60:.0f} min"


def simulate(options: Options, rules: Guard, *, buckets: int, worse: bool) -> Found:
    """Run one group of canaries, bucket by bucket, side by side."""
    n = options.canaries
    generator = np.random.default_rng([options.seed, worse])
    traffic = _Traffic(options, generator)
    slow_share = _slow_shares(rules, options.slow if worse else 1.0)
    panel, bad, ok = acting(rules, (n,)), np.full(n, np.inf), np.full(n, np.inf)
    waiting, age = np.zeros((4, n, 3)), np.zeros(n)
    after = _buckets(options.after * 60) if options.after else 0
    progress, said = Progress("simulating"), time.monotonic()
    for number in range(buckets):
        is_worse = worse and number >= after
        waiting += traffic.bucket(
            number, extra=options.error_rate if is_worse else 0.0, slow=slow_share[int(is_worse)]
        )
        age += 1
        # As the judge does: a bucket stays open until both arms have a request, but not for ever.
        paired = (waiting[0, :, 0] > 0) & (waiting[2, :, 0] > 0)
        panel.add(np.where(paired[None, :, None], waiting, 0.0))
        done = paired | (age * BUCKET_SECONDS >= PATIENCE_SECONDS)
        waiting[:, done], age[done] = 0.0, 0.0
        seconds = (number + 1) * BUCKET_SECONDS
        bad[(panel.against >= 1).any(axis=-1) & np.isinf(bad)] = seconds
        if seconds >= rules.min_minutes * 60:
            shown = (panel.in_favour >= 1).all(axis=-1)
            shown &= panel.totals[0, :, 0] >= rules.min_requests
            ok[shown & np.isinf(ok) & np.isinf(bad)] = seconds
        if np.isfinite(bad).all():
            break
        if time.monotonic() - said > 1:
            progress.step()
            said = time.monotonic()
    progress.end()
    return Found(bad=bad, ok=ok)


def _slow_shares(rules: Guard, times: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Shares of canary's and stable's answers beyond the limit, before and after the canary turns bad."""
    from math import erfc, log, sqrt

    def beyond(factor: float) -> float:
        return 0.5 * erfc(log(rules.slower / factor) / SCATTER / sqrt(2))

    return (beyond(1), beyond(1)), (beyond(times), beyond(1))


class _Traffic:
    """Counts of a bucket for each canary. What both arms share: waves of the day, bursts, and spells of errors."""

    def __init__(self, options: Options, generator: np.random.Generator) -> None:
        self._options = options
        self._generator = generator
        n = options.canaries
        self._phase = generator.random(n) * 2 * np.pi
        self._spell = generator.standard_normal(n)

    def bucket(self, number: int, *, extra: float, slow: tuple[float, float]) -> Numbers:
        """Requests and events of canary, then of stable, by signal: (4, canaries, 3)."""
        options, draw = self._options, self._generator
        n = options.canaries
        day = 1 + 0.6 * np.sin(2 * np.pi * number * BUCKET_SECONDS / 86_400 + self._phase)
        # Gamma noise of mean 1: some buckets get several times as many requests as others.
        volume = options.rate * BUCKET_SECONDS * day * draw.gamma(4.0, 0.25, n)
        share = options.percent / 100
        n_c, n_s = draw.poisson(volume * share), draw.poisson(volume * (1 - share))
        # Errors remember each other for about a minute, and differ by a factor of ten between good and bad spells.
        self._spell = 0.99 * self._spell + np.sqrt(1 - 0.99**2) * draw.standard_normal(n)
        common = np.minimum(0.5, options.base_errors * np.exp(1.2 * self._spell - 0.72))
        k_c = draw.binomial(n_c, np.minimum(1.0, common + extra))
        k_s = draw.binomial(n_s, common)
        t_c, t_s = draw.binomial(n_c, slow[0]), draw.binomial(n_s, slow[1])
        zero: Any = np.zeros(n)
        found = [[n_c, n_c, n_c], [k_c, zero, t_c], [n_s, n_s, n_s], [k_s, zero, t_s]]
        return np.array(found, dtype=np.float64).transpose(0, 2, 1)
