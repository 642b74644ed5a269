"""The store: the directory a service watches. `deploy` alone writes it.

bundles/<sha256>.tar   immutable
pointer.json           what is to be served; replaced in one step
confirmed.json         the last pointer.json that a service was seen to serve: what to go back to
.lock                  held by the one deploy at work
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gitops_model import strict_yaml
from gitops_model.delivery.fetch import bundle_path
from gitops_model.errors import BadInput, ExternalFailure, os_words
from gitops_model.files import canonical_json, remove_stale_temporaries, write_atomic
from gitops_model.formats.pointer import Pointer, Ref

STALE_SECONDS = 3600.0


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A pointer as it lies in the store."""

    pointer: Pointer
    commit: str
    written_at: str

    @staticmethod
    def parse(data: bytes) -> Stored | None:
        """Read a pointer.json; None when it is not one, for then it is simply written anew."""
        try:
            found = json.loads(data)
            strict_yaml.check(found["pointer"], kind="production", name="pointer.json")
            pointer = Pointer.from_dict(found["pointer"], name="pointer.json")
            return Stored(
                pointer=pointer, commit=str(found["commit"]), written_at=str(found["written_at"])
            )
        except (ValueError, KeyError, TypeError, RecursionError, BadInput):
            return None


@dataclass(frozen=True, kw_only=True)
class Store:
    """A store directory. It is created when something is first written."""

    folder: Path

    @property
    def pointer_path(self) -> Path:
        return self.folder / "pointer.json"

    @property
    def confirmed_path(self) -> Path:
        return self.folder / "confirmed.json"

    @contextlib.contextmanager
    def locked(self, *, say: bool = True) -> Iterator[None]:
        """Be the only deploy into this store; a second one waits. The lock ends with the process, however it ends."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / ".lock").open("w") as stream:
                try:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if say:
                        print(
                            f"deploy: another deploy is at work in {self.folder}; waiting for it ...",
                            flush=True,
                        )
                    fcntl.flock(stream, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise ExternalFailure(
                f"the store {self.folder} cannot be written: {os_words(error)}."
            ) from error

    def read(self) -> Stored | None:
        """What pointer.json says; None when there is none, or none that makes sense."""
        data = _bytes(self.pointer_path)
        return None if data is None else Stored.parse(data)

    def confirmed(self) -> Stored | None:
        """The last pointer a service was seen to serve."""
        data = _bytes(self.confirmed_path)
        return None if data is None else Stored.parse(data)

    def write(self, pointer: Pointer, *, commit: str) -> Stored:
        """Replace pointer.json in one step."""
        at = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        text = {"schema": 1, "commit": commit, "written_at": at, "pointer": pointer.to_dict()}
        write_atomic(self.pointer_path, canonical_json(text))
        return Stored(pointer=pointer, commit=commit, written_at=at)

    def confirm(self) -> None:
        """Remember pointer.json as one that was seen to be served."""
        data = _bytes(self.pointer_path)
        if data is not None and data != _bytes(self.confirmed_path):
            write_atomic(self.confirmed_path, data)

    def restore(self, former: Stored | None) -> Stored | None:
        """Put a former pointer back, or none if there was none. Returns it as it lies there now."""
        if former is None:
            self.pointer_path.unlink(missing_ok=True)
            return None
        return self.write(former.pointer, commit=former.commit)

    def collect(self, keep: Iterable[Ref]) -> list[str]:
        """Delete the bundles of all other releases and what killed writes left behind. Returns their sha256."""
        kept = {bundle_path(self.folder, ref.sha256).name for ref in keep}
        gone = [
            path
            for path in sorted((self.folder / "bundles").glob("*.tar"))
            if path.name not in kept
        ]
        for path in gone:
            path.unlink(missing_ok=True)
        for folder in (self.folder, self.folder / "bundles"):
            remove_stale_temporaries(folder, older_than=time.time() - STALE_SECONDS)
        return [path.stem for path in gone]


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ExternalFailure(
            f"the store {path.parent} cannot be read: {os_words(error)}."
        ) from error
