"""Environments of their own for what ours is measured against, versions pinned: other monitors, and other servers.

Once, in .cache/peers and .cache/serving-peers: 2 GB and 1 GB. Where they cannot be installed, whoever asks goes on
without them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
# Both tell their makers that they are used unless they are asked not to.
QUIET: Final = {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1"}
# Threads that wait for each other burn CPU seconds and save none.
ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True, kw_only=True)
class Peers:
    """Packages of a lock, a file beside this one, in a folder below .cache. `words` says which, and how large."""

    lock: str
    folder: str
    words: str

    @property
    def python(self) -> Path:
        """The interpreter of their environment."""
        return ROOT / ".cache" / self.folder / "bin/python"

    def ready(self) -> bool:
        """Install them where they are not; False, after a sentence on stderr, where that is impossible."""
        lock, folder = ROOT / "ci_scripts" / self.lock, ROOT / ".cache" / self.folder
        mark = folder / f".installed-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
        if mark.exists():
            return True
        print(f"Installing {self.words} into .cache/{self.folder}, once ...", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        install = ["uv", "-q", "pip", "install", "--python", str(self.python)]
        for command in (
            ["uv", "-q", "venv", "--python", version, str(folder)],
            # Compiled now: to compile at every start would count as theirs.
            [*install, "--compile-bytecode", "--require-hashes", "-r", str(lock)],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                why = (done.stderr.strip().splitlines() or ["no reason given"])[-1].strip()
                print(
                    f"The peers cannot be installed here, so ours stands alone: {why}",
                    file=sys.stderr,
                )
                return False
        mark.touch()
        return True


MONITORS: Final = Peers(lock="peers.txt", folder="peers", words="Evidently and NannyML (2 GB)")
SERVERS: Final = Peers(
    lock="serving_peers.txt",
    folder="serving-peers",
    words="BentoML, FastAPI, LitServe, MLflow and MLServer (1 GB)",
)


def run(module: str, *words: str) -> str:
    """What a module of this repository prints in the monitors' environment. Raises CalledProcessError when it fails."""
    done = subprocess.run(
        [str(MONITORS.python), "-W", "ignore", "-m", module, *words],
        cwd=ROOT,
        env=os.environ | QUIET | ONE_THREAD | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


if __name__ == "__main__":
    sys.exit(not (MONITORS.ready() and SERVERS.ready()))
