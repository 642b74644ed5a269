"""Candidate against production on the same rows: the gain, and how sure we may be of it.

A gain is oriented: positive means the candidate is better, whatever the metric's direction. `lower` and `upper` are
one-sided bounds at level alpha. Which method gives them:

| metric | rows independent | groups or times given |
|---|---|---|
| ROC AUC | DeLong (Sun & Xu 2014), t quantile by Welch | t interval on summed influences of groups or blocks |
| accuracy | Tango's score interval (1998) | paired bootstrap of groups or blocks |
| PR AUC | paired bootstrap up to 2,000 rows, beyond it of linearised rows | paired bootstrap, linearised |
| all others | paired bootstrap | paired bootstrap of groups or blocks |

A margin given as a share of production's value is compared with the relative gain, resampled as such. Where
production's value is 0 there are no shares of it: the gain is then in units of the metric, and `relative` is False.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gitops_model.evaluation import intervals, ranks
from gitops_model.evaluation.columns import Context, decisions
from gitops_model.evaluation.custom import MIN_TAIL_ROWS
from gitops_model.evaluation.metrics import Linear, Metric, find, gradient_at
from gitops_model.evaluation.resampling import Resampler
from gitops_model.evaluation.rows import Rows

Array = npt.NDArray[np.float64]

# On fewer rows of a class the interval of a rank metric is too sure of itself: docs/gates.md, 1 % positives.
MIN_CLASS_ROWS = 20
# Resampling and re-ranking every row is exact but slow; above this the linearised form is as good.
EXACT_RANK_ROWS = 2000
# More undefined resamples than this share, and the metric has no usable distribution on these rows.
MAX_UNDEFINED = 0.05


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Gain of the candidate on one metric, oriented so that higher is better.

    `gain`, `lower`, `upper` and `error` are in units of the metric, or shares of production's value when `relative`.
    `null_error` is the standard error where both models are equally good, for tests of "no worse".
    `wins` and `losses` (rows only one of the two got right) are set when Tango's method was used.
    None stands for "no data".
    """

    metric: str
    rows: int
    units: int
    candidate: float | None
    production: float | None
    relative: bool
    gain: float | None = None
    lower: float | None = None
    upper: float | None = None
    error: float | None = None
    null_error: float | None = None
    degrees: float | None = None
    wins: int | None = None
    losses: int | None = None
    method: str = "none"

    def rows_needed(self, *, margin: float, alpha: float) -> int | None:
        """Rows at which an equally good candidate would pass 8 times in 10; see `intervals.rows_needed`."""
        return rows_needed(
            rows=self.rows,
            error=self.error,
            tango=self.wins is not None,
            margin=margin,
            alpha=alpha,
        )


def rows_needed(
    *, rows: int, error: float | None, tango: bool, margin: float, alpha: float
) -> int | None:
    """`intervals.rows_needed`, and for Tango at least the rows at which even an identical candidate passes."""
    if error is None:
        return None
    found = intervals.rows_needed(rows=rows, error=error, margin=margin, alpha=alpha)
    if found is None or not tango:
        return found
    return max(found, intervals.rows_for_identical(margin=margin, alpha=alpha))


