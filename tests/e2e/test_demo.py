"""`make demo` itself: the story ends well, for every kind of problem."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.terminal import lines, shape

pytestmark = pytest.mark.slow  # two minutes each
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("problem", ["binary", "multiclass", "regression"])
def test_the_story_ends_well(problem: str, tmp_path: Path) -> None:
    folder = tmp_path / "story"
    command = ["ci_scripts.demo", "--dir", str(folder), "--problem", problem]
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    figures = json.loads((folder / "figures.json").read_text())
    assert (figures["lost"], figures["wrong"]) == (0, 0)
    assert figures["before"]["model"] == "flight-delay-v2"
    assert figures["after"]["model"] == "flight-delay-v1"
    assert set(figures["by_model"]) == {"flight-delay-v1", "flight-delay-v2"}
    assert figures["seconds_to_first_answer"] > 0
    # The worse candidate was refused, by how much is said, and the report of it is there to look at.
    assert "check: Blocked: " in done.stdout
    if problem == "binary":
        told = shape(done.stdout)
        for line in lines((ROOT / "docs/demo.svg").read_text(encoding="utf-8"))[1:]:
            assert shape(line) in told, (line, "draw it anew: make demo PICTURE=docs/demo.svg")
    assert (folder / "check-refused.html").stat().st_size < 300_000
