"""`publish`: the trusted side of a pull request. One comment, one status, from numbers that need not be trusted.

Runs from the default branch after `check` (workflow_run). Of the artifact it reads one member, in memory, and
believes no state in it. It publishes the newest finished check of the pull request, whichever run started it: whoever
comes last therefore leaves the newest verdict, in any order and at any concurrency.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci_scripts import changes, comment, github
from modelops import config
from modelops.contract import Contract
from modelops.errors import BadArtifact, BadInput, ExternalFailure, ModelOpsError
from modelops.pointer import Pointer

if TYPE_CHECKING:
    from github.PullRequest import PullRequest
    from github.Repository import Repository

HELP = "publish a check's verdict on its pull request: one comment, one status (runs in GitHub Actions)"

ARTIFACT = "check"
MEMBER = "check.json"
ZIP_LIMIT = 64_000_000
MEMBER_LIMIT = 16_000_000
ROUNDS = 4
# GitHub lists no more files of a pull request, and of a comparison, than this; beyond, everything may have changed.
FILES_LISTED = 3000
FILES_COMPARED = 300


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `publish`."""
    parser.add_argument(
        "--run", type=int, metavar="ID", help="the check run (default: the one of the event)"
    )


def run(args: argparse.Namespace) -> int:
    """Exit 0 when status and comment say what the newest check found; 5 when GitHub did not let us."""
    job = github.Run.from_environ(os.environ)
    with github.calling("look at the check run"):
        repository = github.connect(job)
        number = args.run or int((job.event.get("workflow_run") or {}).get("id") or 0)
        if not number:
            raise BadInput(
                "no check run is named; give --run ID, the number in the address of the run."
            )
        started = _get(repository, f"/actions/runs/{number}")
    verdict = judge(repository, started, job=job)
    github.set_status(
        repository,
        started["head_sha"],
        state=verdict.status,
        description=verdict.title,
        url=started["html_url"],
    )
    print(
        f"publish: {github.STATUS} of {started['head_sha'][:12]} is {verdict.status}: {verdict.title}"
    )
    try:
        post(repository, job, started, verdict)
    except ModelOpsError as error:
        # The status is what merging depends on and it stands; a lost comment must be seen, not block anybody.
        job.annotate(
            "warning", f"The verdict is set, but the comment could not be written. {error}"
        )
        job.summarise(verdict.body)
    return 0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is published for one check run. `number` None: no open pull request has this head any more."""

    number: int | None
    status: str
    title: str
    body: str


def judge(repository: Repository, started: Mapping[str, Any], *, job: github.Run) -> Verdict:
    """Read the run's numbers and decide by the gates of the checked out default branch. Writes nothing."""
    with github.calling("find the pull request of the check run"):
        pull = find_pull(repository, started)
        files = changed_files(repository, pull, started["head_sha"])
    check: Mapping[str, Any] | None = None
    trouble: ModelOpsError | None = None
    report_url = None
    try:
        with github.calling("fetch the check's artifact"):
            data, report_url = read_member(repository, job, int(started["id"]))
        check = parse(data)
    except BadArtifact as error:
        trouble = error
    footing = _footing(
        repository,
        check,
        trouble,
        started=started,
        pull=pull,
        files=files,
        report_url=report_url,
        job=job,
    )
    shown = _resolved(check) if check is not None and footing.state in ("pass", "blocked") else None
    status = {"pass": "success", "nothing": "success", "blocked": "failure", "pending": "pending"}
    return Verdict(
        number=None if pull is None else pull.number,
        status=status.get(footing.state, "error"),
        title=comment.title(shown or {}, footing),
        body=comment.render(shown, footing),
    )


def find_pull(repository: Repository, started: Mapping[str, Any]) -> PullRequest | None:
    """The open pull request with this run's head repository, branch and commit: never by what the artifact says."""
    source = (started.get("head_repository") or {}).get("full_name") or repository.full_name
    head = f"{source.split('/')[0]}:{started['head_branch']}"
    for pull in repository.get_pulls(state="open", head=head):
        if (
            pull.head.repo is not None
            and pull.head.repo.full_name == source
            and pull.head.sha == started["head_sha"]
        ):
            return pull
    return None


def read_member(repository: Repository, job: github.Run, run_id: int) -> tuple[bytes, str]:
    """The bytes of MEMBER in the run's artifact, and the artifact's page. Nothing is ever unpacked to disk.

    Raises BadArtifact when there is none, or when it is not what `check` uploads.
    """
    listed = _get(repository, f"/actions/runs/{run_id}/artifacts?name={ARTIFACT}")["artifacts"]
    usable = [a for a in listed if a["name"] == ARTIFACT and not a["expired"]]
    if not usable:
        raise BadArtifact("The check ended without a report; its log says why.", reason="missing")
    newest = max(usable, key=lambda a: a["id"])
    path = f"/actions/artifacts/{newest['id']}/zip"
    data = github.get_bytes(repository, path, limit=ZIP_LIMIT, what="the check's artifact")
    return unzip_member(data), job.page(f"actions/runs/{run_id}/artifacts/{newest['id']}")


