"""`ci-propose`: the pull request with a retrained model, and one comment on the issue that asked.

The commit comes from a job that ran the team's code. So it is looked at as data: it stands on this very main, and it
changes what training writes and nothing else. The pull request is judged like any other.
"""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path

from gitops_model.actions import client, issues, pulls, ready
from gitops_model.actions.client import Repository
from gitops_model.actions.job import Job
from gitops_model.actions.retrain import BUNDLE, SAID, branch, issue
from gitops_model.delivery.git import Git
from gitops_model.errors import Blocked, ExternalFailure

WRITTEN = ("params.yaml", "dvc.lock", "data/*.dvc", "build/prepared/data.json", "reports/*")
TITLE = "Retrain on newer data"
LONGEST = 50_000


def run() -> int:
    """Exit 0 when the pull request is open, or the issue says why there is none."""
    job = Job.from_environ(os.environ)
    git, repository = Git.open(Path()), Repository(job)
    number = issue(os.environ)
    said = SAID.read_text(encoding="utf-8", errors="replace")[:LONGEST]
    if not BUNDLE.exists():
        return _tell(repository, job, number, said)
    name = branch(number)
    commit = take(git, BUNDLE, name)
    with job.git_access():
        ref = f"refs/heads/{name}"
        problem = git.push(f"{commit}:{ref}")
        if problem and git.remote_refs(ref).get(ref) != commit:
            raise ExternalFailure(f"branch {name} cannot be pushed: {problem}.")
    body = f"#{number} asked. Merging this releases the model if it passes; it ships nothing.\n\n{said}"
    with client.calling(f"open the pull request '{TITLE}'"):
        pull = pulls.open_or_find(repository, owner=job.owner, branch=name, title=TITLE, body=body)
    url = pull.url if pull is not None else ready.link(job, branch=name, title=TITLE)
    return _tell(repository, job, number, f"A model was trained on newer data: {url}")


def take(git: Git, bundle: Path, name: str) -> str:
    """The commit of the bundle, brought into this clone. Raises Blocked when it is not what a retraining makes."""
    git.out("fetch", "--quiet", "--no-tags", str(bundle), f"refs/heads/{name}")
    commit = git.need("FETCH_HEAD")
    parents = git.out("rev-list", "--parents", "-n", "1", commit).split()[1:]
    if parents != [git.need("HEAD")]:
        raise Blocked("the retrained commit does not stand on this main; run the workflow again.")
    words = ("diff-tree", "-r", "-z", "--name-only", "--no-commit-id", commit)
    changed = [path for path in git.out(*words).split("\0") if path]
    others = [path for path in changed if not any(fnmatchcase(path, like) for like in WRITTEN)]
    if others:
        raise Blocked(
            f"the retraining changed {', '.join(others[:5])}; allowed: {', '.join(WRITTEN)}. Nothing was pushed."
        )
    modes = {
        line.split()[1]
        for line in git.out("diff-tree", "-r", "--no-commit-id", commit).splitlines()
    }
    if not modes <= {"100644", "000000"}:
        raise Blocked(
            "the retraining made a link or a program; allowed: files. Nothing was pushed."
        )
    return commit


def _tell(repository: Repository, job: Job, number: int, text: str) -> int:
    with client.calling(f"comment on issue #{number}"):
        known = issues.comments(
            repository, number, author=repository.login(), ours=lambda body: body == text
        )
        if not known:
            issues.add_comment(repository, number, text)
    print(f"ci-propose: {text.splitlines()[0]}")
    job.summarise(text)
    return 0
