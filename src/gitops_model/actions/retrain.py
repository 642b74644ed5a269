"""`ci-retrain`: train on the newer data, as the monitor's evidence asks for, and hand the commit on.

Runs the team's code on main, so it has no right to write. What it hands on (folder `retrain/`) is a commit on top of
main, and what `check` said; `ci-propose` opens the pull request.
"""

from __future__ import annotations

import os
from pathlib import Path

from gitops_model.actions import storage
from gitops_model.actions.job import Job
from gitops_model.delivery import check, retrain
from gitops_model.delivery.git import Git
from gitops_model.errors import BadInput, Blocked
from gitops_model.files import write_atomic

FOLDER = Path("retrain")
BUNDLE, SAID = FOLDER / "change.bundle", FOLDER / "said.md"


def run() -> int:
    """Exit 0 when the commit, or the reason why there is none, lies in retrain/."""
    job = Job.from_environ(os.environ, token=False)
    git = Git.open(Path())
    withheld = storage.missing_credentials(git.root, os.environ)
    if withheld is not None:
        raise Blocked(f"nothing can be retrained: {withheld}")
    storage.write_credentials(git.root, os.environ)
    number = issue(os.environ)
    with job.git_access():
        made = retrain.retrain(git, retrain.Options(branch=branch(number)))
        if made is not None and made.code == 0:
            retrain.push_data(git, made.branch)
    if made is None:
        return _hand_on(job, "There is no newer data than the model in production was trained on.")
    text = (git.root / check.REPORTS / "check.md").read_text(encoding="utf-8")
    job.summarise(text)
    if made.code:
        return _hand_on(
            job, f"A model was trained on the newer data, and is not proposed.\n\n{text}"
        )
    write_atomic(SAID, text)
    git.out("bundle", "create", str(BUNDLE), f"{made.commit}~1..refs/heads/{made.branch}")
    return 0


def branch(number: int) -> str:
    """One retraining for each question: the branch is named by its issue."""
    return f"retrain/issue-{number}"


def issue(environ: dict[str, str] | os._Environ[str]) -> int:
    """The number of the issue that asks. Raises BadInput."""
    text = environ.get("ISSUE", "")
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise BadInput(f"ISSUE is '{text[:40]}'; allowed: the number of the monitor's issue.")
    return int(text)


def _hand_on(job: Job, text: str) -> int:
    write_atomic(SAID, text + "\n")
    job.summarise(text)
    return 0
