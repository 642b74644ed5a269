"""Does the monitor's workflow run, and is its question open? Asked of GitHub for the comment on a pull request.

Needs `actions: read` and `issues: read`. It decides nothing, so nothing that goes wrong here may stop who asks.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from gitops_model.actions import client, issues, question
from gitops_model.actions.client import Refused, Repository
from gitops_model.actions.job import Job
from gitops_model.delivery.desired import MAIN
from gitops_model.errors import GitopsError
from gitops_model.formats.pointer import Pointer
from gitops_model.report import watching
from gitops_model.report.question import Asked
from gitops_model.report.watching import Question, Workflow

FILE = "monitor.yml"


def line(repository: Repository, job: Job, *, at: str) -> str:
    """The line for the comment, "" when there is nothing to say or it is not known. Raises nothing.

    `at` is when the check began and not now, so that every publisher of one check writes the same comment.
    """
    try:
        if Pointer.load(Path("production.yaml")).stable is None:
            return ""
        when = datetime.fromisoformat(at)
        with client.calling("see whether the monitor runs"):
            found, asked = _workflow(repository, job), _question(repository)
        return watching.line(workflow=found, question=asked, at=when)
    except (GitopsError, OSError, LookupError, TypeError, ValueError) as error:
        print(f"publish: whether the monitor runs is not known: {error}")
        return ""


def _workflow(repository: Repository, job: Job) -> Workflow | None:
    path = f"/actions/workflows/{FILE}"
    found = repository.find(path)
    if found is None:
        return None
    # A run by hand watches just as well; one of another branch may run anything.
    runs = repository.get(f"{path}/runs?branch={MAIN}&status=success&per_page=1")["workflow_runs"]
    return Workflow(
        state=found["state"],
        since=datetime.fromisoformat(found["created_at"]),
        succeeded=datetime.fromisoformat(runs[0]["created_at"]) if runs else None,
        url=job.page(f"actions/workflows/{FILE}"),
    )


def _question(repository: Repository) -> Question | None:
    try:
        issue = question.opened(repository)
    except Refused as error:
        if error.status in issues.SWITCHED_OFF:
            return None
        raise
    if issue is None:
        return None
    asked = Asked.read(issue.body) or Asked()
    return Question(
        number=issue.number,
        url=issue.url,
        count=len(asked.signals),
        names=tuple(asked.named),
    )
