"""Which days are judged together, and when a shift that was seen becomes an alarm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from gitops_model.formats.monitor import Settings
from gitops_model.formats.watch import State
from gitops_model.monitoring.traffic import Traffic

# Below this many rows a window says nothing.
FEWEST_ROWS = 50


@dataclass(frozen=True, kw_only=True)
class Span:
    """Days `first` to `last`, included, and what was counted in them."""

    first: date
    last: date
    traffic: Traffic

    @property
    def judged(self) -> bool:
        """Whether there are rows enough to say something."""
        return self.traffic.rows >= FEWEST_ROWS

    def __str__(self) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"


def spans(days: Mapping[date, Traffic], *, last: date, settings: Settings) -> list[Span]:
    """Windows that end on `last`, oldest first: as many as an alarm and a recovery look back to."""
    count = max(settings.of, settings.clean)
    width = timedelta(days=settings.window_days)
    found = []
    for place in reversed(range(count)):
        end = last - place * width
        first = end - width + timedelta(days=1)
        held = [days[day] for day in sorted(days) if first <= day <= end]
        found.append(Span(first=first, last=end, traffic=sum(held, Traffic())))
    return found


def horizon(last: date, settings: Settings) -> date:
    """The first day that `spans` looks at."""
    return last - timedelta(days=max(settings.of, settings.clean) * settings.window_days - 1)


def state(seen: Sequence[bool | None], settings: Settings) -> State:
    """What these windows, oldest first, mean together. None: the window was too small to judge.

    alarm: seen in enough of the last windows; clean: in none of the last ones that could be judged.
    """
    recent = [flag for flag in seen[-settings.of :] if flag is not None]
    if sum(recent) >= settings.alarm:
        return "alarm"
    judged = [flag for flag in seen[-settings.clean :] if flag is not None]
    if not judged:
        return "withheld"
    return "watching" if any(judged) else "clean"
