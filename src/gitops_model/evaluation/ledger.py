"""How often a test set has judged. Each further candidate makes it likelier that one passes by luck.

A look is one candidate (by sha256) judged on one test set (by hash). Running `check` again on the same candidate is
not a new look. Past the budget the error rate is shared out: alpha x budget / looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import ndtri


@dataclass(frozen=True, kw_only=True)
class Look:
    """One earlier evaluation, as Git remembers it."""

    test_sha256: str
    candidate_sha256: str


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """Where this evaluation stands: the how-manieth look at its test set, and the error rate it may use."""

    looks: int
    budget: int
    alpha: float
    warning: str | None

    @property
    def luck(self) -> float:
        """Expected best of `looks` equally good candidates, in standard errors (Blom's approximation)."""
        return 0.0 if self.looks < 2 else float(ndtri((self.looks - 0.375) / (self.looks + 0.25)))


def account(
    past: Sequence[Look], *, test_sha256: str, candidate_sha256: str, budget: int, alpha: float
) -> Ledger:
    """Count this look among the past ones on the same test set."""
    seen = {look.candidate_sha256 for look in past if look.test_sha256 == test_sha256}
    looks = len(seen | {candidate_sha256})
    if looks <= budget:
        return Ledger(looks=looks, budget=budget, alpha=alpha, warning=None)
    adjusted = alpha * budget / looks
    return Ledger(
        looks=looks,
        budget=budget,
        alpha=adjusted,
        warning=(
            f"This is candidate {looks} judged on the same test set; its budget is {budget} "
            f"(gates.yaml: test_set.looks). Each bound now uses {1 - adjusted:.2%} confidence instead of "
            f"{1 - alpha:.2%}. Choose fresh test rows."
        ),
    )
