"""One question about the model that serves, in one issue: opened, kept up to date, and closed when all is well again.

An issue is ours when it has the label, the hidden first line and our own name as its author: an issue in which somebody
else copied that line is never touched. Each run writes the issue before it writes a comment, and the issue holds what
was said. So a run that dies may leave out a comment, and never writes one twice.
"""

from __future__ import annotations

from dataclasses import replace

from gitops_model.actions import client, issues
from gitops_model.actions.client import Refused, Repository
from gitops_model.actions.issues import Issue
from gitops_model.formats.watch import Watch
from gitops_model.report import question
from gitops_model.report.question import Asked

LABEL = "monitor"
RECOVERED = "Recovered: every signal that can be judged is clean or expected."


def settle(repository: Repository, watch: Watch) -> str:
    """Make the one issue say what `watch` says; a sentence that tells what was done.

    Raises ExternalFailure where GitHub does not let us. Issues that are switched off are no failure.
    """
    with client.calling("ask the monitor's question in an issue"):
        try:
            return _settle(repository, watch)
        except Refused as error:
            if error.status not in issues.SWITCHED_OFF:
                raise
            return "Issues are switched off in this repository: the question stands in the job summary only."


def opened(repository: Repository) -> Issue | None:
    """The issue in which the question is open; None without one. Raises as `Repository` does."""
    return next(iter(_ours(repository, state="open")), None)


def claim_retraining(repository: Repository, watch: Watch) -> int | None:
    """The number of the open issue, when its evidence asks for a new model and no workflow was told so yet.

    The issue says so from now on: a retraining that fails is not begun again every day. Raises ExternalFailure.
    """
    if not watch.retrain.wanted:
        return None
    with client.calling("say in the monitor's issue that a retraining began"):
        issue = opened(repository)
        asked = None if issue is None else Asked.read(issue.body)
        if issue is None or asked is None or asked.retrained:
            return None
        now = replace(asked, retrained=watch.made[:10])
        issues.edit_issue(repository, issue, question.render(watch, now))
        return issue.number


def _settle(repository: Repository, watch: Watch) -> str:
    everything = _ours(repository)
    issue = _one(repository, everything)
    if issue is not None:
        return _go_on(repository, watch, issue)
    if not watch.alarms:
        return "No signal alarms, and no question is open."
    former = everything[-1].number if everything else None
    asked = Asked.about(watch, since=watch.made[:10], former=former)
    made = issues.open_issue(
        repository, title=question.title(watch), body=question.render(watch, asked), label=LABEL
    )
    # Another run may have asked at the same moment. The older issue stays, whoever looks.
    kept = _one(repository, _ours(repository)) or made
    return f"{_count(watch)}: asked in {kept.url}"


def _go_on(repository: Repository, watch: Watch, issue: Issue) -> str:
    before = Asked.read(issue.body) or Asked()
    now = Asked.about(
        watch,
        since=before.since,
        former=before.former,
        retrained=before.retrained,
        before=before.signals,
    )
    if question.is_over(watch, before):
        # The last evidence stays readable.
        issues.edit_issue(repository, issue, issue.body, close=True)
        issues.add_comment(repository, issue.number, RECOVERED)
        return f"Recovered: {issue.url} is closed."
    issues.edit_issue(repository, issue, question.render(watch, now))
    if now.whole != before.whole:
        issues.add_comment(repository, issue.number, question.change(watch, before))
        return f"{_count(watch)}; the change is said in {issue.url}"
    return f"{_count(watch)}, as before: {issue.url} is up to date."


def _ours(repository: Repository, *, state: str = "all") -> list[Issue]:
    return issues.labelled(
        repository,
        state=state,
        label=LABEL,
        author=repository.login(),
        ours=lambda body: Asked.read(body) is not None,
    )


def _one(repository: Repository, everything: list[Issue]) -> Issue | None:
    """The oldest open issue. Newer ones are closed, and lose the marker: nothing goes on in them."""
    opened = [issue for issue in everything if issue.open]
    for newer in opened[1:]:
        body = (
            f"Two runs asked the same question at the same time. It goes on in #{opened[0].number}."
        )
        issues.edit_issue(repository, newer, body, close=True)
    return opened[0] if opened else None


def _count(watch: Watch) -> str:
    count = len(watch.alarms)
    return "1 signal alarms" if count == 1 else f"{count or 'No'} signals alarm"
