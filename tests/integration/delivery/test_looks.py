"""The ledger of looks lives beside the branches: nothing that happens to a branch makes it forget."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gitops_model.delivery import candidate, looks
from gitops_model.delivery.git import Git
from gitops_model.errors import CannotEvaluate
from gitops_model.evaluation import sketch
from gitops_model.evaluation.ledger import Look


def git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    path = tmp_path / "origin.git"
    git(tmp_path, "init", "-q", "--bare", "-b", "main", str(path))
    return path


def clone(origin: Path, name: str) -> Git:
    path = origin.parent / name
    git(origin.parent, "clone", "-q", str(origin), str(path))
    return Git.open(path)


def look(name: str, test: str = "1") -> Look:
    return Look(test_sha256=test * 64, candidate_sha256=name * 64, sketch=sketch.of([test, "2"]))


def claimed(clone: Git, one: Look) -> list[Look]:
    assert looks.share(clone, [one]) == ""
    return looks.known(clone)


def test_looks_of_all_clones_count_once_and_in_one_order(origin: Path) -> None:
    ann, bob = clone(origin, "ann"), clone(origin, "bob")
    assert claimed(ann, look("a")) == [look("a")]
    # Bob has not fetched: his look is added to what is there by now, not written over it.
    assert claimed(bob, look("b")) == [look("a"), look("b")]
    assert claimed(ann, look("c", "9")) == [look("a"), look("b"), look("c", "9")]
    before = git(origin, "rev-parse", "gate-looks")
    assert claimed(bob, look("a")) == [look("a"), look("b"), look("c", "9")]
    assert git(origin, "rev-parse", "gate-looks") == before
    assert looks.known(clone(origin, "judge")) == [look("a"), look("b"), look("c", "9")]
    # Whoever looks at the branch sees who added what.
    assert len(git(origin, "rev-list", "gate-looks").split()) == 3


def test_what_was_counted_offline_is_handed_in_later(origin: Path) -> None:
    ann, bob = clone(origin, "ann"), clone(origin, "bob")
    git(ann.root, "remote", "set-url", "origin", str(origin.parent / "gone.git"))
    assert looks.share(ann, [look("a")]) != ""
    assert looks.known(ann) == [look("a")]
    claimed(bob, look("b"))
    git(ann.root, "remote", "set-url", "origin", str(origin))
    assert claimed(ann, look("c")) == [look("b"), look("a"), look("c")]


def test_what_origin_does_not_take_is_pushed_once_and_said(
    origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = origin / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho >> asked; echo 'You may not.' >&2; exit 1\n")
    hook.chmod(0o755)
    ann = clone(origin, "ann")
    assert "You may not." in looks.share(ann, [look("a")])
    assert (origin / "asked").read_text() == "\n"
    assert looks.known(ann) == [look("a")]
    said: list[str] = []
    monkeypatch.setattr(candidate, "_say", said.append)
    assert candidate._claimed(ann, look("b")) == [look("a"), look("b")]
    (note,) = said
    assert note.startswith("note: the look is counted here only: ") and "You may not." in note
    hook.unlink()
    assert candidate._claimed(ann, look("c")) == [look("a"), look("b"), look("c")]
    assert len(said) == 1


def test_a_quicker_push_is_built_upon(origin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ann, bob = clone(origin, "ann"), clone(origin, "bob")
    update, quicker = looks._update, [look("b")]

    def late(here: Git) -> str:
        found = update(here)
        if here is ann and quicker:
            claimed(bob, quicker.pop())
        return found

    monkeypatch.setattr(looks, "_update", late)
    assert claimed(ann, look("a")) == [look("b"), look("a")]


def test_without_an_origin_the_clone_counts_for_itself(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main", str(tmp_path))
    here = Git.open(tmp_path)
    claimed(here, look("a"))
    assert claimed(here, look("b")) == [look("a"), look("b")]
    assert git(tmp_path, "status", "--porcelain") == ""


def test_checks_at_once_in_one_clone_lose_no_look(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main", str(tmp_path))
    here = Git.open(tmp_path)
    wanted = [look(name) for name in "01234567"]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda one: looks.share(here, [one]), wanted))
    assert sorted(looks.known(here), key=str) == sorted(wanted, key=str)


def test_a_branch_of_that_name_that_is_no_ledger_is_left_alone(origin: Path) -> None:
    ann = clone(origin, "ann")
    who = ("-c", "user.name=A", "-c", "user.email=a@b.c")
    git(ann.root, *who, "commit", "-q", "--allow-empty", "-m", "Mine")
    git(ann.root, "push", "-q", "origin", "HEAD:gate-looks")
    before = git(origin, "rev-parse", "gate-looks")
    assert "something else" in looks.share(ann, [look("a")])
    assert git(origin, "rev-parse", "gate-looks") == before
    assert looks.known(ann) == [look("a")]


@pytest.mark.parametrize("first", [True, False])
def test_a_test_set_has_the_sketch_that_any_of_its_lines_holds(first: bool) -> None:
    lines = [looks._line(look("a"), sketched=first), looks._line(look("b"), sketched=not first)]
    assert looks.parse(lines) == [look("a"), look("b")]


def test_a_ledger_that_is_too_large_says_how_to_begin_a_new_one(
    origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob = clone(origin, "ann"), clone(origin, "bob")
    claimed(ann, look("a"))
    claimed(bob, look("b"))
    size = len(git(origin, "show", "gate-looks:looks.jsonl"))
    monkeypatch.setattr(looks, "MOST_BYTES", size - 1)
    with pytest.raises(CannotEvaluate, match=f"has {size} bytes; allowed: {size - 1}") as problem:
        looks.share(bob, [look("c")])
    once, everywhere = str(problem.value).split("`")[1::2]
    subprocess.run(["sh", "-c", once], check=True, cwd=bob.root, capture_output=True)
    for here in (ann, bob):
        subprocess.run(["sh", "-c", everywhere], check=True, cwd=here.root, capture_output=True)
    assert claimed(bob, look("c")) == claimed(ann, look("c")) == [look("c")]
    assert len(git(origin, "show", "gate-looks-old:looks.jsonl")) == size


def test_lines_that_are_no_looks_are_passed_over() -> None:
    good = looks._line(look("a"))
    bad = ["", "{", "[]", "7", '{"test": 1}', good.replace("a" * 64, "A" * 64), "[" * 10_000]
    assert looks.parse([*bad, good, good]) == [look("a")]
