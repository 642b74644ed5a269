"""Which release is the best so far: the last one that was shown to be better than the best before it.

A release is judged against the best one on the same rows, and its record keeps the bounds of that gain. Only a lower
bound above zero moves the anchor: an estimate alone would let luck move it, mostly to the worse, for who was lucky is
released.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gitops_model.formats.line import Milestone


@dataclass(frozen=True, kw_only=True)
class Served:
    """A release that served, and the field `gates` and `baseline` of its record; {} and None where there is none."""

    model: str
    sha256: str
    gates: Mapping[str, Any]
    baseline: Mapping[str, Any] | None


def milestones(
    served: Sequence[Served], *, metric: str, since: str | None = None
) -> list[Milestone]:
    """The line of releases that served, oldest first. `since` begins it anew with that release, if it served.

    The first release is the best until another is shown to be better. Releases of a library that kept no bounds come
    before all others, and each counts as the best: nobody compared them.
    """
    begun = next((place for place, each in enumerate(served) if each.model == since), 0)
    found: list[Milestone] = []
    anchor: str | None = None
    compared = False
    for place, each in enumerate(served):
        against, lower = _against(each.gates)
        compared = compared or against is not None
        best = (
            anchor is None
            or place == begun
            or (not compared and place > begun)
            or (against == anchor and lower is not None and lower > 0)
        )
        if best:
            anchor = each.sha256
        found.append(
            Milestone(
                model=each.model, gain=_gain(each.baseline, metric), best=best and place >= begun
            )
        )
    return found


def _against(gates: Mapping[str, Any]) -> tuple[str | None, float | None]:
    """(sha256 of the best release it was judged against, lower bound of its gain)."""
    data = gates.get("anchor")
    if not isinstance(data, Mapping) or not isinstance(data.get("sha256"), str):
        return None, None
    lower = data.get("lower")
    number = isinstance(lower, (int, float)) and not isinstance(lower, bool)
    return data["sha256"], float(lower) if number else None  # type: ignore[arg-type]


def _gain(baseline: Mapping[str, Any] | None, metric: str) -> float | None:
    gains = {} if baseline is None else baseline.get("deltas")
    gain = gains.get(metric) if isinstance(gains, Mapping) else None
    return float(gain) if isinstance(gain, (int, float)) and not isinstance(gain, bool) else None
