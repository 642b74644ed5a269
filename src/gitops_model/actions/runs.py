"""What GitHub knows about a `check` run: its pull request, changed files, artifact, status. Decides nothing.

A run is the API's own mapping. Nothing here believes what the run's artifact says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitops_model.actions import artifact, client, pointer_gate, pulls
from gitops_model.actions.client import Repository
from gitops_model.actions.job import Job
from gitops_model.actions.pulls import Pull
from gitops_model.delivery import changes
from gitops_model.delivery.desired import MAIN
from gitops_model.errors import BadArtifact, BadInput

ARTIFACT = "check"
WORKFLOW = ".github/workflows/check.yml"
EVENTS = ("pull_request", "merge_group")
ZIP_LIMIT = 64_000_000
# GitHub lists no more files of a pull request, and of a comparison, than this; beyond, everything may have changed.
FILES_LISTED = 3000
FILES_COMPARED = 300
DECIDED = ("success", "failure")
# Why there is no report, by the run's conclusion. A job that exceeds its time-out is cancelled, too.
NO_REPORT = {
    "action_required": "The check waits for a maintainer to approve its workflows on this page.",
    "cancelled": "The check was cancelled or ran out of time. Run it again.",
    "startup_failure": "The check could not start: its workflow file is not valid.",
}


def load(repository: Repository, number: int) -> dict[str, Any]:
    """The run of this id."""
    found: dict[str, Any] = repository.get(f"/actions/runs/{number}")
    return found


def require_check(repository: Repository, started: Mapping[str, Any]) -> None:
    """Raises BadInput for a run that is not one of check.yml about a pull request of this repository.

    Any workflow may call itself `check`, and one that a push starts runs what the pusher wrote into it.
    """
    path = str(started.get("path") or "").partition("@")[0]
    home = (started.get("repository") or {}).get("full_name")
    if (path, home) != (WORKFLOW, repository.name) or started["event"] not in EVENTS:
        raise BadInput(
            f"run {started['id']} is not a check of a pull request ({path or 'no file'}, {started['event']}); allowed: "
            f"{WORKFLOW} by {' or '.join(EVENTS)}. It says nothing, and nothing was published."
        )


def twins(repository: Repository, started: Mapping[str, Any]) -> list[int]:
    """Pull requests of this very commit into other branches than main, by number.

    Their check runs with the files of those branches, and GitHub does not say which run is whose.
    """
    source = source_of(started, repository)
    owner, branch = source.split("/")[0], started["head_branch"]
    found = pulls.elsewhere(repository, owner=owner, branch=branch)
    return [pull.number for pull in found if _is_of(pull, started, source)]


def _is_of(pull: Pull, started: Mapping[str, Any], source: str) -> bool:
    return (pull.head_repository, pull.head_sha) == (source, started["head_sha"])


def find_pull(repository: Repository, started: Mapping[str, Any]) -> Pull | None:
    """The open pull request into main with this run's head repository, branch and commit.

    Never by what the artifact says. One into another branch gets no comment, and its
    numbers count for nothing: see `twins`.
    """
    source = source_of(started, repository)
    owner, branch = source.split("/")[0], started["head_branch"]
    for pull in pulls.into_main(repository, owner=owner, branch=branch, state="open"):
        if _is_of(pull, started, source):
            return pull
    return None


def source_of(started: Mapping[str, Any], repository: Repository) -> str:
    """OWNER/NAME of the repository the commit comes from; ours when that one was deleted."""
    name = (started.get("head_repository") or {}).get("full_name")
    return str(name or repository.name)


def read_member(repository: Repository, job: Job, started: Mapping[str, Any]) -> tuple[bytes, str]:
    """The bytes of check.json in the run's artifact, and the artifact's page. Nothing is ever unpacked to disk.

    Raises BadArtifact when there is none, or when it is not what `check` uploads.
    """
    run_id = int(started["id"])
    listed = repository.get(f"/actions/runs/{run_id}/artifacts?name={ARTIFACT}")["artifacts"]
    usable = [a for a in listed if a["name"] == ARTIFACT and not a["expired"]]
    if not usable and listed:
        raise BadArtifact("The check's report has expired. Run the check again.", reason="missing")
    if not usable:
        usual = "The check ended without a report; its log says why."
        raise BadArtifact(NO_REPORT.get(str(started["conclusion"]), usual), reason="missing")
    newest = max(usable, key=lambda a: a["id"])
    path = f"/actions/artifacts/{newest['id']}/zip"
    data = repository.download(path, limit=ZIP_LIMIT, what="the check's artifact")
    return artifact.unzip(data), job.page(f"actions/runs/{run_id}/artifacts/{newest['id']}")


def changed_files(repository: Repository, pull: Pull | None, sha: str) -> list[str]:
    """The files that merging this commit into main changes, by the API: of the pull request, or else compared.

    Never against another branch: the status belongs to the commit, and counts wherever its pull request goes next.
    A renamed file counts under both names. Where GitHub cuts the list, dvc.lock is added: it is then judged in full.
    """
    files, limit = [] if pull is None else pulls.files(repository, pull.number), FILES_LISTED
    # The list is of the present head, which may have moved since the pull request was found.
    if pull is None or pulls.load(repository, pull.number).head_sha != sha:
        files, limit = _compared(repository, sha)["files"], FILES_COMPARED
    names = {
        str(name) for f in files for name in (f["filename"], f.get("previous_filename")) if name
    }
    if len(files) >= limit:
        names.add("dvc.lock")
        before = _compared(repository, sha)["merge_base_commit"]["sha"]
        if _pointer(repository, before) != _pointer(repository, sha):
            names.add(changes.POINTER)
    return sorted(names)


def _compared(repository: Repository, sha: str) -> Mapping[str, Any]:
    main = repository.get(f"/branches/{MAIN}")["commit"]["sha"]
    compared: Mapping[str, Any] = repository.get(f"/compare/{main}...{sha}")
    return compared


def _pointer(repository: Repository, sha: str) -> str | None:
    try:
        return pointer_gate.read(repository, sha)
    except BadInput:
        return None


def newest_run(repository: Repository, number: int) -> dict[str, Any] | None:
    """The newest finished `check` run of the pull request's present head."""
    pull = pulls.load(repository, number)
    if pull.state != "open":
        return None
    query = f"event=pull_request&head_sha={pull.head_sha}&status=completed"
    path = f"/actions/workflows/check.yml/runs?{query}"
    runs: list[dict[str, Any]] = repository.get(path)["workflow_runs"]
    # Another pull request may have the same commit as its head, on a branch of its own.
    mine = [
        r
        for r in runs
        if r["head_branch"] == pull.head_branch
        and (r.get("head_repository") or {}).get("full_name") == pull.head_repository
    ]
    return max(mine, key=lambda r: (r["id"], r.get("run_attempt") or 1), default=None)


def is_decided(repository: Repository, sha: str) -> bool:
    """Whether the commit passed or was blocked already.

    Anybody can open a pull request of a fork with a commit that is under way here; its check, which sees no data,
    takes nothing away.
    """
    with client.calling(f"read the statuses of {sha[:12]}"):
        known = repository.get(f"/commits/{sha}/status?per_page=100")["statuses"]
    return any(s["context"] == client.STATUS and s["state"] in DECIDED for s in known)
