"""`publish`: puts the judge's verdict on a pull request: one comment, one status.

Runs from the default branch after `check` (workflow_run) and `judge`. Of the verdict it takes the numbers, and decides
again from them. It publishes the newest finished check of the pull request, whichever run started it: whoever comes
last therefore leaves the newest verdict, in any order and at any concurrency.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gitops_model.actions import (
    artifact,
    client,
    issues,
    pointer_gate,
    recompute,
    runs,
    storage,
    watching,
)
from gitops_model.actions.client import Repository
from gitops_model.actions.job import Job
from gitops_model.actions.pulls import Pull
from gitops_model.delivery import baseline, changes, dvc, looks, releases, served
from gitops_model.delivery.baseline import Baseline
from gitops_model.delivery.git import Git
from gitops_model.errors import BadArtifact, ExternalFailure, GitopsError
from gitops_model.evaluation.ledger import Look
from gitops_model.formats.check import Check, NotEvaluated, Outcome, State
from gitops_model.formats.pointer import Pointer
from gitops_model.report import comment
from gitops_model.report.pointer_comment import Move

ROUNDS = 4
# Where the workflow puts what its first job found.
HANDED_OVER = Path("verdict/check.json")
DEPENDABOT = "dependabot[bot]"
PREVIEW = (
    "it may ship by these numbers. They are a preview: what comes from another repository is not counted as a look at "
    "the test rows."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `publish`."""
    parser.add_argument(
        "--run", type=int, metavar="ID", help="the check run (default: the one of the event)"
    )


@dataclass(frozen=True, kw_only=True)
class Options:
    """`run` is the id of a check run (None: the one of the event)."""

    run: int | None = None


def run(options: Options) -> int:
    """Exit 0 when status and comment say what the newest check found; 5 when GitHub refused.

    Raises what kept it from judging, once the status says so.
    """
    job = Job.from_environ(os.environ)
    repository, started = runs.begin(job, options.run)
    sha = started["head_sha"]
    try:
        storage.write_credentials(Path(), os.environ)
        verdict = judge(repository, started, job=job)
    except Exception as error:
        # Without a status the pull request would wait for ever, or keep a status that was set before. What git, DVC or
        # a storage said may hold a key, which GitHub takes out of logs and not out of statuses.
        ours = isinstance(error, GitopsError) and not isinstance(error, ExternalFailure)
        said = str(error) if ours else "Its log says why."
        told = f"publish failed: {said}"
        client.set_status(repository, sha, state="error", description=told, url=job.run_url)
        raise
    if verdict.number is None and (started["event"], started["conclusion"]) == (
        "pull_request",
        "cancelled",
    ):
        print(
            f"publish: the check of {sha[:12]} was cancelled by a newer commit, which has its own"
        )
        return 0
    if verdict.status == "pending" and runs.is_decided(repository, sha):
        print(f"publish: {client.STATUS} of {sha[:12]} was decided by another check and stays")
    else:
        client.set_status(
            repository,
            sha,
            state=verdict.status,
            description=verdict.title,
            url=started["html_url"],
        )
        print(f"publish: {client.STATUS} of {sha[:12]} is {verdict.status}: {verdict.title}")
    _remember(job, verdict.look)
    # After the status, and outside of the verdict: it may take long, fail, or be wrong, and changes nothing.
    below = watching.line(repository, job, at=str(started.get("created_at") or ""))
    try:
        post(repository, job, started, verdict, below=below)
    except GitopsError as error:
        # The status is what merging depends on and it stands; a lost comment must be seen, not block anybody.
        job.annotate(
            "warning", f"The verdict is set, but the comment could not be written. {error}"
        )
        job.summarise(verdict.body)
    return 0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is published for one check run. `number` None: no open pull request has this head any more.

    `look`: what it spent of a test set.
    """

    number: int | None
    status: str
    title: str
    body: str
    look: Look | None = None


def judge(repository: Repository, started: Mapping[str, Any], *, job: Job) -> Verdict:
    """Read the judge's numbers about a check run and decide by the gates of its base. Writes nothing."""
    with client.calling("find the pull request of the check run"):
        pull = runs.find_pull(repository, started)
        files = runs.changed_files(repository, pull, started)
    outcome: Outcome | None = None
    trouble: GitopsError | None = None
    report_url = None
    try:
        if changes.kind(files) == "model":
            with client.calling("fetch the verdict"):
                _refuse_twins(repository, started)
                data, report_url = _verdict_of(repository, job, started)
            outcome = artifact.parse(data)
    except BadArtifact as error:
        trouble = error

    def decided(outcome: Outcome | None, trouble: GitopsError | None) -> Verdict:
        base = runs.base_of(started)
        with job.git_access():
            Git.open(Path()).bring(base)
        rules = baseline.find(base)
        pointer = rules.pointer
        made = _decide(
            repository,
            outcome,
            trouble,
            started=started,
            pull=pull,
            files=files,
            rules=rules,
            job=job,
        )
        footing = comment.Footing(
            state=made.state,
            sentence=made.sentence,
            head_sha=started["head_sha"],
            run_id=int(started["id"]),
            run_attempt=int(started.get("run_attempt") or 1),
            run_url=started["html_url"],
            report_url=report_url,
            production=pointer.stable.model if pointer.stable else None,
            production_age=age(pointer, at=str(started.get("created_at") or "")),
            warnings=recompute.warnings(
                made.found if isinstance(made.found, Check) else None, files
            ),
            hint=made.hint,
        )
        return _verdict(made, footing, pull)

    try:
        return decided(outcome, trouble)
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
        if outcome is None:
            raise
        # It fits the schema and still cannot be counted with.
        name = type(error).__name__
        return decided(None, BadArtifact(f"The check's report cannot be judged ({name})."))


