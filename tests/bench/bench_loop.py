"""What the loop costs on this machine: python tests/bench/bench_loop.py

Bakes every combination of options; trains the example in two clean clones and compares their bundles; trains again
with nothing changed; checks a candidate against production. Prints figures; judges nothing.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from ci_scripts import demo  # noqa: E402
from ci_scripts.bake import combinations  # noqa: E402
from ci_scripts.stage import Stage  # noqa: E402

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
