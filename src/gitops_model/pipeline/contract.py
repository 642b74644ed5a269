"""`contract`: draft contract.yaml from a CSV file. It writes contract.draft.yaml, and never touches contract.yaml."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from gitops_model.errors import BadInput
from gitops_model.files import write_atomic
from gitops_model.formats.contract import Contract
from gitops_model.pipeline import csv_sample, draft

CONTRACT = Path("contract.yaml")
DRAFT = Path("contract.draft.yaml")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `contract`."""
    parser.add_argument(
        "file", type=Path, metavar="data.csv", help="a CSV file with a header, UTF-8"
    )
    parser.add_argument(
        "--label", metavar="NAME", help="the column to predict (default: the last that could be)"
    )
    parser.add_argument("--separator", default=",", metavar="';'", help="between fields")
    parser.add_argument("--replace", action="store_true", help=f"write over {DRAFT}")


@dataclass(frozen=True, kw_only=True)
class Options:
    """`label`: a column of `file`, or None. `replace`: whether a former draft may go."""

    file: Path
    label: str | None = None
    separator: str = ","
    replace: bool = False


def run(options: Options) -> int:
    """Write the draft and print what to do next. Raises BadInput; then nothing is written."""
    if DRAFT.exists() and not options.replace:
        raise BadInput(
            f"{DRAFT} is there already, perhaps corrected by somebody. Use it: mv {DRAFT} {CONTRACT}   "
            "Or draft anew: add --replace"
        )
    separator = "\t" if options.separator == "\\t" else options.separator
    sample = csv_sample.read(options.file, separator=separator)
    found = draft.draft(sample, task=_task(options.file), label=options.label)
    words = csv_sample.words(options.file, sample)
    text = draft.text(found, source=f"{options.file.name}: {words}")
    # Whatever stands in the file, what is written can be read.
    Contract.parse(text, name=str(DRAFT))
    write_atomic(DRAFT, text)
    questions = sum(line.startswith(draft.QUESTION) for line in text.splitlines())
    print(f"contract: {options.file}: {words}")
    print(
        f"contract: {DRAFT}: {len(found.inputs)} inputs, label {found.label.name} ({found.problem}); {questions} "
        f"questions begin with `{draft.QUESTION}`"
    )
    print("Answer them in the file. In pipeline/features.py, build needs no more than:")
    for line in draft.build_lines(found):
        print(f"    {line}")
    print(f"params.yaml:  split: {draft.split_words(found)}")
    former = _former()
    if former.get("problem") not in (None, found.problem):
        print(
            f"{CONTRACT} says {former['problem']}: change the limits in gates.yaml and the plots in dvc.yaml, too, or "
            f"generate the repository with problem={found.problem}."
        )
    print(f"Next:  mv {DRAFT} {CONTRACT} && make config")
    return 0


def _task(file: Path) -> str:
    """The task that the repository has, or the file's name as one."""
    task = _former().get("task")
    if isinstance(task, str) and re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", task[:40]):
        return task[:40]
    name = re.sub(r"[^a-z0-9]+", "-", file.stem.lower())[:40].strip("-")
    return name if re.match(r"[a-z]", name) else "model"


def _former() -> Mapping[str, object]:
    """What contract.yaml says now; nothing when it cannot be read."""
    try:
        data = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return data if isinstance(data, dict) else {}
