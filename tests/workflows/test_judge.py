"""The judge: main's rules, files of the commit as data, and a candidate that comes from the storage or the check."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import trees
from tests.workflows import scopes, world
from tests.workflows.commands import Commands
from tests.workflows.court import MEMBERS, PERMISSIONS, Court, bare_court, court
from tests.workflows.forging import member, repacked
from tests.workflows.scene import zipped
from tests.workflows.world import World

__all__ = ["bare_court", "court"]  # the fixtures


def test_a_candidate_of_the_storage(court: Court, trained: Callable[..., Path]) -> None:
    court.town.bring(trained(trees=29))
    court.open()
    report = court.judge()
    assert report["state"] == "pass" and report["test_set"]["on_base"] == "same"
    assert report["candidate"]["sha256"] and report["baseline"]["model"] == "flight-delay-v2"
    assert "verdict=true" in court.output.read_text()


def test_a_candidate_that_the_check_built(bare_court: Court, trained: Callable[..., Path]) -> None:
    bare_court.town.bring(trained(trees=29))
    bare_court.open()
    report = bare_court.judge()
    assert report["state"] == "pass", report["sentence"]
    assert report["candidate"]["in_lock"] == "same"


@pytest.mark.slow
def test_rows_of_its_own_are_said(court: Court, trained: Callable[..., Path]) -> None:
    court.town.bring(trained(trees=29, split="{by: time, test_days: 9}"))
    court.open()
    assert court.judge()["test_set"]["on_base"] == "other"


def swap(court: Court, path: str, text: Callable[[str], str]) -> None:
    target = court.town.clone / path
    target.write_text(text(target.read_text()))


@pytest.mark.parametrize(
    ("path", "change", "words"),
    [
        ("params.yaml", lambda text: text.replace("seed: 13", "seed: 14"), "seed in params.yaml changed"),
        ("pipeline/train.py", lambda text: text + "\n# a comment\n", "pipeline/train.py changed"),
        ("contract.yaml", lambda text: text + "\n# a comment\n", "contract.yaml changed"),
        ("dvc.yaml", lambda text: text.replace("cmd: gitops-model train", "cmd: cp a b"), "its command in dvc.yaml"),
        ("dvc.yaml", lambda text: text.replace("      - pipeline/train.py\n", "", 1), "its dependencies in dvc.yaml"),
        ("data/raw.dvc", lambda text: text.replace("md5: ", "md5: 0", 1), "data/raw changed"),
        ("dvc.lock", lambda text: "<<<<<<< HEAD\n" + text, "begins a merge conflict"),
        ("dvc.lock", lambda text: "a: &a [1]\nb: *a\n", "repeats a value by the alias"),
        ("dvc.lock", lambda text: "- 1\n", "is not a lock file of DVC"),
        ("dvc.lock", lambda text: text.replace("md5: ", "md5: ../../", 1), "is not a lock file of DVC"),
        ("dvc.lock", lambda text: text.replace("build/model.tar", "build/other.tar"), "does not hold build/model"),
    ],
)  # fmt: skip
def test_files_that_do_not_belong_together_are_not_evaluated(
    court: Court, path: str, change: Callable[[str], str], words: str
) -> None:
    swap(court, path, change)
    court.open()
    report = court.judge()
    assert report["state"] == "not_evaluated" and words in report["sentence"], report["sentence"]


def test_a_description_of_other_rows_is_refused(court: Court, trained: Callable[..., Path]) -> None:
    court.town.bring(trained(trees=29))
    swap(court, "build/prepared/data.json", lambda text: text.replace('"rows"', '"Rows"'))
    court.open()
    assert "data.json is not the file that dvc.lock names" in court.judge()["sentence"]


def test_what_is_not_in_the_storage_is_asked_for(
    court: Court, trained: Callable[..., Path]
) -> None:
    source = trained(trees=29)
    for name in ("params.yaml", "dvc.lock"):
        shutil.copy(source / name, court.town.clone / name)
    court.open()
    sentence = court.judge()["sentence"]
    assert "build/model.tar is not in the storage 'store'" in sentence, sentence
    assert "dvc push" in sentence


def test_other_bytes_in_the_storage_are_refused(court: Court, trained: Callable[..., Path]) -> None:
    source = trained(trees=29)
    court.town.bring(source)
    for path in court.town.storage.rglob("files/md5/*/*"):
        if path.is_file():
            data = path.read_bytes()
            path.unlink()
            path.write_bytes(data + b" ")
    court.open()
    assert "holds other bytes than dvc.lock names" in court.judge()["sentence"]


@pytest.mark.parametrize(
    ("candidate", "words"),
    [
        (b"no zip", "not a readable zip"),
        (zipped(("model.tar", b"x")), "exactly one prepared/test.csv"),
        (zipped(*((name, b"x") for name in MEMBERS)), "is not the file that dvc.lock names"),
    ],
)
def test_a_damaged_candidate_is_not_evaluated(
    bare_court: Court, candidate: bytes, words: str
) -> None:
    swap(bare_court, "contract.yaml", str)
    (bare_court.town.clone / "data" / "note.txt").write_text("x")
    bare_court.open(candidate=candidate)
    report = bare_court.judge()
    assert report["state"] == "not_evaluated" and words in report["sentence"], report


def test_another_bundle_than_the_locks_is_judged_and_said(
    bare_court: Court, trained: Callable[..., Path]
) -> None:
    """Another processor builds other bytes; a hostile one hands over a model of its own, which is judged as it is.

    One whose manifest names other parameters than the commit is not judged at all: see test_forgeries.py.
    """
    bare_court.town.bring(trained(trees=29))
    worse = (trained(trees=1) / "build" / "model.tar").read_bytes()
    told = member(bare_court, "manifest.json").encode()
    bare_court.open(candidate=bare_court.built(model=repacked(worse, **{"manifest.json": told})))
    report = bare_court.judge()
    assert report["state"] == "blocked"
    assert report["candidate"]["in_lock"] == "other"


@pytest.mark.slow
def test_a_bundle_with_a_contract_of_its_own_is_not_evaluated(
    bare_court: Court, trained: Callable[..., Path], tmp_path: Path
) -> None:
    """Costs and threshold come with the bundle: those of the commit count."""
    folder = tmp_path / "other"
    trees.copy(trained(trees=29), folder)
    path = folder / "contract.yaml"
    text = path.read_text()
    path.write_text(text.replace("version: 1", "version: 2", 1))
    assert path.read_text() != text
    world.train(folder, bare_court.town.warm)
    bare_court.town.bring(trained(trees=29))
    bare_court.open(candidate=bare_court.built(model=(folder / "build/model.tar").read_bytes()))
    assert "built with another contract.yaml" in bare_court.judge()["sentence"]


@pytest.mark.parametrize("storage", [True, False])
def test_a_change_without_a_model_is_not_judged(
    served: World, commands: Commands, storage: bool
) -> None:
    court = Court(served, commands, storage=storage)
    (court.town.clone / "README.md").write_text("words\n")
    court.open()
    court.judge("ci-look")
    assert "changes no model" in court.done.output and court.output.read_text() == ""


def test_a_check_without_a_candidate_is_not_judged(bare_court: Court) -> None:
    swap(bare_court, "params.yaml", lambda text: text.replace("seed: 13", "seed: 14"))
    bare_court.open(candidate=None, conclusion="failure")
    bare_court.judge("ci-look")
    assert "built no candidate" in bare_court.done.output and bare_court.output.read_text() == ""


@pytest.mark.parametrize("storage", [True, False])
def test_a_candidate_is_to_be_judged(served: World, commands: Commands, storage: bool) -> None:
    court = Court(served, commands, storage=storage)
    swap(court, "params.yaml", lambda text: text.replace("seed: 13", "seed: 14"))
    court.open()
    court.judge("ci-look")
    assert "model=true" in court.output.read_text()


@pytest.mark.parametrize("scope", scopes.JUDGE)
def test_every_permission_is_needed(court: Court, scope: str) -> None:
    swap(court, "params.yaml", lambda text: text.replace("seed: 13", "seed: 14"))
    court.open()
    rest = {k: v for k, v in PERMISSIONS.items() if k != scope}
    court.judge("ci-look", permissions=rest, code=5)
    assert court.fake.state.denials, f"nothing needed {scope}"


def test_it_may_write_nothing() -> None:
    assert set(PERMISSIONS.values()) == {"read"}


def test_a_merge_queue_is_judged_by_the_commit_below_its_group(
    court: Court, trained: Callable[..., Path]
) -> None:
    """Two pull requests wait in line: the second one's rules are those that the first one brings."""
    swap(court, "gates.yaml", lambda text: text.replace("margin: 0.01", "margin: 0.9"))
    below = court.town.push("first")
    court.town.bring(trained(trees=29))
    group = f"gh-readonly-queue/main/pr-2-{below}"
    court.open(group, event="merge_group")
    report = court.judge()
    primary = next(gate for gate in report["gates"] if gate["kind"] == "primary")
    assert primary["limit"] < -0.9, primary
