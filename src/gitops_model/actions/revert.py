"""`ci-revert`: propose to put production.yaml back, after a deployment that failed or was stopped, or a bad canary.

What served before keeps serving; main asks for what could not be deployed, or for a canary that the service took out.
People decide: revert, or repair; no machine merges this.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from gitops_model.actions import client, deployments, issues, proposal
from gitops_model.actions.client import Repository
from gitops_model.actions.job import Job
from gitops_model.delivery import pointer_file, releases, rollback
from gitops_model.delivery.git import Git
from gitops_model.delivery.steps import served_line
from gitops_model.errors import Blocked, ExternalFailure
from gitops_model.formats.pointer import Pointer
from gitops_model.report import comment

LABEL = "incident"


@dataclass(frozen=True, kw_only=True)
class Case:
    """Why main is to change, and how: the texts of the pull request, and of the issue in its place or beside it."""

    target: Pointer
    message: str
    body: str
    issue_title: str
    issue_body: str
    marker: str
    status: str


def run() -> int:
    """Exit 0 when the pull request, or an issue in its place, is open; or when there is nothing to go back to.

    FAILED in the environment is the commit whose deployment failed, if it came that far; with REMOVED, the sentence
    that a canary was taken out, it is the commit that names the canary.
    """
    job = Job.from_environ(os.environ)
    git = Git.open(Path())
    repository = Repository(job)
    removed = os.environ.get("REMOVED", "").strip()
    if not removed:
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
        case = _bad_canary(git, current, removed) if removed else _failed(git, job, current, head)
    except Blocked as error:
        job.summarise(f"Nothing to revert to: {error}")
        return 0
    words = f"{pointer_file.describe(current)} → {pointer_file.describe(case.target)}"
    made = proposal.propose(
        git,
        repository,
        job,
        proposal.Proposal(
            branch=f"revert/{head[:12]}",
            base=head,
            pointer=case.target,
            message=case.message,
            title=f"Revert: {words}",
            body=case.body,
            status=case.status,
        ),
    )
    if made.number is not None:
        job.summarise(f"Proposed to revert in [#{made.number}]({made.url}).")
        if not removed:
            return 0
        link = f"Merge [the revert]({made.url}), so that main says so too."
    else:
        link = f"Open the revert with one click, then merge it: {made.url} (or in a clone: make rollback PUSH=1)"
    body = f"{case.issue_body} {link}"
    with client.calling(f"open the issue '{case.issue_title}'"):
        address = issues.open_or_find(
            repository,
            title=case.issue_title,
            body=body,
            label=LABEL,
            marker=case.marker,
        )
    if made.number is None:
        job.annotate(
            "error", f"Open the revert of production.yaml by hand: {made.url} {address or ''}"
        )
    job.summarise(body)
    return 0


def _failed(git: Git, job: Job, current: Pointer | None, head: str) -> Case:
    """A deployment failed. Raises Blocked when there is nothing to go back to."""
    target, undone = rollback.aim(git, served_line(git), current, to=None)
    words = f"{pointer_file.describe(current)} → {pointer_file.describe(target)}"
    return Case(
        target=target,
        message=rollback.message(git, target, current, undone, "The deployment failed"),
        body=(
            f"[The deployment]({job.run_url}) of {comment.escape(pointer_file.describe(current))} failed; "
            "the run says why. The previous model keeps serving. Merge this, so that main says so too; or repair "
            "the cause and close this."
        ),
        issue_title=f"Deployment failed: {words}",
        issue_body=(
            f"[The deployment]({job.run_url}) failed, and Actions may not open pull requests here. The previous model "
            f"keeps serving, but main asks for another."
        ),
        marker=f"deploy {head}",
        status="the release to go back to served before",
    )


def _bad_canary(git: Git, current: Pointer | None, removed: str) -> Case:
    """The service took the canary out. The pointer is to lose it and nothing else: an earlier one may name it, too."""
    if current is None or current.canary is None:
        raise Blocked("production.yaml names no canary.")
    target, name = replace(current, canary=None), current.canary.model
    said = (
        f"The service took canary {comment.escape(name)} out of routing; the stable release answers all requests. "
        f"Its evidence:\n\n> {comment.escape(removed)}\n\n"
    )
    return Case(
        target=target,
        message=rollback.message(git, target, current, None, removed[:2000]),
        body=f"{said}Merge this, so that main says so too. To try the release again, close this: see guard in "
        "serving.yaml.",
        issue_title=f"Canary taken out: {name}",
        issue_body=said,
        marker=f"canary {current.canary.sha256}",
        status="the stable release stays; the canary goes",
    )
