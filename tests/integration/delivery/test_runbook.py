"""The runbook fits on a screen, and what it tells people to type works as it stands."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.support.places import TEMPLATE
from tests.support.shell_blocks import Shell, blocks
from tests.support.world import World, served

RUNBOOK = TEMPLATE / "docs" / "RUNBOOK.md"


def _blocks() -> list[str]:
    return [block.text for block in blocks(RUNBOOK)]


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
    typed = _blocks()
    shutil.copy(TEMPLATE / "Makefile", clone.root)
    clone.commit("Add the Makefile", "Makefile")
    with served(clone, tmp_path):
        clone.ship("flight-delay-v2")
        clone.ok("deploy")
        shell = Shell.make(tmp_path / "tools", Path(sys.prefix))
        said = shell.type("".join([typed[way], *typed[2:]]), clone.root)
    assert "live: flight-delay-v1 (was flight-delay-v2)" in said
    assert "All is well" in said
    assert clone.git("rev-parse", "HEAD") == shipped.at_origin("rev-parse", "main")
