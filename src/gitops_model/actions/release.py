"""`ci-release`: id, tag, GitHub Release and the pull request "Ship <id>", from what `ci-build` judged.

Each step first looks whether it was done: a run that died anywhere is finished by the next one. The release is a draft
until every file is there and has the right sum, because a published release can never be changed.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitops_model.actions import client, pull_request
from gitops_model.actions.build import FILES, FOLDER
from gitops_model.delivery import release, releases, ship
from gitops_model.delivery.git import Git
from gitops_model.errors import BadArtifact, ExternalFailure, GitopsError
from gitops_model.files import sha256_bytes, write_atomic
from gitops_model.formats.bundle import Bundle
from gitops_model.formats.pointer import Pointer
from gitops_model.report import comment, release_note

if TYPE_CHECKING:
    from github.GitRelease import GitRelease
    from github.Repository import Repository

BUNDLE = "model.tar"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `ci-release`: none; the job's environment says everything."""


def run(args: argparse.Namespace) -> int:
    """Exit 0 when the release is published, whether or not Actions may open the pull request."""
    job = client.Run.from_environ(os.environ)
    git = Git.open(Path())
    repository = client.connect(job)
    data = (FOLDER / BUNDLE).read_bytes()
    bundle = Bundle.open(data, sha256=sha256_bytes(data), name=str(FOLDER / BUNDLE))
    # The record takes the verdict from here.
    write_atomic(Path("reports/check.json"), (FOLDER / "check.json").read_bytes())
    with client.git_as(job):
        outcome = release.release_bytes(git, commit=git.need("HEAD"), data=data)
    print(f"ci-release: {outcome.model} is sha256 {outcome.sha256[:12]}…")
    record = releases.load(git, outcome.model).record
    report = json.loads((FOLDER / "check.json").read_bytes())
    files = assets(bundle, data, report)
    with client.calling(f"publish the release {outcome.model}"):
        page = publish(
            repository,
            outcome.model,
            commit=outcome.commit,
            note=release_note.render_note(record, report),
            files=files,
        )
    job.summarise(f"Released [{outcome.model}]({page}).")
    propose(git, repository, job, outcome.model, page=page)
    return 0


def assets(bundle: Bundle, data: bytes, report: dict[str, Any]) -> dict[str, bytes]:
    """The files of the release by name; SHA256SUMS speaks of all the others."""
    card = release_note.append_verdict(bundle.member("MODEL_CARD.md").decode(), report)
    files = {BUNDLE: data, "MODEL_CARD.md": card.encode()}
    files |= {name: (FOLDER / name).read_bytes() for name in FILES if (FOLDER / name).exists()}
    sums = "".join(f"{sha256_bytes(content)}  {name}\n" for name, content in sorted(files.items()))
    return {**files, "SHA256SUMS": sums.encode()}


def publish(
    repository: Repository, model: str, *, commit: str, note: str, files: Mapping[str, bytes]
) -> str:
    """Draft, upload, publish. Returns the release's page. Raises BadArtifact when another release has the id."""
    known = _published(repository, model)
    if known is not None:
        _check_published(known, files)
        return str(known.html_url)
    drafts = _drafts(repository, model)
    if not drafts:
        repository.create_git_release(
            tag=model, name=model, message=note, draft=True, target_commitish=commit
        )
        drafts = _drafts(repository, model)
    if not drafts:
        # Another run has published it meanwhile, and deleted the draft of this one.
        known = _published(repository, model)
        if known is None:
            raise ExternalFailure(f"GitHub does not show the draft of {model} that was just made.")
        _check_published(known, files)
        return str(known.html_url)
    # A lost answer that was tried again leaves two drafts; so does a run that was killed at the wrong moment.
    draft, *extra = drafts
    for other in extra:
        other.delete_release()
    for name, content in files.items():
        _upload(draft, name, content)
    held = {asset.name: asset.size for asset in draft.get_assets()}
    if held != {name: len(content) for name, content in files.items()}:
        raise ExternalFailure(
            f"the draft of {model} does not hold the files that were uploaded: {sorted(held)}."
        )
    try:
        draft.update_release(name=model, message=note, draft=False)
    except Exception:
        # A lost answer, tried again: published is published.
        if _published(repository, model) is None:
            raise
    known = _published(repository, model)
    if known is None:
        raise ExternalFailure(f"the release {model} was published, but GitHub does not show it.")
    return str(known.html_url)


def _drafts(repository: Repository, model: str) -> list[GitRelease]:
    found = [
        release
        for release in repository.get_releases()
        if release.draft and release.tag_name == model
    ]
    return sorted(found, key=lambda release: release.id)


def _published(repository: Repository, model: str) -> GitRelease | None:
    import github as pygithub

    try:
        return repository.get_release(model)
    except pygithub.UnknownObjectException:
        return None


def _check_published(known: GitRelease, files: Mapping[str, bytes]) -> None:
    bundle = next((asset for asset in known.get_assets() if asset.name == BUNDLE), None)
    digest = "sha256:" + sha256_bytes(files[BUNDLE])
    if bundle is None or (bundle.digest or digest) != digest or bundle.size != len(files[BUNDLE]):
        raise BadArtifact(
            f"the published release {known.tag_name} holds another bundle than its tag names. It cannot be changed any "
            "more: train again, so that the next release gets a new id."
        )


def _upload(draft: GitRelease, name: str, content: bytes) -> None:
    """Upload one file unless it is there; a broken one of an earlier run is replaced."""
    import io

    import github as pygithub

    for asset in draft.get_assets():
        if asset.name == name:
            if asset.state == "uploaded" and asset.digest == "sha256:" + sha256_bytes(content):
                return
            asset.delete_asset()
    try:
        draft.upload_asset_from_memory(
            io.BytesIO(content), len(content), name, content_type="application/octet-stream"
        )
    except pygithub.GithubException as error:
        # The first try got there and its answer was lost; the sizes are compared before publishing.
        if error.status != 422 or "already_exists" not in client.error_text(error):
            raise


def propose(git: Git, repository: Repository, job: client.Run, model: str, *, page: str) -> None:
    """Open "Ship <id>" on what main says now; a pull request that cannot be opened is said, and is no failure."""
    base = git.need("refs/remotes/origin/main")
    text = git.read(base, releases.POINTER)
    current = Pointer.parse((text or b"").decode(), name=releases.POINTER)
    if any(ref.model == model for ref in current.refs()):
        print(f"ci-release: production.yaml names {model} already")
        return
    try:
        with client.git_as(job):
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
    made = pull_request.propose(
        git,
        repository,
        job,
        pull_request.Proposal(
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
        job.annotate(
            "warning",
            f"{model} is released, but GitHub Actions may not open pull requests here (`make doctor` says where to "
            f"allow it). Ship it by hand: make ship MODEL={model}",
        )
        job.summarise(
            f"Not proposed: Actions may not open pull requests. By hand: `make ship MODEL={model}`"
        )
        return
    job.summarise(f"Proposed in [#{made.number}]({made.url}): merging it deploys {model}.")
