"""`ci-revert`: after a deployment that failed or was stopped, propose to put production.yaml back.

The previous model keeps serving; main asks for one that could not be deployed. People decide:
revert, or repair; no machine merges this.
"""

from __future__ import annotations

import os
from pathlib import Path

from gitops_model.actions import client, deployments, issues, proposal
from gitops_model.actions.client import Repository
from gitops_model.actions.job import Job
from gitops_model.delivery import pointer_file, releases, rollback
from gitops_model.delivery.git import Git
from gitops_model.errors import Blocked, ExternalFailure
from gitops_model.report import comment

LABEL = "incident"


def run() -> int:
    """Exit 0 when the pull request, or an issue in its place, is open; or when there is nothing to go back to.

    FAILED in the environment is the commit whose deployment failed, if it came that far.
    """
    job = Job.from_environ(os.environ)
    git = Git.open(Path())
    repository = Repository(job)
    try:
        deployments.conclude(repository, job)
    except ExternalFailure as error:
        job.annotate("warning", f"The deployment may still be shown as under way. {error}")
    head = git.need("HEAD")
    failed = os.environ.get("FAILED", "").strip()
    if failed and git.read(failed, releases.POINTER) != git.read(head, releases.POINTER):
        job.summarise(
            "Nothing to revert: main asks for something else by now, and that has a deployment of its own."
        )
        return 0
    current = pointer_file.standing(git)
    try:
        target, undone = rollback.aim(git, rollback.served_line(git), current, to=None)
    except Blocked as error:
        job.summarise(f"Nothing to revert to: {error}")
        return 0
    words = f"{pointer_file.describe(current)} → {pointer_file.describe(target)}"
    reason = "The deployment failed"
    made = proposal.propose(
        git,
        repository,
        job,
        proposal.Proposal(
            branch=f"revert/{head[:12]}",
            base=head,
            pointer=target,
            message=rollback.message(git, target, current, undone, reason),
            title=f"Revert: {words}",
            body=(
                f"[The deployment]({job.run_url}) of {comment.escape(pointer_file.describe(current))} failed; "
                "the run says why. The previous model keeps serving. Merge this, so that main says so too; or repair "
                "the cause and close this."
            ),
            status="the release to go back to served before",
        ),
    )
    if made.number is not None:
        job.summarise(f"Proposed to revert in [#{made.number}]({made.url}).")
        return 0
    body = (
        f"[The deployment]({job.run_url}) failed, and Actions may not open pull requests here. The previous model "
        f"keeps serving, but main asks for another. Open the revert with one click, then merge it: {made.url} "
        "(or in a clone: make rollback PUSH=1)"
    )
    with client.calling("open an issue about the failed deployment"):
        address = issues.open_or_find(
            repository,
            title=f"Deployment failed: {words}",
            body=body,
            label=LABEL,
            marker=f"deploy {head}",
        )
    job.annotate("error", f"Open the revert of production.yaml by hand: {made.url} {address or ''}")
    job.summarise(body)
    return 0
