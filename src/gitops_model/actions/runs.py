"""What GitHub knows about a `check` run: its pull request, changed files, artifact, status. Decides nothing.

A run is the API's own mapping. Nothing here believes what the run's artifact says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gitops_model.actions import artifact, client, pointer_gate, pulls
from gitops_model.actions.client import Repository
from gitops_model.actions.job import Job
from gitops_model.actions.pulls import Pull
from gitops_model.delivery import changes
from gitops_model.delivery.desired import MAIN
from gitops_model.errors import BadArtifact, BadInput

# What the `check` job hands to the judge, and the judge to whoever publishes; that one is named by the check's run.
CANDIDATE = "candidate"
VERDICT = "verdict"
WORKFLOW = ".github/workflows/check.yml"
JUDGE = ".github/workflows/publish.yml"
EVENTS = ("pull_request", "merge_group")
ZIP_LIMIT = 64_000_000
CANDIDATE_LIMIT = 1024**3
# GitHub's name for the branch of a merge queue's group ends with the commit it stands on.
GROUP = re.compile(r"gh-readonly-queue/main/pr-\d+-([0-9a-f]{40})")
# GitHub lists no more files of a pull request, and of a comparison, than this; beyond, everything may have changed.
FILES_LISTED = 3000
FILES_COMPARED = 300
DECIDED = ("success", "failure")
# The step of check.yml that uploads the candidate.
KEEP = "Keep the candidate for the judge"
# Why there is no report, by the run's conclusion. A job that exceeds its time-out is cancelled, too.
NO_REPORT = {
    "action_required": "The check waits for a maintainer to approve its workflows on this page.",
    "cancelled": "The check was cancelled or ran out of time. Run it again.",
    "startup_failure": "The check could not start: its workflow file is not valid.",
}


def of_event(job: Job) -> int:
    """The id of the check run whose end started this job. Raises BadInput when there is none."""
    number = int((job.event.get("workflow_run") or {}).get("id") or 0)
    if not number:
        raise BadInput(
            "no check run is named; give --run ID, the number in the address of the run."
        )
    return number


def begin(job: Job, number: int | None = None) -> tuple[Repository, dict[str, Any]]:
    """The repository, and the check run `number` (None: the event's). Raises BadInput for a run that is no check."""
    with client.calling("look at the check run"):
        repository = Repository(job)
        started = load(repository, number or of_event(job))
    require_check(repository, started)
    return repository, started


def base_of(started: Mapping[str, Any]) -> str:
    """What the run's commit is judged against: HEAD, which is main; for a merge queue the commit below its group."""
    group = GROUP.fullmatch(str(started["head_branch"] or ""))
    return group[1] if started["event"] == "merge_group" and group else "HEAD"


def load(repository: Repository, number: int) -> dict[str, Any]:
    """The run of this id."""
    found: dict[str, Any] = repository.get(f"/actions/runs/{number}")
    return found


def require_check(repository: Repository, started: Mapping[str, Any]) -> None:
    """Raises BadInput for a run that is not one of check.yml about a pull request of this repository.

    Any workflow may call itself `check`, and one that a push starts runs what the pusher wrote into it.
    """
    path, home = _origin(started)
    if (path, home) != (WORKFLOW, repository.name) or started["event"] not in EVENTS:
        raise BadInput(
            f"run {started['id']} is not a check of a pull request ({path or 'no file'}, {started['event']}); allowed: "
            f"{WORKFLOW} by {' or '.join(EVENTS)}. It says nothing, and nothing was published."
        )


def _origin(run: Mapping[str, Any]) -> tuple[str, str]:
    """The workflow file of a run, and the repository it lies in."""
    home = (run.get("repository") or {}).get("full_name")
    return str(run.get("path") or "").partition("@")[0], str(home or "")


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


def is_ours(started: Mapping[str, Any], job: Job) -> bool:
    """Whether somebody who may write here pushed the commit; a fork that is gone is nobody's word for it."""
    return bool((started.get("head_repository") or {}).get("full_name") == job.repository)


def built(repository: Repository, started: Mapping[str, Any]) -> bool:
    """Whether the check left a candidate."""
    return _newest(_candidates(repository, started)) is not None


def read_candidate(repository: Repository, started: Mapping[str, Any]) -> bytes:
    """The zip with the candidate that the check built. Raises BadArtifact when there is none."""
    newest = _newest(_candidates(repository, started))
    if newest is None:
        raise BadArtifact("The check left no candidate. Run the check again.", reason="missing")
    path = f"/actions/artifacts/{newest['id']}/zip"
    return repository.download(path, limit=CANDIDATE_LIMIT, what="the check's candidate")


def _candidates(repository: Repository, started: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    path = f"/actions/runs/{started['id']}/artifacts?name={CANDIDATE}"
    found: list[Mapping[str, Any]] = repository.get(path)["artifacts"]
    return [item for item in found if item["name"] == CANDIDATE]


def _newest(listed: list[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    usable = [item for item in listed if not item["expired"]]
    return max(usable, key=lambda item: int(item["id"]), default=None)


def read_verdict(repository: Repository, job: Job, started: Mapping[str, Any]) -> tuple[bytes, str]:
    """The bytes of check.json that the judge wrote about this check run, and its page. Nothing is unpacked to disk.

    Any run may keep an artifact under any name: only one of main's publish.yml counts. Raises BadArtifact.
    """
    name = f"{VERDICT}-{started['id']}"
    listed = repository.get(f"/actions/artifacts?name={name}&per_page=100")["artifacts"]
    mine = [item for item in listed if item["name"] == name and _by_judge(repository, item)]
    newest = _newest(mine)
    if newest is None and mine:
        raise BadArtifact("The verdict has expired. Run the check again.", reason="missing")
    if newest is None:
        raise BadArtifact(_no_verdict(repository, started), reason="missing")
    path = f"/actions/artifacts/{newest['id']}/zip"
    data = repository.download(path, limit=ZIP_LIMIT, what="the verdict")
    run = newest["workflow_run"]["id"]
    return artifact.unzip(data), job.page(f"actions/runs/{run}/artifacts/{newest['id']}")


def _by_judge(repository: Repository, item: Mapping[str, Any]) -> bool:
    number = (item.get("workflow_run") or {}).get("id")
    run = repository.find(f"/actions/runs/{number}") if number else None
    if run is None:
        return False
    return (*_origin(run), run["event"]) == (JUDGE, repository.name, "workflow_run")


def _no_verdict(repository: Repository, started: Mapping[str, Any]) -> str:
    """Why nobody judged: the check says it, or a step of it that failed, or else the judge's log."""
    if reason := NO_REPORT.get(str(started["conclusion"])):
        return reason
    if started["conclusion"] == "success" or _candidates(repository, started):
        return "The judge ended without a verdict; the log of `publish` says why."
    for job in repository.get(f"/actions/runs/{started['id']}/jobs?per_page=100")["jobs"]:
        for step in job.get("steps") or ():
            if (step["name"], step["conclusion"]) == (KEEP, "failure"):
                return (
                    "GitHub did not take the candidate that the check built: the storage of artifacts is full, or the "
                    "file is too large. Delete old artifacts, or use a data storage (docs/GITHUB.md)."
                )
    return "The check ended without a candidate; its log says why."


def changed_files(
    repository: Repository, pull: Pull | None, started: Mapping[str, Any]
) -> list[str]:
    """The files that merging this run's commit changes, by the API: of the pull request, or else compared.

    Never against another branch: the status belongs to the commit, and counts wherever its pull request goes next.
    A renamed file counts under both names. Where GitHub cuts the list, dvc.lock is added: it is then judged in full.
    """
    sha, below = str(started["head_sha"]), _below(repository, started)
    files, limit = [] if pull is None else pulls.files(repository, pull.number), FILES_LISTED
    # The list is of the present head, which may have moved since the pull request was found.
    if pull is None or pulls.load(repository, pull.number).head_sha != sha:
        files, limit = _compared(repository, below, sha)["files"], FILES_COMPARED
    names = {
        str(name) for f in files for name in (f["filename"], f.get("previous_filename")) if name
    }
    if len(files) >= limit:
        names.add("dvc.lock")
        before = _compared(repository, below, sha)["merge_base_commit"]["sha"]
        if _pointer(repository, before) != _pointer(repository, sha):
            names.add(changes.POINTER)
    return sorted(names)


def _below(repository: Repository, started: Mapping[str, Any]) -> str:
    """The commit that this run's commit is compared with: main, or what stands below it in a merge queue.

    What stands there was judged by itself. Where the queue merges a group by the status of its last commit alone
    (HEADGREEN), or nobody says how, it may have failed and be merged all the same: then all above main counts.
    """
    base = base_of(started)
    if base != "HEAD":
        rules = repository.get(f"/rules/branches/{MAIN}?per_page=100")
        queues = [rule.get("parameters") or {} for rule in rules if rule["type"] == "merge_queue"]
        if {queue.get("grouping_strategy") for queue in queues} == {"ALLGREEN"}:
            return base
    return str(repository.get(f"/branches/{MAIN}")["commit"]["sha"])


def _compared(repository: Repository, below: str, sha: str) -> Mapping[str, Any]:
    compared: Mapping[str, Any] = repository.get(f"/compare/{below}...{sha}")
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
