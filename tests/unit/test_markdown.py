"""Escaping: what GitHub would do with a foreign text is nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt  # comes with dvc

from gitops_model import markdown

HTML_OF_OURS = {"<span>", "</span>"}
ALIVE = re.compile(r"@\w|#\d|(?i:gh-\d)|://|(?i:www\.)|:\w+:|\$", re.ASCII)


def text_of(source: str) -> str:
    """The visible text of one paragraph, after checking that nothing in it became more than text."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(source)
    assert [t.type for t in tokens] in ([], ["paragraph_open", "inline", "paragraph_close"])
    inside = [child for t in tokens for child in t.children or []]
    assert all(c.type in ("text", "text_special", "html_inline") for c in inside), [
        c.type for c in inside
    ]
    assert {c.content for c in inside if c.type == "html_inline"} <= HTML_OF_OURS
    return "".join(c.content for c in inside if c.type != "html_inline")


@pytest.mark.parametrize(
    "text",
    [
        "plain words",
        "@octocat and @acme/team",
        "fixes #12, GH-3, acme/model#7",
        "a|b",
        "`code` ``x``",
        "<b>bold</b> <!-- hidden --> &amp; &#64;x",
        "[link](http://x.y) ![picture](http://x.y)",
        "*a* _b_ **c** ~~d~~ __e__",
        "https://x.y www.x.y a@b.cd",
        "- item",
        "1. item",
        "# title",
        "> quote",
        "===",
        "---",
        "costs $5 and $6, :tada:",
        "\\",
        "{% x %} {{ y }}",
    ],
)
def test_escaped_text_is_only_text(text: str) -> None:
    shown = text_of(markdown.escape(text))
    assert shown.replace(markdown.BREAK, "") == text
    assert not ALIVE.search(shown.replace("$", ""))


@given(st.text(max_size=80))
def test_any_text_stays_text(text: str) -> None:
    shown = text_of(markdown.escape(text, limit=5000))
    assert shown.replace(markdown.BREAK, "") == markdown.plain(text)
    assert not ALIVE.search(shown.replace("$", ""))


@given(st.text(), st.integers(min_value=1, max_value=60))
def test_escaped_text_is_never_too_long(text: str, limit: int) -> None:
    assert markdown.units(markdown.escape(text, limit=limit)) <= limit
    assert markdown.units(markdown.prose(text, limit=limit)) <= limit + 2


def test_prose_keeps_commands_as_code() -> None:
    assert markdown.prose("Run `make check | tee @x` now, @y.") == (
        f"Run `make check | tee @x` now, @{markdown.BREAK}y."
    )


def test_length_is_counted_in_utf16_units() -> None:
    assert markdown.units("a") == 1
    assert markdown.units("😀") == 2
