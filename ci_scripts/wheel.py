"""Builds the library's wheel into the template, with what belongs to it: library.lock and stages.json.

python -m ci_scripts.wheel            write them
python -m ci_scripts.wheel --check    exit 1 when what is committed is not the build of src/
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import uv_build

from ci_scripts.bake import ROOT
from gitops_model.pipeline import stages

TEMPLATE = next(ROOT.glob("*cookiecutter.project_slug*"))
LOCK = """\
gitops-model=={version} \\
    --hash=sha256:{sha256}
"""


def build(root: Path = ROOT) -> tuple[str, bytes]:
    """Name and bytes of the wheel of `root`'s sources. The same sources give the same bytes anywhere."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(root)
        try:
            name = uv_build.build_wheel(folder)
        finally:
            os.chdir(before)
        return name, (Path(folder) / name).read_bytes()


def expected(template: Path = TEMPLATE) -> dict[Path, bytes]:
    """Contents of the files that belong to the wheel, by path."""
    name, data = build()
    version = name.split("-")[1]
    try:
        former = json.loads((template / "stages.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        former = {}
    lock = LOCK.format(version=version, sha256=hashlib.sha256(data).hexdigest())
    listed = json.dumps(stages.versions(version, former), indent=2) + "\n"
    return {
        template / "vendor" / name: data,
        template / "library.lock": lock.encode(),
        template / "stages.json": listed.encode(),
    }


def main() -> int:
    """Write the files, or say which of them differ."""
    parser = argparse.ArgumentParser(prog="python -m ci_scripts.wheel", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 when they differ"
    )
    check = parser.parse_args().check
    wanted = expected()
    vendored = set((TEMPLATE / "vendor").glob("*"))
    wrong = [
        path for path, data in wanted.items() if not path.is_file() or path.read_bytes() != data
    ]
    wrong += sorted(vendored - set(wanted))
    if check:
        for path in wrong:
            print(
                f"wheel: {path.relative_to(ROOT)} is not the build of src/. Run: make wheel",
                file=sys.stderr,
            )
        return 1 if wrong else 0
    for path in vendored - set(wanted):
        path.unlink()
    for path, data in wanted.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        print(f"wheel: {path.relative_to(ROOT)}, {len(data):,} bytes")
    print(f"wheel: gitops-model {metadata.version('gitops-model')} is installed from src/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
