"""The generated README.md and docs/canary.md, block by block as they stand, on the example with all its data."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ci_scripts.bake import bake, export
from tests.support.places import ROOT
from tests.support.ports import free_port
from tests.support.shell_blocks import Shell, blocks, in_a_terminal
from tests.support.warm import Warm

pytestmark = pytest.mark.slow


def shell_of(warm: Warm, tmp_path: Path) -> Shell:
    env = {k: v for k, v in warm.environment().items() if not k.startswith("PYTEST_")}
    return Shell.make(tmp_path / "tools", warm.bin.parent, env | {"PYTHONPATH": str(ROOT / "src")})


def test_the_generated_readme_from_an_empty_folder_to_a_rollback(
    warm: Warm, tmp_path: Path
) -> None:
    shell, port = shell_of(warm, tmp_path), free_port()
    root = bake(export(tmp_path / "template"), tmp_path / "work", {})
    train, ship, back, serve = (block.text for block in blocks(root / "README.md"))
    settings = root / "serving.yaml"
    settings.write_text(settings.read_text().replace("port: 8080", f"port: {port}"))
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=root, check=True)
    subprocess.run(
        ["git", "init", "-q", "--bare", "-b", "main", "../origin.git"], cwd=root, check=True
    )

    said = shell.type(train, root)
    assert "May ship" in said
    for following in (
        "Next: make train",
        "Next: git add --all && git commit",
        "make check",
        "make release",
    ):
        assert following in said
    # What a person does between the blocks: an origin, two releases by hand.
    shell.type("git remote add origin ../origin.git && git push -q -u origin main", root)
    assert "make ship MODEL=flight-delay-v1" in shell.type("make release", root)
    assert "`make deploy`" in shell.type("make ship PUSH=1", root)
    assert "Start it: make serve" in shell.type("make deploy", root)
    shell.type("sed -i 's/trees: 60/trees: 70/' params.yaml && make train check", root)
    shell.type("git add --all && git commit -qm 'More trees' && git push -q && make release", root)

    *ways, status, history = ship.splitlines(keepends=True)
    assert len(ways) == 3
    for way in ways:  # each is another way to ship it
        assert "production.yaml" in shell.type(way, root)
        shell.type("git checkout -q production.yaml", root)
    shell.type("make ship PUSH=1 && make deploy", root)
    first, begin, ask = serve.splitlines(keepends=True)
    with in_a_terminal(shell, begin, root, port):
        assert f"Ask it: http://127.0.0.1:{port}/docs" in shell.type(first, root)
        assert '"flight-delay-v2"' in shell.type(ask.replace("8080", str(port)), root)
        shell.type(status, root)
        assert "flight-delay-v1" in shell.type(back, root)
    assert "flight-delay-v2" in shell.type(history, root)


def test_the_page_of_the_canary(warm: Warm, tmp_path: Path) -> None:
    root = bake(export(tmp_path / "template"), tmp_path / "work", {})
    (root / ".venv").symlink_to(warm.bin.parent)
    for block in blocks(ROOT / "docs/canary.md"):
        assert shell_of(warm, tmp_path).type(block.text, root)