def compare(
    name: str,
    rows: Rows,
    ctx: Context,
    resampler: Resampler,
    *,
    alpha: float,
    relative: bool = False,
    resample: bool = True,
) -> Comparison:
    """Gain of the candidate over production on metric `name`, with one-sided bounds at `alpha`.

    `resample=False` uses the t interval where the bootstrap would be used: for many slices at once.
    """
    metric = find(name, ctx)
    candidate, production = rows.linear(metric, ctx)
    found = Comparison(
        metric=name,
        rows=len(rows.labels),
        units=resampler.units,
        candidate=candidate.value if candidate else None,
        production=production.value if production else None,
        relative=relative,
    )
    if candidate is None or production is None or rows.production is None:
        return found
    gain = metric.sign * (candidate.value - production.value)
    if relative and production.value == 0 and gain == 0:
        return replace(
            found, gain=0.0, lower=0.0, upper=0.0, error=0.0, null_error=0.0, method="equal"
        )
    relative = relative and production.value != 0
    scale = abs(production.value) if relative else 1.0
    found = replace(found, gain=gain / scale, relative=relative)
    if why := _too_few(metric, rows.labels):
        return replace(found, method=why)
    if name == "accuracy" and resampler.independent and not relative:
        return _tango(found, rows, ctx, alpha=alpha)
    influence = _influence(metric, candidate, production, relative=relative)
    if name == "roc_auc" and resampler.independent and not relative:
        return _delong(found, rows.labels, influence, alpha=alpha)
    error = resampler.standard_error(influence)
    null_error = (
        error
        if candidate.ranked
        else resampler.standard_error(_null_influence(metric, candidate, production)) / scale
    )
    found = replace(found, error=error, null_error=null_error, degrees=resampler.degrees)
    if name == "roc_auc" or not resample:
        return _student(found, alpha=alpha, method=f"t interval over {resampler.kind}")
    gains = _resampled_gains(metric, rows, ctx, candidate, production, resampler, relative=relative)
    return _percentile(found, gains, resampler, alpha=alpha)


def estimate(
    name: str, rows: Rows, ctx: Context, resampler: Resampler, *, alpha: float
) -> tuple[float | None, float | None, float | None, str]:
    """(value, lower, upper, method) of the candidate on one metric, in the metric's own direction and units."""
    metric, labels = find(name, ctx), rows.labels
    found, _ = rows.linear(metric, ctx)
    if found is None:
        return None, None, None, "none"
    if why := _too_few(metric, labels):
        return found.value, None, None, why
    if name == "accuracy" and resampler.independent:
        lower, upper = intervals.wilson(right=found.value, n=len(labels), alpha=alpha)
        return found.value, lower, upper, "Wilson"
    if metric.rank is not None:
        lower, upper = intervals.student(
            point=found.value,
            error=resampler.standard_error(found.influence()),
            degrees=resampler.degrees,
            alpha=alpha,
        )
        method = f"t interval over {resampler.kind}"
    else:
        drawn = found.combine(rows.resampled(metric, ctx, resampler)[0])
        drawn = drawn[np.isfinite(drawn)]
        if len(drawn) < (1 - MAX_UNDEFINED) * resampler.replicates:
            return found.value, None, None, "undefined on too many resamples"
        lower, upper = resampler.bounds(drawn, point=found.value, alpha=alpha)
        method = f"bootstrap of {resampler.kind}"
        if name == "ece":
            # Noise in the bins only ever adds to the ECE, in the resamples once more than in the data:
            # the reflected interval takes that bias out, the percentile interval would double it.
            lower, upper = 2 * found.value - upper, 2 * found.value - lower
            method = f"reflected {method}"
    low, high = metric.lower, metric.upper
    lower = min(lower if low is None else max(lower, low), found.value)
    upper = max(upper if high is None else min(upper, high), found.value)
    return found.value, lower, upper, method


def _student(found: Comparison, *, alpha: float, method: str) -> Comparison:
    """With the t interval of its gain, error and degrees (None: normal)."""
    assert found.gain is not None and found.error is not None
    degrees = math.inf if found.degrees is None else found.degrees
    lower, upper = intervals.student(
        point=found.gain, error=found.error, degrees=degrees, alpha=alpha
    )
    return replace(found, lower=lower, upper=upper, method=method)


def _delong(found: Comparison, labels: Array, influence: Array, *, alpha: float) -> Comparison:
    error, degrees = ranks.delong_error(labels, influence)
    found = replace(
        found,
        error=error,
        null_error=error,
        degrees=None if math.isinf(degrees) else degrees,
    )
    return _student(found, alpha=alpha, method="DeLong")


