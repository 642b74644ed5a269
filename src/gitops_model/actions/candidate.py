"""`ci-candidate`: build the candidate of a pull request where there is no data storage, and preview its verdict.

It runs the pull request's code. What it hands on, `judge` opens as data.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from gitops_model.actions.check import base_of, require_fresh
from gitops_model.actions.job import Job
from gitops_model.delivery import check, dvc, programs
from gitops_model.delivery.git import Git
from gitops_model.delivery.programs import environment
from gitops_model.errors import CannotEvaluate, ExternalFailure
from gitops_model.report.heading import OTHER_BUNDLE


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
    require_fresh(root)
    promised = (root / "dvc.lock").read_text(encoding="utf-8")
    raw = (root / "data/raw.dvc").read_text(encoding="utf-8")
    _call(root, *programs.gitops_model(), "data")
    _call(root, *programs.dvc(), "add", "--quiet", "data/raw")
    if (root / "data/raw.dvc").read_text(encoding="utf-8") != raw:
        raise CannotEvaluate(
            "`make data` fetches other raw data than data/raw.dvc names, and there is no DVC remote to take it from. "
            "Add a remote (README.md: storage), or commit data/raw.dvc as `make data` writes it."
        )
    _call(root, *programs.dvc(), "repro", "--quiet")
    built = dvc.locked_out((root / "dvc.lock").read_text(encoding="utf-8"), dvc.BUNDLE)
    named = dvc.locked_out(promised, dvc.BUNDLE)
    if built is not None and named is not None and built.md5 != named.md5:
        return BUILT_AGAIN
    return None


BUILT_AGAIN = (
    f"{OTHER_BUNDLE} (another processor or library). What was built here is what was judged; a release is built, "
    "judged and published the same way."
)


def _call(root: Path, *words: str) -> None:
    done = subprocess.run(words, cwd=root, env=environment(), check=False)
    if done.returncode:
        shown = " ".join(words[3:]).replace("gitops_model", "gitops-model")
        raise ExternalFailure(f"`{shown}` failed; the lines above say why.")
