"""docs/demo.svg, the picture of `make demo`: it says what the demo says, and is small, plain and of no machine."""

from __future__ import annotations

import ast
import re
import socket
from pathlib import Path

from ci_scripts import demo_picture
from tests.support.places import ROOT
from tests.support.terminal import lines, shape

PICTURE = ROOT / "docs/demo.svg"
TOLD = """
1. Generate a thing  [0 s]
   $ make secret
     /home/ada/secret

8. A worse idea  [74 s]
     train: pipeline/train.py fits 3 rows ...
   $ make check
     check: blocks       ROC AUC fell from 0.7972 to 0.7107 (-0.0865, at best -0.0669); allowed: a loss below 0.01.

9. Roll back to a model with a long name under many requests a second, with the storage out of reach  [90 s]
   sha256 before  ec90460c22df5e31777e212d7a9a881f70c8e79c35d711fe4a923bbcbf6304ed  <v2>
"""


def said(method: str) -> list[str]:
    """What ci_scripts/demo.py hands to a method of the narrator, in order; what is filled in is a #."""
    tree = ast.parse((ROOT / "ci_scripts/demo.py").read_text(encoding="utf-8"))
    calls = [
        node.args[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == method
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "say"
    ]
    calls.sort(key=lambda node: node.lineno)
    return [shape(_text(node)) for node in calls]


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        parts = (p.value if isinstance(p, ast.Constant) else "0" for p in node.values)
        return "".join(map(str, parts))
    assert isinstance(node, ast.Constant), ast.dump(node)
    return str(node.value)


def _filled(text: str, pattern: str) -> bool:
    """Whether `text` is `pattern` with something in the place of each #."""
    return bool(re.fullmatch(re.escape(pattern).replace(r"\#", ".+?"), text))


def test_the_picture_says_what_the_demo_says() -> None:
    shown = lines(PICTURE.read_text(encoding="utf-8"))
    found = re.findall(r"(?m)^(\d+\. (?:.|\n   (?=\w))*?)\s+\[\d+ s\]$", "\n".join(shown))
    titles = [shape(title).removeprefix("#. ").removeprefix("# ") for title in found]
    steps = said("step")
    assert len(titles) == len(steps) >= 9
    for title, step in zip(titles, steps, strict=True):
        assert _filled(title, step), (title, "draw it anew: make demo PICTURE=docs/demo.svg")
    commands = [line.removeprefix("   $ ") for line in shown if line.startswith("   $ ")]
    typed = said("do")
    assert commands and all(any(_filled(shape(c), t) for t in typed) for c in commands), commands
    (rollback,) = (text for text in said("figures") if text.startswith("The rollback"))
    told = shape(" ".join(shown).partition("The rollback")[2])
    for words in re.split(r"[#\\n:;(),]| by | and ", rollback.removeprefix("The rollback")):
        assert shape(words) in told, words


def test_the_picture_is_small_and_plain_and_of_no_machine() -> None:
    picture = PICTURE.read_text(encoding="utf-8")
    assert len(picture.encode()) < 60_000
    assert not re.search(r"<script|<image|<foreignObject|@font-face|@import|href|\son\w+=", picture)
    assert re.findall(r"https?://[^\"]+", picture) == ["http://www.w3.org/2000/svg"]
    shown = "\n".join(lines(picture))
    assert not re.search(r"(?<![\w.])/\w+", shown) and "\\" not in shown
    for name in (socket.gethostname(), str(ROOT), str(Path.home())):
        assert name not in picture
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "](docs/demo.svg)" in page[:2500], "near the top"


def test_what_is_shown_and_what_is_left_out() -> None:
    picture = demo_picture.svg(TOLD)
    assert lines(picture) == [
        "$ make demo",
        "1. Generate a thing  [0 s]",
        "8. A worse idea  [74 s]",
        "   $ make check",
        "     check: blocks       ROC AUC fell from 0.7972 to 0.7107 (-0.0865, at best -0.0669);",
        "                         allowed: a loss below 0.01.",
        "9. Roll back to a model with a long name under many requests a second, with the storage",
        "   out of reach  [90 s]",
        "   sha256 before  ec90460c22df…  <v2>",
    ]
    assert demo_picture.svg(TOLD) == picture


def test_the_picture_is_light_and_dark() -> None:
    picture = demo_picture.svg(TOLD)
    light, _, dark = picture.partition("@media (prefers-color-scheme:dark)")
    assert demo_picture.LIGHT.foreground_color.hex in light
    rules = re.findall(r"(\.demo-r\d+) {", light)
    assert rules and re.findall(r"(\.demo-r\d+) {", dark) == rules
