"""How often a test set has judged, and how much error is left for the next look at it.

A look is one candidate (by sha256) judged on one test set. The first look may err with four fifths of the declared
rate, each later one with half of what is left. All looks together then err at the declared rate at most, whatever the
candidates have in common (Bonferroni). For candidates made from earlier reports that is not enough: k answers of yes
or no choose among 2^k candidates, hence the factor of two for each (Renggli et al. 2019, "Continuous integration of
machine learning models with ease.ml/ci"). A report tells more than yes or no, so tests/simulation/test_reuse.py lets
candidates climb by its numbers.

Running `check` again on the same candidate is no new look. Test sets that share half of their rows are one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gitops_model.evaluation import sketch as rows

# The share of the first look: most test sets judge few candidates.
FIRST = 0.8
# Looks after which nothing is left to halve.
LAST = 160


@dataclass(frozen=True, kw_only=True)
class Look:
    """One evaluation; `sketch` tells test sets of mostly the same rows (see `sketch`), "" knows them by hash alone."""

    test_sha256: str
    candidate_sha256: str
    sketch: str = ""


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """Where this evaluation stands: the how-manieth look at its test set, and the error rate it may use."""

    looks: int
    budget: int
    alpha: float
    warning: str | None

    @property
    def width(self) -> float:
        """How much farther a bound is from the estimate than at the first look."""
        return width(self.alpha, self.looks)

    @property
    def luck(self) -> float:
        """Expected best of `looks` equally good candidates, in standard errors (Blom's approximation)."""
        # Imported here, because what only shows a report does without scipy.
        from scipy.special import ndtri

        return 0.0 if self.looks < 2 else float(ndtri((self.looks - 0.375) / (self.looks + 0.25)))


def account(past: Sequence[Look], now: Look, *, budget: int, alpha: float) -> Ledger:
    """The place of `now` among the past looks, oldest first, at the same test set; a known candidate keeps its own."""
    # Looks are many, test sets few.
    sketches = {look.sketch for look in past if look.sketch}
    near = {each for each in sketches if rows.overlap(each, now.sketch) >= rows.SAME}
    same = {now.test_sha256, *(look.test_sha256 for look in past if look.sketch in near)}
    seen = list(dict.fromkeys(look.candidate_sha256 for look in past if look.test_sha256 in same))
    known = now.candidate_sha256 in seen
    looks = seen.index(now.candidate_sha256) + 1 if known else len(seen) + 1
    found = Ledger(looks=looks, budget=budget, alpha=allowed(alpha, looks), warning=None)
    if looks <= budget:
        return found
    return replace(
        found,
        warning=(
            f"This is candidate {looks} judged on the same test rows, and {budget} are meant to be "
            f"(gates.yaml: test_set.looks). Its bounds are {found.width:.1f} times as wide as the first one's. Choose "
            "fresh test rows."
        ),
    )


def allowed(alpha: float, looks: int) -> float:
    """The error rate of look number `looks`, 1 or more; `alpha` is what all of them share."""
    return alpha * _share(looks)


def held(past: Sequence[Look], now: Look, *, best_sha256: str, alpha: float) -> float:
    """The error rate of a comparison with the best release so far, whatever rows it is made on.

    Fresh rows do not help against creep: of many proposals one passes, on its own rows. So the j-th candidate since
    that release was judged may err with alpha / (j (j + 1)), and all together with alpha at most.
    """
    candidates = list(dict.fromkeys(look.candidate_sha256 for look in past))
    if best_sha256 in candidates:
        candidates = candidates[candidates.index(best_sha256) + 1 :]
    mine = now.candidate_sha256
    tries = candidates.index(mine) + 1 if mine in candidates else len(candidates) + 1
    return alpha / (tries * (tries + 1))


def declared(alpha: float, looks: int) -> float:
    """The inverse of `allowed`: the error rate of gates.yaml, from the one of look number `looks`."""
    return min(0.5, alpha / _share(looks))


def _share(looks: int) -> float:
    return FIRST if looks <= 1 else (1 - FIRST) * 0.5 ** min(looks - 1, LAST)


def width(alpha: float, looks: int) -> float:
    """How much farther a bound of look number `looks`, at `alpha`, is from the estimate than the first look's."""
    from scipy.special import ndtri

    return float(ndtri(alpha) / ndtri(declared(alpha, looks) * FIRST))
