from __future__ import annotations

import json
import subprocess

import pytest

from gitops_model.delivery import dvc
from gitops_model.formats import record
from gitops_model.formats.pointer import Pointer, Ref, switch
from tests.support.world import Clone, World


def test_the_tag_answers_what_exactly_this_is(clone: Clone) -> None:
    sha256 = clone.train(1)
    commit = clone.git("rev-parse", "HEAD")
    clone.push()
    clone.ok("release")
    shown = clone.git("show", "--no-patch", "flight-delay-v1")
    found = record.parse_record(
        clone.git("tag", "-l", "--format=%(contents)", "flight-delay-v1"), name="flight-delay-v1"
    )
    assert found["sha256"] == sha256
    assert found["code"] == {"commit": commit, "sources_sha256": "0" * 64}
    assert found["data"]["split"] == {"by": "time", "test_days": 20}
    assert found["library"]["version"] == "0.1.0"
    assert found["contract"]["schema_version"] == 1
    assert found["seed"] == 1
    assert found["gates"]["state"] == "pass"
    assert found["rollback_target"] is None
    assert found["released"]["by"] == "Ada Example <ada@example.com>"
    for word in ("commit", "snapshot", "split", "schema_version", "params", "seed", "metrics"):
        assert f"{word}:" in shown, word
    for word in ("gates", "by", "at", "environment", "baseline", "artifact"):
        assert f"{word}:" in shown, word


def test_the_record_names_baseline_deltas_and_rollback_target(clone: Clone) -> None:
    first = clone.release(1)
    clone.ship()
    sha256 = clone.train(2)
    path = clone.root / "reports" / "check.json"
    check = json.loads(path.read_text())
    served = clone.pointer.stable
    assert served is not None
    check["baseline"] = {"model": served.model, "sha256": served.sha256}
    metric = {
        "metric": "roc_auc",
        "title": "ROC AUC",
        "better": "higher",
        "candidate": 0.7,
        "candidate_lower": 0.6,
        "candidate_upper": 0.8,
        "candidate_method": "x",
        "production": 0.6,
        "delta": 0.1,
        "lower": 0.05,
        "upper": 0.15,
        "method": "x",
    }
    check["metrics"] = [metric]
    path.write_text(json.dumps(check))
    clone.push()
    clone.ok("release")
    tag = clone.git("tag", "-l", "--format=%(contents)", "flight-delay-v2")
    found = record.parse_record(tag, name="flight-delay-v2")
    assert found["sha256"] == sha256
    assert found["rollback_target"] == first
    assert found["baseline"] == {
        "model": first,
        "sha256": served.sha256,
        "deltas": {"roc_auc": 0.1},
    }


def test_a_report_about_another_bundle_is_no_verdict(clone: Clone) -> None:
    clone.train(1)
    clone.verdict("f" * 64, "pass")
    clone.push()
    clone.ok("release")
    assert "state: not_evaluated" in clone.git("show", "--no-patch", "flight-delay-v1")


def test_the_same_bundle_again_is_a_no_op_that_names_the_id(clone: Clone) -> None:
    clone.release(1)
    clone.release(2)
    clone.train(1)
    clone.push()
    done = clone.ok("release")
    assert "nothing to do, this bundle already is flight-delay-v1" in done.out
    assert clone.git("tag").split() == ["flight-delay-v1", "flight-delay-v2"]


def test_an_id_is_not_reused_when_its_tag_is_gone(world: World, clone: Clone) -> None:
    clone.release(1)
    clone.release(2)
    clone.ship("flight-delay-v2")
    clone.git("tag", "-d", "flight-delay-v2")
    clone.git("push", "-q", "origin", ":refs/tags/flight-delay-v2")
    assert clone.release(3) == "flight-delay-v3"


def test_a_tag_that_moves_and_is_no_release_stops_nothing(clone: Clone) -> None:
    """Tags as `latest` or `nightly` are moved on purpose."""
    clone.train(1)
    clone.push()
    clone.git("tag", "latest")
    clone.git("push", "-q", "origin", "latest")
    clone.git("tag", "-f", "latest", "HEAD~1")
    assert "flight-delay-v1 is commit" in clone.ok("release").out


