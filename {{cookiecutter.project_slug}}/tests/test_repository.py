"""What must hold in this repository whatever the model is: its files agree with each other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def test_the_yaml_files_are_in_order_and_the_library_is_the_one_they_belong_to() -> None:
    command = Path(sys.executable).with_name("gitops-model")
    done = subprocess.run(
        [command, "check", "--lint"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_file_that_a_stage_needs_is_there_or_made_by_another_stage() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    made = {
        name
        for stage in stages.values()
        for kind in ("outs", "metrics", "plots")
        for out in stage.get(kind, [])
        for name in ([out] if isinstance(out, str) else out)
    }
    needed = {dep for stage in stages.values() for dep in stage["deps"]} - made - {"data/raw"}
    assert sorted(name for name in needed if not (ROOT / name).exists()) == []
