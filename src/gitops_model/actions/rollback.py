"""`ci-rollback`: the button. Put production.yaml back through a pull request, merge it, deploy, open the incident.

Started again after it died, it goes on with the same pull request, which is known by the run's number: it never goes
back twice.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from gitops_model.actions import client, deploy_key, issues, proposal, pulls
from gitops_model.actions.client import Repository
from gitops_model.actions.job import Job
from gitops_model.actions.proposal import Proposed
from gitops_model.delivery import pointer_file, releases, rollback
from gitops_model.delivery.desired import MAIN
from gitops_model.delivery.git import Git
from gitops_model.delivery.steps import served_line
from gitops_model.errors import BadArtifact, BadInput, Blocked, ExternalFailure, GitopsError
from gitops_model.formats import pointer as pointers
from gitops_model.formats.pointer import Pointer
from gitops_model.report import comment

LABEL = "incident"


def run() -> int:
    """Exit 0 when the previous pointer is on main and its deployment is started, else 1 with what is left to do.

    REASON and, for another release than the previous one, TO stand in the environment.
    """
    reason = " ".join(os.environ.get("REASON", "").split())
    if not reason:
        raise BadInput("REASON is empty; say in one sentence what went wrong.")
    job = Job.from_environ(os.environ)
    git = Git.open(Path())
    repository = Repository(job)
    current = pointer_file.standing(git)
    branch = f"rollback/{job.run_id}"
    try:
        with client.calling("look for an earlier attempt"):
            earlier = pulls.newest(repository, owner=job.owner, branch=branch)
        if earlier is not None and earlier.merged:
            made = Proposed(
                commit=earlier.head_sha,
                number=earlier.number,
                url=earlier.url,
            )
            # main says the new pointer by now; the incident is about what it said before.
            current = pointer_file.standing(git, f"{earlier.merge_commit}^")
        else:
            made = _propose(git, repository, job, current, branch=branch, reason=reason)
    except ExternalFailure as error:
        error.add_note("Nothing was rolled back. By hand, now: make rollback REASON='...' PUSH=1")
        raise
    try:
        if made.number is None:
            raise Blocked(
                "nothing is rolled back yet: GitHub Actions may not open pull requests here (`make doctor` says where "
                f"to allow it). Open this one and merge it, now; the merge deploys: {made.url}\nOr in a clone: make "
                "rollback REASON='...' PUSH=1"
            )
        with client.calling(f"merge pull request #{made.number}"):
            left = pulls.merge(
                repository,
                made.number,
                commit=made.commit,
                message=_words(git, made.commit),
                pace=job.pace,
            )
        problem = deploy_key.push(git, repository, job, made.commit, os.environ) if left else ""
        if left and problem:
            raise Blocked(_next_click(made, left, problem))
        if not left:
            start_deploy(repository, made)
    except GitopsError as error:
        job.annotate("error", str(error))
        _tell(repository, job, current, made, reason=reason, outcome=str(error))
        raise
    _tell(
        repository,
        job,
        current,
        made,
        reason=reason,
        outcome=f"Rolled back by #{made.number}; the deployment is started.",
    )
    return 0


def _next_click(made: Proposed, left: str, problem: str) -> str:
    """What is left to do where GitHub does not merge, by what it said."""
    said = " ".join(left.split())
    if "review" in said:
        click = f"Somebody else than its author approves it: {made.url}/files → Review changes → Approve. Then: "
    else:
        click = ""
    return (
        f"nothing is rolled back yet: GitHub does not merge {made.url} ({said}). {click}Merge it by hand, now: "
        f"{made.url} → Merge pull request; the merge deploys. The deploy key did not help either: {problem} "
        "(`make doctor` says how the button ends by itself)."
    )


def _words(git: Git, commit: str) -> str:
    """The commit's message. After a run that died, the commit is on GitHub only, and merged already."""
    return git.out("log", "-1", "--format=%B", commit) if git.commit(commit) else "Roll back"


def _propose(
    git: Git,
    repository: Repository,
    job: Job,
    current: Pointer | None,
    *,
    branch: str,
    reason: str,
) -> Proposed:
    to = os.environ.get("TO", "").strip() or None
    line = served_line(git)
    target, undone = rollback.aim(git, line, current, to=to)
    if target.stable is not None:
        try:
            releases.verify(git, target.stable)
        except BadArtifact as error:
            # What served a moment ago lies in the store: a rollback to it must not fail because of a tag.
            if current is not None and target.stable != current.previous:
                raise
            job.annotate("warning", f"Going back although {error}")
    frozen = pointers.frozen(target, reason[:500])
    words = f"{pointer_file.describe(current)} → {target.stable.model if target.stable else 'no release'}"
    body = (
        f"Rolls production back: {comment.escape(words)}.\n\nReason: {comment.escape(reason, limit=1000)}\n\n"
        "While `freeze` is set, only another rollback may ship; lift it (`make ship UNFREEZE=1`) once the cause "
        "is known."
    )
    return proposal.propose(
        git,
        repository,
        job,
        proposal.Proposal(
            branch=branch,
            base=git.need("HEAD"),
            pointer=frozen,
            message=rollback.message(git, target, current, undone, reason),
            title=f"Roll back: {words}",
            body=body,
            status=f"{target.stable.model if target.stable else 'it'} was released and verified before",
        ),
    )


def start_deploy(repository: Repository, made: Proposed) -> None:
    """Start deploy.yml on main: a merge by Actions starts no workflow, a dispatch does."""
    try:
        with client.calling("start deploy.yml"):
            repository.send("POST", "/actions/workflows/deploy.yml/dispatches", {"ref": MAIN})
    except ExternalFailure as error:
        raise ExternalFailure(
            f"main is rolled back by #{made.number}, but its deployment is not started: {error} Start it now: Actions "
            "→ deploy → Run workflow."
        ) from error


def _tell(
    repository: Repository,
    job: Job,
    current: Pointer | None,
    made: Proposed,
    *,
    reason: str,
    outcome: str,
) -> None:
    """The incident issue and the job summary. An issue that cannot be opened is said, and undoes nothing."""
    model = current.stable.model if current and current.stable else pointer_file.describe(current)
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    body = "\n".join(
        [
            f"- **Time**: {now}",
            f"- **Model**: {comment.escape(model)}",
            f"- **Symptoms**: {comment.escape(reason, limit=1000)}",
            f"- **Rolled back by**: {comment.escape(job.actor)} ([run]({job.run_url}))",
            f"- **Change**: {made.url}",
            "",
            comment.escape(outcome, limit=1500),
            "",
            "What happened, what was the effect, what was the cause, what keeps it from happening again?",
        ]
    )
    address, why = None, "Issues are switched off in this repository."
    try:
        with client.calling("open the incident issue"):
            address = issues.open_or_find(
                repository, title=f"Incident: {model} rolled back: {reason}", body=body, label=LABEL,
                marker=f"incident run {job.run_id}",
            )  # fmt: skip
    except ExternalFailure as error:
        why = str(error)
    job.summarise(f"{comment.escape(outcome, limit=1500)}\n\nIncident: {address or why}")
    if address is None:
        job.annotate("warning", f"{why} The incident stands in the job summary only.")
