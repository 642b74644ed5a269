"""Bundles made to hurt, with the right sha256: opened, or refused in one sentence, in bounded time and memory."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from gitops_model.files import sha256_bytes
from gitops_model.formats import archive
from tests.support.bundles import good, refusal


def _tar(*infos: tuple[str, bytes, bytes], format: int = tarfile.USTAR_FORMAT, **pax: str) -> bytes:
    """A tar of (name, type, content) as `tarfile` writes it."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=format) as tar:
        for name, kind, content in infos:
            info = tarfile.TarInfo(name)
            info.type, info.size, info.mode, info.pax_headers = kind, len(content), 0o644, pax
            info.linkname = "/etc/passwd" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def _header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.mode = size, kind, 0o644
    return info.tobuf(tarfile.GNU_FORMAT)


def _sparse(claimed: int) -> bytes:
    """An old GNU sparse member: 512 bytes that claim to be `claimed`."""
    header = bytearray(_header("MODEL_CARD.md", 0, tarfile.GNUTYPE_SPARSE))
    header[483:495] = b"%011o\0" % claimed
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + bytes(20 * 512)


def _swap(**members: bytes) -> bytes:
    return archive.pack(good()[1] | {k.replace("__", "."): v for k, v in members.items()})


def _reheaded(change: Callable[[tarfile.TarInfo], None]) -> bytes:
    """A whole good bundle but for one field in each of its headers."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in sorted(good()[1].items()):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o644
            change(info)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def _owner(info: tarfile.TarInfo) -> None:
    info.uname = "root"


def _time(info: tarfile.TarInfo) -> None:
    info.mtime = 1


def _link(info: tarfile.TarInfo) -> None:
    info.linkname = "x"


DEEP = b'{"a":' * 50_000 + b"1" + b"}" * 50_000
LISTS = b"[" * 200_000
CONTRACT = "task: x\nproblem: binary\nschema_version: 1\ninputs:\n"

HOSTILE: dict[str, Callable[[], bytes]] = {
    "a parent folder": lambda: _tar(("../../etc/cron.d/x", tarfile.REGTYPE, b"")),
    "an absolute path": lambda: _tar(("/etc/passwd", tarfile.REGTYPE, b"")),
    "a symbolic link": lambda: _tar(("manifest.json", tarfile.SYMTYPE, b"")),
    "a hard link": lambda: _tar(("model.onnx", tarfile.LNKTYPE, b"")),
    "a device": lambda: _tar(("manifest.json", tarfile.CHRTYPE, b"")),
    "a folder": lambda: _tar(("manifest.json", tarfile.DIRTYPE, b"")),
    "a file more": lambda: _tar(("surprise.py", tarfile.REGTYPE, b"")),
    "a newline in a name": lambda: _tar(("a\nb", tarfile.REGTYPE, b"")),
    "a member twice": lambda: _tar(
        ("golden.jsonl", tarfile.REGTYPE, b"x"), ("golden.jsonl", tarfile.REGTYPE, b"y")
    ),
    "members in another order": lambda: _tar(
        ("manifest.json", tarfile.REGTYPE, b"x"), ("golden.jsonl", tarfile.REGTYPE, b"y")
    ),
    "500 MB of sparse": lambda: _sparse(500_000_000),
    "8 GB of sparse": lambda: _sparse(8**11 - 1),
    "pax": lambda: _tar(
        ("manifest.json", tarfile.REGTYPE, b""), format=tarfile.PAX_FORMAT, comment="x"
    ),
    "pax sparse": lambda: _tar(
        ("manifest.json", tarfile.REGTYPE, b"1\n0\n40000000000\n"),
        format=tarfile.PAX_FORMAT,
        **{
            "GNU.sparse.major": "1",
            "GNU.sparse.minor": "0",
            "GNU.sparse.realsize": "40000000000",
        },
    ),
    "a chain of long names": lambda: (
        (_header("././@LongLink", 5, b"L") + b"name\0".ljust(512)) * 9000
    ),
    "a chain of long links": lambda: (
        (_header("././@LongLink", 5, b"K") + b"name\0".ljust(512)) * 9000
    ),
    "a chain of pax headers": lambda: (_header("x", 5, b"x") + b"5 a=b".ljust(512)) * 9000,
    "a size beyond the file": lambda: _header("MODEL_CARD.md", 8**11 - 1) + bytes(10240 - 512),
    "a size in base 256": lambda: _header("MODEL_CARD.md", 8**11) + bytes(10240 - 512),
    "a size with spaces": lambda: (
        _header("MODEL_CARD.md", 1)[:124]
        + b"         1 \0"
        + _header("MODEL_CARD.md", 1)[136:]
        + bytes(10240 - 512)
    ),
    "an owner": lambda: _reheaded(_owner),
    "a time": lambda: _reheaded(_time),
    "a link's name": lambda: _reheaded(_link),
    "no tar": lambda: b"GIF89a" * 2000,
    "nothing": lambda: b"",
    "zeros": lambda: bytes(10240),
    "a tail": lambda: good()[0] + b"x" * 10240,
    "a longer tail of zeros": lambda: good()[0] + bytes(10240),
    "something between members": lambda: archive.pack({"MODEL_CARD.md": b"x"}).replace(
        b"x" + bytes(511), b"x" + bytes(510) + b"y"
    ),
    "a deep manifest": lambda: _swap(manifest__json=DEEP),
    "a manifest of open lists": lambda: _swap(manifest__json=LISTS),
    "a manifest of 70,000 keys": lambda: _swap(
        manifest__json=json.dumps({f"metric{n}": 1 for n in range(70_000)})[:999_999].encode()
    ),
    "a large manifest": lambda: _swap(manifest__json=b" " * 1_000_001),
    "NaN in a manifest": lambda: _swap(
        manifest__json=good()[1]["manifest.json"].replace(b'"seed": 0', b'"seed": NaN')
    ),
    "1e999 in golden": lambda: _swap(golden__jsonl=b'{"inputs":{},"output":{},"score":1e999}\n'),
    "a number of 5,000 digits": lambda: _swap(golden__jsonl=b"[" + b"1" * 5000 + b"]"),
    "a deep golden request": lambda: _swap(golden__jsonl=DEEP),
    "golden requests that are numbers": lambda: _swap(golden__jsonl=b"1\n2\n"),
    "no golden requests": lambda: _swap(golden__jsonl=b""),
    "a million golden requests": lambda: _swap(golden__jsonl=b"{}\n" * 660_000),
    "half a character": lambda: _swap(contract__yaml=b"task: \xff"),
    "a deep contract": lambda: _swap(contract__yaml=b"a: " + b"[" * 50_000),
    "aliases that double": lambda: _swap(
        contract__yaml="\n".join(
            ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 26))]
        ).encode()
    ),
    "an alias in the values": lambda: _swap(
        contract__yaml=(CONTRACT + "  x: {type: category, values: &v [a]}\n  y: *v\n").encode()
    ),
    "values that cannot be sorted": lambda: _swap(
        contract__yaml=(
            CONTRACT
            + "  x: {type: category, values: ["
            + ", ".join(f"{{a: {n}}}" for n in range(9_999))
            + "]}\n"
        ).encode()
    ),
    "9,000 inputs": lambda: _swap(
        contract__yaml=(CONTRACT + "".join(f"  i{n}: {{}}\n" for n in range(9_000))).encode()
    ),
    "a number in base 60": lambda: _swap(contract__yaml=b"task: 1" + b":1" * 70_000),
    "a number in hexadecimal": lambda: _swap(contract__yaml=b"task: 0x" + b"f" * 140_000),
    "merged mappings": lambda: _swap(
        contract__yaml=b"a: {<<: [" + b"{a: 1}," * 18_000 + b"{a: 1}]}"
    ),
    "a python object": lambda: _swap(contract__yaml=b"task: !!python/name:os.system x"),
    "an id with a newline": lambda: _swap(contract__yaml=b'task: "flight-delay\\n"\n'),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_bundle_is_refused_in_one_sentence_and_little_memory(name: str) -> None:
    data = HOSTILE[name]()
    tracemalloc.start()
    before = time.process_time()
    try:
        sentence = refusal(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sentence is not None
    assert sentence.startswith("model.tar")
    # What Python makes of the texts is bounded by their limits; everything else is at most a copy of the bytes.
    assert peak < 50_000_000 + len(data), f"{peak:,} bytes"
    # Tracing makes everything several times slower: far from exact, and far from a hang.
    assert time.process_time() - before < 20


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_bundle_takes_less_than_a_second(name: str) -> None:
    data = HOSTILE[name]()
    before = time.process_time()
    refusal(data)
    assert time.process_time() - before < 1


# Opens a bundle with room for twice its size, and a little for everything else.
OPEN = """
import resource, sys
from pathlib import Path
from gitops_model import validation
from gitops_model.errors import BadArtifact
from gitops_model.formats.bundle import Bundle

# Imported once in a process, whatever the bundle.
validation.validator_class()
path, sha256 = Path(sys.argv[1]), sys.argv[2]
pages = int(Path("/proc/self/statm").read_text().split()[0])
room = pages * resource.getpagesize() + int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_AS, (room, room))
try:
    Bundle.read(path, sha256=sha256)
except BadArtifact as error:
    print(error)
else:
    print("opened")
"""


@pytest.mark.parametrize("tail", [b"", b"x" * 10240])
def test_a_large_bundle_takes_twice_its_size_whether_it_is_opened_or_refused(
    tail: bytes, tmp_path: Path
) -> None:
    large = bytes(150_000_000)
    data = archive.pack(good()[1] | {"model.onnx": large, "model.skops": large}) + tail
    path = tmp_path / "model.tar"
    path.write_bytes(data)
    words = [sys.executable, "-c", OPEN, str(path), sha256_bytes(data), str(2 * len(data) + 2**24)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.stderr == ""
    assert done.stdout.endswith("other bytes follow the last member.\n" if tail else "opened\n")
