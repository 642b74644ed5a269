"""What a release of library and template consists of: dist/ with the wheel, its sha256 and the notes, if all agree.

python -m ci_scripts.release [TAG]      exit 1, and nothing written, when one of the parts is of another version
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from ci_scripts import wheel
from ci_scripts.bake import ROOT
from ci_scripts.compat import SETS, version

DIST = ROOT / "dist"
TEMPLATE = wheel.TEMPLATE


def problems(tag: str, *, name: str, data: bytes, root: Path = ROOT) -> Iterator[str]:
    """What keeps `tag` from being released; `name` and `data` are the wheel built from src/."""
    number = name.split("-")[1]
    inside = root / TEMPLATE.name
    if tag != f"v{number}":
        yield f"the tag is {tag}, and pyproject.toml says {number}: tag v{number}, or raise the version"
    vendored = inside / "vendor" / name
    if not vendored.is_file() or vendored.read_bytes() != data:
        yield f"vendor/{name} is not the build of src/. Run: make wheel"
    lock = (inside / "library.lock").read_text(encoding="utf-8")
    if lock != wheel.LOCK.format(version=number, sha256=hashlib.sha256(data).hexdigest()):
        yield "library.lock names another wheel. Run: make wheel"
    for path in sorted(inside.glob("requirements*.in")):
        for found in re.findall(r"^gitops-model\[.*\]==(\S+)", path.read_text(), re.MULTILINE):
            if found != number:
                yield f"{path.name} asks for {found}: write {number}"
    if not (root / SETS.relative_to(ROOT) / number).is_dir():
        yield f"tests/compat has no set of {number}. Run: make compat"
    if not notes((root / "CHANGELOG.md").read_text(encoding="utf-8"), number):
        yield f"CHANGELOG.md has no section '## {number}' with an item"


def notes(changelog: str, number: str) -> str:
    """The items of one version; empty when there are none."""
    found = re.search(
        rf"^## {re.escape(number)}\b[^\n]*\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL
    )
    return found[1].strip() if found and "- " in found[1] else ""


def main() -> int:
    """Write dist/, or say what does not agree."""
    parser = argparse.ArgumentParser(prog="python -m ci_scripts.release", description=__doc__)
    parser.add_argument("tag", nargs="?", help="default: GITHUB_REF_NAME, else v and the version")
    tag = parser.parse_args().tag or os.environ.get("GITHUB_REF_NAME") or f"v{version()}"
    name, data = wheel.build()
    found = list(problems(tag, name=name, data=data))
    if found:
        print("\n".join(f"release: {problem}" for problem in found), file=sys.stderr)
        return 1
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir()
    (DIST / name).write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    (DIST / "SHA256SUMS").write_text(f"{sha256}  {name}\n", encoding="utf-8")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    (DIST / "notes.md").write_text(notes(changelog, version()) + "\n", encoding="utf-8")
    print(f"release: {tag}, dist/{name}, sha256 {sha256}, the bytes in vendor/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