def _refuse_twins(repository: Repository, started: Mapping[str, Any]) -> None:
    """Raises BadArtifact where the candidate comes from a check that may have run with another branch's files."""
    if dvc.default_remote(Path()) is not None:
        return
    if others := runs.twins(repository, started):
        listed = ", ".join(f"#{number}" for number in others)
        raise BadArtifact(
            f"This commit is also in a pull request into another branch ({listed}), and GitHub does not say whose "
            "check this is. Close that one, then push a new commit here."
        )


def _verdict_of(
    repository: Repository, job: Job, started: Mapping[str, Any]
) -> tuple[bytes, str | None]:
    """The bytes of check.json about this check run, and the address of the report."""
    if HANDED_OVER.is_file() and int(started["id"]) == runs.of_event(job):
        return HANDED_OVER.read_bytes(), os.environ.get("REPORT_URL") or None
    return runs.read_verdict(repository, job, started)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What the trusted side decides, and on what: the check as recomputed, or the pointer's move."""

    state: str
    sentence: str
    hint: str | None = None
    found: Check | Move | None = None
    look: Look | None = None


def _verdict(made: Decision, footing: comment.Footing, pull: Pull | None) -> Verdict:
    status = {"pass": "success", "nothing": "success", "blocked": "failure", "pending": "pending"}
    return Verdict(
        number=None if pull is None else pull.number,
        status=status.get(footing.state, "error"),
        title=comment.title(made.found, footing),
        body=comment.render(made.found, footing),
        look=made.look,
    )


def _look(check: Check) -> Look:
    test = check.test_set
    return Look(
        test_sha256=test.sha256, candidate_sha256=check.candidate.sha256, sketch=test.sketch
    )


def _remember(job: Job, look: Look | None) -> None:
    """Count the look for all who come later. A pull request's side cannot do it, and cannot undo it.

    What stands in the way is said, and keeps no comment back.
    """
    if look is None:
        return
    try:
        with job.git_access():
            problem = looks.share(Git.open(Path()), [look])
    except GitopsError as error:
        problem = str(error)
    if problem:
        job.annotate("warning", f"The look at the test set could not be counted: {problem}")


def age(pointer: Pointer, *, at: str) -> str | None:
    """When the model in production was released, counted in days to `at`; None when Git does not know.

    `at` is when the check began and not now, so that every publisher of one check writes the same comment.
    """
    if pointer.stable is None:
        return None
    try:
        tag = releases.load(Git.open(Path()), pointer.stable.model).tag
        released = datetime.fromtimestamp(tag.when, UTC)
        days = max(0, (datetime.fromisoformat(at) - released).days)
    except (GitopsError, ValueError):
        return None
    ago = {0: "today", 1: "yesterday"}.get(days, f"{days} days ago")
    return f"{released:%Y-%m-%d} ({ago})"


