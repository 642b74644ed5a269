"""What a picture of a terminal shows, read back from its SVG."""

from __future__ import annotations

import re
from xml.etree import ElementTree

CHARACTER = 12  # its width
SVG = "{http://www.w3.org/2000/svg}"


def lines(svg: str) -> list[str]:
    """The rows of text, in order, without those that are empty."""
    rows: dict[str, str] = {}
    for text in ElementTree.fromstring(svg).iter(f"{SVG}text"):  # noqa: S314  our own file
        row, place = text.attrib["y"], int(float(text.attrib["x"]) / CHARACTER + 0.1)
        rows[row] = rows.get(row, "").ljust(place) + (text.text or "")
    return [row for row in (row.replace("\xa0", " ").rstrip() for row in rows.values()) if row]


def shape(text: str) -> str:
    """`text` without what differs from run to run: numbers, hashes, and where lines are broken."""
    plain = re.sub(r"\b[0-9a-f]{12}(…|\.\.\.|[0-9a-f]{52})?", "#", text)
    return " ".join(re.sub(r"[+-]?\d[\d,.]*", "#", plain).split())
