"""Without DVC, skl2onnx, PyGithub and scikit-learn, every past release still verifies, serves and rolls back.

The environment has what serves (requirements-serving.txt) and what asks over HTTP, by hash, and nothing else.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci_scripts import compat, wheel
from tests.support.isolation import isolation
from tests.support.past import SHIPPED, clone_of, serve_and_roll_back
from tests.support.places import TEMPLATE

SETS = sorted(path for path in compat.SETS.iterdir() if (path / "pointer.json").exists())
ASKING = ("requests", "urllib3", "certifi", "charset-normalizer", "idna")
ABSENT = {"dvc", "skl2onnx", "github", "sklearn", "pandas", "scipy", "onnx", "skops"}


@pytest.fixture(scope="module", autouse=True)
def _isolated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with isolation(tmp_path_factory.mktemp("home")):
        yield


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`gitops-model` of an environment that can serve and nothing more."""
    folder = tmp_path_factory.mktemp("bare")
    name, data = wheel.build()
    (folder / name).write_bytes(data)
    locked = (TEMPLATE / "requirements.txt").read_text()
    blocks = re.findall(r"^([a-z0-9-]+)==(?:.*\\\n)(?:    --hash.*\n)+", locked, re.MULTILINE)
    assert set(ASKING) <= set(blocks)
    asking = [
        found[0]
        for name in ASKING
        if (found := re.search(rf"^{name}==.*\\\n(?:    --hash.*\n)+", locked, re.MULTILINE))
    ]
    (folder / "asking.txt").write_text("".join(asking))
    uv = str(Path(sys.executable).with_name("uv"))
    python = folder / ".venv/bin/python"
    for words in (
        ("venv", "-q", "--python", sys.executable, str(folder / ".venv")),
        (
            *("pip", "install", "-q", "--python", str(python), "--require-hashes"),
            *("-r", str(TEMPLATE / "requirements-serving.txt"), "-r", str(folder / "asking.txt")),
        ),
        (
            "pip",
            "install",
            "-q",
            "--python",
            str(python),
            "--no-deps",
            "--offline",
            str(folder / name),
        ),
    ):
        done = subprocess.run([uv, *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return python.with_name("gitops-model")


@pytest.mark.slow
def test_it_is_bare(bare: Path) -> None:
    packages = next(bare.parent.parent.glob("lib/*/site-packages"))
    assert ABSENT.isdisjoint(path.name for path in packages.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("folder", SETS, ids=lambda path: path.name)
def test_past_releases_verify_serve_and_roll_back(bare: Path, folder: Path, tmp_path: Path) -> None:
    clone = clone_of(folder, tmp_path)

    def run(*words: str) -> str:
        done = subprocess.run([bare, *words], cwd=clone.root, capture_output=True, text=True)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    for model in SHIPPED:
        assert run("verify", model).endswith(f"{model} is what its commit built\n")
    serve_and_roll_back(clone, tmp_path, run, command=[str(bare)])
