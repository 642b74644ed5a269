"""`ci-check`: what the `check` job does on a pull request. It runs the pull request's code, so it may read and no more.

With a data storage it holds no secret and looks only whether dvc.lock is what the change builds. Without one it builds
the candidate, which `judge` then opens as data. Whether the pull request may merge is not decided here: what this job
says of the model is a preview for its author.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from gitops_model.actions.job import Job
from gitops_model.delivery import changes, check, dvc, programs
from gitops_model.delivery.desired import MAIN
from gitops_model.delivery.git import Git
from gitops_model.delivery.programs import environment
from gitops_model.errors import BadInput, CannotEvaluate, ExternalFailure
from gitops_model.report.heading import OTHER_BUNDLE


def run() -> int:
    """Exit 0 when the preview passes or there is nothing to say, 1 blocked, 3 could not be evaluated.

    Output `candidate`: true when build/ holds one for the judge.
    """
    job = Job.from_environ(os.environ, token=False)
    git = Git.open(Path())
    base = base_of(job)
    changed = changed_files(git.root, base)
    match changes.kind(changed):
        case "nothing":
            return _done(job, "Nothing to evaluate: this change does not reach the model.")
        case "pointer":
            return _done(
                job,
                "A change of production.yaml trains nothing; its releases are verified by `publish`.",
            )
        case "model":
            return preview(job, git, base)


def preview(job: Job, git: Git, base: str) -> int:
    """Build and check the candidate; with a storage, look at dvc.lock alone. Both go to the job summary."""
    try:
        if has_storage(git, base):
            require_fresh(git.root)
            return _done(
                job,
                "dvc.lock is what this change builds. `publish` judges the candidate: it holds the key of the storage.",
            )
        note = bring(git.root)
        job.set_output("candidate", "true")
        code = check.run(check.Options(base=base))
    except CannotEvaluate as error:
        check.write(check.not_evaluated(str(error)))
        print(f"ci-check: {error}", file=sys.stderr)
        code, note = error.exit_code, None
    if note:
        job.annotate("warning", note)
        job.summarise(f"> [!WARNING]\n> {note}\n")
    job.summarise((check.REPORTS / "check.md").read_text(encoding="utf-8"))
    return code


def has_storage(git: Git, base: str) -> bool:
    """Whether the branch that is merged into has a DVC remote: the judge reads that branch's settings, so do we."""
    config = git.read(base, ".dvc/config") or b""
    return dvc.remote_in(config.decode(errors="replace")) is not None


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


def require_fresh(root: Path) -> None:
    """Raises CannotEvaluate when dvc.lock is not what this code and data build."""
    if stale := dvc.stale_stages(root):
        raise CannotEvaluate(
            f"dvc.lock is stale ({'; '.join(stale)}): the candidate is not what this code and data build. "
            "Run `make train` and commit dvc.lock."
        )


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


def _done(job: Job, sentence: str) -> int:
    print(f"ci-check: {sentence}")
    job.summarise(sentence)
    return 0
