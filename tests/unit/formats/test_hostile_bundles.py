"""Bundles made to hurt, with the right sha256: opened, or refused in one sentence, in bounded time and memory."""

from __future__ import annotations

import functools
import io
import json
import random
import resource
import subprocess
import sys
import tarfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from gitops_model.errors import BadArtifact
from gitops_model.files import sha256_bytes
from gitops_model.formats import archive, bundle
from gitops_model.formats.bundle import Bundle
from tests.support.factories import make_bundle

Members = dict[str, bytes]


def _open(data: bytes) -> str | None:
    """The sentence of the refusal; None when it was opened. Anything but BadArtifact is raised."""
    try:
        Bundle.open(data, sha256=sha256_bytes(data), name="model.tar")
    except BadArtifact as error:
        sentence = str(error)
        assert "\n" not in sentence
        assert 20 < len(sentence) < 1500, sentence
        return sentence
    return None


@functools.cache
def _good() -> tuple[bytes, Members]:
    data, _ = make_bundle()
    return data, archive.unpack(data, limits=bundle.REQUIRED | bundle.OPTIONAL)


# By hand.


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
    return archive.pack(_good()[1] | {k.replace("__", "."): v for k, v in members.items()})


def _reheaded(change: Callable[[tarfile.TarInfo], None]) -> bytes:
    """A whole good bundle but for one field in each of its headers."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in sorted(_good()[1].items()):
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
    "a tail": lambda: _good()[0] + b"x" * 10240,
    "a longer tail of zeros": lambda: _good()[0] + bytes(10240),
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
        manifest__json=_good()[1]["manifest.json"].replace(b'"seed": 0', b'"seed": NaN')
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
        sentence = _open(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sentence is not None
    assert sentence.startswith("model.tar")
    # What Python makes of the texts is bounded by their limits; everything else is at most a copy of the bytes.
    assert peak < 50_000_000 + len(data), f"{peak:,} bytes"
    # Tracing makes everything several times slower: far from exact, and far from a hang.
    assert time.process_time() - before < 20


# By chance.


def _mutated(rng: random.Random) -> bytes:
    """One good bundle with a few random changes of one kind."""
    data, members = _good()
    members = dict(members)
    kind = rng.choice(["flip", "cut", "header", "member", "json", "text", "splice", "archive"])
    if kind == "archive":
        return _rearranged(members, rng)
    if kind in ("member", "json", "text"):
        names = {"json": ["manifest.json", "golden.jsonl"], "text": ["contract.yaml"]}
        name = rng.choice(names.get(kind, sorted(members)))
        members[name] = _scrambled(members[name], members, rng, kind)
        return archive.pack(members)
    changed = bytearray(data)
    if kind == "cut":
        del changed[rng.randrange(len(changed)) :]
    for _ in range(rng.randint(1, 8)):
        if kind == "flip" and changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        elif kind == "header":
            start = data.index(rng.choice(sorted(members)).encode() + b"\0")
            changed[start + rng.randrange(512)] = rng.choice(b"\0 07lLKxgSV5\xff")
        elif kind == "splice":
            at, size = rng.randrange(len(changed)), rng.choice([1, 512, 10240])
            changed[at:at] = rng.choice([bytes(size), rng.randbytes(size), data[:size]])
    return bytes(changed)


def _rearranged(members: Members, rng: random.Random) -> bytes:
    """A tar whose headers are right by themselves: other order, names, sizes and types, members twice or left out."""
    parts = sorted(members.items())
    names = [*members, "model.pkl", "", "x" * 100, "../model.onnx", "golden.jsonl/"]
    what = rng.choice(["order", "twice", "without", "name", "size", "type", "end"])
    place = rng.randrange(len(parts))
    if what == "order":
        rng.shuffle(parts)
    elif what == "twice":
        parts.insert(rng.randrange(len(parts)), parts[place])
    elif what == "without":
        del parts[place]
    blocks = []
    for number, (kept, content) in enumerate(parts):
        name, size, kind = kept, len(content), tarfile.REGTYPE
        if number == place and what == "name":
            name = rng.choice(names)
        elif number == place and what == "size":
            size = rng.choice([0, size - 1, size + 1, size + 512, 10**9, 8**11 - 1, 8**11])
        elif number == place and what == "type":
            kind = rng.choice([b"\0", b"1", b"2", b"5", b"7", b"x", b"g", b"L", b"S"])
        info = tarfile.TarInfo(name)
        info.size, info.type, info.mode = max(0, size), kind, 0o644
        blocks += [
            info.tobuf(tarfile.GNU_FORMAT if rng.random() < 0.2 else tarfile.USTAR_FORMAT)
            if size < 8**11
            else info.tobuf(tarfile.GNU_FORMAT)
        ]
        blocks += [content, bytes(-len(content) % 512)]
    blocks.append(bytes(rng.choice([0, 512, 1024, 10240]) if what == "end" else 1024))
    data = b"".join(blocks)
    return data + bytes(-len(data) % 10240 if rng.random() < 0.8 else 0)


PIECES = [
    *(
        b"null",
        b"true",
        b"[]",
        b"{}",
        b'""',
        b"0",
        b"-1",
        b"1e400",
        b"NaN",
        b'"\\ud800"',
        b"[[[[[[",
    ),
    *(b"*a", b"&a ", b"<<: ", b"!!int ", b"? ", b"- ", b"\n", b"\t", b"|", b"'", b'"', b"#", b": "),
    *(b"2013-01-01", b"0x_", b"1:1", b".inf", b".nan", b"\x00", b"\xff", b"\xe2\x80\xa8", b"%"),
]


def _scrambled(content: bytes, members: Members, rng: random.Random, kind: str) -> bytes:
    if kind == "member":
        return rng.choice([b"", members[rng.choice(sorted(members))], rng.randbytes(600)])
    changed = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed) + 1)
        what = rng.randrange(4)
        if what == 0:
            changed[at:at] = rng.choice(PIECES) * rng.choice([1, 1, 1, 500])
        elif what == 1:
            del changed[at : at + rng.randint(1, 30)]
        elif what == 2:
            changed[at : at + rng.randint(1, 8)] = rng.choice(PIECES)
        else:
            end = at + rng.randint(1, 60)
            changed[at:at] = changed[at:end] * rng.choice([1, 1, 200])
    return bytes(changed)


def _open_mutations(seeds: range) -> tuple[int, float]:
    """How many were refused, and the most CPU seconds one took."""
    refused, slowest = 0, 0.0
    for seed in seeds:
        data = _mutated(random.Random(seed))
        before = time.process_time()
        try:
            refused += _open(data) is not None
        except Exception as error:
            error.add_note(f"seed {seed}")
            raise
        slowest = max(slowest, time.process_time() - before)
    return refused, slowest


def test_a_mutated_bundle_opens_or_is_refused() -> None:
    refused, _ = _open_mutations(range(300))
    assert 150 < refused < 300


@pytest.mark.slow
def test_twenty_thousand_mutated_bundles() -> None:
    _open_mutations(range(300, 400))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused, slowest = _open_mutations(range(1000, 21_000))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"{refused:,} of 20,000 refused; at most {slowest:.3f} s of CPU; grown by {grown:,} kB")
    assert 10_000 < refused < 20_000
    assert slowest < 1, f"{slowest:.1f} s of CPU"
    assert grown < 50_000, f"{grown:,} kB"


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_bundle_takes_less_than_a_second(name: str) -> None:
    data = HOSTILE[name]()
    before = time.process_time()
    _open(data)
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
    data = archive.pack(_good()[1] | {"model.onnx": large, "model.skops": large}) + tail
    path = tmp_path / "model.tar"
    path.write_bytes(data)
    words = [sys.executable, "-c", OPEN, str(path), sha256_bytes(data), str(2 * len(data) + 2**24)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.stderr == ""
    assert done.stdout.endswith("other bytes follow the last member.\n" if tail else "opened\n")
