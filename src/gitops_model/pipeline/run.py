"""`run`: a stage that `eject` made code of the team, under the same rules as the library's own."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from gitops_model.errors import BadInput
from gitops_model.pipeline import team_code
from gitops_model.pipeline.stages import STAGES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `run`."""
    parser.add_argument("file", type=Path, help="pipeline/<stage>_stage.py, as dvc.yaml names it")


@dataclass(frozen=True, kw_only=True)
class Options:
    """The file of an ejected stage."""

    file: Path


def run(options: Options) -> int:
    """Call `run` of the file. Raises BadInput when it raises, or uses what dvc.yaml does not name."""
    files = {team_code.file_of(stage): stage for stage in STAGES}
    if options.file not in files:
        raise BadInput(f"FILE is {options.file}; allowed: {', '.join(map(str, files))}.")
    team_code.call(options.file.stem, "run", wanted="def run()")
    team_code.require_declared(files[options.file])
    return 0
