"""Writing the store, the folder a service watches; `formats.store` says what lies where."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gitops_model.errors import BadInput, ExternalFailure, os_words
from gitops_model.files import remove_stale_temporaries, write_atomic
from gitops_model.formats.pointer import Pointer, Ref
from gitops_model.formats.store import Layout
from gitops_model.formats.store import Stored as Stored
from gitops_model.progress import waiting

STALE_SECONDS = 3600.0


@dataclass(frozen=True, kw_only=True)
class Store:
    """A store directory. It is created when something is first written."""

    folder: Path

    @property
    def layout(self) -> Layout:
        return Layout(self.folder)

    @contextlib.contextmanager
    def locked(self, *, say: bool = True) -> Iterator[None]:
        """Be the only deploy into this store; a second one waits. The lock ends with the process, however it ends."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self.layout.lock.open("w") as stream:
                try:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if say:
                        print(
                            f"deploy: another deploy is at work in {self.folder}; waiting for it ...",
                            flush=True,
                        )
                    with waiting("waiting for the other deploy"):
                        fcntl.flock(stream, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise ExternalFailure(
                f"the store {self.folder} cannot be written: {os_words(error)}."
            ) from error

    def read(self) -> Stored | None:
        """What pointer.json says; None when there is none, or none that makes sense."""
        return _stored(self.layout.pointer)

    def confirmed(self) -> Stored | None:
        """The last pointer a service was seen to serve."""
        return _stored(self.layout.confirmed)

    def write(self, pointer: Pointer, *, commit: str) -> Stored:
        """Replace pointer.json in one step."""
        at = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        stored = Stored(pointer=pointer, commit=commit, written_at=at)
        write_atomic(self.layout.pointer, stored.to_json())
        return stored

    def confirm(self) -> None:
        """Remember pointer.json as one that was seen to be served."""
        data = _bytes(self.layout.pointer)
        if data is not None and data != _bytes(self.layout.confirmed):
            write_atomic(self.layout.confirmed, data)

    def restore(self, earlier: Stored | None) -> Stored | None:
        """Put an earlier pointer back, or none if there was none. Returns it as it lies there now."""
        if earlier is None:
            self.layout.pointer.unlink(missing_ok=True)
            return None
        return self.write(earlier.pointer, commit=earlier.commit)

    def collect(self, keep: Iterable[Ref]) -> list[str]:
        """Delete the bundles of all other releases and what killed writes left behind. Returns their sha256."""
        kept = {self.layout.bundle(ref.sha256).name for ref in keep}
        gone = [path for path in sorted(self.layout.bundles.glob("*.tar")) if path.name not in kept]
        for path in gone:
            path.unlink(missing_ok=True)
        for folder in (self.folder, self.layout.bundles):
            remove_stale_temporaries(folder, older_than=time.time() - STALE_SECONDS)
        return [path.stem for path in gone]


def _stored(path: Path) -> Stored | None:
    data = _bytes(path)
    try:
        return None if data is None else Stored.parse(data, name=path.name)
    except BadInput:
        return None


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ExternalFailure(
            f"the store {path.parent} cannot be read: {os_words(error)}."
        ) from error
