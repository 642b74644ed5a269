"""The commands with real DVC: a pipeline, a folder as remote, clones without data."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops_model.delivery import dvc as dvc_command
from gitops_model.errors import BadInput
from tests.support.factories import make_bundle
from tests.support.isolation import isolated
from tests.support.warm import Warm
from tests.support.world import Clone, World

STAGE = """\
stages:
  package:
    cmd: python train.py
    deps: [data/raw, train.py]
    params: [seed]
    outs: [build/model.tar]
"""
TRAIN = """\
import pathlib, re
seed = re.search("seed: ([0-9]+)", pathlib.Path("params.yaml").read_text())[1]
pathlib.Path("build").mkdir(exist_ok=True)
pathlib.Path("build/model.tar").write_bytes(pathlib.Path(f"/{seed}.tar").read_bytes())
"""


@pytest.fixture(autouse=True)
def _isolation(tmp_path: Path, warm: Warm, monkeypatch: pytest.MonkeyPatch) -> None:
    commands(warm, tmp_path / "home", monkeypatch)


def commands(warm: Warm, home: Path, patch: pytest.MonkeyPatch) -> None:
    """Processes that the commands start have imported DVC already, and know nobody's settings."""
    for name, value in isolated(home).items():
        patch.setenv(name, value)
    patch.setenv("PATH", str(warm.bin), prepend=":")
    patch.setattr(sys, "executable", str(warm.python))


def dvc(clone: Clone, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "dvc", *words], cwd=clone.root, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def _trained(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        commands(warm, tmp_path_factory.mktemp("home"), patch)
        folder = tmp_path_factory.mktemp("trained")
        world = World.create(folder / "world")
        clone = world.clones[0]
        for seed in (1, 2):
            (folder / f"{seed}.tar").write_bytes(make_bundle(seed=seed)[0])
        clone.write("train.py", TRAIN.replace('f"/', f'f"{folder}/'))
        clone.write("params.yaml", "seed: 1\n")
        clone.write("dvc.yaml", STAGE)
        clone.write("data/raw/2013-01.csv", "a,b\n1,2\n")
        clone.write(".gitignore", "store/\nreports/\n/build/\n")
        dvc(clone, "init", "-q")
        dvc(clone, "config", "core.analytics", "false")
        dvc(clone, "remote", "add", "-q", "-d", "shelf", "../remote")
        dvc(clone, "add", "-q", "data/raw")
        dvc(clone, "repro", "-q")
        clone.verdict(make_bundle(seed=1)[1], "pass")
        clone.commit("Train", ".")
        clone.push()
        yield world


@pytest.fixture
def world(_trained: World, tmp_path: Path) -> World:
    return _trained.copy(tmp_path / "world")


def test_the_bundle_is_in_the_remote_before_the_tag_and_a_bare_clone_gets_it(world: World) -> None:
    clone = world.clones[0]
    done = clone.ok("release")
    assert "flight-delay-v1" in done.out
    held = list((world.folder / "remote").rglob("files/md5/*/*"))
    assert [dvc_command.file_md5(path) for path in held] == [
        dvc_command.bundle_at(_git(clone), "HEAD").md5
    ]
    clone.ship()

    bare = world.clone()
    assert not (bare.root / ".dvc" / "cache").exists()
    done = bare.ok("deploy")
    assert "flight-delay-v1 fetched from the DVC remote 'shelf'." in done.out
    assert "yes (the store)" in bare.run("status").out

    held[0].chmod(0o644)
    held[0].write_bytes(b"swapped")
    shutil.rmtree(bare.store)
    done = bare.run("deploy")
    assert done.code == 4
    assert "the DVC remote 'shelf': holds other bytes (sha256 " in done.err
    assert not (bare.store / "pointer.json").exists()

    held[0].unlink()
    done = bare.run("deploy")
    assert done.code == 4
    assert "the DVC remote 'shelf': not there" in done.err

    # A release that exists is found again, and one whose bytes the remote lost is seen by status.
    lost = bare.run("status")
    assert lost.code == 1
    assert "can be fetched" in lost.out and "NO" in lost.out


def test_a_remote_that_loses_what_is_pushed_gets_no_tag(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = world.clones[0]
    monkeypatch.setattr(dvc_command, "push_out", lambda root, path, **_: None)
    done = clone.run("release")
    assert done.code == 5
    assert "does not give the bundle back that was just pushed. Nothing was released." in done.err
    assert world.at_origin("tag") == ""


def _git(clone: Clone):  # type: ignore[no-untyped-def]
    from gitops_model.delivery.git import Git

    return Git.open(clone.root)


def _params(clone: Clone) -> None:
    clone.write("params.yaml", "seed: 2\n")


def _code(clone: Clone) -> None:
    clone.write("train.py", (clone.root / "train.py").read_text() + "# changed\n")


def _code_gone(clone: Clone) -> None:
    (clone.root / "train.py").unlink()


def _command(clone: Clone) -> None:
    clone.write("dvc.yaml", STAGE.replace("python train.py", "python -u train.py"))


def _data(clone: Clone) -> None:
    path = clone.root / "data" / "raw.dvc"
    lines = path.read_text().splitlines()
    changed = [
        line.replace("md5: ", "md5: 0")[:-5] + ".dir" if "md5: " in line else line for line in lines
    ]
    path.write_text("\n".join(changed) + "\n")


def _new_stage(clone: Clone) -> None:
    clone.write("dvc.yaml", STAGE + "  extra: {cmd: 'true', deps: [train.py]}\n")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (None, None),
        (_params, "package: seed in params.yaml changed"),
        (_code, "package: train.py changed"),
        (_code_gone, "package: train.py was removed"),
        (_command, "package: its command in dvc.yaml changed"),
        (_data, "package: data/raw is another version than the one it was built from"),
        (_new_stage, "extra: "),
    ],
)
@pytest.mark.parametrize("data", ["here", "not pulled"])
def test_a_stale_lock_is_seen_with_and_without_data(world: World, change, sentence, data) -> None:  # type: ignore[no-untyped-def]
    clone = world.clones[0] if data == "here" else world.clone()
    if change is not None:
        change(clone)
    found = dvc_command.stale_stages(clone.root)
    if sentence is None:
        assert found == []
    else:
        assert any(line.startswith(sentence) for line in found), found


