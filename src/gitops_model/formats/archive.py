"""The tar a bundle is: one way to write given members, and a reader that takes nothing else.

The reader never asks what a tar may be. It writes the header it expects for a name and a size, and compares: links,
devices, sparse files, long names, extended headers, owners and times all differ from it. No size is believed before
the bytes are there, so memory is bounded by the bytes given.
"""

from __future__ import annotations

import tarfile
from collections.abc import Mapping

BLOCK = 512
RECORD = tarfile.RECORDSIZE
COPIED = 1 << 20

Member = bytes | memoryview


class NotAnArchive(ValueError):
    """The bytes are not what `pack` writes; the message says where."""


def pack(members: Mapping[str, bytes]) -> bytes:
    """Tar bytes that depend on nothing but names and contents: sorted, uncompressed, no time, no owner."""
    parts: list[bytes] = []
    for name in sorted(members):
        content = members[name]
        parts += [_header(name, len(content)), content, bytes(-len(content) % BLOCK)]
    size = sum(map(len, parts))
    return b"".join([*parts, bytes(_padding(size))])


def unpack(data: bytes, *, limits: Mapping[str, int]) -> dict[str, Member]:
    """The members of bytes that `pack` wrote. `limits` says which names there may be, and how large each may be.

    Raises NotAnArchive. Small members are copies, large ones views of `data`.
    """
    members: dict[str, Member] = {}
    view = memoryview(data)
    at = 0
    while at < len(data) and data[at] != 0:
        header = data[at : at + BLOCK]
        name = header[:100].rstrip(b"\0").decode("ascii", "replace")
        if name not in limits:
            raise NotAnArchive(f"the member {name[:40]!r} does not belong in it")
        if name in members or (members and name < max(members)):
            raise NotAnArchive(f"the member '{name}' stands twice, or not in order of names")
        size = _size(header)
        if size is None or header != _header(name, size):
            raise NotAnArchive(f"the header of '{name}' is not what the library writes")
        if size > limits[name]:
            raise NotAnArchive(f"'{name}' has {size:,} bytes; allowed: {limits[name]:,}")
        start = at + BLOCK
        at = start + size + -size % BLOCK
        if at > len(data) or any(data[start + size : at]):
            raise NotAnArchive(f"'{name}' is cut off, or followed by other bytes")
        # A large model is not copied: no other thread of Python would run meanwhile, and callers would wait.
        members[name] = data[start : start + size] if size <= COPIED else view[start : start + size]
    if len(data) != at + _padding(at) or data.count(0, at) != len(data) - at:
        raise NotAnArchive("other bytes follow the last member")
    return members


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = 0o644
    return info.tobuf(tarfile.USTAR_FORMAT)


def _size(header: bytes) -> int | None:
    """The size a header names; None when it is not written as `_header` writes it."""
    digits = header[124:135]
    return (
        int(digits, 8)
        if len(digits) == 11 and digits.isdigit() and max(digits) < ord("8")
        else None
    )


def _padding(size: int) -> int:
    """Zero bytes after the last member: two blocks, and then as many as fill a record."""
    return 2 * BLOCK + -(size + 2 * BLOCK) % RECORD
