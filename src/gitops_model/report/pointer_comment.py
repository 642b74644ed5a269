"""The comment on a pull request that changes production.yaml: what would serve, how it compares, and the way back.

What is not known is left out. Every text is escaped where it stands in the template.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gitops_model import templates
from gitops_model.evaluation.metrics import CATALOGUE
from gitops_model.formats import record
from gitops_model.markdown import tidy, unbroken, units
from gitops_model.report import facts, quantities
from gitops_model.report.heading import LONGEST, VERDICTS, Verdict
from gitops_model.report.sentences import capital

# What is seen without opening a fold.
LINES = 8
# Texts of this many characters are cut, so that the whole stays far below what GitHub takes.
ROOM = 1000


@dataclass(frozen=True, kw_only=True)
class Delta:
    """One metric of the release that would serve against the one that does; `gain` is positive when better."""

    metric: str
    old: float
    new: float
    gain: float
    remark: str = ""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Up to three metrics of two releases, and on which rows they were measured, in words."""

    old: str
    new: str
    deltas: tuple[Delta, ...]
    measured: str


@dataclass(frozen=True, kw_only=True)
class Move:
    """A change of production.yaml as its comment shows it. `reasons` stand against it, `notes` do not.

    `change` is from → to. `restorable`: the release that serves now was found, so a rollback can bring it back.
    `served` says how long the current release has served, `way_back` what a rollback would return to, `following` what
    to run next; each is None where nobody knows.
    """

    change: str
    kind: Literal["ship", "rollback"] = "ship"
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    comparison: Comparison | None = None
    served: str | None = None
    way_back: str | None = None
    restorable: bool = True
    following: str | None = None

    @property
    def state(self) -> str:
        """`blocked` when anything stands against it, else `pass`."""
        return "blocked" if self.reasons else "pass"

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        return f"{head(self).line}."


def head(move: Move) -> Verdict:
    """The verdict: the change itself when it may be merged, else the first reason against it."""
    mark, word = VERDICTS[move.state]
    if not move.reasons:
        word = "May roll back" if move.kind == "rollback" else word
        return Verdict(state=move.state, mark=mark, word=word, reason=_short(move.change))
    others = f", and {len(move.reasons) - 1} more" if len(move.reasons) > 1 else ""
    reason = f"{_short(_first_sentence(move.reasons[0]))}{others}"
    return Verdict(state=move.state, mark=mark, word=word, reason=reason)


def render(move: Move, *, limit: int, footer: Sequence[str] = ()) -> str:
    """At most `limit` UTF-16 units of Markdown; `footer` lines are the caller's and used as they are."""
    verdict = head(move)
    # One reason that stands whole in the heading is not said again.
    whole = len(move.reasons) == 1 and verdict.reason == move.reasons[0].rstrip(".")
    most = max(len(move.reasons), len(move.notes))
    while True:
        shown = templates.render(
            "gitops_model.report",
            "pointer.md.j2",
            head=verdict,
            move=move,
            reasons=() if whole else tuple(map(_opened, move.reasons[:most])),
            left_out=0 if whole else max(0, len(move.reasons) - most),
            notes=tuple(map(_opened, move.notes[:most])),
            columns=tuple(facts.column(m) for m in (move.comparison.old, move.comparison.new))
            if move.comparison
            else (),
            rows=_rows(move.comparison),
            shown_lines=LINES,
            room=ROOM,
            footer=footer,
        )
        body = unbroken(tidy(shown))
        if units(body) <= limit or most == 0:
            return body
        most //= 2


def _rows(comparison: Comparison | None) -> list[tuple[str, ...]]:
    if comparison is None:
        return []
    return [
        (
            f"{capital(CATALOGUE[delta.metric].title)}{f' · {delta.remark}' if delta.remark else ''}",
            quantities.number(delta.old),
            quantities.number(delta.new),
            quantities.arrow(delta.gain),
        )
        for delta in comparison.deltas
    ]


def _opened(text: str) -> str:
    """With a capital letter, unless it begins with the id of a release, which has none."""
    return text if record.is_id(re.split(r"[\s:,]", text, maxsplit=1)[0]) else capital(text)


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=\.)\s+(?=[A-Z])", text.strip(), maxsplit=1)[0].rstrip(".")


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
