"""Closed forms against published worked examples, independent brute force and scipy."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from gitops_model.evaluation import intervals, ranks
from tests.support import cases

# Published example for Tango and McNemar. Complete response before and after consolidation therapy (Cavo et al. 2012):
# 59 both, 6 and 16 discordant, 80 neither. Results as in Fagerland, Lydersen, Laake, "Statistical Analysis of
# Contingency Tables" (2017), chapter 8, and its R package contingencytables, tests of chapter 8.
CAVO = {"b": 6, "c": 16}


def test_tango_agrees_with_the_published_example():
    lower, upper = intervals.tango(**CAVO, n=161, alpha=0.025)
    assert (6 - 16) / 161 == pytest.approx(-0.0621, abs=5e-5)
    assert (lower, upper) == (pytest.approx(-0.1240, abs=5e-5), pytest.approx(-0.0054, abs=5e-5))


def test_mcnemar_agrees_with_the_published_example():
    assert 2 * intervals.mcnemar_less(**CAVO) == pytest.approx(0.052479, abs=5e-7)


def numbers(text: str) -> list[int]:
    return [int(word) for word in text.split()]


# Published example for DeLong: aSAH, 41 poor and 72 good outcomes (Robin et al. 2011, BMC Bioinformatics 12:77,
# the example of R's pROC::roc.test). Its own tests list each patient's placement values; from these (times 144 for
# poor, 82 for good outcomes) the rank order of the two markers is rebuilt here.
WFNS = (
    numbers(
        """
    117 94 128 140 140 140 140 94 140 94 37 94 140 128 128 94 140 140 140 94 140 94 140 94 128 140 128 128 37
    128 128 94 94 140 140 94 94 140 140 140 140
        """
    ),
    numbers(
        """
    80 80 80 80 18 80 66 66 80 66 66 80 80 80 66 80 66 80 80 53 44 80 44 80 18 18 80 80 66 44 80 80 66 66 80
    66 80 66 66 80 80 80 80 66 80 66 80 80 53 66 44 66 80 44 80 80 18 44 66 66 80 80 80 53 80 66 66 44 44 80
    80 80
        """
    ),
)
S100B = (
    numbers(
        """
    81 63 103 78 130 144 140 26 123 50 26 128 126 139 144 118 144 144 144 26 144 120 0 50 116 144 118 144 38
    118 81 63 74 116 144 88 144 121 144 144 130
        """
    ),
    numbers(
        """
    58 55 66 80 28 52 66 66 80 73 80 70 63 77 52 77 63 58 52 80 53 55 36 70 24 28 53 77 32 28 63 73 70 73 80
    58 66 55 54 80 80 70 80 70 73 53 70 73 37 63 42 77 66 39 77 80 48 34 66 54 73 55 66 77 80 52 54 28 52 54
    24 27
        """
    ),
)


def scores_from_placements(poor, good):
    """Scores on the scale "good outcomes below": a poor outcome's is its placement, a good one's its tie's middle."""
    good = np.array(good)
    below = np.array(
        [np.sum(good > g) for g in good]
    )  # fewer poor outcomes above means a higher score
    same = np.array([np.sum(good == g) for g in good])
    return np.concatenate([np.array(poor) / 2, below + same / 2])


def test_delong_agrees_with_the_published_example():
    labels = np.repeat([1.0, 0.0], [41, 72])
    wfns, s100b = scores_from_placements(*WFNS), scores_from_placements(*S100B)
    for scores, (poor, good) in ((wfns, WFNS), (s100b, S100B)):
        above, below = ranks.placements(labels, scores)
        np.testing.assert_allclose(above * 144, poor, atol=1e-9)
        np.testing.assert_allclose(below * 82, good, atol=1e-9)
    first, second, error = cases.delong(labels, wfns, s100b)
    assert first == pytest.approx(0.823678861788618, abs=1e-12)
    assert second == pytest.approx(0.731368563685637, abs=1e-12)
    assert (first - second) / error == pytest.approx(2.20898359144091, abs=1e-10)
    assert intervals.student(point=first - second, error=error, degrees=math.inf, alpha=0.025) == (
        pytest.approx(0.0104061769564846, abs=1e-10),
        pytest.approx(0.174214419249478, abs=1e-10),
    )


