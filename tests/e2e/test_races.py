"""Many clones release at the same moment: every bundle gets one id, every id one bundle, or a clear refusal."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops_model.cli import main
from gitops_model.delivery import dvc
from gitops_model.formats import record
from tests.support.isolation import isolated
from tests.support.world import Clone, World

DIFFERENT = 14
SAME = 6


@pytest.fixture(scope="module", autouse=True)
def _isolation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in isolated(tmp_path_factory.mktemp("home")).items():
            patch.setenv(name, value)
        patch.setattr(dvc, "stale_stages", lambda root: [])
        yield


def _start(clone: Clone, gate: tuple[int, int], said: Path) -> int:
    """Fork a `release` that begins when the last writing end of the pipe `gate` is closed."""
    child = os.fork()
    if child:
        return child
    try:
        os.chdir(clone.root)
        os.close(gate[1])
        os.read(gate[0], 1)
        with (
            said.open("w") as out,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(out),
        ):
            code = main(["release"])
        os._exit(code)
    except BaseException:
        os._exit(99)


@pytest.mark.slow
def test_twenty_at_once(tmp_path: Path) -> None:
    world = World.create(tmp_path / "world")
    clones = []
    for number in range(DIFFERENT + SAME):
        clone = world.clone()
        # The last ones all release the bundle of the first.
        if number < DIFFERENT:
            clone.train(number)
            clone.push()
        else:
            source = clones[0]
            clone.git("checkout", "-q", source.git("rev-parse", "HEAD"))
            clone.write("build/model.tar", (source.root / "build/model.tar").read_bytes())
        clones.append(clone)
    for clone in clones:
        clone.git("fetch", "-q", "origin")
    gate = os.pipe()
    said = [tmp_path / f"said{i}.txt" for i in range(len(clones))]
    children = [_start(clone, gate, path) for clone, path in zip(clones, said, strict=True)]
    os.close(gate[1])
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    os.close(gate[0])

    tags = world.at_origin("tag", "-l", "flight-delay-v*").split()
    records = [
        record.parse_record(world.at_origin("tag", "-l", "--format=%(contents)", tag), name=tag)
        for tag in tags
    ]
    shas = [found["sha256"] for found in records]
    assert len(set(shas)) == len(shas), "a bundle has two ids"
    numbers = sorted(record.parse_id(tag).number for tag in tags)
    assert numbers == list(range(1, len(tags) + 1)), "an id was left out or reused"
    for clone, code, path in zip(clones, codes, said, strict=True):
        text = path.read_text()
        if code == 0:
            assert any(tag in text for tag in tags), text
            for tag in clone.git("tag").split():
                assert clone.git("rev-parse", tag) == world.at_origin("rev-parse", tag)
        else:
            assert (code, "Traceback" in text) == (5, False), text
            assert "no id could be had" in text or "cannot be pushed" in text
    assert codes.count(0) == len(codes), [path.read_text() for path in said]
    assert len(tags) == DIFFERENT
