"""Markdown that GitHub shows as it was meant: foreign text made harmless, and long bodies cut between rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# Zero width, invisible: enough to keep GitHub from seeing a mention, a reference, a link or an emoji code.
BREAK = "\u200b"

_INVISIBLE = re.compile(
    "[\u0000-\u001f\u007f-\u00a0\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufe00-\ufe0e\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]+"
)
_SPECIAL = re.compile(
    r"""
    (?P<entity>[&<>])            # tags, comments and entities
    |(?P<mark>[\\`*_\[\]|~!{}])  # Markdown's own marks
    |(?P<start>^[-+](?=\s|$)|^[-=](?=[-=]*$))  # would begin a list or underline a heading
    |(?P<number>^\d+(?=[.)](?:\s|$)))        # would begin a numbered list
    |(?P<dollar>\$)              # would begin mathematics
    |(?P<reference>[@\#])        # mentions, issues
    |(?P<colon>:(?=\S))          # addresses, emoji codes
    |(?P<word>(?i:www(?=\.)|\bgh(?=-\d)))
    """,
    re.VERBOSE,
)
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def units(text: str) -> int:
    """Length in UTF-16 code units: at least as many as characters, however GitHub may count them."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def plain(text: object) -> str:
    """One line without control, invisible, direction-changing or broken characters."""
    return " ".join(_INVISIBLE.sub(" ", str(text)).split())


def escape(text: object, *, limit: int = 300) -> str:
    """`text` as literal characters of one line, at most `limit` units long after escaping.

    Nothing in it can open a tag, a comment, a table cell, a link or a picture, mention anybody or refer to an issue.
    """
    whole = plain(text)
    # Every character takes at least one unit, so what lies behind `limit` cannot be shown.
    source, used, at = whole[:limit], 0, 0
    parts: list[str] = []
    while at < len(source):
        match = _SPECIAL.match(source, at)
        piece = source[at] if match is None else _harmless(match)
        at = at + 1 if match is None else match.end()
        used += units(piece)
        if used > limit - (at < len(whole)):
            return "".join(parts).rstrip() + "…"
        parts.append(piece)
    return "".join(parts)


def code(text: object, *, limit: int = 120) -> str:
    """`text` as a code span, for use outside of tables."""
    shown = plain(text).replace("`", "'")
    if units(shown) > limit:
        shown = shown[: limit // 2 - 1] + "…"
    return f"`{shown}`" if shown else ""


def prose(text: object, *, limit: int = 600) -> str:
    """A sentence in which `pairs of backticks` stay code spans and everything else is literal."""
    parts: list[str] = []
    used = 0
    for i, piece in enumerate(re.split(r"`([^`\n]+)`", str(text))):
        room = limit - used
        if room <= 2:
            break
        # The edges of a piece are spaces that `plain` would eat.
        left, right = " " * piece[:1].isspace(), " " * piece[-1:].isspace()
        shown = code(piece, limit=room) if i % 2 else left + escape(piece, limit=room) + right
        parts.append(shown)
        used += units(shown)
    return "".join(parts).strip()


@dataclass(frozen=True, kw_only=True)
class Block:
    """A piece of a body that may be cut between its rows: `before`, rows, `after`, each text whole lines.

    A `first` block takes all the room it needs, its rows from the top; the others share what is left.
    """

    noun: str = ""
    before: str = ""
    rows: Sequence[str] = ()
    after: str = ""
    first: bool = False


def assemble(blocks: Sequence[Block], *, limit: int, elsewhere: str = "the full report") -> str:
    """The body, at most `limit` units. Blocks without rows are always kept; of the others, what fits.

    Small blocks are filled before large ones, so that one long table cannot push out the rest. When rows are left
    out, a line before the last block (the footer) says how many of what.
    """
    kept = {id(b): 0 for b in blocks}
    waiting = [b for b in blocks if b.rows]
    room = limit - sum(_cost([b.before, b.after]) for b in blocks if not b.rows)
    if room < 0:
        return _clipped(blocks[0].before, limit)
    # A body too short for the note on what was left out goes without.
    note = 80 + sum(len(b.noun) + 24 for b in waiting)
    told = sum(_cost([b.before, *b.rows, b.after]) for b in waiting) > room >= note
    room -= note if told else 0
    early = [b for b in waiting if b.first]
    late = sorted((b for b in waiting if not b.first), key=lambda b: _cost(b.rows))
    for i, block in enumerate([*early, *late]):
        share = room if block.first else room // (len(waiting) - i)
        used = _cost([block.before, block.after])
        for row in block.rows:
            if used + _cost([row]) > share:
                break
            used += _cost([row])
            kept[id(block)] += 1
        if kept[id(block)]:
            room -= used
    left = [
        f"{len(b.rows) - kept[id(b)]:,} of {len(b.rows):,} {b.noun}"
        for b in waiting
        if kept[id(b)] < len(b.rows)
    ]
    parts: list[str] = []
    for block in blocks:
        if told and left and block is blocks[-1]:
            parts.append(f"\nLeft out to fit: {', '.join(left)}. They are in {elsewhere}.\n")
        if kept[id(block)] or not block.rows:
            parts += [block.before, *block.rows[: kept[id(block)]], block.after]
    return "".join(parts)


def table(header: Sequence[str], *, right: Iterable[int] = ()) -> str:
    """The head of a table; the columns in `right` are aligned to the right."""
    to_right = set(right)
    rule = ["---:" if i in to_right else "---" for i in range(len(header))]
    return row(header) + row(rule)


def row(cells: Iterable[str]) -> str:
    """One table row; the cells are Markdown already."""
    return f"| {' | '.join(cells)} |\n"


def _harmless(match: re.Match[str]) -> str:
    found = match[0]
    match match.lastgroup:
        case "entity":
            return _ENTITIES[found]
        case "mark" | "start":
            return "\\" + found
        case "dollar":
            return "<span>$</span>"
        case _:
            return found + BREAK


def _cost(parts: Iterable[str]) -> int:
    return sum(units(part) for part in parts)


def _clipped(text: str, limit: int) -> str:
    first = text.split("\n", 1)[0]
    while units(first) > max(0, limit):
        first = first[:-1]
    return first
