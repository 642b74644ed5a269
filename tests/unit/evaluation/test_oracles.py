"""Every closed form of the gate against scipy, statsmodels or scikit-learn, each on 200 random cases.

The example of `block_length` is in test_calendar.py: no package here has another implementation of it.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator

import numpy as np
import pytest
from scipy import optimize, special, stats
from sklearn import metrics as sklearn_metrics
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import zt_ind_solve_power
from statsmodels.stats.proportion import proportion_confint

from gitops_model.evaluation import intervals, latency, ranks, slices
from gitops_model.evaluation.ledger import Ledger
from gitops_model.evaluation.resampling import Resampler

CASES = 200
EXACT = 1e-9


def cases(seed: int) -> Iterator[np.random.Generator]:
    for number in range(CASES):
        yield np.random.default_rng([seed, number])


def binary(draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels with both classes, and two models' scores with ties."""
    rows = int(draw.integers(20, 200))
    labels = np.zeros(rows)
    labels[: int(draw.integers(3, rows - 3))] = 1
    draw.shuffle(labels)
    first, second = np.round(draw.normal(size=(2, rows)) + labels, int(draw.integers(1, 4)))
    return labels, first, second


def test_tango_score_against_the_likelihood_maximised_by_scipy() -> None:
    for draw in cases(1):
        n = int(draw.integers(20, 3000))
        b, c, _ = (int(k) for k in draw.multinomial(n, [0.05, 0.08, 0.87]))
        d = float(draw.uniform(-0.3, 0.3))

        # p21 is the share of rows that only production gets right; the likelihood is concave in it.
        def slope(q: float, b: int = b, c: int = c, n: int = n, d: float = d) -> float:
            return b / (q + d) + c / q - 2 * (n - b - c) / (1 - 2 * q - d)

        low, high = max(0.0, -d), (1 - d) / 2
        inside = 1e-13
        ends = slope(low + inside), slope(high - inside)
        q = (
            low
            if ends[0] <= 0
            else high
            if ends[1] >= 0
            else optimize.brentq(slope, low + inside, high - inside, xtol=1e-15)
        )
        expected = (b - c - n * d) / math.sqrt(n * (2 * q + d - d * d))
        found = intervals.tango_score(b=b, c=c, n=n, difference=d)
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_tango_bounds_are_where_the_score_reaches_the_normal_quantile() -> None:
    for draw in cases(2):
        n, alpha = int(draw.integers(20, 3000)), float(draw.choice([0.05, 0.01, 0.001]))
        b, c, _ = (int(k) for k in draw.multinomial(n, [0.05, 0.08, 0.87]))
        lower, upper = intervals.tango(b=b, c=c, n=n, alpha=alpha)
        for bound, sign in ((lower, 1), (upper, -1)):
            score = intervals.tango_score(b=b, c=c, n=n, difference=bound)
            assert score == pytest.approx(sign * stats.norm.isf(alpha), abs=1e-6)


def test_mcnemar_against_statsmodels_and_scipy() -> None:
    for draw in cases(3):
        b, c = (int(k) for k in draw.integers(0, 60, size=2))
        found = intervals.mcnemar_less(b=b, c=c)
        if b + c:
            assert found == pytest.approx(
                stats.binomtest(b, b + c, alternative="less").pvalue, rel=EXACT
            )
        if b < c:
            two_sided = mcnemar([[0, b], [c, 0]], exact=True).pvalue
            assert min(1.0, 2 * found) == pytest.approx(two_sided, rel=EXACT)


def test_wilson_against_statsmodels() -> None:
    for draw in cases(4):
        n, alpha = int(draw.integers(5, 5000)), float(draw.uniform(0.001, 0.2))
        right = int(draw.integers(0, n + 1))
        expected = proportion_confint(right, n, alpha=2 * alpha, method="wilson")
        found = intervals.wilson(right=right / n, n=n, alpha=alpha)
        assert found == pytest.approx(expected, rel=EXACT, abs=EXACT)


def test_student_against_scipy() -> None:
    for draw in cases(5):
        point, error = float(draw.normal()), float(draw.uniform(0.01, 2))
        degrees, alpha = float(draw.uniform(1, 80)), float(draw.uniform(0.001, 0.3))
        expected = stats.t.interval(1 - 2 * alpha, degrees, loc=point, scale=error)
        found = intervals.student(point=point, error=error, degrees=degrees, alpha=alpha)
        assert found == pytest.approx(expected, rel=EXACT)
        found = intervals.student(point=point, error=error, degrees=math.inf, alpha=alpha)
        assert found == pytest.approx(
            stats.norm.interval(1 - 2 * alpha, loc=point, scale=error), rel=EXACT
        )
        p = intervals.student_p(difference=point, error=error, degrees=degrees)
        assert p == pytest.approx(stats.t.cdf(point, degrees, scale=error), rel=EXACT)


def test_rows_needed_have_the_power_that_statsmodels_computes() -> None:
    for draw in cases(6):
        rows, error = int(draw.integers(50, 5000)), float(draw.uniform(0.001, 0.05))
        margin, alpha = float(draw.uniform(0.005, 0.1)), float(draw.uniform(0.01, 0.1))
        found = intervals.rows_needed(rows=rows, error=error, margin=margin, alpha=alpha)
        spread = error * math.sqrt(rows)
        expected = zt_ind_solve_power(
            effect_size=margin / spread, alpha=alpha, power=intervals.POWER, ratio=0, alternative="larger"
        )  # fmt: skip
        assert found == max(1, math.ceil(float(np.squeeze(expected)) - 1e-6))


