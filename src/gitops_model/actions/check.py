"""`ci-check`: the first thing the `check` job does on a pull request. It may read and no more, and holds no secret.

With a data storage it looks whether dvc.lock is what the change builds, and that is all. Without one it asks for the
candidate to be built (`ci-candidate`). Whether the pull request may merge is not decided here.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from gitops_model.actions.job import Job
from gitops_model.delivery import changes, dvc
from gitops_model.delivery.desired import MAIN
from gitops_model.delivery.git import Git
from gitops_model.delivery.lock_file import require_fresh
from gitops_model.errors import BadInput


def run() -> int:
    """Exit 0 when nothing is wrong, 3 when dvc.lock is stale. Output `build`: true when a candidate must be built."""
    job = Job.from_environ(os.environ, token=False)
    git = Git.open(Path())
    base = base_of(job)
    match changes.kind(changed_files(git.root, base)):
        case "nothing":
            return _done(job, "Nothing to evaluate: this change does not reach the model.")
        case "pointer":
            return _done(
                job,
                "A change of production.yaml trains nothing; its releases are verified by `publish`.",
            )
        case "model":
            require_fresh(dvc.stale_stages(git.root))
    if has_storage(git, base):
        return _done(
            job,
            "dvc.lock is what this change builds. `publish` judges the candidate: it holds the key of the storage.",
        )
    job.set_output("build", "true")
    return _done(
        job, "dvc.lock is what this change builds, and there is no data storage: building."
    )


def has_storage(git: Git, base: str) -> bool:
    """Whether the branch that is merged into has a DVC remote: the judge reads that branch's settings, so do we."""
    return dvc.remote_in(git.text(base, ".dvc/config") or "") is not None


def base_of(job: Job) -> str:
    """What the change is judged against. Raises BadInput when the event names no base.

    For a pull request that is main, also where it goes to another branch first: `publish` judges it so, and the
    model to beat is the one that main's production.yaml names.
    """
    if job.base_ref:
        return f"origin/{MAIN}"
    group = job.event.get("merge_group") or {}
    if group.get("base_sha"):
        return str(group["base_sha"])
    raise BadInput(f"the event '{job.event_name}' names no base branch; run `make check` instead.")


def changed_files(root: Path, base: str) -> list[str]:
    """Paths that differ between the merge base with `base` and HEAD. Raises BadInput without common history."""
    done = subprocess.run(
        ["git", "diff", "--name-only", "--no-renames", "-z", f"{base}...HEAD"],
        cwd=root,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip()
        raise BadInput(
            f"the change cannot be compared with {base}: {reason}. Check out with fetch-depth: 0."
        )
    return [path for path in done.stdout.decode(errors="replace").split("\0") if path]


def _done(job: Job, sentence: str) -> int:
    print(f"ci-check: {sentence}")
    job.summarise(sentence)
    return 0