def test_ids_of_other_branches_and_other_tasks(clone: Clone) -> None:
    clone.git("tag", "-a", "flight-delay-vain", "-m", "x")
    clone.git("tag", "another-v40", "HEAD")
    clone.git("checkout", "-q", "-b", "side")
    ref = Ref(model="flight-delay-v7", sha256="a" * 64)
    clone.write("production.yaml", switch(Pointer(), ref).to_yaml())
    clone.commit("A pointer on a branch", "production.yaml")
    clone.git("checkout", "-q", "main")
    assert clone.release(1) == "flight-delay-v8"


def test_two_clones_with_different_bundles_get_two_ids(world: World, clone: Clone) -> None:
    other = world.clone()
    clone.train(1)
    clone.push()
    other.git("pull", "-q")
    other.train(2)
    other.push()
    assert "flight-delay-v1" in clone.ok("release").out
    assert "flight-delay-v2" in other.ok("release").out


def test_a_lost_race_takes_the_next_id(
    world: World, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another clone takes the id between our look at origin and our push."""
    other = world.clone()
    clone.train(1)
    clone.push()
    other.git("pull", "-q")
    other.train(2)
    other.push()
    from gitops_model.delivery.git import Git

    push, pushed = Git.push, []

    def late(self: Git, *refspecs: str, timeout: float = 60.0) -> str:
        if self.root == clone.root and not pushed:
            pushed.append(refspecs)
            other.ok("release")
        return push(self, *refspecs, timeout=timeout)

    monkeypatch.setattr(Git, "push", late)
    assert "release: flight-delay-v2 is commit" in clone.ok("release").out
    assert world.at_origin("tag").split() == ["flight-delay-v1", "flight-delay-v2"]
    tags = {name: clone.git("rev-parse", name) for name in ("flight-delay-v1", "flight-delay-v2")}
    assert tags == {name: world.at_origin("rev-parse", name) for name in tags}


def test_a_lost_race_over_the_same_bundle_is_a_no_op(
    world: World, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = world.clone()
    clone.train(1)
    clone.push()
    other.git("pull", "-q")
    other.write("build/model.tar", (clone.root / "build/model.tar").read_bytes())
    from gitops_model.delivery.git import Git

    push, pushed = Git.push, []

    def late(self: Git, *refspecs: str, timeout: float = 60.0) -> str:
        if self.root == clone.root and not pushed:
            pushed.append(refspecs)
            other.ok("release")
        return push(self, *refspecs, timeout=timeout)

    monkeypatch.setattr(Git, "push", late)
    assert "already is flight-delay-v1" in clone.ok("release").out
    assert world.at_origin("tag").split() == ["flight-delay-v1"]


def test_a_release_made_offline_is_pushed_later(world: World, clone: Clone) -> None:
    clone.train(1)
    clone.push()
    assert "in this clone only" in clone.ok("release", "--no-push").out
    assert world.at_origin("tag") == ""
    assert "pushed to origin" in clone.ok("release").out
    assert world.at_origin("tag") == "flight-delay-v1"


def test_an_answer_that_got_lost_is_no_lost_push(
    world: World, clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gitops_model.delivery.git import Git

    push = Git.push

    def deaf(self: Git, *refspecs: str, timeout: float = 60.0) -> str:
        push(self, *refspecs, timeout=timeout)
        return "the connection was reset"

    monkeypatch.setattr(Git, "push", deaf)
    clone.train(1)
    clone.git("push", "-q", "origin", "main")
    clone.ok("release")
    assert world.at_origin("tag") == "flight-delay-v1"


def _unmerged(clone: Clone) -> None:
    clone.train(1)


def _dirty_lock(clone: Clone) -> None:
    clone.train(1)
    clone.push()
    clone.write("dvc.lock", (clone.root / "dvc.lock").read_text() + "# edited\n")


def _no_lock(clone: Clone) -> None:
    pass


def _conflict(clone: Clone) -> None:
    clone.write("dvc.lock", "<<<<<<< HEAD\n")
    clone.commit("Merge badly", "dvc.lock")
    clone.push()


def _other_lock(clone: Clone) -> None:
    clone.write("dvc.lock", "schema: '2.0'\nstages: {}\n")
    clone.commit("No model", "dvc.lock")
    clone.push()


def _no_bundle(clone: Clone) -> None:
    clone.train(1)
    clone.push()
    for path in clone.root.glob(".dvc/cache/files/md5/*/*"):
        path.unlink()
    (clone.root / "build/model.tar").unlink()


def _damaged(clone: Clone) -> None:
    _no_bundle(clone)
    clone.write("build/model.tar", b"not the bundle")


def _moved_tag(clone: Clone) -> None:
    clone.release(1)
    clone.train(2)
    clone.push()
    clone.git("push", "-q", "--force", "origin", "HEAD:refs/tags/flight-delay-v1")


@pytest.mark.parametrize(
    ("arrange", "code", "sentence"),
    [
        (_unmerged, 1, "is not on origin/main, and only reviewed commits are released."),
        (_dirty_lock, 1, "dvc.lock has changes that are not committed; commit them, or undo"),
        (_no_lock, 4, "has no dvc.lock. Train and commit it: make train"),
        (
            _conflict,
            2,
            "line 1 begins a merge conflict; choose a side and delete the markers. Build it",
        ),
        (_other_lock, 4, "holds no build/model.tar. Train and commit it: make train"),
        (_no_bundle, 4, "is neither in build/ nor in DVC's cache; there is no DVC remote."),
        (_damaged, 4, "is neither in build/ nor in DVC's cache; there is no DVC remote."),
        (_moved_tag, 4, "origin has another tag flight-delay-v1 than this clone"),
    ],
)
def test_refusals(world: World, clone: Clone, arrange: object, code: int, sentence: str) -> None:
    assert callable(arrange)
    arrange(clone)
    before = world.at_origin("for-each-ref", "refs/tags")
    done = clone.run("release")
    assert sentence in done.err
    assert done.code == code
    assert world.at_origin("for-each-ref", "refs/tags") == before


def test_without_an_identity(world: World, clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    clone.train(1)
    clone.push()
    clone.git("config", "user.useConfigOnly", "true")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    done = clone.run("release")
    assert done.code == 2
    assert "git does not know who you are. Run: git config --global user.name" in done.err
    assert world.at_origin("tag") == ""


def test_an_unreachable_origin_gives_no_id(world: World, clone: Clone) -> None:
    clone.train(1)
    clone.push()
    world.hide_origin()
    done = clone.run("release")
    assert done.code == 5
    assert "origin cannot be reached, and ids are given out there" in done.err
    assert clone.git("tag") == ""


def test_a_stale_lock_is_refused(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dvc, "stale_stages", lambda root: ["train: seed in params.yaml changed"])
    clone.train(1)
    clone.push()
    done = clone.run("release")
    assert done.code == 1
    assert "train: seed in params.yaml changed" in done.err
    assert "make train" in done.err


def test_a_repository_without_origin_releases_too(clone: Clone) -> None:
    clone.git("remote", "remove", "origin")
    assert clone.release(1) == "flight-delay-v1"


def test_a_subfolder_is_refused(clone: Clone) -> None:
    (clone.root / "sub").mkdir()
    done = Clone(clone.root / "sub").run("release")
    assert done.code == 2
    assert "is not the top of its git repository" in done.err


def test_outside_of_git(tmp_path: object, world: World) -> None:
    folder = world.folder / "plain"
    folder.mkdir()
    done = Clone(folder).run("release")
    assert done.code == 2
    assert "is not a git repository" in done.err
    assert subprocess.run(["git", "init", "-q"], cwd=folder, check=True).returncode == 0
