"""Bundles changed by chance, with the right sha256: opened, or refused in one sentence, in bounded time and memory."""

from __future__ import annotations

import random
import resource
import tarfile
import time

import pytest

from gitops_model.formats import archive
from tests.support.bundles import Members, good, refusal


def _mutated(rng: random.Random) -> bytes:
    """One good bundle with a few random changes of one kind."""
    data, members = good()
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
            refused += refusal(data) is not None
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