def test_delong_agrees_with_the_definition_by_all_pairs():
    generator = np.random.default_rng(4)
    labels = np.repeat([1.0, 0.0], [30, 50])
    first, second = np.round(generator.normal(size=(2, 80)) + labels, 1)

    def components(scores):
        kernel = np.array([[(x > y) + (x == y) / 2 for y in scores[30:]] for x in scores[:30]])
        return kernel.mean(axis=1), kernel.mean(axis=0)

    (x1, y1), (x2, y2) = components(first), components(second)
    s10, s01 = np.cov(x1, x2), np.cov(y1, y2)
    contrast = np.array([1, -1])
    variance = contrast @ (s10 / 30 + s01 / 50) @ contrast
    assert cases.delong(labels, first, second)[2] == pytest.approx(math.sqrt(variance), rel=1e-12)


def test_tango_score_agrees_with_maximising_the_likelihood():
    # The restricted maximum likelihood of p01 by brute force on a grid, then the score statistic by its definition.
    b, c, n, difference = 9, 14, 120, -0.08
    p01 = np.linspace(0.0801, 0.95, 200_000)
    p10 = p01 + difference
    valid = (p10 > 0) & (p10 + p01 < 1)
    p01, p10 = p01[valid], p10[valid]
    likelihood = b * np.log(p10) + c * np.log(p01) + (n - b - c) * np.log(1 - p10 - p01)
    q = p01[np.argmax(likelihood)]
    expected = (b - c - n * difference) / math.sqrt(n * (2 * q + difference * (1 - difference)))
    found = intervals.tango_score(b=b, c=c, n=n, difference=difference)
    assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("b", "c", "n"), [*itertools.product([0, 1, 5], [0, 1, 5], [10, 1000])])
@pytest.mark.parametrize("alpha", [0.05, 0.001])
def test_tango_bounds_are_where_the_score_reaches_the_quantile(b, c, n, alpha):
    lower, upper = intervals.tango(b=b, c=c, n=n, alpha=alpha)
    z = stats.norm.ppf(1 - alpha)
    assert -1 <= lower <= (b - c) / n <= upper <= 1
    assert intervals.tango_score(b=b, c=c, n=n, difference=lower) == pytest.approx(z, abs=1e-5)
    assert intervals.tango_score(b=b, c=c, n=n, difference=upper) == pytest.approx(-z, abs=1e-5)


def test_tango_at_the_edges():
    assert intervals.tango(b=7, c=0, n=7, alpha=0.05)[1] == 1
    assert intervals.tango(b=0, c=7, n=7, alpha=0.05)[0] == -1


def test_one_sided_mcnemar_agrees_with_scipy():
    for b, c in ((3, 9), (9, 3), (0, 0), (20, 60), (40, 41), (0, 6)):
        expected = stats.binomtest(b, b + c, alternative="less").pvalue if b + c else 1
        assert intervals.mcnemar_less(b=b, c=c) == pytest.approx(expected)


def test_wilson_agrees_with_scipy():
    expected = stats.binomtest(83, 120).proportion_ci(confidence_level=0.9, method="wilson")
    assert intervals.wilson(right=83 / 120, n=120, alpha=0.05) == pytest.approx(
        (expected.low, expected.high)
    )


def test_student_p_is_the_lower_tail():
    assert intervals.student_p(difference=-2, error=1, degrees=9) == pytest.approx(
        stats.t.cdf(-2, 9)
    )
    assert intervals.student_p(difference=-2, error=1, degrees=math.inf) == pytest.approx(
        stats.norm.cdf(-2)
    )
    assert intervals.student_p(difference=-0.1, error=0, degrees=5) == 0
    assert intervals.student_p(difference=0, error=0, degrees=5) == 1


# n = (z(.95) + z(.8))^2 psi / margin^2, the usual sample size of a paired comparison with equal models.
@pytest.mark.parametrize(
    ("margin", "disagreement", "rows"),
    [(0.005, 0.08, 19785), (0.01, 0.08, 4947), (0.02, 0.05, 773), (0.05, 0.02, 50)],
)
def test_rows_needed(margin, disagreement, rows):
    error = math.sqrt(disagreement / 1000)
    assert intervals.rows_needed(rows=1000, error=error, margin=margin, alpha=0.05) == rows


def test_rows_needed_has_no_answer_without_margin_or_error():
    assert intervals.rows_needed(rows=10, error=0.1, margin=0, alpha=0.05) is None
    assert intervals.rows_needed(rows=10, error=math.inf, margin=0.1, alpha=0.05) is None


def test_rows_for_identical_is_the_first_that_passes():
    rows = intervals.rows_for_identical(margin=0.02, alpha=0.05)
    assert intervals.tango(b=0, c=0, n=rows, alpha=0.05)[0] > -0.02
    assert intervals.tango(b=0, c=0, n=rows - 1, alpha=0.05)[0] < -0.02
