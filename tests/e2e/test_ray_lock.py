"""The lock that docs/ray.md asks for: made by `make lock`, installed in a clone and on a node, with hashes."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from ci_scripts.bake import bake, export
from tests.support.places import ROOT

PAGE = (ROOT / "docs/ray.md").read_text(encoding="utf-8")
IMPORTS = "import gitops_model, ray.serve; print(ray.__version__)"


def _run(root: Path, text: str, **env: str) -> str:
    outside = {
        k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "PYTHONPATH"))
    }
    done = subprocess.run(
        ["sh", "-e", "-c", text], cwd=root, env=outside | env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_ray_has_a_lock_of_its_own(tmp_path: Path) -> None:
    root = bake(export(tmp_path / "template"), tmp_path / "out", {})
    _run(root, "git init -q -b main && git add --all")
    (line,) = re.findall(r"`requirements-ray\.in` with the line `([^`]*)`", PAGE)
    (root / "requirements-ray.in").write_text(f"{line}\n")
    _run(root, "make lock", CI="1")

    # Beside what it was told to write it changed nothing.
    changed = _run(root, "git status --porcelain --untracked-files=all requirements* library.lock")
    assert changed.splitlines()[-2:] == ["?? requirements-ray.in", "?? requirements-ray.txt"]
    assert all(one.startswith("A  ") for one in changed.splitlines()[:-2])
    named = {path.name: _pins(path) for path in root.glob("requirements*.txt")}
    ray = named.pop("requirements-ray.txt")
    assert {"ray", "onnxruntime", "uvicorn"} <= ray.keys() and "gitops-model" not in ray
    assert named.keys() == {"requirements.txt", "requirements-serving.txt"}
    for pins in named.values():
        assert "ray" not in pins
        # Versions that differed could not be installed beside each other.
        assert {name: pins[name] for name in pins.keys() & ray.keys()} == {
            name: ray[name] for name in pins.keys() & ray.keys()
        }

    version = f"{ray['ray'][0]}\n"
    assert _run(root, f".venv/bin/python -c '{IMPORTS}'") == version
    (install,) = re.findall(r"`(pip install --require-hashes [^`]*)`", PAGE)
    install = " ".join(install.split())
    _run(root, f"python3 -m venv ../node && ../node/bin/{install} -q")
    assert _run(root, f"../node/bin/python -c '{IMPORTS}'") == version
    assert not list(root.parent.glob("node/lib/*/site-packages/dvc"))


def _pins(path: Path) -> dict[str, list[str]]:
    """The versions of each package in a lock, all of whose lines have hashes."""
    text, found = path.read_text(), dict[str, list[str]]()
    for entry in re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]:
        name, version = re.match(r"([\w.-]+)==(\S+)", entry).groups()  # type: ignore[union-attr]
        assert "--hash=sha256:" in entry, entry
        found.setdefault(name, []).append(version)
    return found
