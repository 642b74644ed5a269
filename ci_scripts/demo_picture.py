"""What `make demo` prints, as a picture of a terminal: every step, and all of the last two."""

from __future__ import annotations

import io
import re
import textwrap

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

WIDTH = 88
# The steps from here on are shown with what they print, the others by their titles.
WHOLE_FROM = 8
# What training prints is left out: it says what every run of it says.
LEFT_OUT = re.compile(r"^ +(data|prepare|train|package): ")
SHA256 = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")
TITLE = re.compile(r"^(\d+)\. .*\[\d+ s\]$")
COLOURS = (
    (r"^\d+\. .*$|^   \w.*\[\d+ s\]$|^The rollback$", "bold"),
    (r"^ +\$ .*$", "blue"),
    (r"check: (blocks|Blocked:)", "bold red"),
    (r"\blive: \S+|first answer by \S+ [\d.]+ s|lost 0|neither version 0", "bold green"),
)
NAME = "make demo: a worse model is refused, and a release is rolled back under load"
FONT = 'ui-monospace,"DejaVu Sans Mono","Liberation Mono",Menlo,Consolas,monospace'


def _theme(back: str, fore: str, red: str, green: str, blue: str) -> TerminalTheme:
    def rgb(colour: str) -> tuple[int, int, int]:
        return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)

    black, *others = (rgb(c) for c in (fore, red, green, fore, blue, fore, fore, fore))
    return TerminalTheme(rgb(back), rgb(fore), [black, *others])


LIGHT = _theme("#f6f8fa", "#1f2328", "#cf222e", "#116329", "#0550ae")
DARK = _theme("#151b23", "#e6edf3", "#ff7b72", "#3fb950", "#79c0ff")
# The braces of CSS are doubled: rich fills the others.
SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">
<title>NAME</title>
<style>
text{{font:{char_height}px FONT;white-space:pre}}
.back{{fill:LIGHT;stroke:#d1d9e0}}
{styles}
@media (prefers-color-scheme:dark){{.back{{fill:DARK;stroke:#3d444d}}
OTHERS}}
</style>
<defs>{lines}</defs>
<rect class="back" width="100%" height="100%" rx="8"/>
<text class="demo-r2" x="{terminal_x}" y="28">$ make demo</text>
<g transform="translate({terminal_x},{terminal_y})">
{matrix}
</g>
</svg>
"""


def shown(told: str) -> list[str]:
    """The lines of the picture, none longer than WIDTH."""
    lines, step = [], 0
    for line in told.splitlines():
        title = TITLE.match(line)
        step = int(title[1]) if title else step
        if title or (step >= WHOLE_FROM and not LEFT_OUT.match(line)):
            lines += _wrapped(SHA256.sub(r"\1…", line))
    return lines


def _wrapped(line: str) -> list[str]:
    """One line, its continuations below the words that it begins with."""
    begins = re.match(r" *(?:check: \w+ +|\d+\. )?", line)
    below = " " * (begins.end() if begins else 0)
    return textwrap.wrap(line, WIDTH, subsequent_indent=below) or [""]


def svg(told: str) -> str:
    """The picture of what a demo `told`, line by line: light or dark as the reader's system is."""
    lines = shown(told)
    console = Console(record=True, width=WIDTH, file=io.StringIO(), color_system="truecolor")
    for line in lines:
        text = Text(line)
        for pattern, colour in COLOURS:
            text.highlight_regex(pattern, colour)
        console.print(text, soft_wrap=True)
    others = _export(console, DARK, "{styles}").replace("{", "{{").replace("}", "}}")
    form = SVG.replace("OTHERS", others)
    for name, value in (
        *(("NAME", NAME), ("FONT", FONT)),
        *(("LIGHT", LIGHT.background_color.hex), ("DARK", DARK.background_color.hex)),
    ):
        form = form.replace(name, value)
    return _export(console, LIGHT, form)


def _export(console: Console, theme: TerminalTheme, form: str) -> str:
    return console.export_svg(
        theme=theme, code_format=form, clear=False, unique_id="demo", font_aspect_ratio=0.6
    )
