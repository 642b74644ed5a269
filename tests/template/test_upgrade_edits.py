"""Whatever a team edits, an upgrade loses none of it, and conflicts only where both sides changed the same lines."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from ci_scripts import bake
from gitops_model.delivery import upgrade
from gitops_model.delivery.git import Git
from gitops_model.delivery.template import Template
from gitops_model.delivery.upgrade import Options, Upgrade
from tests.support import team_edits
from tests.support.team_edits import Edits, touched
from tests.support.upgrades import VERSIONS, Oven, commit, generated, git, known, state, upstream

# Each takes a repository over the versions behind it, one after the other.
WAYS = (VERSIONS[1:], ("0.2.0", "1.0.0"), ("0.3.0", "1.0.0"), ("1.0.0",), ("0.3.0",))

# What the template renames on the way, new name to old.
MOVED = {"docs/INCIDENTS.md": "docs/RUNBOOK.md"}


@pytest.fixture(scope="module")
def bakes(template: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A repository of each version, and an oven, all generated from one template."""
    with pytest.MonkeyPatch.context() as patch:
        known(patch)
        source = upstream(template, tmp_path_factory.mktemp("upstream") / "template")
        made = {v: generated(source, tmp_path_factory.mktemp(v), v) for v in VERSIONS}
    return {**made, "oven": tmp_path_factory.mktemp("oven")}


def texts(repository: Path) -> dict[str, str]:
    return {n: (repository / n).read_text(errors="replace") for n in bake.files(repository)}


def explained(name: str, old: Path, new: Path, ours: dict[str, str], done: Edits) -> bool:
    """Whether both sides changed the same lines of the file in conflict, by a count of our own."""
    back = {new_name: old_name for old_name, new_name in done.renamed.items()}
    first = back.get(name) or (MOVED.get(name, name) if name not in texts(old) else name)
    base, theirs, mine = texts(old), texts(new), ours
    if first not in base:  # both added it
        return name in theirs and name in mine and theirs[name] != mine[name]
    there = (
        first
        if first in theirs
        else next((k for k, v in MOVED.items() if v == first and k in theirs), None)
    )
    here = first if first in mine else done.renamed.get(first)
    if there is None or here is None or here not in mine:
        # One side removed it; the other must have changed or renamed it.
        other = theirs.get(there or "") if here is None or here not in mine else mine[here]
        return other is None or other != base[first] or first in done.renamed
    both_renamed = first not in (there, here) and there != here
    return both_renamed or bool(
        touched(base[first], theirs[there]) & touched(base[first], mine[here])
    )


def play(bakes: dict[str, Path], folder: Path, seed: int) -> list[Upgrade]:
    """Edit, upgrade over several versions, and hold every promise on the way."""
    chance = random.Random(seed)
    repository = shutil.copytree(bakes["0.1.0"], folder / "flight-delay", symlinks=True)
    done = team_edits.make(repository, chance)
    commit(repository, "Make it ours")
    found, old = [], "0.1.0"
    for version in chance.choice(WAYS):
        before = state(repository)
        ours = texts(repository)
        made = upgrade.upgrade(Git.open(repository), Options(to=version))
        assert made is not None
        found.append(made)
        assert list(team_edits.lost(repository, done, made.conflicts)) == []
        assert [n for n in bake.files(repository) if n.endswith((".rej", ".orig"))] == []
        assert [p.name for p in (repository / "vendor").iterdir()] == [
            f"gitops_model-{version}-py3-none-any.whl"
        ]
        for name in made.conflicts:
            assert explained(name, bakes[old], bakes[version], ours, done), name
        subprocess.run(made.undo.split(), cwd=repository, check=True, capture_output=True)
        assert state(repository) == before
        if made.conflicts:
            break
        # What the team left alone is the template's, byte by byte.
        git(repository, "merge", "-q", "--ff-only", made.branch)
        base, theirs, now = texts(bakes[old]), texts(bakes[version]), texts(repository)
        for name, text in theirs.items():
            first = MOVED.get(name, name) if name not in base else name
            if ours.get(first) == base.get(first) and name not in done.renamed.values():
                assert now.get(name) == text or name in done.deleted, name
        old = version
    return found


@pytest.fixture(autouse=True)
def _baked_once(bakes: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Template, "bake", Oven(bakes["oven"]).as_method())


@pytest.mark.slow
def test_a_few_teams_keep_their_edits(bakes, tmp_path):
    assert [play(bakes, tmp_path / str(seed), seed) for seed in range(3)]


@pytest.mark.slow
@pytest.mark.parametrize("block", range(0, 200, 25))
def test_two_hundred_teams_keep_their_edits(bakes, tmp_path, block):
    found = [
        made
        for seed in range(block, block + 25)
        for made in play(bakes, tmp_path / str(seed), seed)
    ]
    conflicts = sum(bool(made.conflicts) for made in found)
    print(f"{len(found)} upgrades of 25 edited repositories, {conflicts} with a conflict")
    # Both ways were taken often enough to mean something.
    assert len(found) >= 25 and 0 < conflicts < len(found)
