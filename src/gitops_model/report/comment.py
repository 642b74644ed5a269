"""The one comment on a pull request, as text. Pure: data in, Markdown of at most 65,536 characters out.

`report_md` renders the report, for the comment as for reports/check.md; this module adds the hidden marker, what only
the trusted side knows, and the footer. Everything that a pull request can influence goes through `escape`: it can then
neither mention people, link, open a table cell or a tag, nor pose as the comment's marker.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gitops_model.report import check_markdown, view
from gitops_model.report.markdown import escape, plain

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


def render(check: Mapping[str, Any] | None, footing: Footing) -> str:
    """The whole comment. `check` is a schema-valid check.json, or None when there is nothing to show.

    Verdict, blocking gates and footer are always kept; the rest is cut between rows, with a note.
    """
    first = marker(footing) + "\n"
    shown, footer = _shown(check, footing), [_footer(check or {}, footing)]
    return first + check_markdown.render(
        shown, limit=check_markdown.LIMIT - len(first), footer=footer
    )


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


def title(check: Mapping[str, Any] | None, footing: Footing) -> str:
    """The verdict in one short line, old → new; also the commit status and a line of the job's log.

    `plain`, and no `##[`: a line that begins with `::` or holds that mark would be a command to the runner.
    """
    return plain(view.title(_shown(check, footing))).replace("##[", "## [")


def _shown(check: Mapping[str, Any] | None, footing: Footing) -> dict[str, Any]:
    """The report with the words of the trusted side in place of its own."""
    said = {key: getattr(footing, key) for key in ("state", "sentence", "hint")}
    return {**(check or {}), **said, "warnings": list(footing.warnings)}


def _footer(check: Mapping[str, Any], footing: Footing) -> str:
    production = footing.production
    parts = [f"commit {footing.head_sha[:12]}"]
    if footing.run_url:
        parts.append(f"[run]({footing.run_url})")
    if footing.report_url:
        parts.append(f"[full report]({footing.report_url})")
    if production:
        age = f", released {escape(footing.production_age)}" if footing.production_age else ""
        compared = production == (check.get("baseline") or {}).get("model")
        word = "compared with production" if compared else "in production:"
        parts.append(f"{word} {escape(production, limit=100)}{age}")
    else:
        parts.append("nothing is in production yet")
    return f"<sub>{' · '.join(parts)}</sub>"