def _decide(
    repository: Repository,
    outcome: Outcome | None,
    trouble: GitopsError | None,
    *,
    started: Mapping[str, Any],
    pull: Pull | None,
    files: list[str],
    rules: Baseline,
    job: Job,
) -> Decision:
    """Decide from what the trusted side knows."""
    kind = changes.kind(files)
    if kind == "pointer":
        judged = pointer_gate.judge(
            repository,
            job,
            started["head_sha"],
            files=files,
            current=rules.pointer,
            at=str(started.get("created_at") or ""),
        )
        return Decision(
            state=judged.state, sentence=judged.sentence, hint=judged.hint, found=judged.move
        )
    if kind == "nothing":
        said = "This pull request changes nothing that the model is built from."
        return Decision(state="nothing", sentence=said)
    dependabot = (started.get("actor") or {}).get("login") == DEPENDABOT
    training = training_hint(pull) if dependabot else None
    if outcome is None:
        waits = started["conclusion"] == "action_required"
        state = "pending" if waits else "not_evaluated"
        return Decision(state=state, sentence=str(trouble), hint=training)
    ours = runs.is_ours(started, job)
    maintainer = None if ours else maintainer_hint(pull, started["head_sha"])
    if isinstance(outcome, NotEvaluated):
        if hint := maintainer or training:
            return Decision(state="pending", sentence=outcome.sentence, hint=hint)
        return Decision(state=outcome.state, sentence=outcome.sentence, hint=outcome.hint)
    git = Git.open(Path())
    past = served.past(git, rules, metric=rules.contract.success.primary)
    made = recompute.recompute(outcome, rules, files, past=past)
    found = made.check
    # A stranger must not be able to spend the error that the team's test rows have left.
    look = _look(found) if ours and made.possible else None
    if maintainer and found.state is State.PASS:
        return Decision(state="pending", sentence=PREVIEW, hint=maintainer, found=found)
    return Decision(state=found.state, sentence=found.sentence, found=found, look=look)


def maintainer_hint(pull: Pull | None, sha: str) -> str:
    """The command by which a maintainer has a fork's change evaluated: this commit, whatever was pushed after it."""
    if pull is None:
        return "A maintainer can push this commit to a branch of the repository."
    return (
        f"A maintainer who has read the change can have it evaluated: `git fetch origin pull/{pull.number}/head && "
        f"git push origin {sha}:refs/heads/evaluate-{pull.number}`, then open a pull request from that branch."
    )


def training_hint(pull: Pull | None) -> str:
    """The commands by which a maintainer trains with the versions that Dependabot proposes, on its own branch."""
    if pull is None:
        return "Nobody has trained with these versions yet: run `make train` on its branch."
    push = "" if dvc.default_remote(Path()) is None else "dvc push && "
    return (
        f"Nobody has trained with these versions yet: `gh pr checkout {pull.number} && make train && {push}"
        "git commit -am Train && git push`."
    )


def post(
    repository: Repository, job: Job, started: Mapping[str, Any], verdict: Verdict, *, below: str
) -> None:
    """Leave exactly one comment of ours, with the newest finished check of the pull request; `below` ends it.

    After each write it looks again: a head that moved meanwhile is published too, a second comment of ours is removed.
    """
    if verdict.number is None:
        print(
            "publish: no open pull request into main has this commit as its head; there is nothing to comment on"
        )
        return
    with client.calling(f"comment on pull request #{verdict.number}"):
        me = repository.login()
        for _ in range(ROUNDS):
            newest = runs.newest_run(repository, verdict.number) or started
            if newest["id"] != started["id"]:
                started = newest
                fresh = judge(repository, started, job=job)
                if fresh.number is None:
                    return
                verdict = fresh
            if _write(
                repository, replace(verdict, body=comment.with_line(verdict.body, below)), me=me
            ):
                return
    raise ExternalFailure(
        f"The comment on #{verdict.number} was changed by others each time; run the workflow again."
    )


def _write(repository: Repository, verdict: Verdict, *, me: str) -> bool:
    """Make our oldest comment say `verdict` and remove other ones of ours. True when a second look finds it so."""
    assert verdict.number is not None
    mine = _ours(repository, verdict.number, me)
    if not mine:
        issues.add_comment(repository, verdict.number, verdict.body)
    elif mine[0].body != verdict.body:
        issues.edit_comment(repository, mine[0], verdict.body)
    seen = _ours(repository, verdict.number, me)
    for extra in seen[1:]:
        issues.delete_comment(repository, extra)
    if not seen or seen[0].body != verdict.body:
        return False
    newest = runs.newest_run(repository, verdict.number)
    data = comment.read_marker(verdict.body) or {}
    return newest is None or newest["id"] <= data.get("run_id", 0)


def _ours(repository: Repository, number: int, me: str) -> list[issues.Comment]:
    """Our comments, oldest first, known by marker and author."""
    return issues.comments(
        repository, number, author=me, ours=lambda body: comment.read_marker(body) is not None
    )
