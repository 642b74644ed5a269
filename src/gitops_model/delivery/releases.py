"""Releases as they stand in Git: annotated tags with a record, their ids, and who already used one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gitops_model.delivery import dvc
from gitops_model.delivery.git import Git, Tag
from gitops_model.errors import BadArtifact, BadInput, GitopsError
from gitops_model.formats import agreement, compatibility, record
from gitops_model.formats.bundle import Bundle
from gitops_model.formats.contract import Contract
from gitops_model.formats.pointer import Ref

POINTER = "production.yaml"
_SHA = re.compile(r"^sha256: '?([0-9a-f]{64})'?$", re.MULTILINE)
_NAMED = re.compile(r"\bmodel: *'?\"?([a-z0-9-]+-v[0-9]+)\b")


@dataclass(frozen=True, kw_only=True)
class Release:
    """A release: its tag, and the record that is the tag's message."""

    tag: Tag
    record: Mapping[str, Any]

    @property
    def ref(self) -> Ref:
        return Ref(model=self.tag.name, sha256=self.record["sha256"])

    @property
    def passed(self) -> bool:
        """Whether the record says that it passed the gates."""
        return bool(self.record["gates"].get("state") == "pass")

    @property
    def verdict(self) -> str:
        """The record's verdict as the end of a sentence: "did not pass the gates: Blocked: …"."""
        gates = self.record["gates"]
        sentence = str(gates.get("sentence") or "its record holds no verdict").rstrip(".")
        return f"{'passed' if self.passed else 'did not pass'} the gates: {sentence}."


def load(git: Git, model: str) -> Release:
    """The release called `model`. Raises BadArtifact when its tag is missing, no record, or about another id."""
    record.parse_id(model)
    tag = git.tag(model)
    if tag is None:
        if git.tag_names(model):
            raise BadArtifact(
                f"{model} is a plain tag without a release record; only `make release` makes releases.",
                reason="missing",
            )
        raise BadArtifact(
            f"{model} is not a release: there is no tag of that name. See the ids with: git tag -l '*-v*'",
            reason="missing",
        )
    try:
        found = record.parse_record(tag.message, name=model)
    except BadInput as error:
        raise BadArtifact(str(error).replace("\n", " ")) from error
    if found["model"] != model:
        raise BadArtifact(
            f"tag {model} holds the record of {found['model']}: the tag was moved or renamed."
        )
    return Release(tag=tag, record=found)


def verify(git: Git, ref: Ref) -> Release:
    """The release behind a pointer entry. Raises BadArtifact when record, entry and commit disagree."""
    found = promised(git, ref)
    require_origin(git, found)
    return found


def promised(git: Git, ref: Ref) -> Release:
    """The same, wherever it comes from: enough for a bundle that served before. Raises BadArtifact."""
    found = load(git, ref.model)
    sha256 = found.record["sha256"]
    if sha256 != ref.sha256:
        raise BadArtifact(
            f"production.yaml says {ref.model} is {ref.sha256[:12]}…, but the release's record says {sha256[:12]}…: "
            "the tag was moved or the file edited by hand. Write it with `make ship`.",
            reason="sha256",
        )
    return found


def require_origin(git: Git, release: Release) -> None:
    """Raises BadArtifact for a record that the commit under its tag contradicts.

    Whoever may push a tag can write any record into it. The commit was reviewed, and its dvc.lock names the bundle.
    """
    require_commit(release)
    if is_locked(git, release) or dvc.default_remote(git.root) is None:
        return
    model, commit = release.tag.name, release.tag.commit
    raise BadArtifact(
        f"{model} is not what its commit {commit[:12]} built: dvc.lock there names another bundle than the record. "
        f"`make release` makes no such tag. Find out who did: git show {model}",
        reason="origin",
    )


def require_commit(release: Release) -> None:
    """Raises BadArtifact when the tag stands on another commit than its record says."""
    if release.record["code"]["commit"] != release.tag.commit:
        raise BadArtifact(
            f"tag {release.tag.name} stands on another commit than its record says: it was moved.",
            reason="origin",
        )


def is_locked(git: Git, release: Release) -> bool:
    """Whether dvc.lock at the release's commit names its bundle.

    Without a data storage CI builds the bundle again, and another processor may give other bytes.
    """
    try:
        named = dvc.bundle_at(git, release.tag.commit)
        return bool(named.md5 == release.record["artifact"]["md5"])
    except GitopsError:
        return False


def require_agreement(release: Release, bundle: Bundle) -> None:
    """Raises BadArtifact for a record that says something else than the bundle it names."""
    found = agreement.differences(release.record, agreement.of_bundle(bundle))
    if found:
        raise BadArtifact(
            f"the record of {release.tag.name} says something else than its bundle: {', '.join(found)}. `make release` "
            f"makes no such tag. Find out who did: git show {release.tag.name}",
            reason="origin",
        )


def moved(model: str) -> str:
    """The sentence about a tag that origin has on another object than this clone."""
    return (
        f"tag {model} is another one on origin than in this clone: it was moved, and a release never moves. Find out "
        f"who did it; to take origin's word: git fetch --force origin tag {model}"
    )


def shas(git: Git, task: str) -> dict[str, str]:
    """sha256 of every release of `task`, by id, oldest first. Broken records are left out."""
    found: dict[int, tuple[str, str]] = {}
    for tag in git.tags(f"{task}-v*"):
        match = _SHA.search(tag.message)
        try:
            number = record.parse_id(tag.name).number
        except BadInput:
            continue
        if match and record.parse_id(tag.name).task == task:
            found[number] = (tag.name, match[1])
    return dict(pair for _, pair in sorted(found.items()))


def ids_in_history(git: Git, rev: str = "--all") -> set[str]:
    """Every id that any production.yaml in the history of `rev` ever named, also when its tag is gone."""
    text = git.out(
        "log", rev, "-p", "-m", "--format=", "--no-color", "--no-ext-diff", "--", POINTER
    )
    return set(_NAMED.findall(text))


def contract_break(
    *, old: Contract, old_name: str, new: Contract, new_name: str
) -> tuple[str, bool] | None:
    """Whether callers of `old` would be broken by `new`: the sentence, and whether that is allowed; None when not.

    It is allowed when the new contract says so by a higher schema_version. The service has the same rule.
    """
    change = compatibility.change(old, new)
    if not change.broken:
        return None
    if change.announced:
        versions = f"from {change.old_version} to {change.new_version}"
        return (
            f"{new_name} raises schema_version {versions}, callers must follow: {change.why}",
            True,
        )
    return (
        f"{new_name} would break today's callers of {old_name}: {change.why}. Keep the contract, or raise its "
        "schema_version and tell the callers",
        False,
    )
