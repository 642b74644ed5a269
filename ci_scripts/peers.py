"""An environment of their own for the monitors that ours is measured against: Evidently and NannyML, versions pinned.

Once, in .cache/peers: 2 GB. Where they cannot be installed, whoever asks goes on without them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
LOCK: Final = ROOT / "ci_scripts/peers.txt"
HASHED: Final = ("--require-hashes", "-r", str(LOCK))
FOLDER: Final = ROOT / ".cache/peers"
PYTHON: Final = FOLDER / "bin/python"
# Both tell their makers that they are used unless they are asked not to.
QUIET: Final = {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1"}
# Threads that wait for each other burn CPU seconds and save none.
ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def ready() -> bool:
    """Install them where they are not; False, after a sentence on stderr, where that is impossible."""
    mark = FOLDER / f".installed-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]}"
    if mark.exists():
        return True
    print("Installing Evidently and NannyML into .cache/peers: 2 GB, once ...", file=sys.stderr)
    shutil.rmtree(FOLDER, ignore_errors=True)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for command in (
        ["uv", "-q", "venv", "--python", version, str(FOLDER)],
        # Compiled now: to compile at every start would count as theirs.
        ["uv", "-q", "pip", "install", "--python", str(PYTHON), "--compile-bytecode", *HASHED],
    ):  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            why = (done.stderr.strip().splitlines() or ["no reason given"])[-1].strip()
            print(f"The peers cannot be installed here, so ours stands alone: {why}", file=sys.stderr)  # fmt: skip
            return False
    mark.touch()
    return True


def run(module: str, *words: str) -> str:
    """What a module of this repository prints in their environment. Raises CalledProcessError when it fails."""
    done = subprocess.run(
        [str(PYTHON), "-W", "ignore", "-m", module, *words],
        cwd=ROOT,
        env=os.environ | QUIET | ONE_THREAD | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


if __name__ == "__main__":
    sys.exit(not ready())
