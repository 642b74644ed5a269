"""Closed-form one-sided bounds and sample sizes.

Every function gives bounds (L, U) that are each one-sided at level `alpha`; together they are a two-sided
interval at 1 - 2 alpha.
"""

from __future__ import annotations

import math

from scipy.optimize import brentq
from scipy.special import bdtr, ndtr, ndtri, stdtr, stdtrit

POWER = 0.8


def tango_score(*, b: int, c: int, n: int, difference: float) -> float:
    """Tango's score statistic for H0: p(candidate right) - p(production right) = `difference`.

    b: rows only the candidate got right, c: rows only production got right, n: all rows. About standard normal
    under H0; positive values speak for a larger difference. T. Tango (1998), Statistics in Medicine 17, 891-908.
    """
    root = (-b - c + (2 * n - b + c) * difference) ** 2 + 8 * n * c * difference * (1 - difference)
    q = (math.sqrt(max(root, 0.0)) - (-b - c + (2 * n - b + c) * difference)) / (4 * n)
    variance = n * (2 * q + difference * (1 - difference))
    numerator = b - c - n * difference
    if variance <= 0:
        return 0.0 if numerator == 0 else math.copysign(math.inf, numerator)
    return numerator / math.sqrt(variance)


def tango(*, b: int, c: int, n: int, alpha: float) -> tuple[float, float]:
    """Bounds of the difference of two paired proportions by inverting the score test."""
    z = -float(ndtri(alpha))
    point = (b - c) / n

    def solve(target: float, outer: float) -> float:
        def gap(difference: float) -> float:
            return tango_score(b=b, c=c, n=n, difference=difference) - target

        edge = outer * (1 - 1e-12)
        if gap(edge) * gap(point) > 0:
            return outer
        return float(brentq(gap, min(edge, point), max(edge, point), xtol=1e-12))

    lower = -1.0 if point <= -1 else solve(z, -1.0)
    upper = 1.0 if point >= 1 else solve(-z, 1.0)
    return lower, upper


def mcnemar_less(*, b: int, c: int) -> float:
    """One-sided exact p-value against "the candidate is right at least as often": P(binomial(b + c, 1/2) <= b)."""
    return 1.0 if b + c == 0 else float(bdtr(float(b), b + c, 0.5))


def wilson(*, right: float, n: int, alpha: float) -> tuple[float, float]:
    """Wilson's score bounds of one proportion `right` (0..1) on n independent rows."""
    z = -float(ndtri(alpha))
    centre = (right + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(right * (1 - right) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def student(*, point: float, error: float, degrees: float, alpha: float) -> tuple[float, float]:
    """point -/+ t quantile x standard error; `degrees` may be infinite (normal)."""
    quantile = -float(ndtri(alpha) if math.isinf(degrees) else stdtrit(degrees, alpha))
    return point - quantile * error, point + quantile * error


def student_p(*, difference: float, error: float, degrees: float) -> float:
    """P(estimate this low or lower) when the truth is 0: small values are evidence that it is below 0."""
    if error == 0:
        return 0.0 if difference < 0 else 1.0
    return float(
        ndtr(difference / error) if math.isinf(degrees) else stdtr(degrees, difference / error)
    )


def rows_needed(*, rows: int, error: float, margin: float, alpha: float) -> int | None:
    """Rows at which a candidate exactly as good as production passes 8 times in 10.

    The standard error seen on `rows` rows is scaled: n = rows ((z(1-alpha) + z(0.8)) error / margin)^2.
    None when that cannot be said (no margin or no finite error).
    """
    if margin <= 0 or not math.isfinite(error):
        return None
    reach = float(ndtri(POWER) - ndtri(alpha)) * error / margin
    return max(1, math.ceil(rows * reach * reach))


def rows_for_identical(*, margin: float, alpha: float) -> int:
    """Fewest rows on which a candidate that is right on exactly the same rows passes Tango's test at `margin`.

    Without any disagreement the score bound is -z^2 / (n + z^2).
    """
    z = -float(ndtri(alpha))
    return math.floor(z * z * (1 / margin - 1)) + 1
