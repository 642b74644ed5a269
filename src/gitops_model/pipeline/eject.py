"""`eject STAGE`: one stage of dvc.yaml becomes code of this repository: the library's own, over its public API.

There is no way back by command, and no plug-in system: a stage is the library's or the team's.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from gitops_model.errors import BadInput
from gitops_model.files import write_atomic
from gitops_model.pipeline.stages import PACKAGE, STAGES
from gitops_model.pipeline.team_code import file_of

PIPELINE = Path("dvc.yaml")
COMMAND = "gitops-model"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `eject`."""
    parser.add_argument("stage", metavar="STAGE", help=", ".join(STAGES))


@dataclass(frozen=True, kw_only=True)
class Options:
    """The stage that becomes code of the team."""

    stage: str


def run(options: Options) -> int:
    """Write the stage's file and let dvc.yaml run it. Raises BadInput, and changes nothing, when either cannot be."""
    stage = options.stage
    if stage not in STAGES:
        raise BadInput(
            f"STAGE is '{stage}'; allowed: {', '.join(STAGES)}. Example: make eject STAGE=evaluate"
        )
    path = file_of(stage)
    if path.exists():
        raise BadInput(f"{path} exists: the stage {stage} is code of this repository already.")
    pipeline = rewritten(PIPELINE.read_text(encoding="utf-8"), stage)
    write_atomic(path, source(stage))
    write_atomic(PIPELINE, pipeline)
    print(
        f"eject: {path} is yours, and dvc.yaml runs it. The library no longer updates this stage, and there is no way "
        f"back but: git checkout -- dvc.yaml && rm {path}"
    )
    return 0


def source(stage: str) -> str:
    """The library's code of a stage, which uses only what a team's code may use."""
    text = (
        resources.files(f"{PACKAGE}.pipeline").joinpath(f"{stage}.py").read_text(encoding="utf-8")
    )
    return text.replace('"""', f'"""YOURS, ejected by `gitops-model eject {stage}`. ', 1)


def rewritten(text: str, stage: str) -> str:
    """dvc.yaml with the ejected stage. Raises BadInput when it is not as it was generated.

    Edited as text, so that comments and layout stay; read again to be sure that nothing else changed.
    """
    path = str(file_of(stage))
    found = text
    for name in dict.fromkeys((stage, "package")):
        found = _with_dep(found, name, path)
    found = re.sub(
        rf"^( +cmd: +){COMMAND} {stage} *$", rf"\g<1>{COMMAND} run {path}", found, flags=re.M
    )
    wanted: Any = yaml.safe_load(text)
    try:
        for name in dict.fromkeys((stage, "package")):
            wanted["stages"][name]["deps"].append(path)
        as_generated = wanted["stages"][stage]["cmd"] == f"{COMMAND} {stage}"
        wanted["stages"][stage]["cmd"] = f"{COMMAND} run {path}"
        done = as_generated and _sorted(yaml.safe_load(found)) == _sorted(wanted)
    except (KeyError, TypeError, AttributeError, yaml.YAMLError):
        done = False
    if not done:
        raise BadInput(
            f"dvc.yaml: the stage {stage} does not look as it was generated (`cmd: {COMMAND} {stage}`, deps one a "
            "line), so it cannot be changed safely. Put it back first: git checkout -- dvc.yaml"
        )
    return found


def _with_dep(text: str, stage: str, path: str) -> str:
    """One more line under the stage's `deps`, before the first that sorts after it."""
    block = re.search(rf"^  {stage}:\n(?:(?:   .*)?\n)*?    deps:\n((?:      - .*\n)+)", text, re.M)
    if block is None:
        return text
    lines = block[1].splitlines(keepends=True)
    new = f"      - {path}\n"
    place = next((i for i, line in enumerate(lines) if line > new), len(lines))
    return (
        text[: block.start(1)]
        + "".join([*lines[:place], new, *lines[place:]])
        + text[block.end(1) :]
    )


def _sorted(pipeline: Any) -> Any:
    """The pipeline with each stage's deps in order."""
    return {
        **pipeline,
        "stages": {
            name: {**stage, "deps": sorted(stage["deps"])}
            for name, stage in pipeline["stages"].items()
        },
    }
