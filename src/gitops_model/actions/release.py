"""`ci-release`: id, tag, GitHub Release and the pull request "Ship <id>", from what `ci-build` judged.

Each step first looks whether it was done: a run that died anywhere is finished by the next one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gitops_model.actions import client, proposal, release_page
from gitops_model.actions.build import FILES, FOLDER
from gitops_model.actions.client import Repository
from gitops_model.actions.job import Job
from gitops_model.actions.release_page import BUNDLE
from gitops_model.delivery import release, releases, ship
from gitops_model.delivery.git import Git
from gitops_model.errors import GitopsError
from gitops_model.files import sha256_bytes, write_atomic
from gitops_model.formats import check
from gitops_model.formats.bundle import Bundle
from gitops_model.formats.pointer import Pointer
from gitops_model.report import bom, comment, release_note


def run() -> int:
    """Exit 0 when the release is published, whether or not Actions may open the pull request."""
    job = Job.from_environ(os.environ)
    git = Git.open(Path())
    repository = Repository(job)
    data = (FOLDER / BUNDLE).read_bytes()
    bundle = Bundle.open(data, sha256=sha256_bytes(data), name=str(FOLDER / BUNDLE))
    # The record takes the verdict from here.
    write_atomic(Path("reports/check.json"), (FOLDER / "check.json").read_bytes())
    with job.git_access():
        outcome = release.release_bytes(git, commit=git.need("HEAD"), data=data)
    print(f"ci-release: {outcome.model} is sha256 {outcome.sha256[:12]}…")
    record = releases.load(git, outcome.model).record
    report = check.read(json.loads((FOLDER / "check.json").read_bytes()))
    files = assets(bundle, data, report, record)
    with client.calling(f"publish the release {outcome.model}"):
        page = release_page.publish(
            repository,
            outcome.model,
            commit=outcome.commit,
            note=release_note.render_note(record, report),
            files=files,
        )
    job.summarise(f"Released [{outcome.model}]({page}).")
    propose(git, repository, job, outcome.model, page=page)
    return 0


def assets(
    bundle: Bundle, data: bytes, report: check.Outcome, record: Mapping[str, Any]
) -> dict[str, bytes]:
    """The files of the release by name; SHA256SUMS speaks of all the others."""
    judged = report if isinstance(report, check.Check) else None
    card = release_note.append_verdict(bundle.member("MODEL_CARD.md").decode(), report)
    files = {
        BUNDLE: data,
        "MODEL_CARD.md": card.encode(),
        bom.NAME: bom.render(record, judged, problem=bundle.contract.problem).encode(),
    }
    files |= {name: (FOLDER / name).read_bytes() for name in FILES if (FOLDER / name).exists()}
    sums = "".join(f"{sha256_bytes(content)}  {name}\n" for name, content in sorted(files.items()))
    return {**files, "SHA256SUMS": sums.encode()}


def propose(git: Git, repository: Repository, job: Job, model: str, *, page: str) -> None:
    """Open "Ship <id>" on what main says now; a pull request that cannot be opened is said, and is no failure."""
    base = git.need("refs/remotes/origin/main")
    text = git.read(base, releases.POINTER)
    current = Pointer.parse((text or b"").decode(), name=releases.POINTER)
    if any(ref.model == model for ref in current.refs()):
        print(f"ci-release: production.yaml names {model} already")
        return
    try:
        with job.git_access():
            _, wanted, notes = ship.plan(git, current, ship.Wish(model=model))
    except GitopsError as error:
        job.annotate("warning", f"{model} is released, but not proposed for shipping. {error}")
        return
    report = (
        (FOLDER / "check.md").read_text(encoding="utf-8") if (FOLDER / "check.md").exists() else ""
    )
    body = "\n".join(
        [
            f"Points `production.yaml` at [{model}]({page}). Merging this deploys it; reverting the merge rolls back.",
            *(f"- {comment.escape(text)}" for text in notes),
            "",
            report,
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
    if made.number is None:
        said = (
            "GitHub Actions may not open pull requests here (`make doctor` says where to allow it)."
        )
        job.annotate("warning", f"{model} is released, but {said} Open it yourself: {made.url}")
        line = f"[Open the pull request that ships {model}]({made.url})"
        job.summarise(f"Not proposed yet: {said} {line}.")
        with client.calling(f"add the link to the release {model}"):
            release_page.add_link(repository, model, line)
        return
    job.summarise(f"Proposed in [#{made.number}]({made.url}): merging it deploys {model}.")
