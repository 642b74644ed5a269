"""Closed days go to a bucket, each file whole or not at all, and leave this disk once their bytes were read back there.

A file has the same name in both places, so readers that know both count it once (`records.Log`). What a killed run left
undone is done by the next: an upload that broke off was never an object, and one that is there is read back, not sent.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from gitops_model.errors import ExternalFailure
from gitops_model.files import sha256_file
from gitops_model.formats import log_files
from gitops_model.monitoring import closing, storage

BLOCK_BYTES = 4 << 20
PIECE_BYTES = 64 << 20


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A file that lies in the bucket now, and here no more: its day, and its bytes."""

    day: str
    size: int


def send(folder: Path, to: str, *, now: datetime) -> Iterator[Sent]:
    """Move what is closed of the log in `folder` to the address `to`. Nothing happens while days are being closed.

    Raises BadInput, ExternalFailure; what was not sent is as it was.
    """
    if not folder.is_dir():
        return
    with closing.alone(folder) as mine:
        waiting = list(_waiting(folder, now)) if mine else []
        if not waiting:
            return
        files, root = storage.opened(to)
        for path in waiting:
            target = f"{root}/{path.parent.name}/{path.name}"
            with storage.telling(f"{path} cannot be moved to {to}. It stays here"):
                yield _moved(path, files, target, to)


def _waiting(folder: Path, now: datetime) -> Iterator[Path]:
    """What is whole of the days that are over; lines that are no records before the Parquet file that counts them."""
    for day in closing.over(folder, now=now):
        names = sorted(path.name for path in day.iterdir())
        begun = {held[0] for name in names if (held := log_files.closing_of(name)) is not None}
        for name in names:
            ident = log_files.closed_of(name)
            if ident is not None and ident not in begun:
                yield day / name


def _moved(path: Path, files: Any, target: str, to: str) -> Sent:
    size, digest = path.stat().st_size, sha256_file(path)
    if files.get_file_info(target).size != size or _sha256(files, target) != digest:
        _upload(path, size, files, target)
        if _sha256(files, target) != digest:
            raise ExternalFailure(
                f"{path} lies in {to} with other bytes than here. It stays here, and the next run sends it again."
            )
    path.unlink()
    return Sent(day=path.parent.name.removeprefix("date="), size=size)


def _upload(path: Path, size: int, files: Any, target: str) -> None:
    stream = files.open_output_stream(target)
    try:
        # Mapped: a disk that fails ends this process, and is not taken for the end of the file.
        buffer = pa.memory_map(str(path)).read_buffer() if size else b""
        for at in range(0, size, PIECE_BYTES):
            # What waits to be sent is held in memory.
            stream.flush()
            stream.write(buffer[at : at + PIECE_BYTES])
    except BaseException:
        # Closing completes what Ctrl+C broke off; nothing was made of what failed.
        with contextlib.suppress(OSError):
            stream.close()
            files.delete_file(target)
        raise
    stream.close()


def _sha256(files: Any, target: str) -> str:
    found = hashlib.sha256()
    with files.open_input_stream(target) as stream:
        while block := stream.read(BLOCK_BYTES):
            found.update(block)
    return found.hexdigest()