def unzip_member(data: bytes) -> bytes:
    """MEMBER out of a zip, read with a cap on what it really unpacks to, whatever its header says."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if archive.namelist().count(MEMBER) != 1:
                raise BadArtifact(f"The check's artifact does not hold exactly one {MEMBER}.")
            with archive.open(MEMBER) as member:
                content = member.read(MEMBER_LIMIT + 1)
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
        OSError,
        ValueError,
        EOFError,
    ) as error:
        raise BadArtifact(
            f"The check's artifact is not a readable zip ({type(error).__name__})."
        ) from error
    except Exception as error:
        # zlib.error and lzma errors share no useful base; damaged input must end in a sentence like any other.
        if isinstance(error, ModelOpsError):
            raise
        raise BadArtifact(f"The check's artifact is damaged ({type(error).__name__}).") from error
    if len(content) > MEMBER_LIMIT:
        raise BadArtifact(f"{MEMBER} unpacks to more than {MEMBER_LIMIT:,} bytes.")
    return content


def parse(data: bytes) -> dict[str, Any]:
    """A schema-valid check.json. Raises BadArtifact for anything else."""
    try:
        found = json.loads(data.decode("utf-8"), parse_constant=_no_constant)
        config.check(found, kind="check", name=MEMBER)
    except BadInput as error:
        raise BadArtifact(
            f"The report does not fit its schema: {error.problems[0][:300]}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise BadArtifact(f"The report is not valid JSON ({type(error).__name__}).") from None
    if found["state"] != "not_evaluated":
        missing = [
            key
            for key in config.schema("check")["properties"]
            if key not in found and key != "hint"
        ]
        if missing:
            raise BadArtifact(f"The report lacks {', '.join(missing[:5])}.")
    result: dict[str, Any] = found
    return result


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is not JSON")


def changed_files(repository: Repository, pull: PullRequest | None, sha: str) -> list[str]:
    """The files this commit changes, by the API: of the pull request, or else against the default branch.

    A renamed file counts under both names. Where GitHub cuts the list, dvc.lock is added: it is then judged in full.
    """
    if pull is not None:
        files, limit = list(pull.get_files()), FILES_LISTED
    else:
        files, limit = (
            list(repository.compare(repository.get_branch("main").commit.sha, sha).files),
            FILES_COMPARED,
        )
    names = {f.filename for f in files} | {
        f.previous_filename for f in files if f.previous_filename
    }
    return sorted(names | ({"dvc.lock"} if len(files) >= limit else set()))


def _footing(
    repository: Repository,
    check: Mapping[str, Any] | None,
    trouble: ModelOpsError | None,
    *,
    started: Mapping[str, Any],
    pull: PullRequest | None,
    files: list[str],
    report_url: str | None,
    job: github.Run,
) -> comment.Footing:
    pointer = Pointer.load(Path("production.yaml"))
    state, sentence, hint = _decide(
        repository,
        check,
        trouble,
        started=started,
        pull=pull,
        files=files,
        pointer=pointer,
        job=job,
    )
    return comment.Footing(
        state=state,
        sentence=sentence,
        head_sha=started["head_sha"],
        run_id=int(started["id"]),
        run_attempt=int(started.get("run_attempt") or 1),
        run_url=started["html_url"],
        report_url=report_url,
        production=pointer.stable.model if pointer.stable else None,
        warnings=_warnings(check, files, state),
        hint=hint,
    )


def _decide(
    repository: Repository,
    check: Mapping[str, Any] | None,
    trouble: ModelOpsError | None,
    *,
    started: Mapping[str, Any],
    pull: PullRequest | None,
    files: list[str],
    pointer: Pointer,
    job: github.Run,
) -> tuple[str, str, str | None]:
    """(state, sentence, hint), from what the trusted side knows."""
    kind = changes.kind(files)
    if kind == "pointer":
        from ci_scripts import pointer_gate

        return pointer_gate.judge(
            repository, job, started["head_sha"], files=files, current=pointer
        )
    if kind == "nothing":
        return "nothing", "This pull request changes nothing that the model is built from.", None
    if check is not None and check["state"] == "not_evaluated":
        outside = pull is not None and pull.head.repo.full_name != job.repository
        if outside or started.get("actor", {}).get("login") == "dependabot[bot]":
            return "pending", check["sentence"], maintainer_hint(pull)
        return "not_evaluated", check["sentence"], check.get("hint")
    if check is None:
        return "not_evaluated", str(trouble), None
    return (*recompute(check, pointer), None)


def recompute(check: Mapping[str, Any], pointer: Pointer) -> tuple[str, str]:
    """(state, sentence) by this checkout's gates.yaml and contract.yaml against the model in production now."""
    from modelops.evaluation import gates as gate_rules
    from modelops.evaluation.decision import verdict_from_numbers

    gates = gate_rules.parse(config.load(Path("gates.yaml"), "gates"))
    success = Contract.load(Path("contract.yaml")).success
    current = pointer.stable.sha256 if pointer.stable else None
    compared = (check.get("baseline") or {}).get("sha256")
    if compared != current:
        now = pointer.stable.model if pointer.stable else "nothing"
        return "blocked", (
            f"Blocked: {now} is in production now, and this check compared with another model. Run the check again."
        )
    return verdict_from_numbers(
        check, gates, primary=success.primary, risk=success.risk, production_sha256=current
    )


