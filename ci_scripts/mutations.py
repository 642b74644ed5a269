"""Break the verdict, and the way to production and back, on purpose: every break must turn a test red.

python -m ci_scripts.mutations [--only WORD]      exit 0: all were caught · 1: one survived · 2: a mutation is stale

Each of `mutants` replaces one piece of source text, which must occur exactly once, in a copy of the library. The copy's
own tests then run until the first failure. Text instead of operators, because each bug was shipped by somebody and is
named.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ci_scripts.mutants import JUDGE, Mutation
from ci_scripts.mutants_of_delivery import DELIVER
from ci_scripts.mutants_of_gates import HOLD
from ci_scripts.mutants_of_guard import GUARD
from ci_scripts.mutants_of_log import LOG
from ci_scripts.mutants_of_metrics import METRICS
from ci_scripts.mutants_of_monitor import MONITOR
from ci_scripts.mutants_of_ray import ON_RAY
from ci_scripts.mutants_of_render import RENDERED
from ci_scripts.mutants_of_rows import ROWS
from ci_scripts.mutants_of_speed import SPEED
from ci_scripts.mutants_of_trouble import TROUBLE
from ci_scripts.mutants_of_upgrade import UPGRADING
from ci_scripts.mutants_of_workers import WORKERS

ROOT = Path(__file__).parents[1]
MUTATIONS = (
    *(*JUDGE, *METRICS, *HOLD, *DELIVER, *MONITOR),
    *(*GUARD, *LOG, *ON_RAY, *RENDERED, *ROWS, *SPEED, *TROUBLE, *UPGRADING, *WORKERS),
)
COPIED = ("src", "tests", "ci_scripts", "hooks", "cookiecutter.json", "pyproject.toml", "LICENSE")


def main() -> int:
    """Run the mutations; print one line for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--only", default="", help="run the mutations whose name contains this word"
    )
    only = parser.parse_args().only
    chosen = [mutation for mutation in MUTATIONS if only in mutation.name]
    stale = [problem for mutation in MUTATIONS if (problem := _stale(mutation))]
    if stale or not chosen:
        print("\n".join(stale) or f"no mutation's name contains '{only}'", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        _copy(copy)
        tests = sorted({test for mutation in chosen for test in mutation.tests})
        code, said = _pytest(copy, tests)
        if code != 0:
            print(
                f"the tests fail without any mutation (pytest ended with {code}):\n{said}",
                file=sys.stderr,
            )
            return 2
        survived = [mutation.name for mutation in chosen if not _caught(mutation, copy)]
    print(f"{len(chosen) - len(survived)} of {len(chosen)} mutations caught")
    return 1 if survived else 0


def _stale(mutation: Mutation) -> str | None:
    path = ROOT / mutation.file
    count = path.read_text(encoding="utf-8").count(mutation.old) if path.exists() else 0
    if count == 1:
        return None
    return f"stale mutation '{mutation.name}': its text occurs {count} times in {mutation.file}; it must once"


def _caught(mutation: Mutation, copy: Path) -> bool:
    """True when a test fails. pytest's 1 is a failed test; anything else but 0 is no answer and raises."""
    start = time.monotonic()
    path = copy / mutation.file
    original = path.read_text(encoding="utf-8")
    path.write_text(original.replace(mutation.old, mutation.new), encoding="utf-8")
    try:
        code, said = _pytest(copy, list(mutation.tests))
    finally:
        path.write_text(original, encoding="utf-8")
    if code not in (0, 1):
        raise RuntimeError(
            f"pytest ended with {code} under '{mutation.name}': the mutation does not even load\n{said}"
        )
    word = "caught" if code else "SURVIVED"
    seconds = time.monotonic() - start
    print(f"{word:9} {mutation.name} ({mutation.file}, {seconds:.1f} s)", flush=True)
    return code == 1


def _pytest(copy: Path, tests: list[str]) -> tuple[int, str]:
    # No bytecode: a mutation within the same second and of the same length would go unnoticed.
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(copy / "src")}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(
        command, cwd=copy, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout[-4000:]


def _copy(target: Path) -> None:
    template = next(ROOT.glob("*cookiecutter.project_slug*"))
    for name in (*COPIED, template.name):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target / name)
    # A bake takes what Git would take.
    subprocess.run(["git", "init", "--quiet"], cwd=target, check=True)


if __name__ == "__main__":
    sys.exit(main())