def _percentile(
    found: Comparison, gains: Array, resampler: Resampler, *, alpha: float
) -> Comparison:
    """With the percentiles of resampled gains (B,)."""
    assert found.gain is not None
    defined = gains[np.isfinite(gains)]
    if len(defined) < (1 - MAX_UNDEFINED) * len(gains):
        return replace(found, method="undefined on too many resamples")
    lower, upper = resampler.bounds(defined, point=found.gain, alpha=alpha)
    # The bounds must hold the estimate, also when a skewed distribution would not.
    return replace(
        found,
        lower=min(lower, found.gain),
        upper=max(upper, found.gain),
        method=f"paired bootstrap of {resampler.kind}",
    )


def _tango(found: Comparison, rows: Rows, ctx: Context, *, alpha: float) -> Comparison:
    assert rows.production is not None and found.gain is not None
    right = decisions(rows.candidate, ctx) == rows.labels
    was_right = decisions(rows.production, ctx) == rows.labels
    wins, losses = int((right & ~was_right).sum()), int((was_right & ~right).sum())
    count = len(rows.labels)
    lower, upper = intervals.tango(b=wins, c=losses, n=count, alpha=alpha)
    error = math.sqrt(max((wins + losses) / count - found.gain * found.gain, 0.0) / count)
    return replace(
        found,
        lower=lower,
        upper=upper,
        error=error,
        null_error=error,
        wins=wins,
        losses=losses,
        method="Tango",
    )


def _influence(metric: Metric, candidate: Linear, production: Linear, *, relative: bool) -> Array:
    """(n,) influence of each row on the gain; for a relative gain by the quotient rule."""
    of_candidate, of_production = candidate.influence(), production.influence()
    if not relative:
        return metric.sign * (of_candidate - of_production)
    size, ratio = abs(production.value), candidate.value / production.value
    return metric.sign * (of_candidate - ratio * of_production) / size


def _null_influence(metric: Metric, candidate: Linear, production: Linear) -> Array:
    """(n,) influence on the gain if both models were equally good: both weighed by the gradient at their middle.

    With each model's own gradient an outlier of one model also shrinks that model's weight, and the test of
    heavy-tailed errors becomes too eager: RMSE of t(5) errors on 300 rows blocked 6.8 % instead of at most 5 %.
    """
    pooled = (candidate.columns.mean(axis=0) + production.columns.mean(axis=0)) / 2
    gradient = gradient_at(pooled, candidate.columns.std(axis=0), candidate.combine)
    difference = (candidate.columns - production.columns) @ gradient
    centred: Array = metric.sign * (difference - difference.mean())
    return centred


def _resampled_gains(
    metric: Metric,
    rows: Rows,
    ctx: Context,
    candidate: Linear,
    production: Linear,
    resampler: Resampler,
    *,
    relative: bool,
) -> Array:
    with np.errstate(all="ignore"):
        if (
            metric.name == "pr_auc"
            and resampler.independent
            and len(rows.labels) <= EXACT_RANK_ROWS
        ):
            assert rows.production is not None
            weights = resampler.weights()
            new = ranks.weighted_average_precision(rows.labels, rows.candidate, weights)
            old = ranks.weighted_average_precision(rows.labels, rows.production, weights)
        else:
            first, second = rows.resampled(metric, ctx, resampler)
            assert second is not None
            new, old = candidate.combine(first), production.combine(second)
        gains: Array = metric.sign * (new - old)
        return gains / np.abs(old) if relative else gains


def _too_few(metric: Metric, labels: Array) -> str:
    """Why the rows are too few for an interval of this metric; empty when they are not."""
    if metric.rank is not None:
        positives = int(labels.sum())
        rare = min(positives, len(labels) - positives)
        return "too few rows of one class" if rare < MIN_CLASS_ROWS else ""
    at = None if metric.declared is None else metric.declared.at
    if at is not None and min(at, 1 - at) * len(labels) < MIN_TAIL_ROWS:
        return "too few rows beyond the quantile"
    return ""
