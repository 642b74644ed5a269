"""The pull requests "Ship <id>": one is open, for the newest release that passed and that main never named.

Looked at after every push to main that could change this, so a proposal that failed is made by the next run. An older
one is closed with a sentence that says why. Its branch stays: a link may name it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gitops_model.actions import client, issues, proposal, pulls, release_page
from gitops_model.actions.client import Repository
from gitops_model.actions.job import Job
from gitops_model.actions.proposal import Proposed
from gitops_model.actions.pulls import Pull
from gitops_model.delivery import releases, ship
from gitops_model.delivery.desired import MAIN
from gitops_model.delivery.git import Git
from gitops_model.errors import BadArtifact, GitopsError
from gitops_model.formats.contract import Contract
from gitops_model.formats.pointer import Pointer
from gitops_model.report import comment

BRANCH = re.compile(r"ship/([a-z0-9-]+-v[0-9]+)-on-([0-9a-f]{8})")


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the check found about `model`, for the text of its pull request."""

    model: str
    markdown: str


def pending(git: Git, rev: str) -> str | None:
    """The newest release that passed the gates, if production.yaml in the history of `rev` never named it."""
    task = Contract.load(git.root / "contract.yaml").task
    for model in reversed(list(releases.shas(git, task))):
        try:
            passed = releases.load(git, model).passed
        except BadArtifact:
            continue
        if passed:
            return None if model in releases.ids_in_history(git, rev) else model
    return None


def is_due(git: Git) -> bool:
    """Whether HEAD leaves something to propose or to close: a release waits, or what main names has changed."""
    return pending(git, "HEAD") is not None or _last_change(git, "HEAD") == git.need("HEAD")


def settle(git: Git, repository: Repository, job: Job, report: Report | None = None) -> None:
    """Propose what is pending and close what is out of date. Raises ExternalFailure."""
    with job.git_access():
        git.fetch(branch=MAIN)
    main = git.need(f"refs/remotes/origin/{MAIN}")
    with client.calling("look at the open Ship pull requests"):
        opened = [
            pull
            for pull in pulls.open_into_main(repository)
            if pull.head_repository == repository.name and BRANCH.fullmatch(pull.head_branch)
        ]
    model, made, why = pending(git, main), None, ""
    if model is None:
        print("ci-release: no release waits for its pull request")
    else:
        try:
            made = _propose(git, repository, job, model, main=main, report=report)
        except GitopsError as error:
            why = f"{model} is released, but not proposed for shipping. {error}"
            job.annotate("warning", why)
            job.summarise(why)
    for pull in opened:
        if made is not None and pull.number == made.number:
            continue
        sentence = _out_of_date(git, pull, main=main, newer=model, made=made, why=why)
        if sentence:
            _close(repository, pull, sentence)
            job.summarise(f"Closed #{pull.number}. {sentence}")


def _last_change(git: Git, rev: str) -> str | None:
    return next(iter(git.pointer_commits(rev, releases.POINTER, limit=1)), None)


def _fits(git: Git, base: str, main: str) -> bool:
    """Whether production.yaml was not touched between `base` and `main`."""
    known = git.commit(base)
    return known is not None and _last_change(git, known) == _last_change(git, main)


def _propose(
    git: Git, repository: Repository, job: Job, model: str, *, main: str, report: Report | None
) -> Proposed:
    current = Pointer.parse(git.text(main, releases.POINTER) or "", name=releases.POINTER)
    page = job.page(f"releases/tag/{model}")
    with job.git_access():
        _, wanted, notes = ship.plan(git, current, ship.Wish(model=model))
        # A proposal that was made before main moved on is the same one, as long as production.yaml is.
        refs = git.remote_refs(f"refs/heads/ship/{model}-on-*")
    bases = [ref[-8:] for ref in refs if BRANCH.fullmatch(ref.removeprefix("refs/heads/"))]
    base = next((git.need(name) for name in bases if _fits(git, name, main)), main)
    back = f"; reverting the merge brings {current.stable.model} back" if current.stable else ""
    body = "\n".join(
        [
            f"Points `production.yaml` at [{model}]({page}). Merging this deploys it{back}.",
            *(f"- {comment.escape(text)}" for text in notes),
            "",
            report.markdown if report is not None and report.model == model else "",
        ]
    )
    made = proposal.propose(
        git,
        repository,
        job,
        proposal.Proposal(
            branch=f"ship/{model}-on-{base[:8]}",
            base=base,
            pointer=wanted,
            message=f"Ship {model}\n",
            title=f"Ship {model}",
            body=body,
            status=f"{model} passed the gates on main and its bundle was verified",
        ),
    )
    _say(repository, job, model, made)
    return made


def _say(repository: Repository, job: Job, model: str, made: Proposed) -> None:
    if made.number is not None and not made.open:
        job.summarise(
            f"[#{made.number}]({made.url}) proposed {model} and was closed; reopen it to ship {model}."
        )
    elif made.number is not None:
        job.summarise(f"Proposed in [#{made.number}]({made.url}): merging it deploys {model}.")
    else:
        said = (
            "GitHub Actions may not open pull requests here (`make doctor` says where to allow it)."
        )
        job.annotate("warning", f"{model} is released, but {said} Open it yourself: {made.url}")
        line = f"[Open the pull request that ships {model}]({made.url})"
        job.summarise(f"Not proposed yet: {said} {line}.")
        with client.calling(f"add the link to the release {model}"):
            release_page.add_link(repository, model, line)


def _out_of_date(
    git: Git, pull: Pull, *, main: str, newer: str | None, made: Proposed | None, why: str
) -> str:
    """Why this open pull request is to be closed; "" when it may stay."""
    match = BRANCH.fullmatch(pull.head_branch)
    assert match is not None
    model, base = match[1], match[2]
    place = "" if made is None else f"#{made.number}" if made.number else made.url
    if made is not None and made.open and model != newer:
        return f"{newer} is newer and is proposed in {place}. To ship this one all the same: make ship MODEL={model}"
    if _fits(git, base, main):
        return ""
    changed = "production.yaml on main has changed since this was proposed, so this would conflict or go back."
    if place and model == newer:
        return f"{changed} It is proposed again in {place}."
    return f"{changed} {why}".strip()


def _close(repository: Repository, pull: Pull, sentence: str) -> None:
    with client.calling(f"close pull request #{pull.number}"):
        said = issues.comments(
            repository, pull.number, author=repository.login(), ours=lambda body: sentence in body
        )
        if not said:
            issues.add_comment(repository, pull.number, sentence)
        repository.send("PATCH", f"/pulls/{pull.number}", {"state": "closed"})
