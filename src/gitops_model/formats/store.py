"""The store: the folder a service watches. `deploy` alone writes it, but for removed.json.

bundles/<sha256>.tar   immutable
pointer.json           what is to be served; replaced in one step
confirmed.json         the last pointer.json that a service was seen to serve: what to go back to
removed.json           canaries that a service took out; see formats.removed
told.json              what the agent told people already; see delivery.telling
.lock                  held by the one deploy at work
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gitops_model import strict_json, strict_yaml
from gitops_model.errors import BadArtifact, BadInput, os_words
from gitops_model.files import canonical_json
from gitops_model.formats.pointer import Pointer

MOST_BYTES = 100_000


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A pointer as it lies in the store: the commit it stands in, and when `deploy` wrote it."""

    pointer: Pointer
    commit: str
    written_at: str

    @staticmethod
    def parse(data: bytes, *, name: str) -> Stored:
        """Read pointer.json; `name` is what messages call it. Raises BadInput with every problem."""
        found = strict_json.parse(data, name=name, most_bytes=MOST_BYTES)
        if not isinstance(found, dict) or found.get("schema") != 1:
            raise BadInput(f"{name} is not a pointer of schema 1.")
        commit, written_at = found.get("commit"), found.get("written_at")
        if not isinstance(commit, str) or not isinstance(written_at, str):
            raise BadInput(f"{name} lacks commit or written_at.")
        strict_yaml.check(found.get("pointer"), kind="production", name=f"{name}: pointer")
        pointer = Pointer.from_dict(found["pointer"], name=name)
        return Stored(pointer=pointer, commit=commit, written_at=written_at)

    def to_json(self) -> str:
        """The text of pointer.json; the inverse of `parse`."""
        return canonical_json(
            {
                "schema": 1,
                "commit": self.commit,
                "written_at": self.written_at,
                "pointer": self.pointer.to_dict(),
            }
        )


@dataclass(frozen=True)
class Layout:
    """Where things lie in a store."""

    folder: Path

    @property
    def pointer(self) -> Path:
        return self.folder / "pointer.json"

    @property
    def confirmed(self) -> Path:
        return self.folder / "confirmed.json"

    @property
    def removed(self) -> Path:
        return self.folder / "removed.json"

    @property
    def told(self) -> Path:
        return self.folder / "told.json"

    @property
    def lock(self) -> Path:
        return self.folder / ".lock"

    @property
    def bundles(self) -> Path:
        return self.folder / "bundles"

    def bundle(self, sha256: str) -> Path:
        return self.bundles / f"{sha256}.tar"

    def read(self) -> Stored:
        """What is to be served. Raises BadArtifact: reason missing, read (which may pass), or pointer."""
        path = self.pointer
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            sentence = f"{path} does not exist; `make deploy` writes it."
            raise BadArtifact(sentence, reason="missing") from None
        except OSError as error:
            raise BadArtifact(
                f"{path} cannot be read: {os_words(error)}.", reason="read"
            ) from error
        try:
            return Stored.parse(data, name=str(path))
        except BadInput as error:
            sentence = " ".join(str(error).split())
            raise BadArtifact(
                f"{path} is not a pointer: {sentence} Run `make deploy` again.", reason="pointer"
            ) from error
