"""`ci-candidate`: build the candidate of a pull request where there is no data storage, and preview its verdict.

It runs the pull request's code. What it hands on, `judge` opens as data.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from gitops_model.actions.check import base_of
from gitops_model.actions.job import Job
from gitops_model.delivery import check, dvc, programs
from gitops_model.delivery.git import Git
from gitops_model.delivery.lock_file import require_fresh
from gitops_model.delivery.programs import environment
from gitops_model.errors import CannotEvaluate, ExternalFailure
from gitops_model.report.heading import OTHER_BUNDLE_MEANS


def run() -> int:
    """Exit 0 when the preview passes, 1 blocked, 3 not evaluated. Output `candidate`: true when build/ holds one."""
    job = Job.from_environ(os.environ, token=False)
    git = Git.open(Path())
    note = None
    try:
        note = bring(git.root)
        job.set_output("candidate", "true")
        code = check.run(check.Options(base=base_of(job)))
    except CannotEvaluate as error:
        check.write(check.not_evaluated(str(error)))
        print(f"ci-candidate: {error}", file=sys.stderr)
        code = error.exit_code
    if note:
        job.annotate("warning", note)
        job.summarise(f"> [!WARNING]\n> {note}\n")
    job.summarise((check.REPORTS / "check.md").read_text(encoding="utf-8"))
    return code


def bring(root: Path) -> str | None:
    """Without a DVC remote, build the candidate and its data here. Returns a note when the bytes differ from dvc.lock.

    Raises CannotEvaluate when dvc.lock is not what this code and data build.
    """
    if dvc.default_remote(root) is not None:
        return None  # `check` pulls what it needs, and nothing else
    require_fresh(dvc.stale_stages(root))
    promised = dvc.lock_of(root).out(dvc.BUNDLE)
    raw = (root / "data/raw.dvc").read_text(encoding="utf-8")
    _call(root, *programs.gitops_model(), "data")
    _call(root, *programs.dvc(), "add", "--quiet", "data/raw")
    if (root / "data/raw.dvc").read_text(encoding="utf-8") != raw:
        raise CannotEvaluate(
            "`make data` fetches other raw data than data/raw.dvc names, and there is no DVC remote to take it from. "
            "Add a remote (README.md: storage), or commit data/raw.dvc as `make data` writes it."
        )
    _call(root, *programs.dvc(), "repro", "--quiet")
    return OTHER_BUNDLE_MEANS if dvc.lock_of(root).out(dvc.BUNDLE).md5 != promised.md5 else None


def _call(root: Path, *words: str) -> None:
    done = subprocess.run(words, cwd=root, env=environment(), check=False)
    if done.returncode:
        shown = " ".join(words[3:]).replace("gitops_model", "gitops-model")
        raise ExternalFailure(f"`{shown}` failed; the lines above say why.")
