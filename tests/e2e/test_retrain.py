"""`gitops-model retrain` with real DVC and git: a branch with newer data, or everything as it was."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from gitops_model.files import canonical_json
from gitops_model.formats.watch import Retrain, Watch
from tests.support.small import PARAMS, Small, orders

FETCH = ('pd.DataFrame({"order_id": ["a1"]}).to_csv(folder / "orders.csv", index=False)',
         'pd.read_csv("incoming/" + params["month"] + ".csv").to_csv(folder / "orders.csv", index=False)')  # fmt: skip


@pytest.fixture(scope="module")
def built(pristine: Small, tmp_path_factory: pytest.TempPathFactory) -> Small:
    """Its data comes from the month that params.yaml names; it is committed, and has an origin and a DVC remote."""
    folder = tmp_path_factory.mktemp("retrain") / "place"
    shutil.copytree(pristine.root, folder / "repo", symlinks=True)
    repo = Small(folder / "repo", pristine.warm)
    incoming = repo.root / "incoming"
    incoming.mkdir()
    for month, seed in (("2013-03", 0), ("2013-04", 1)):
        (incoming / f"{month}.csv").write_text(orders(400, seed=seed))
    (repo.root / ".git/info/exclude").write_text("incoming\n")
    repo.edit("pipeline/source.py", FETCH)
    repo.edit(
        "params.yaml", ("  rows: 100\n", "  rows: 400  # of the table\n  month: 2013-03  # until\n")
    )
    # Its test set is small, and its probabilities are rough.
    repo.edit(
        "gates.yaml", ("min_rows: 300", "min_rows: 20"), ("ece: {below: 0.1}", "ece: {below: 0.4}")
    )
    repo.ok("data")
    repo.dvc("add", "-q", "data/raw")
    repo.repro()
    repo.dvc("remote", "add", "-q", "-d", "shelf", "../remote")
    repo.commit("Build")
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", folder / "origin.git"], check=True)
    repo.git("remote", "add", "origin", "../origin.git")
    repo.git("push", "-q", "origin", "main")
    return repo


@pytest.fixture
def repo(built: Small, tmp_path: Path) -> Small:
    """A copy of its own, with origin and remote beside it."""
    shutil.copytree(built.root.parent, tmp_path / "place", symlinks=True)
    return Small(tmp_path / "place" / "repo", built.warm)


def state(repo: Small) -> tuple[str, ...]:
    """Everything that a retraining that came to nothing must leave alone."""
    files = [repo.root / "data/raw/orders.csv", repo.root / "params.yaml", repo.root / "dvc.lock"]
    return (
        repo.git("branch", "--format=%(refname:short)"),
        repo.git("rev-parse", "--abbrev-ref", "HEAD"),
        repo.git("status", "--porcelain"),
        *(path.read_text() for path in files),
        repo.sha256,
    )


def test_the_same_data_is_nothing_to_learn_from(repo: Small) -> None:
    before = state(repo)
    assert "nothing to learn" in repo.ok("retrain")
    assert state(repo) == before


def test_newer_data_is_trained_checked_committed_and_pushed(repo: Small) -> None:
    watch = Watch(
        made="2013-05-01", model="orders-v1", windows=(), signals=(),
        retrain=Retrain(wanted=True, why="Yes: worse than the model card."),
    )  # fmt: skip
    (repo.root / "reports/monitor.json").write_text(canonical_json(watch.to_dict()))
    sha256 = repo.sha256
    out = repo.ok("retrain", "--set", "data.month=2013-04", "--branch", "newer", "--push")
    assert "May ship" in out and "Open a pull request from newer" in out
    assert repo.sha256 != sha256 and repo.git("status", "--porcelain") == ""
    said = repo.git("log", "-1", "--format=%B", "newer")
    assert said.splitlines()[0] == "Retrain on newer data"
    assert "Yes: worse than the model card." in said and "data.month: 2013-03 -> 2013-04" in said
    changed = repo.git("diff", "--name-only", "main", "newer").split()
    assert {"data/raw.dvc", "dvc.lock", "params.yaml"} <= set(changed)
    assert "production.yaml" not in changed
    # Whoever clones gets both, and the comments are still there.
    clone = Small(repo.root.parent / "clone", repo.warm)
    subprocess.run(
        ["git", "clone", "-q", "-b", "newer", repo.root.parent / "origin.git", clone.root],
        check=True,
    )
    clone.dvc("pull", "-q")
    assert clone.sha256 == repo.sha256
    assert "  month: 2013-04  # until\n" in (clone.root / "params.yaml").read_text()
    # The way back that it prints.
    repo.git("switch", "-q", "main")
    repo.dvc("checkout", "-q")
    assert repo.sha256 == sha256


@pytest.mark.parametrize(
    ("path", "change", "words"),
    [
        ("pipeline/source.py", ("import pandas as pd", "import pandas as pd, nothing_of_this_name"), "data"),
        pytest.param(
            "pipeline/train.py", ("def fit(", "def fit_it("), "dvc repro", marks=pytest.mark.slow
        ),
    ],
)  # fmt: skip
def test_a_failure_leaves_everything_as_it_was(
    repo: Small, path: str, change: tuple[str, str], words: str
) -> None:
    repo.edit(path, change)
    repo.commit("Break it")
    before = state(repo)
    done = repo.run("retrain", "--set", "data.month=2013-04")
    assert done.code == 5 and f"`{words}" in done.output.replace("gitops-model ", ""), done.output
    assert state(repo) == before


@pytest.mark.slow
def test_a_candidate_that_is_blocked_is_kept_and_not_pushed(repo: Small) -> None:
    repo.edit("gates.yaml", ("above: 0.6", "above: 0.9999"))
    repo.commit("Ask for much")
    repo.git("push", "-q", "origin", "main")
    done = repo.run("retrain", "--set", "data.month=2013-04", "--branch", "newer", "--push")
    assert done.code == 1 and "Nothing was pushed" in done.output, done.output
    assert repo.git("log", "-1", "--format=%s", "newer") == "Retrain on newer data"
    assert "newer" not in repo.git("ls-remote", "--heads", "origin")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--set", "data.moth=2013-04"), 2, "'data.moth=2013-04' is no setting of params.yaml"),
        (("--set", "nonsense", "model.c.d=1"), 2, "'model.c.d=1' is no setting"),
        (("--set", "data.month=[1"), 2, "cannot be read as YAML"),
        (("--set", "seed=no number"), 2, "seed"),
    ],
)
def test_a_wrong_setting_is_refused_before_anything_happens(
    repo: Small, words: tuple[str, ...], code: int, said: str
) -> None:
    before = state(repo)
    done = repo.run("retrain", *words)
    assert done.code == code and said in done.output, done.output
    assert state(repo) == before


def test_open_changes_are_not_mixed_in(repo: Small) -> None:
    (repo.root / "params.yaml").write_text(PARAMS)
    before = state(repo)
    done = repo.run("retrain")
    assert done.code == 1 and "params.yaml" in done.output and "git stash" in done.output
    assert state(repo) == before
