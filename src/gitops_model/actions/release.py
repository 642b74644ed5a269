"""`ci-release`: id, tag, GitHub Release and the pull request "Ship <id>", from what `ci-build` judged.

Each step first looks whether it was done: a run that died anywhere is finished by the next one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gitops_model.actions import client, release_page, ships, storage, tags
from gitops_model.actions.build import FILES, FOLDER
from gitops_model.actions.client import Repository
from gitops_model.actions.job import Job
from gitops_model.actions.release_page import BUNDLE
from gitops_model.delivery import release, releases
from gitops_model.delivery.git import Git
from gitops_model.files import sha256_bytes, write_atomic, write_private
from gitops_model.formats import check
from gitops_model.formats.bundle import Bundle
from gitops_model.report import bom, release_note


def run() -> int:
    """Exit 0 when the release is published, whether or not Actions may open the pull request.

    Without a folder from `ci-build` there is nothing to release; the proposals are looked after all the same.
    """
    job = Job.from_environ(os.environ)
    git = Git.open(Path())
    repository = Repository(job)
    storage.write_credentials(git.root, os.environ)
    sign(git, os.environ)
    report = _release(git, repository, job) if (FOLDER / BUNDLE).exists() else None
    ships.settle(git, repository, job, report)
    return 0


def _release(git: Git, repository: Repository, job: Job) -> ships.Report:
    data = (FOLDER / BUNDLE).read_bytes()
    bundle = Bundle.open(data, sha256=sha256_bytes(data), name=str(FOLDER / BUNDLE))
    # The record takes the verdict from here.
    write_atomic(Path("reports/check.json"), (FOLDER / "check.json").read_bytes())
    with client.calling("create the release's tag"), job.git_access():
        outcome = release.release_bytes(
            git, commit=git.need("HEAD"), data=data, create=tags.Creator(git, repository)
        )
    print(f"ci-release: {outcome.model} is sha256 {outcome.sha256[:12]}…")
    record = releases.load(git, outcome.model).record
    report = check.read(json.loads((FOLDER / "check.json").read_bytes()))
    files = assets(bundle, data, report, record)
    with client.calling(f"publish the release {outcome.model}"):
        page = release_page.publish(
            repository,
            outcome.model,
            note=release_note.render_note(record, report),
            files=files,
        )
    job.summarise(f"Released [{outcome.model}]({page}).")
    path = FOLDER / "check.md"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return ships.Report(model=outcome.model, markdown=text)


def sign(git: Git, environ: Mapping[str, str]) -> None:
    """Let Git sign the release's tag with the private key in SIGNING_KEY, where the repository has such a secret."""
    key = environ.get("SIGNING_KEY", "")
    if not key.strip():
        return
    path = git.root / ".git" / "signing_key"
    write_private(path, key.strip())
    for name, value in (
        ("tag.gpgSign", "true"),
        ("gpg.format", "ssh"),
        ("user.signingKey", str(path.resolve())),
    ):
        git.out("config", name, value)


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
