"""Releases as they stand in Git: annotated tags with a record, their ids, and who already used one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gitops_model.delivery.git import Git, Tag
from gitops_model.errors import BadArtifact, BadInput
from gitops_model.formats import compatibility, record
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
    """The release behind a pointer entry. Raises BadArtifact when its record does not promise the entry's bundle."""
    found = load(git, ref.model)
    promised = found.record["sha256"]
    if promised != ref.sha256:
        raise BadArtifact(
            f"production.yaml says {ref.model} is {ref.sha256[:12]}…, but the release's record says {promised[:12]}…: "
            "the tag was moved or the file edited by hand. Write it with `make ship`.",
            reason="sha256",
        )
    return found


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


def ids_in_history(git: Git) -> set[str]:
    """Every id that any production.yaml of any branch ever named, also when its tag is gone."""
    text = git.out(
        "log", "--all", "-p", "-m", "--format=", "--no-color", "--no-ext-diff", "--", POINTER
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