def test_other_data_in_the_folder_is_seen(world: World) -> None:
    clone = world.clones[0]
    clone.write("data/raw/2013-02.csv", "a,b\n3,4\n")
    assert any("data/raw" in line for line in dvc_command.stale_stages(clone.root))


def test_release_refuses_a_stale_lock_that_was_merged(world: World) -> None:
    clone = world.clones[0]
    _params(clone)
    clone.commit("Change the seed, forget to train", "params.yaml")
    clone.push()
    done = clone.run("release")
    assert done.code == 1
    assert "package: seed in params.yaml changed" in done.err
    assert world.at_origin("tag") == ""


def test_retraining_gives_the_next_id_and_going_back_the_first(world: World) -> None:
    clone = world.clones[0]
    clone.ok("release")
    _params(clone)
    dvc(clone, "repro", "-q")
    clone.verdict(make_bundle(seed=2)[1], "pass")
    clone.commit("Train with another seed", "params.yaml", "dvc.lock")
    clone.push()
    assert json.loads(clone.ok("release", "--json").out)["model"] == "flight-delay-v2"
    clone.write("params.yaml", "seed: 1\n")
    dvc(clone, "repro", "-q")
    clone.commit("Back to the first seed", "params.yaml", "dvc.lock")
    clone.push()
    assert "already is flight-delay-v1" in clone.ok("release").out


def test_a_cache_elsewhere_is_found_without_dvc(world: World, tmp_path: Path) -> None:
    clone = world.clones[0]
    dvc(clone, "cache", "dir", "--local", str(tmp_path / "shared"))
    shutil.move(clone.root / ".dvc" / "cache", tmp_path / "shared")
    out = dvc_command.bundle_at(_git(clone), "HEAD")
    assert dvc_command.cached(clone.root, out.md5).is_file()


def test_a_broken_configuration(world: World) -> None:
    clone = world.clones[0]
    clone.write(".dvc/config", "[core\n")
    with pytest.raises(BadInput, match=r"\.dvc/config cannot be read"):
        dvc_command.default_remote(clone.root)
