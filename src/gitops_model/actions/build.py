"""`ci-build`: on main, get or build the bundle that is to be released, and judge it once more.

Runs the pipeline, so it has no right to write. What it hands on (folder `release/`) is what it judged, byte for byte.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from gitops_model.actions import candidate, client, release_page, ships, storage
from gitops_model.actions.client import Repository
from gitops_model.actions.job import Job
from gitops_model.delivery import check, dvc, releases
from gitops_model.delivery.git import Git
from gitops_model.errors import Blocked
from gitops_model.formats.contract import Contract

FOLDER = Path("release")
FILES = ("check.json", "check.md", "check.html")


def run() -> int:
    """Exit 0 with the output `release`: true when release/ holds a bundle to release, false when there is none.

    The output `proposals` says whether the Ship pull requests are to be looked after.
    """
    job = Job.from_environ(os.environ, token=False)
    git = Git.open(Path())
    if git.read("HEAD", "dvc.lock") is None:
        return _nothing(job, "There is no dvc.lock yet: train a model and commit it (make train).")
    known = released(git)
    if known is not None and not _unfinished(git, job, known):
        job.set_output("proposals", str(ships.is_due(git)).lower())
        return _nothing(job, f"This bundle already is {known}.")
    withheld = storage.missing_credentials(git.root, os.environ)
    if withheld is not None:
        raise Blocked(f"nothing can be released: {withheld}")
    storage.write_credentials(git.root, os.environ)
    note = candidate.bring(git.root)
    code = check.run(check.Options(base="HEAD"))
    job.summarise((check.REPORTS / "check.md").read_text(encoding="utf-8"))
    if note:
        job.annotate("warning", note)
        job.summarise(f"> [!WARNING]\n> {note}\n")
    if code:
        job.set_output("release", "false")
        job.annotate("error", "The bundle on main does not pass the gates, so it is not released.")
        return code
    FOLDER.mkdir(exist_ok=True)
    for name in FILES:
        shutil.copy(check.REPORTS / name, FOLDER / name)
    shutil.copy(dvc.BUNDLE, FOLDER / "model.tar")
    job.set_output("release", "true")
    job.set_output("proposals", "true")
    return 0


def released(git: Git) -> str | None:
    """The release that an earlier commit with the same dvc.lock became, or None.

    A release of this very commit does not count: it may be one that a run before this one did not finish.
    """
    lock = git.read("HEAD", "dvc.lock")
    task = Contract.load(git.root / "contract.yaml").task
    head = git.need("HEAD")
    for model in reversed(list(releases.shas(git, task))):
        tag = releases.load(git, model).tag
        if tag.commit != head and git.read(tag.commit, "dvc.lock") == lock:
            return model
    return None


def _unfinished(git: Git, job: Job, model: str) -> bool:
    """Whether `model` waits for its pull request and has no page: the run that tagged it died, or was refused."""
    if not job.token or ships.pending(git, "HEAD") != model:
        return False
    with client.calling(f"look for the release {model}"):
        return not release_page.exists(Repository(job), model)


def _nothing(job: Job, sentence: str) -> int:
    print(f"ci-build: {sentence}")
    job.summarise(sentence)
    job.set_output("release", "false")
    return 0
