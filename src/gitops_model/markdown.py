"""Foreign text in Markdown, made harmless: GitHub shows it as it was written, and does nothing with it."""

from __future__ import annotations

import re

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
# A space between a number and what it must stay with on a line: an arrow or sign before it, a unit or arrow after it.
_SPACE_IN_NUMBER = re.compile(
    r"""
    (?:(?<=[▲▼→])|(?<=&[lg]t;))\x20(?=[-+×±]?\d)
    |(?:(?<=[\d%])|(?<=ms)|(?<=MB))\x20(?=→\x20[-+]?\d)
    |(?<=loss|gain)\x20(?=&[lg]t;)
    |(?<=\d)\x20(?=(?:%|(?:ms|MB|rows?|days?)(?![\w-])))
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
    source = whole[:limit]
    shown = _SPECIAL.sub(_harmless, source)
    if len(whole) <= limit and units(shown) <= limit:
        return shown
    return _clipped(source, limit - 1).rstrip() + "…"


def code(text: object, *, limit: int = 120) -> str:
    """`text` as a code span, for use outside of tables. GitHub mentions nobody in it, and a command stays copyable."""
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


def tidy(text: str) -> str:
    """What a template gave, with one blank line where there are several, and none around the whole."""
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ ]+\n", "\n", text)).strip("\n") + "\n"


def unbroken(text: str) -> str:
    """Finished Markdown in which no line ends inside a number with its sign, arrow or unit; code stays as it is."""
    parts = re.split(r"((?<!\\)`[^`\n]*`)", text)
    return "".join(
        part if i % 2 else _SPACE_IN_NUMBER.sub("\u00a0", part) for i, part in enumerate(parts)
    )


def _clipped(source: str, room: int) -> str:
    """As much of `source` as fits once it is escaped; nothing is cut inside an escape."""
    parts: list[str] = []
    at = 0
    for match in _SPECIAL.finditer(source):
        before, piece = source[at : match.start()], _harmless(match)
        if units(before) + units(piece) > room:
            return "".join([*parts, _prefix(before, room)])
        parts += [before, piece]
        room -= units(before) + units(piece)
        at = match.end()
    return "".join([*parts, _prefix(source[at:], room)])


def _prefix(text: str, room: int) -> str:
    shown = text[: max(0, room)]
    while units(shown) > max(0, room):
        shown = shown[:-1]
    return shown


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
