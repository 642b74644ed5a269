"""Keeps one of each format as this release writes it: tests/compat/<version>, which every later release must read.

python -m ci_scripts.compat       exit 2 when the set of a version that has a tag would be written again

| file | what it is |
|---|---|
| `repository.bundle` | a repository as `git clone` takes it: two releases (tags with their records), both shipped |
| `bundles/SHA256.tar` | their bundles |
| `pointer.json`, `removed.json` | what lies in a store |
| `check.json`, `monitor.json` | a verdict, and a report of the monitor |
| `log/` | a day of the prediction log in JSON lines, and a closed one in Parquet |
| `*.yaml` | the files of a generated repository |
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from ci_scripts.bake import ROOT, bake, export
from gitops_model.files import canonical_json
from gitops_model.formats import removed
from gitops_model.formats.removed import Removal
from gitops_model.monitoring import closing
from tests.support import cases, logs, watches
from tests.support.isolation import isolation
from tests.support.profiles import profile
from tests.support.world import World

SETS = ROOT / "tests/compat"
YAML = ("contract", "params", "gates", "serving", "monitor", "production")
DAYS = ("2026-11-19", "2026-11-20")


def version() -> str:
    """The library's version, as pyproject.toml says."""
    found = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return str(found["project"]["version"])


def write(folder: Path) -> None:
    """One of each format, as today's code writes it."""
    with tempfile.TemporaryDirectory() as name, isolation(Path(name) / "home"):
        scratch = Path(name)
        repository(scratch, folder)
        verdict = cases.check(**cases.inputs(rows=400))
        (folder / "check.json").write_text(json.dumps(verdict.to_json(), indent=1) + "\n")
        report = watches.watch(
            watches.signal(watches.TEMP), watches.signal("way back a-v1", "clean")
        )
        (folder / "monitor.json").write_text(canonical_json(report.to_dict()))
        removal = Removal(
            model="flight-delay-v3",
            sha256="c" * 64,
            stable="flight-delay-v2",
            at="2026-11-20T08:00:00",
            reason="errors",
        )
        removed.write(folder / "removed.json", {removal.sha256: removal})
        for day in DAYS:
            logs.write(
                folder / "log", day, (logs.record(n, time=f"{day}T08:00:00.000Z") for n in range(3))
            )
        list(closing.close_day(folder / f"log/date={DAYS[0]}"))
        made = bake(export(scratch / "template"), scratch / "bake", {})
        for kind in YAML:
            shutil.copy(made / f"{kind}.yaml", folder)


def repository(scratch: Path, folder: Path) -> None:
    """Two releases that were shipped one after the other, with the store that came of it."""
    clone = World.create(scratch / "world").clones[0]
    for seed in (1, 2):
        clone.release(seed, members={"reference.json": profile().to_bytes()})
        clone.ship()
        clone.ok("deploy")
    shutil.copytree(clone.store / "bundles", folder / "bundles")
    shutil.copy(clone.store / "pointer.json", folder)
    words = ("git", "bundle", "create", "-q", str(folder / "repository.bundle"), "main", "--tags")
    subprocess.run(words, cwd=clone.root, check=True)


def main() -> int:
    """Write the set of this version."""
    folder = SETS / version()
    tagged = subprocess.run(
        ["git", "rev-parse", "--verify", "--quiet", f"refs/tags/v{version()}"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if folder.exists() and tagged.returncode == 0:
        print(
            f"compat: {version()} was released with its set; raise the version first.",
            file=sys.stderr,
        )
        return 2
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write(folder)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"compat: {folder.relative_to(ROOT)}, {size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
