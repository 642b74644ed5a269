"""The runbook fits on a screen, and what it tells people to type works as it stands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.places import TEMPLATE
from tests.support.world import World, served

RUNBOOK = TEMPLATE / "docs" / "RUNBOOK.md"


def _blocks() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", RUNBOOK.read_text(), re.MULTILINE | re.DOTALL)


def test_it_fits_on_one_screen() -> None:
    lines = RUNBOOK.read_text().splitlines()
    assert len(lines) <= 45
    assert max(map(len, lines)) <= 100


def test_it_has_the_commands_it_is_known_for() -> None:
    words = [block.split()[:2] for block in _blocks()]
    assert words == [
        ["make", "rollback"],
        ["git", "revert"],
        ["make", "deploy"],
        ["make", "status"],
    ]


@pytest.mark.parametrize("way", [0, 1])
def test_the_commands_as_they_stand(shipped: World, tmp_path: Path, way: int) -> None:
    """v2 is live, `way` is the runbook's first or second way back, then the rest of the runbook."""
    clone = shipped.clones[0]
    blocks = _blocks()
    shutil.copy(TEMPLATE / "Makefile", clone.root)
    clone.commit("Add the Makefile", "Makefile")
    with served(clone, tmp_path):
        clone.ship("flight-delay-v2")
        clone.ok("deploy")
        said = _type("".join([blocks[way], *blocks[2:]]), clone.root, tmp_path)
    assert "live: flight-delay-v1 (was flight-delay-v2)" in said
    assert "All is well" in said
    assert clone.git("rev-parse", "HEAD") == shipped.at_origin("rev-parse", "main")


def _type(commands: str, folder: Path, tmp_path: Path) -> str:
    """Type the commands into a shell. `make` is the real one, except that it does not install anything."""
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not installed")
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "make").write_text(f'#!/bin/sh\nexec {make} -o setup VENV={sys.prefix} "$@"\n')
    (tools / "make").chmod(0o755)
    done = subprocess.run(
        ["sh", "-e", "-c", commands],
        cwd=folder,
        env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
