"""What a reader sees of a comment before opening anything, counted by a real Markdown engine."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt

from gitops_model.report.interval import WIDTH

BLOCKS = ("heading_open", "paragraph_open", "tr_open")
# A space at which a line may end, between a number and its sign, arrow or unit.
BROKEN = re.compile(
    r"[▲▼±×→<>] [-+×±]?\d|(?:[\d%]|ms|MB) → [-+]?\d|(?:loss|gain) [<>]|\d (?:%|(?:ms|MB|rows|days)\b)"
)


def lines(body: str) -> list[str]:
    """The text of each line outside of folds: heading, paragraph, list item, row of a table, title of a fold."""
    found: list[str] = []
    depth = 0
    tokens = MarkdownIt("commonmark").enable("table").parse(body)
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "html_block" and not token.content.startswith("<!--"):
            title = re.search(r"<summary>(.*?)</summary>", token.content)
            if title and depth == 0:
                found.append(title[1])
            depth += token.content.count("<details>") - token.content.count("</details>")
        elif token.type in BLOCKS and depth == 0:
            inline = following is not None and following.type == "inline"
            found.append(following.content if inline and following is not None else "row")
    return found


def text(body: str) -> str:
    """What is read of a comment, folds included: without code, in which spaces are copied as they are."""
    inline = [t for t in MarkdownIt("commonmark").enable("table").parse(body) if t.children]
    return "\n".join(
        "".join(child.content for child in token.children or [] if child.type == "text")
        for token in inline
    )


def pictures(body: str) -> list[str]:
    """The drawn intervals of a comment."""
    return re.findall(rf"`([·━●◀▶│┆]{{{WIDTH},}})`", body)
