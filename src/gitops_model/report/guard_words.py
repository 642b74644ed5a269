"""What the slice guard leaves open, in words: slices it could not decide, and what small ones could hide."""

from __future__ import annotations

from collections.abc import Sequence

from gitops_model.formats.check import JUDGED, Check, SliceRow, SliceState
from gitops_model.report import quantities


def undecided(slices: Sequence[SliceRow], *, relative: bool) -> str:
    """How many judged slices may still have lost too much, as the end of a sentence; empty for none."""
    found = [row for row in slices if row.state is SliceState.UNDECIDED]
    if not found:
        return ""
    worst = min(found, key=_lower)
    return (
        f"; {len(found)} undecided: {worst.slice} may have lost {_hidden(worst, relative=relative)}"
    )


def too_small(slices: Sequence[SliceRow], *, relative: bool) -> str:
    """How many were not judged, and the loss that would not have been seen there; empty for none."""
    if not slices:
        return ""
    compared = [row for row in slices if row.delta is not None]
    if not compared:
        return f"; {len(slices)} too small to judge"
    hidden = _hidden(min(compared, key=_lower), relative=relative)
    return f"; {len(slices)} too small to judge, where a loss of {hidden} would not be seen"


def open_ended(check: Check) -> str:
    """Why the guard shows no tick though it blocks nothing, in a few words; empty when it decided all it judged."""
    states = [row.state for row in check.slices]
    if count := states.count(SliceState.UNDECIDED):
        return f"{count} undecided"
    return "none judged" if states and not set(states) & set(JUDGED) else ""


def _lower(row: SliceRow) -> float:
    return float("-inf") if row.lower is None else row.lower


def _hidden(row: SliceRow, *, relative: bool) -> str:
    if row.lower is None:
        return "any size"
    share = quantities.share(row, relative=relative)
    return f"up to {quantities.margin(min(0.0, row.lower), relative=share)}"