def _resolved(check: Mapping[str, Any]) -> dict[str, Any]:
    """The report with the states of gates and slices recomputed, so that no forged state or sentence is shown."""
    import copy

    from modelops.evaluation import gates as gate_rules
    from modelops.evaluation.decision import decide

    shown = copy.deepcopy(dict(check))
    gates = gate_rules.parse(config.load(Path("gates.yaml"), "gates"))
    shown["gates"] = decide(shown["gates"], shown["slices"], gates, alpha=shown["alpha"])
    shown["turned_off"] = gates.turned_off
    return shown


def _warnings(check: Mapping[str, Any] | None, files: list[str], state: str) -> list[str]:
    found = []
    if "gates.yaml" in files:
        found.append(
            "gates.yaml is changed here. This verdict is by the base branch's gates; the change counts once merged."
        )
    if any(f.startswith(("ci_scripts/", "modelops/", ".github/")) for f in files):
        found.append(
            "The code that measures or judges is changed here. Read that change before you trust these numbers."
        )
    if check is None or state not in ("pass", "blocked"):
        return found
    if any(f.startswith("data/") for f in files):
        found.append(
            "The data is changed here; both models were scored on this pull request's test rows."
        )
    if check.get("baseline") is None:
        found.append(
            "There is no baseline: nothing is in production, so limits and budgets alone decide."
        )
    known = set(found)
    return found + [
        w for w in check.get("warnings", []) if w not in known and "gates.yaml differs" not in w
    ]


def maintainer_hint(pull: PullRequest | None) -> str:
    """The command by which a maintainer has a fork's change evaluated."""
    if pull is None:
        return "A maintainer can push this commit to a branch of the repository."
    return (
        f"A maintainer who has read the change can have it evaluated: git fetch origin pull/{pull.number}/head && "
        f"git push origin FETCH_HEAD:refs/heads/evaluate-{pull.number}, then open a pull request from that branch."
    )


def post(
    repository: Repository, job: github.Run, started: Mapping[str, Any], verdict: Verdict
) -> None:
    """Leave exactly one comment of ours, with the newest finished check of the pull request.

    After each write it looks again: a head that moved meanwhile is published too, a second comment of ours is removed.
    """
    if verdict.number is None:
        print(
            "publish: no open pull request has this commit as its head; there is nothing to comment on"
        )
        return
    with github.calling(f"comment on pull request #{verdict.number}"):
        me = github.login(repository, job)
        for _ in range(ROUNDS):
            newest = newest_run(repository, verdict.number) or started
            if newest["id"] != started["id"]:
                started = newest
                fresh = judge(repository, started, job=job)
                if fresh.number is None:
                    return
                verdict = fresh
            if _write(repository, verdict, me=me):
                return
    raise ExternalFailure(
        f"The comment on #{verdict.number} kept changing under our hands; run the workflow again."
    )


def newest_run(repository: Repository, number: int) -> dict[str, Any] | None:
    """The newest finished `check` run of the pull request's present head."""
    pull = repository.get_pull(number)
    if pull.state != "open":
        return None
    path = f"/actions/workflows/check.yml/runs?event=pull_request&head_sha={pull.head.sha}&status=completed"
    runs: list[dict[str, Any]] = _get(repository, path)["workflow_runs"]
    source = pull.head.repo.full_name if pull.head.repo is not None else ""
    mine = [r for r in runs if (r.get("head_repository") or {}).get("full_name") == source]
    return max(mine, key=lambda r: (r["id"], r.get("run_attempt") or 1), default=None)


def _write(repository: Repository, verdict: Verdict, *, me: str) -> bool:
    """Make our oldest comment say `verdict` and remove other ones of ours. True when a second look finds it so."""
    import github as pygithub

    assert verdict.number is not None
    issue = repository.get_issue(verdict.number)
    mine = _ours(issue, me)
    if not mine:
        issue.create_comment(verdict.body)
    elif mine[0].body != verdict.body:
        mine[0].edit(verdict.body)
    seen = _ours(issue, me)
    for extra in seen[1:]:
        try:
            extra.delete()
        except pygithub.UnknownObjectException:
            continue
    if not seen or seen[0].body != verdict.body:
        return False
    newest = newest_run(repository, verdict.number)
    data = comment.read_marker(verdict.body) or {}
    return newest is None or newest["id"] <= data.get("run_id", 0)


def _ours(issue: Any, me: str) -> list[Any]:
    """Our comments, oldest first: marker and author, on all pages."""
    return sorted(
        (
            c
            for c in issue.get_comments()
            if c.user is not None and c.user.login == me and comment.read_marker(c.body or "")
        ),
        key=lambda c: c.id,
    )


def _get(repository: Repository, path: str) -> dict[str, Any]:
    _, data = repository.requester.requestJsonAndCheck("GET", repository.url + path)
    result: dict[str, Any] = data
    return result
