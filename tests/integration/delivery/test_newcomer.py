"""What a person on the first day meets: nothing committed, nothing passed, a storage that is elsewhere, a conflict."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from gitops_model import strict_yaml
from gitops_model.delivery import baseline, dvc, scoring
from gitops_model.errors import BadInput, CannotEvaluate, ExternalFailure, shorten
from gitops_model.formats.pointer import Pointer
from tests.support.cases import gates_data
from tests.support.factories import contract_dict
from tests.support.world import Clone, World, served

GATES = yaml.safe_dump(gates_data())


# Before the first commit


@pytest.fixture
def fresh(tmp_path: Path) -> Clone:
    """A repository in which nothing is committed."""
    subprocess.run(["git", "init", "-q", "-b", "main", str(tmp_path / "fresh")], check=True)
    clone = Clone(tmp_path / "fresh")
    clone.write("contract.yaml", strict_yaml.dump(contract_dict()))
    clone.write("gates.yaml", GATES)
    clone.write("production.yaml", Pointer().to_yaml())
    return clone


def test_check_judges_before_the_first_commit(fresh: Clone) -> None:
    found = baseline.find(None, root=fresh.root)
    assert (found.ref, found.stable) == ("the working tree", None)
    assert "Nothing is committed yet" in found.warnings[0]
    assert "git add --all && git commit -m Start" in found.warnings[0]
    # Further than that: the next sentence is about the training that did not take place.
    done = fresh.run("check")
    assert done.code == 3
    assert "nothing was trained yet" in done.err


def test_a_base_that_is_not_there_is_named_as_make_takes_it(clone: Clone) -> None:
    clone.write("gates.yaml", GATES)
    with pytest.raises(BadInput, match="make check BASE=main") as caught:
        baseline.find("origin/topic" + "x" * 2000, root=clone.root)
    assert "--" not in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("words", [["release", "--no-push"], ["ship"], ["rollback"], ["status"]])
def test_other_commands_say_commit_first(fresh: Clone, words: list[str]) -> None:
    fresh.write("serving.yaml", "host: 127.0.0.1\nport: 0\nstore: store\n")
    done = fresh.run(*words)
    assert done.code == 2
    assert "nothing is committed yet. Commit first: git add --all && git commit" in done.err


@pytest.mark.parametrize(
    "found",
    [
        None,
        "{",
        "[]",
        '{"timeframe": null, "split": {"by": "random"}}',
        '{"timeframe": {"train": ["1"], "test": ["2", "3"]}, "split": {"by": "time"}, "test_sha256": "a"}',
        '{"timeframe": 5, "split": {"by": "time"}, "test_sha256": "a"}',
        '{"timeframe": null, "split": "random", "test_sha256": "a"}',
    ],
)
def test_a_build_that_is_gone_or_damaged(tmp_path: Path, found: str | None) -> None:
    if found is not None:
        (tmp_path / "data.json").write_text(found)
    with pytest.raises(CannotEvaluate, match=r"data.json is missing or damaged. Run `make train`"):
        scoring.described(tmp_path)


# A model that did not pass


def test_release_says_that_a_model_did_not_pass(clone: Clone) -> None:
    clone.train(1, state="blocked")
    clone.push()
    for _ in range(2):
        done = clone.ok("release")
        assert "flight-delay-v1 did not pass the gates: Blocked: it is worse." in done.out
        assert "make ship MODEL=flight-delay-v1 ACCEPT='reason'" in done.out
        assert "Ship it:  " not in done.out
    assert json.loads(clone.ok("release", "--json").out)["passed"] is False


def test_ship_proposes_the_newest_that_passed(two: Clone) -> None:
    two.release(3, state="blocked")
    two.release(4, state=None)
    done = two.ok("ship")
    assert two.pointer.stable is not None and two.pointer.stable.model == "flight-delay-v2"
    assert "flight-delay-v4 is newer, but did not pass the gates: Not evaluated" in done.out


def test_ship_without_any_that_passed_says_why(clone: Clone) -> None:
    clone.release(1, state="blocked")
    done = clone.run("ship")
    assert done.code == 1
    assert "flight-delay-v1 did not pass the gates: Blocked: it is worse." in done.err


REASON = "saves $5 a day; says 'Ada' and `me`"


def test_a_reason_reaches_the_printed_command(clone: Clone) -> None:
    clone.release(1, state="blocked")
    done = clone.ok("ship", "--accept-unevaluated", REASON)
    (line,) = [line for line in done.out.splitlines() if "git commit" in line]
    subprocess.run(["sh", "-e", "-c", line.partition("file: ")[2]], cwd=clone.root, check=True)
    assert REASON in clone.git("log", "-1", "--format=%b")
    assert clone.git("log", "-1", "--format=%s") == "Ship flight-delay-v1"
    assert clone.git("show", "--format=", "--name-only") == "production.yaml"


def test_a_reason_reaches_the_commit(clone: Clone) -> None:
    clone.release(1, state="blocked")
    clone.ship("--accept-unevaluated", REASON)
    assert REASON in clone.git("log", "-1", "--format=%b")


def test_a_freeze_reason_reaches_the_printed_command(two: Clone) -> None:
    done = two.ok("ship", "--freeze", REASON)
    assert shlex.quote(REASON) in done.out
    assert two.pointer.freeze == REASON


def test_long_reasons_are_cut_in_sentences_only(two: Clone) -> None:
    long = "because " * 62
    two.ship("--freeze", long)
    done = two.run("ship", "flight-delay-v2")
    assert done.code == 1
    assert "production is frozen: because" in done.err and "…" in done.err
    assert len(done.err) < 200
    assert two.pointer.freeze == long
    assert two.run("ship", "--freeze", "x" * 501).code == 2


# The first ship


def test_status_claims_no_way_back_after_the_first_ship(clone: Clone, tmp_path: Path) -> None:
    clone.release(1)
    clone.ship()
    with served(clone, tmp_path):
        clone.ok("deploy")
        first = clone.ok("status").out
        assert "rollback target  none: nothing served before" in first
        assert "All is well: what is desired is live." in first
        assert "way back" not in first and "make rollback" not in first
        clone.release(2)
        clone.ship()
        clone.ok("deploy")
        second = clone.ok("status").out
    assert "rollback target  flight-delay-v1" in second
    assert "what is desired is live; `make rollback` brings flight-delay-v1 back." in second


def test_status_finds_the_way_back_that_rollback_would_take(two: Clone) -> None:
    """After a rollback `previous` is empty, and what served before that stands in Git alone."""
    two.ship("flight-delay-v2")
    two.release(3)
    two.ship("flight-delay-v3")
    two.ok("rollback")
    two.push()
    pointer = two.pointer
    two.write("production.yaml", Pointer(stable=pointer.stable).to_yaml())
    two.commit("Drop previous", "production.yaml")
    two.push()
    said = two.run("status").out
    assert "rollback target  flight-delay-v1" in said
    assert "flight-delay-v2 -> flight-delay-v1" in two.ok("rollback").out


# Conflicts, branches, identity


def _conflict(clone: Clone) -> None:
    text = (clone.root / "production.yaml").read_text()
    clone.git("checkout", "-q", "-b", "theirs")
    clone.write("production.yaml", text.replace("freeze: null", "freeze: theirs"))
    clone.commit("Theirs", "production.yaml")
    clone.git("checkout", "-q", "main")
    clone.write("production.yaml", text.replace("freeze: null", "freeze: ours"))
    clone.commit("Ours", "production.yaml")
    clone.git("merge", "theirs", check=False)


@pytest.mark.parametrize("words", [["ship"], ["ship", "--push"], ["rollback"]])
def test_in_a_merge_conflict(two: Clone, words: list[str]) -> None:
    two.ship("flight-delay-v2")
    _conflict(two)
    before = (two.root / "production.yaml").read_bytes()
    line = before.decode().splitlines().index("<<<<<<< HEAD") + 1
    done = two.run(*words)
    assert done.code == 2
    assert f"production.yaml: line {line} begins a merge conflict" in done.err
    assert "git checkout HEAD -- production.yaml" in done.err
    assert (two.root / "production.yaml").read_bytes() == before
    two.git("checkout", "HEAD", "--", "production.yaml")
    if words != ["ship"]:
        done = two.run(*words)
        assert done.code == 1
        assert "a merge is not finished here" in done.err and "git merge --abort" in done.err
        two.git("merge", "--abort")
    two.ok(*words)


@pytest.mark.parametrize("words", [["ship", "--push"], ["rollback", "--push"]])
def test_without_a_branch_nothing_is_written_that_cannot_be_pushed(
    two: Clone, words: list[str]
) -> None:
    two.git("checkout", "-q", "--detach")
    before = (two.git("rev-parse", "HEAD"), two.pointer)
    done = two.run(*words)
    assert done.code == 1
    assert "HEAD is on no branch" in done.err and "git switch main" in done.err
    assert (two.git("rev-parse", "HEAD"), two.pointer) == before


def test_a_commit_on_no_branch_is_said(two: Clone) -> None:
    two.git("checkout", "-q", "--detach")
    assert "HEAD is detached" in two.ok("ship", "--commit").out
    assert "git switch -c" in two.ok("rollback").out


@pytest.mark.parametrize("words", [["release"], ["ship", "--commit"], ["rollback"]])
@pytest.mark.parametrize("known", ["nobody", "committer"])
def test_without_an_identity_nothing_is_done(
    two: Clone, words: list[str], known: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    two.train(9)
    two.push()
    two.git("config", "user.useConfigOnly", "true")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    if known == "committer":
        monkeypatch.setenv("GIT_COMMITTER_NAME", "Ada")
        monkeypatch.setenv("GIT_COMMITTER_EMAIL", "ada@example.com")
    before = two.pointer
    done = two.run(*words)
    assert done.code == 2
    assert "git does not know who you are. Run: git config" in done.err
    assert two.pointer == before
    assert two.git("status", "--porcelain", "--untracked-files=no") == ""


# Addresses


def test_doctor_names_what_make_takes(clone: Clone) -> None:
    done = clone.run("doctor")
    assert done.code == 2
    assert "make doctor REPOSITORY=owner/name" in done.err
    assert "--repository" not in done.err


@pytest.mark.parametrize("edited", [False, True])
def test_serve_and_deploy_read_one_file(two: Clone, edited: bool) -> None:
    """`serve` reads serving.yaml when it starts; `deploy` and `status` read it too, and say when it was edited."""
    settings = {"host": "127.0.0.1", "port": 9, "store": "store"}
    two.write("serving.yaml", yaml.safe_dump(settings))
    if not edited:
        two.commit("Change the port", "serving.yaml")
        two.push()
    for done in (two.ok("deploy"), two.run("status")):
        assert "no service answers at http://127.0.0.1:9. Start it: make serve." in done.text
        assert ("was changed since the last commit" in done.text) is edited


def _remote(clone: Clone, url: str) -> None:
    clone.write(".dvc/config", f"[core]\n    remote = storage\n['remote \"storage\"']\n    url = {url}\n")  # fmt: skip


@pytest.mark.parametrize(
    ("url", "folder", "hint"),
    [
        ("../../dvc", lambda root: root.parent / "dvc", "'../../dvc' is relative to this clone"),
        ("/mnt/gone/dvc", lambda root: Path("/mnt/gone/dvc"), "Is its disk mounted?"),
    ],
)
def test_a_storage_that_is_not_here(
    clone: Clone, url: str, folder: Callable[[Path], Path], hint: str
) -> None:
    _remote(clone, url)
    said = dvc.from_remote(clone.root, remote="storage", md5="0" * 32, target=clone.root / "x")
    assert f"the folder {folder(clone.root)}, which does not exist here" in said
    assert hint in said
    assert "dvc remote modify --local storage url" in said


def test_a_storage_on_a_server_is_nobodys_folder(clone: Clone) -> None:
    _remote(clone, "s3://bucket/path")
    assert dvc.absent_folder(clone.root, "storage") is None


def test_a_disk_that_is_not_mounted_is_not_pushed_to(
    two: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DVC would make the folder and say that it pushed."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    _remote(two, str(mounted / "dvc"))
    two.train(5)
    two.push()
    done = two.run("release")
    assert done.code == 5
    assert f"the folder {mounted / 'dvc'}, which does not exist here" in done.err
    assert f"Nothing was pushed. If it is new: mkdir -p {mounted / 'dvc'}" in done.err
    assert not (mounted / "dvc").exists()
    assert "flight-delay-v3" not in two.git("tag")


def test_the_first_push_makes_the_folder(
    clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _remote(clone, str(tmp_path / "dvc"))
    asked: list[tuple[str, ...]] = []

    def run(root: Path, *words: str, **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(words)
        return subprocess.CompletedProcess(words, 0, "", "")

    monkeypatch.setattr(dvc, "dvc", run)
    dvc.push_out(clone.root, "build/model.tar", size=1, used=False)
    assert asked == [("push", "build/model.tar")]
    _remote(clone, str(tmp_path / "unmounted" / "dvc"))
    with pytest.raises(ExternalFailure, match="does not exist here"):
        dvc.push_out(clone.root, "build/model.tar", size=1, used=False)


# Golden requests


def test_golden_requests_of_a_deploy_are_not_in_the_prediction_log(
    world: World, clone: Clone, tmp_path: Path
) -> None:
    clone.release(1)
    clone.ship()
    log = {"predictions": True, "folder": str(tmp_path / "log")}
    with served(clone, tmp_path, log=log) as server:
        assert "golden requests answered as recorded" in clone.ok("deploy").out
        assert server.predict(request_id="golden").status == 200
        server.stop()
    (path,) = (tmp_path / "log").glob("*/*.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["request_id"] for row in rows] == ["golden"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("UA", "UA"),
        ("x" * 40, "x" * 40),
        ("x" * 41, "x" * 39 + "…"),
        ("a\nb\tc", "a b c"),
        (" " * 2000 + "x", "…"),
        ("word " * 400, "word word word word word word word word…"),
    ],
)
def test_values_of_others_in_a_sentence(text: str, shown: str) -> None:
    assert shorten(text) == shown
