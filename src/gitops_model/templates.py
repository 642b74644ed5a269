"""Jinja2 templates of this package, in which every value is harmless unless a template says otherwise.

A template shows the shape of a page; what stands in it is foreign text. So each `{{ value }}` is escaped for its
format: in `*.html.j2` for HTML, in `*.md.j2` for Markdown. A name that is not given is an error, not an empty text.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

import jinja2
from markupsafe import Markup, escape

from gitops_model import markdown

LIMIT = 600
SIGNS = {"✅": "✓", "❌": "✕", "⚠️": "◆", "❔": "?", "➖": "–", "⏸️": "○", "▫️": "○"}


def render(package: str, name: str, /, **values: object) -> str:
    """The template `templates/<name>` of `package`, filled in.

    Values may be texts, numbers, and objects of them; a value that is a function can be called from the template.
    """
    make = _html if name.endswith(".html.j2") else _markdown
    return make(package).get_template(name).render(values)


def ours(text: str) -> Markup:
    """Text that is safe as it stands, because this library made it or escaped what is foreign in it."""
    return Markup(text)  # noqa: S704


@functools.cache
def _html(package: str) -> jinja2.Environment:
    made = _environment(package, _html_text, _html_text, _html_prose)
    # Plain signs take the colour of the state; emoji would bring their own.
    made.filters["sign"] = lambda mark: SIGNS.get(mark, "")
    return made


@functools.cache
def _markdown(package: str) -> jinja2.Environment:
    made = _environment(package, _literal, _literal, _prose)
    # A code span in a table would end at the first bar, so `code` is for other places.
    made.filters["code"] = lambda value, limit=120: ours(markdown.code(value, limit=limit))
    made.filters["strong"] = _strong
    return made


def _environment(
    package: str,
    finalize: Callable[[object], Markup],
    cut: Callable[[object, int], Markup],
    prose: Callable[[object, int], Markup],
) -> jinja2.Environment:
    """`cut(n)` sets how long a value may be; `prose(n)` keeps `pairs of backticks` as code."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader(package, "templates"),
        autoescape=True,
        finalize=finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"cut": cut, "prose": prose, "count": "{:,}".format, "capital": _capital}
    return made


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _literal(value: object, limit: int = LIMIT) -> Markup:
    # Markup is what a macro or a filter of ours made: it is safe already. Autoescape leaves it alone as well.
    if isinstance(value, Markup):
        return value
    return ours(markdown.escape(value, limit=limit))


def _prose(value: object, limit: int = LIMIT) -> Markup:
    return ours(markdown.prose(value, limit=limit))


def _strong(value: object, when: bool = True) -> Markup:
    shown = _literal(value)
    return ours(f"**{shown}**") if when and shown else shown


def _html_text(value: object, limit: int = LIMIT) -> Markup:
    if isinstance(value, Markup):
        return value
    shown = markdown.plain(value)
    return escape(shown if len(shown) <= limit else shown[: limit - 1] + "…")


def _html_prose(value: object, limit: int = LIMIT) -> Markup:
    return ours(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(_html_text(value, limit))))
