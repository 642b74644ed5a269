"""A release's page on GitHub: draft, upload, publish.

It is a draft until every file is there with the right size, because a published release can never be changed. Each step
first looks whether it was done, so a run that died anywhere is finished by the next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from gitops_model.actions.client import Refused, Repository
from gitops_model.actions.job import BOT
from gitops_model.errors import BadArtifact, ExternalFailure
from gitops_model.files import sha256_bytes
from gitops_model.formats.pointer import Ref

BUNDLE = "model.tar"
LINK = "\n\n<!-- proposal -->\n"


@dataclass(frozen=True, kw_only=True)
class Asset:
    """An uploaded file. `digest` is "sha256:…", or None where GitHub does not tell."""

    id: int
    name: str
    size: int
    complete: bool
    digest: str | None


@dataclass(frozen=True, kw_only=True)
class Page:
    """A release on GitHub, published or a draft."""

    id: int
    tag: str
    draft: bool
    url: str
    upload_url: str

    @staticmethod
    def parse(data: Mapping[str, Any]) -> Page:
        """From the API's JSON."""
        return Page(
            id=data["id"],
            tag=data["tag_name"],
            draft=data["draft"],
            url=data["html_url"],
            upload_url=data["upload_url"].split("{?")[0],
        )


def publish(repository: Repository, model: str, *, note: str, files: Mapping[str, bytes]) -> str:
    """Draft, upload, publish. Returns the page's address. Raises BadArtifact when another release has the id.

    The tag is there already. No target is named: GitHub asks for the right to change workflows where the target's
    workflow files are not those of a branch.
    """
    known = _published(repository, model)
    if known is not None:
        return _same(repository, known, files)
    drafts = _drafts(repository, model)
    if not drafts:
        request = {"tag_name": model, "name": model, "body": note, "draft": True}
        repository.send("POST", "/releases", request)
        drafts = _drafts(repository, model)
    if not drafts:
        # Another run has published it meanwhile, and deleted the draft of this one.
        known = _published(repository, model)
        if known is None:
            raise ExternalFailure(f"GitHub does not show the draft of {model} that was just made.")
        return _same(repository, known, files)
    # A lost answer that was tried again leaves two drafts; so does a run that was killed at the wrong moment.
    draft, *extra = drafts
    for other in extra:
        repository.send("DELETE", f"/releases/{other.id}")
    try:
        _fill(repository, draft, files)
        request = {"name": model, "body": note, "draft": False}
        repository.send("PATCH", f"/releases/{draft.id}", request)
    except ExternalFailure:
        # Another run was faster, or the answer to our own request was lost.
        known = _published(repository, model)
        if known is None:
            raise
        return _same(repository, known, files)
    known = _published(repository, model)
    if known is None:
        raise ExternalFailure(f"the release {model} was published, but GitHub does not show it.")
    return known.url


def exists(repository: Repository, model: str) -> bool:
    """Whether the release is published."""
    return _published(repository, model) is not None


def published_by_us(repository: Repository, ref: Ref) -> bool:
    """Whether a workflow of ours published the release, and uploaded the very bundle that `ref` names."""
    data = repository.find(f"/releases/tags/{quote(ref.model)}")
    if data is None or _login(data.get("author")) != BOT:
        return False
    return any(
        (asset["name"], asset.get("digest"), _login(asset.get("uploader")))
        == (BUNDLE, f"sha256:{ref.sha256}", BOT)
        for asset in repository.pages(f"/releases/{data['id']}/assets")
    )


def _login(user: Mapping[str, Any] | None) -> str:
    return str((user or {}).get("login") or "")


def add_link(repository: Repository, model: str, line: str) -> None:
    """End the note of a published release with `line`, in place of an earlier one.

    Title and note are what may still be changed once a release is published and immutable.
    """
    data = repository.find(f"/releases/tags/{quote(model)}")
    if data is None:
        return
    note = str(data.get("body") or "")
    wanted = f"{note.split(LINK, maxsplit=1)[0].rstrip()}{LINK}{line}\n"
    if note != wanted:
        repository.send("PATCH", f"/releases/{data['id']}", {"body": wanted})


def _published(repository: Repository, model: str) -> Page | None:
    data = repository.find(f"/releases/tags/{quote(model)}")
    return None if data is None else Page.parse(data)


def _drafts(repository: Repository, model: str) -> list[Page]:
    pages = map(Page.parse, repository.pages("/releases"))
    found = [page for page in pages if page.draft and page.tag == model]
    return sorted(found, key=lambda page: page.id)


def _assets(repository: Repository, page: Page) -> dict[str, Asset]:
    return {
        data["name"]: Asset(
            id=data["id"],
            name=data["name"],
            size=data["size"],
            complete=data["state"] == "uploaded",
            digest=data.get("digest"),
        )
        for data in repository.pages(f"/releases/{page.id}/assets")
    }


def _same(repository: Repository, known: Page, files: Mapping[str, bytes]) -> str:
    """The published page's address. Raises BadArtifact when its bundle is another one."""
    bundle = _assets(repository, known).get(BUNDLE)
    digest = f"sha256:{sha256_bytes(files[BUNDLE])}"
    if bundle is None or (bundle.digest or digest) != digest or bundle.size != len(files[BUNDLE]):
        raise BadArtifact(
            f"the published release {known.tag} holds another bundle than its tag names. It cannot be changed any "
            "more: train again, so that the next release gets a new id."
        )
    return known.url


def _fill(repository: Repository, draft: Page, files: Mapping[str, bytes]) -> None:
    """Upload what is not there; a broken upload of an earlier run is replaced. Raises ExternalFailure."""
    held = _assets(repository, draft)
    for name, content in files.items():
        there = held.get(name)
        if there is not None:
            if there.complete and there.digest == f"sha256:{sha256_bytes(content)}":
                continue
            repository.send("DELETE", f"/releases/assets/{there.id}")
        try:
            repository.upload(draft.upload_url, name, content)
        except Refused as error:
            # The first attempt got there and its answer was lost; the sizes are compared below.
            if error.status != 422 or "already_exists" not in error.reason:
                raise
    sizes = {name: asset.size for name, asset in _assets(repository, draft).items()}
    if sizes != {name: len(content) for name, content in files.items()}:
        raise ExternalFailure(
            f"the draft of {draft.tag} does not hold the files that were uploaded: {sorted(sizes)}."
        )
