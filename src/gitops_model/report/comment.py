"""The one comment on a pull request, as text. Pure: data in, Markdown of at most 65,536 characters out.

`check_markdown` writes the report, for the comment as for reports/check.md; this module adds the hidden marker, what
only the trusted side knows, and the footer. Everything that a pull request can influence is escaped: it can neither
mention people, link, open a table cell or a tag, nor pose as the comment's marker.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gitops_model.formats.check import Check
from gitops_model.markdown import escape, plain, units
from gitops_model.report import check_markdown, heading, pointer_comment
from gitops_model.report.pointer_comment import Move

__all__ = ["Footing", "escape", "marker", "read_marker", "render", "title"]

MARKER = "<!-- model-gate "


@dataclass(frozen=True, kw_only=True)
class Footing:
    """What the trusted side knows and the comment says: the verdict, and where its parts can be found."""

    state: str
    sentence: str
    head_sha: str
    run_id: int
    run_attempt: int = 1
    run_url: str = ""
    report_url: str | None = None
    production: str | None = None
    production_age: str | None = None
    warnings: Sequence[str] = field(default_factory=tuple)
    hint: str | None = None


def render(check: Check | Move | None, footing: Footing) -> str:
    """The whole comment on a check or on a change of the pointer; None when there is nothing to show.

    Verdict, blocking gates and footer are always kept; the rest is cut between rows, with a note.
    """
    first = marker(footing) + "\n"
    if isinstance(check, Move):
        room = check_markdown.LIMIT - len(first)
        return first + pointer_comment.render(check, limit=room, footer=[_footer(None, footing)])
    return first + check_markdown.render(
        check,
        head=_head(check, footing),
        limit=check_markdown.LIMIT - len(first),
        footer=[_footer(check, footing)],
        report_url=footing.report_url,
    )


def with_line(body: str, line: str) -> str:
    """A finished comment with one more line of Markdown at its end; without it where GitHub would not take both."""
    whole = f"{body.rstrip()}\n\n<sub>{line}</sub>\n"
    return whole if line and units(whole) <= check_markdown.LIMIT else body


def marker(footing: Footing) -> str:
    """The hidden first line by which the comment is found again and an older run recognised."""
    data = {
        "schema": 1,
        "head_sha": footing.head_sha,
        "run_id": footing.run_id,
        "attempt": footing.run_attempt,
    }
    return f"{MARKER}{json.dumps(data, sort_keys=True)} -->"


def read_marker(body: str) -> dict[str, Any] | None:
    """The data of `marker` when `body` begins with one, else None."""
    first = body.split("\n", 1)[0].strip()
    if not (first.startswith(MARKER) and first.endswith("-->")):
        return None
    try:
        data = json.loads(first.removeprefix(MARKER).removesuffix("-->"))
    except ValueError:
        return None
    return data if isinstance(data, dict) else None


def title(check: Check | Move | None, footing: Footing) -> str:
    """The verdict in one short line with its numbers; also the commit status and a line of the job's log.

    `plain`, and no `##[`: a line that begins with `::` or holds that mark would be a command to the runner.
    """
    head = pointer_comment.head(check) if isinstance(check, Move) else _head(check, footing)
    return plain(head.line).replace("##[", "## [")


def _head(check: Check | None, footing: Footing) -> heading.Verdict:
    return heading.verdict(
        check,
        state=footing.state,
        sentence=footing.sentence,
        hint=footing.hint,
        warnings=footing.warnings,
    )


def _footer(check: Check | None, footing: Footing) -> str:
    production = footing.production
    parts = [f"commit {footing.head_sha[:12]}"]
    if production:
        age = f", released {escape(footing.production_age)}" if footing.production_age else ""
        compared = check is not None and check.baseline and check.baseline.model == production
        word = "compared with production" if compared else "in production:"
        parts.append(f"{word} {escape(production, limit=100)}{age}")
    else:
        parts.append("nothing is in production yet")
    if footing.run_url:
        parts.append(f"[run]({footing.run_url})")
    # With numbers the line "Next" links it.
    if footing.report_url and check is None:
        parts.append(f"[full report]({footing.report_url})")
    return f"<sub>{' · '.join(parts)}</sub>"