def test_rows_for_identical_are_the_fewest_that_pass() -> None:
    for draw in cases(7):
        margin, alpha = float(draw.uniform(0.004, 0.2)), float(draw.uniform(0.001, 0.2))
        found = intervals.rows_for_identical(margin=margin, alpha=alpha)
        for rows, passes in ((found, True), (found - 1, False)):
            if rows > 0:
                lower, _ = intervals.tango(b=0, c=0, n=rows, alpha=alpha)
                assert (lower > -margin) is passes


def test_midranks_and_auc_against_scipy() -> None:
    for draw in cases(8):
        labels, scores, _ = binary(draw)
        assert ranks.midranks(scores) == pytest.approx(stats.rankdata(scores), rel=EXACT)
        high, low = scores[labels == 1], scores[labels == 0]
        expected = stats.mannwhitneyu(high, low).statistic / (len(high) * len(low))
        assert ranks.roc_auc(labels, scores)[0] == pytest.approx(expected, rel=EXACT)


def test_delong_against_welchs_test_of_scipy() -> None:
    # The error of a difference of AUCs is that of two means: of positives' placements and of negatives'. All pairs are
    # compared here; the gate uses midranks.
    for draw in cases(9):
        labels, first, second = binary(draw)
        positive = labels == 1
        wins = [
            np.sign(scores[positive][:, None] - scores[~positive][None, :]) / 2 + 0.5
            for scores in (first, second)
        ]
        gap = wins[0] - wins[1]
        welch = stats.ttest_ind(gap.mean(axis=1), -gap.mean(axis=0), equal_var=False)
        error, degrees = ranks.delong_error(
            labels, ranks.roc_auc(labels, first)[1] - ranks.roc_auc(labels, second)[1]
        )
        if abs(gap.mean()) > 1e-6:
            assert error == pytest.approx(2 * gap.mean() / welch.statistic, rel=1e-7)
        assert degrees == pytest.approx(welch.df, rel=1e-7)


def test_average_precision_against_scikit_learn() -> None:
    for draw in cases(10):
        labels, scores, _ = binary(draw)
        expected = sklearn_metrics.average_precision_score(labels, scores)
        assert ranks.average_precision(labels, scores)[0] == pytest.approx(expected, rel=EXACT)
        weights = draw.multinomial(len(labels), np.full(len(labels), 1 / len(labels)))
        if (weights * labels).sum():
            found = ranks.weighted_average_precision(labels, scores, weights[None, :].astype(float))
            weighted = sklearn_metrics.average_precision_score(
                labels, scores, sample_weight=weights
            )
            assert found[0] == pytest.approx(weighted, rel=EXACT)


def test_holm_against_statsmodels(monkeypatch: pytest.MonkeyPatch) -> None:
    # statsmodels collects garbage each time, which takes the fiftieth of a second in a large process.
    monkeypatch.setattr(gc, "collect", lambda: 0)
    for draw in cases(11):
        p_values = draw.uniform(size=int(draw.integers(1, 40))) ** 3
        expected = multipletests(p_values, alpha=0.05, method="holm")[0]
        assert slices.holm(p_values.tolist(), alpha=0.05) == expected.tolist()


def test_the_error_of_groups_against_leaving_each_out() -> None:
    for draw in cases(12):
        group = draw.integers(0, int(draw.integers(3, 15)), size=int(draw.integers(40, 120)))
        values = draw.normal(size=len(group)) + draw.normal(size=15)[group]
        resampler = Resampler(len(group), seed=0, group=group)
        names = np.unique(group)
        without = np.array([values[group != name].mean() for name in names])
        count = len(names)
        expected = math.sqrt((count - 1) / count * np.sum((without - values.mean()) ** 2))
        assert resampler.standard_error(values - values.mean()) == pytest.approx(
            expected, rel=EXACT
        )
        share = np.array([np.mean(group == name) for name in names])
        assert resampler.effective == pytest.approx(1 / np.sum(share**2), rel=EXACT)
        if count > 2:
            tail = stats.norm.cdf(
                math.sqrt(resampler.effective / resampler.degrees)
                * stats.t.ppf(0.05, resampler.degrees)
            )
            assert resampler.tail(0.05) == pytest.approx(tail, rel=EXACT)


def test_bounds_of_a_quantile_against_scipy() -> None:
    for draw in cases(13):
        values, q = draw.exponential(size=int(draw.integers(60, 600))), 0.95
        lower, upper = latency.quantile_interval(values, q, alpha=0.05)
        # At the bound itself the test is on the edge; scipy must reject just beyond it.
        if math.isfinite(upper):
            beyond = stats.quantile_test(values, q=upper * (1 + 1e-9), p=q, alternative="less")
            assert beyond.pvalue <= 0.05
        if lower > 0:
            beyond = stats.quantile_test(values, q=lower * (1 - 1e-9), p=q, alternative="greater")
            assert beyond.pvalue <= 0.05


def test_luck_against_the_expected_best_of_so_many() -> None:
    nodes, weights = special.roots_hermitenorm(120)
    for looks in range(2, CASES + 2):
        best = float(
            np.sum(weights * nodes * looks * special.ndtr(nodes) ** (looks - 1))
            / math.sqrt(2 * math.pi)
        )
        found = Ledger(looks=looks, budget=looks, alpha=0.05, warning=None).luck
        assert found == pytest.approx(best, rel=0.05)
