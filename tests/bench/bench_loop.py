"""What the loop costs on this machine: python -m tests.bench.bench_loop

Bakes every combination of options; trains the example in two clean clones and compares their bundles; trains again
with nothing changed; checks a candidate against production. Prints figures; judges nothing.
"""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ci_scripts import demo
from ci_scripts.bake import ROOT, combinations
from ci_scripts.stage import Stage

BAKES = """
import sys, time
from pathlib import Path
from ci_scripts.bake import bake, combinations, export
folder = Path(sys.argv[1])
template = export(folder / "template")
began = time.perf_counter()
for number, options in enumerate(combinations()):
    bake(template, folder / str(number), options)
print(time.perf_counter() - began, file=sys.stderr)
"""


def main() -> None:
    """Measure in the order of the loop."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name).resolve()
        bakes(folder)
        setup(folder)
        stage = Stage(folder / "story", log=folder / "bench.log")
        stage.folder.mkdir()
        demo.generate(stage, {})
        stage.make("data")
        demo.commit(stage, "Add data")
        stage.git("push", "--quiet", "origin", "main")
        stage.run("dvc", "push", "--quiet")
        print(f"make train, clean clone  {clone(stage, 'a')}")
        print(f"make train, second clone {clone(stage, 'b')}")
        stage.make("train")
        demo.commit(stage, "Train")
        stage.git("push", "--quiet", "origin", "main")
        print(f"make train, no change    {seconds(lambda: stage.make('train')):.1f} s")
        print(f"make check, first model  {seconds(lambda: stage.make('check')):.1f} s")
        say = demo.Narrator(quiet=True)
        demo.release_and_ship(stage, say)
        print(f"make check, production   {seconds(lambda: stage.make('check')):.1f} s")


def bakes(folder: Path) -> None:
    """Seconds of one bake, over all combinations of options, in one process without its start."""
    # The hooks say what comes next on standard output, eighteen times.
    done = subprocess.run(
        [sys.executable, "-c", BAKES, str(folder)],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    count = len(list(combinations()))
    print(
        f"bake                     {float(done.stderr.split()[-1]) / count:.2f} s, mean of {count}"
    )


def setup(folder: Path) -> None:
    """CPU seconds of `make setup` with an environment of its own; the first one fills the package cache."""
    repository = folder / "0/flight-delay"
    # With a cache of byte code elsewhere, pip compiles itself again in each run.
    left = ("VENV", "CI", "PART", "PYTHONPYCACHEPREFIX")
    kept = {k: v for k, v in os.environ.items() if k not in left}
    for name, environ in (("", kept), (" PART=github", {**kept, "CI": "true", "PART": "github"})):
        for _ in range(2):
            shutil.rmtree(repository / ".venv", ignore_errors=True)
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(
                ["make", "setup"], cwd=repository, env=environ, check=True, capture_output=True
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        size = sum(p.stat().st_size for p in (repository / ".venv").rglob("*") if p.is_file())
        print(f"make setup{name}, warm cache   {cpu:.1f} s of CPU, {size / 1e6:.0f} MB")
    shutil.rmtree(repository / ".venv")


def clone(stage: Stage, name: str) -> str:
    """Clone, pull the raw data, train; the seconds of training and the bundle's sha256."""
    target = stage.folder / name
    stage.run("git", "clone", "--quiet", str(stage.origin), str(target), cwd=stage.folder)
    stage.run("dvc", "pull", "--quiet", "data/raw", cwd=target)
    took = seconds(lambda: stage.run("make", "--no-print-directory", "train", cwd=target))
    digest = hashlib.sha256((target / "build/model.tar").read_bytes()).hexdigest()
    return f"{took:.1f} s, sha256 {digest}"


def seconds(action: Callable[[], object]) -> float:
    """Wall time of one call."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
