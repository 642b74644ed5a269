"""Bakes: generates repositories from the template, one for each combination of options."""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from cookiecutter.main import cookiecutter

ROOT: Final = Path(__file__).resolve().parent.parent
OPTIONS: Final = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))


def combinations() -> Iterator[dict[str, str]]:
    """Every combination of the options that offer a choice, in the order of cookiecutter.json.

    Read from that file, so a new choice is baked and tested without an edit here.
    """
    choices = {
        name: value for name, value in OPTIONS.items() if isinstance(value, list) and name[0] != "_"
    }
    for values in itertools.product(*choices.values()):
        yield dict(zip(choices, values, strict=True))


def export(folder: Path) -> Path:
    """Copy the template as a clone would have it into `folder`: what tools left behind stays here."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def bake(template: Path | str, output: Path, options: Mapping[str, str]) -> Path:
    """Generate one repository below `output` and return its path.

    `template` is a folder, or an address. Options that are not given keep their default. Cookiecutter's settings, cache
    and replay files in the user's home play no part. Raises
    cookiecutter.exceptions.FailedHookException when an answer is refused.
    """
    with tempfile.TemporaryDirectory() as scratch:
        settings = Path(scratch) / "settings.yaml"
        folders = {"cookiecutters_dir": f"{scratch}/cache", "replay_dir": f"{scratch}/replay"}
        settings.write_text(json.dumps(folders), encoding="utf-8")
        return Path(
            cookiecutter(
                str(template),
                no_input=True,
                extra_context=dict(options),
                output_dir=str(output),
                config_file=str(settings),
            )
        )


def files(repository: Path) -> list[str]:
    """The files of a generated repository, relative and sorted, `.git` aside."""
    found = (path.relative_to(repository) for path in repository.rglob("*") if not path.is_dir())
    return sorted(path.as_posix() for path in found if path.parts[0] != ".git")


def main() -> int:
    """Bake every combination into a folder, or write the list of files that a bake must have."""
    parser = argparse.ArgumentParser(prog="python -m ci_scripts.bake", description=__doc__)
    parser.add_argument(
        "folder", type=Path, nargs="?", help="where to write one repository for each combination"
    )
    parser.add_argument(
        "--golden", type=Path, help="write the files of a bake without storage to this list instead"
    )
    args = parser.parse_args()
    if args.folder is None and args.golden is None:
        parser.error("say where to: a folder, or --golden <file>")
    with tempfile.TemporaryDirectory() as scratch:
        template = export(Path(scratch) / "template")
        if args.golden is not None:
            repository = bake(template, Path(scratch) / "out", {})
            args.golden.write_text("\n".join(files(repository)) + "\n", encoding="utf-8")
        else:
            for options in combinations():
                slug = "-".join(["model", *options.values()])
                bake(template, args.folder, {**options, "project_slug": slug})
                print(args.folder / slug)
    return 0


if __name__ == "__main__":
    sys.exit(main())
