"""reports/replay.md: what a replay found."""

from __future__ import annotations

from gitops_model import templates
from gitops_model.formats.replay import Replay
from gitops_model.report.check_html import PACKAGE


def markdown(page: Replay) -> str:
    """The page."""
    return templates.render(PACKAGE, "replay.md.j2", page=page, number=number)


def number(value: float | None) -> str:
    """In three digits, or a dash."""
    return "–" if value is None else f"{value:.3g}"
