"""Tails of the distributions that drift is judged by, without scipy: it would double what the monitor installs.

The two bounds are upper bounds for the probability, so a test that uses them errs on the quiet side.
"""

from __future__ import annotations

import math


def chi_square_bound(statistic: float, *, degrees: int) -> float:
    """At least P(chi square with `degrees` >= `statistic`).

    H. Chernoff (1952), Annals of Mathematical Statistics 23, 493-507, applied to the chi-square distribution.
    """
    ratio = statistic / degrees
    if ratio <= 1:
        return 1.0
    return math.exp(degrees / 2 * (1 - ratio + math.log(ratio)))


def binomial_bound(count: float, *, rows: float, share: float) -> float:
    """At least P(of `rows` independent rows `count` or more are of a kind that has this `share`). Chernoff (1952)."""
    found = count / rows
    if found <= share:
        return 1.0
    if share <= 0:
        return 0.0
    distance = found * math.log(found / share)
    if found < 1:
        distance += (1 - found) * math.log((1 - found) / (1 - share))
    return math.exp(-rows * distance)


def student_tail(t: float, *, degrees: int) -> float:
    """P(|T| >= t) of Student's distribution: the finite series for whole degrees.

    M. Abramowitz and I. A. Stegun (1964), Handbook of Mathematical Functions, 26.7.3 and 26.7.4.
    """
    angle = math.atan(t / math.sqrt(degrees))
    cosine, odd = math.cos(angle) ** 2, degrees % 2
    term = total = 0.0
    if degrees > 1:
        term = total = math.cos(angle) if odd else 1.0
        for k in range(3 if odd else 2, degrees - 1, 2):
            term *= cosine * (k - 1) / k
            total += term
    inside = math.sin(angle) * total
    return 1 - (2 / math.pi * (angle + inside) if odd else inside)


def student_limit(alpha: float, *, degrees: int) -> float:
    """The t that |T| reaches with probability `alpha`, by bisection."""
    low, high = 0.0, 1.0
    while student_tail(high, degrees=degrees) > alpha and high < 1e9:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        if student_tail(middle, degrees=degrees) > alpha:
            low = middle
        else:
            high = middle
    return high


NORMAL_95 = 1.959963984540054


def wilson(share: float, *, rows: int) -> tuple[float, float]:
    """The 95 % interval of a share of independent rows. E. B. Wilson (1927), JASA 22, 209-212."""
    z2 = NORMAL_95**2
    centre = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    reach = NORMAL_95 / (1 + z2 / rows) * math.sqrt(share * (1 - share) / rows + z2 / (4 * rows**2))
    return max(0.0, centre - reach), min(1.0, centre + reach)
