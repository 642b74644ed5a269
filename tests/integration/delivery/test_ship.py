from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from gitops_model.delivery import pointer_checks
from gitops_model.delivery.dvc import cached
from gitops_model.delivery.git import Git
from gitops_model.formats.pointer import Pointer
from tests.support.factories import contract_dict, make_bundle
from tests.support.world import Clone, World


def _ids(pointer: Pointer) -> list[str]:
    return [ref.model for ref in pointer.refs()]


def test_the_first_release_ships_and_says_so(clone: Clone) -> None:
    clone.release(1)
    done = clone.ok("ship")
    assert "this is the first release to ship" in done.out
    assert "production.yaml: no release -> flight-delay-v1" in done.out
    assert "Merging it deploys." in done.out
    assert clone.git("status", "--porcelain") == "M production.yaml"
    assert clone.git("diff", "--name-only") == "production.yaml"


def test_a_switch_keeps_the_old_one_as_previous(two: Clone) -> None:
    two.ok("ship", "flight-delay-v2", "--commit")
    assert _ids(two.pointer) == ["flight-delay-v2", "flight-delay-v1"]
    assert two.git("log", "-1", "--format=%s") == "Ship flight-delay-v2"
    assert two.git("show", "--name-only", "--format=", "HEAD") == "production.yaml"


def test_canary_and_shadow(two: Clone) -> None:
    two.ship("--canary", "10")
    canary = two.pointer.canary
    assert canary is not None and (canary.model, canary.percent, canary.key) == (
        "flight-delay-v2",
        10,
        "tailnum",
    )
    assert two.git("log", "-1", "--format=%s") == "Ship flight-delay-v2 as canary at 10 %"
    two.ship("--canary", "50", "--key", "carrier")
    assert two.pointer.canary is not None and two.pointer.canary.key == "carrier"
    two.ship("--shadow")
    assert two.pointer.shadow is not None and two.pointer.canary is None
    two.ship("flight-delay-v2")
    assert two.pointer.shadow is None
    assert _ids(two.pointer) == ["flight-delay-v2", "flight-delay-v1"]


def test_shipping_what_is_shipped_changes_nothing(two: Clone) -> None:
    before = two.git("rev-parse", "HEAD")
    done = two.ok("ship", "flight-delay-v1", "--commit")
    assert "nothing to do" in done.out
    assert two.git("rev-parse", "HEAD") == before


def test_a_change_that_was_written_can_be_committed_later(two: Clone) -> None:
    two.ok("ship")
    two.ok("ship")
    assert "Committed as" in two.ok("ship", "--commit").out
    assert two.git("status", "--porcelain") == ""
    assert two.pointer.stable is not None and two.pointer.stable.model == "flight-delay-v2"


def test_a_freeze_lets_only_a_rollback_through(two: Clone) -> None:
    two.ship("flight-delay-v2")
    two.release(3)
    assert "passed before the freeze can still be merged" in two.ship("--freeze", "incident 12").out
    done = two.run("ship", "flight-delay-v3")
    assert done.code == 1
    assert "production is frozen: incident 12. Only a rollback may ship" in done.err
    two.ship("flight-delay-v1")
    assert two.pointer.freeze == "incident 12"
    two.ship("--unfreeze")
    two.ship("flight-delay-v3")


def test_going_back_does_not_fail_over_a_tag(two: Clone) -> None:
    two.ship("flight-delay-v2")
    two.ok("ship", "--freeze", "incident 12", "--commit")
    two.push()
    text = two.git("tag", "-l", "--format=%(contents)", "flight-delay-v1")
    two.git("tag", "-f", "-a", "flight-delay-v1", "-m", text, "HEAD~1")
    two.git("push", "-q", "--force", "origin", "HEAD~1:refs/tags/flight-delay-v1")
    done = two.ok("ship", "flight-delay-v1")
    assert "going back although tag flight-delay-v1 is another one on origin" in done.out
    assert "going back although tag flight-delay-v1 stands on another commit" in done.out
    two.git("checkout", "-q", "HEAD", "--", "production.yaml")
    current = two.pointer
    assert current.stable is not None
    back = Pointer(stable=current.previous, previous=current.stable, freeze=current.freeze)
    two.git("tag", "-d", "flight-delay-v1")
    git = Git.open(two.root)
    # Without its tag nobody knows under which name DVC keeps it; the store has it by its sha256.
    (problem,) = pointer_checks.examine(git, current, back, offline=True).problems
    assert "the bundle of flight-delay-v1" in str(problem) and "Tried:" in str(problem)
    assert back.stable is not None
    (two.store / "bundles").mkdir(parents=True)
    two.write(f"store/bundles/{back.stable.sha256}.tar", make_bundle(seed=1)[0])
    found = pointer_checks.examine(git, current, back, offline=True)
    assert found.problems == []
    assert any("going back although flight-delay-v1 is not a release" in n for n in found.notes)


def test_going_back_does_not_fail_over_what_lies_further_back(two: Clone) -> None:
    two.ship("flight-delay-v2")
    before = two.pointer
    two.release(3)
    two.ship("flight-delay-v3")
    two.git("tag", "-d", "flight-delay-v1")
    found = pointer_checks.examine(Git.open(two.root), two.pointer, before, offline=True)
    assert found.problems == []
    assert any("no quick way further back: flight-delay-v1 is no" in n for n in found.notes)


def test_a_clone_that_is_behind_is_told_so(shipped: World, two: Clone) -> None:
    other = shipped.clone()
    two.ship("flight-delay-v2")
    done = other.run("ship", "--freeze", "incident 12", "--push")
    assert done.code == 5
    assert "origin's main has commits that this clone lacks" in done.err
    assert "git pull --rebase && git push" in done.err and "protected" not in done.err


def test_an_unevaluated_release_needs_a_reason_that_is_kept(clone: Clone) -> None:
    clone.release(1, state=None)
    done = clone.run("ship")
    assert done.code == 1
    assert "did not pass the gates: Not evaluated:" in done.err
    clone.ok("ship", "--accept-unevaluated", "first day", "--commit")
    assert clone.git("log", "-1", "--format=%b") == (
        "Shipped although it did not pass the gates: first day"
    )
    clone.push()
    assert json.loads(clone.ok("history", "--json").out)[0]["reason"] == "first day"


def test_a_reason_for_a_release_that_passed_is_kept_and_accuses_it_of_nothing(two: Clone) -> None:
    two.ok("ship", "flight-delay-v2", "--accept-unevaluated", "asked for by Ada", "--commit")
    assert two.git("log", "-1", "--format=%b") == "Reason: asked for by Ada"


def test_a_way_back_is_claimed_only_where_one_was_found(two: Clone) -> None:
    empty, first = Pointer(), two.pointer
    two.ship("flight-delay-v2")
    git, second = Git.open(two.root), two.pointer
    assert not pointer_checks.examine(git, empty, first, offline=True).way_back
    assert pointer_checks.examine(git, first, second, offline=True).way_back


def test_push_and_a_protected_branch(world: World, clone: Clone) -> None:
    clone.release(1)
    clone.ok("ship", "--push")
    assert world.at_origin("show", "main:production.yaml").count("flight-delay-v1") == 1
    clone.release(2)
    hook = world.origin / "hooks" / "update"
    hook.write_text("#!/bin/sh\necho 'changes go through a pull request' >&2\nexit 1\n")
    hook.chmod(0o755)
    done = clone.run("ship", "--push")
    assert done.code == 5
    assert "changes go through a pull request" in done.err
    assert "git push origin HEAD:refs/heads/pointer-" in done.err


def _missing(clone: Clone) -> list[str]:
    return ["flight-delay-v9"]


def _lightweight(clone: Clone) -> list[str]:
    clone.git("tag", "flight-delay-v9")
    return ["flight-delay-v9"]


def _by_hand(clone: Clone) -> list[str]:
    clone.git("tag", "-a", "flight-delay-v9", "-m", "by hand")
    return ["flight-delay-v9"]


def _renamed(clone: Clone) -> list[str]:
    clone.git(
        "tag",
        "-a",
        "flight-delay-v9",
        "-m",
        clone.git("tag", "-l", "--format=%(contents)", "flight-delay-v2"),
    )
    return ["flight-delay-v9"]


def _moved_at_origin(clone: Clone) -> list[str]:
    clone.git("push", "-q", "--force", "origin", "HEAD~1:refs/tags/flight-delay-v2")
    return ["flight-delay-v2"]


def _moved_here(clone: Clone) -> list[str]:
    text = clone.git("tag", "-l", "--format=%(contents)", "flight-delay-v2")
    clone.git("tag", "-f", "-a", "flight-delay-v2", "-m", text, "HEAD~1")
    return ["flight-delay-v2"]


def _not_on_main(clone: Clone) -> list[str]:
    clone.git("checkout", "-q", "-b", "side")
    clone.train(5)
    clone.ok("release", "--any-branch")
    clone.git("checkout", "-q", "main")
    return ["flight-delay-v3"]


def _bundle_gone(clone: Clone) -> list[str]:
    for path in clone.root.glob(".dvc/cache/files/md5/*/*"):
        path.unlink()
    (clone.root / "build/model.tar").unlink()
    return ["flight-delay-v2"]


def _bundle_damaged(clone: Clone) -> list[str]:
    for path in clone.root.glob(".dvc/cache/files/md5/*/*"):
        path.write_bytes(path.read_bytes()[:-1])
    (clone.root / "build/model.tar").unlink()
    return ["flight-delay-v2"]


def _rollback_target_gone(clone: Clone) -> list[str]:
    record = clone.git("tag", "-l", "--format=%(contents)", "flight-delay-v1")
    md5 = next(line.split()[1] for line in record.splitlines() if line.strip().startswith("md5:"))
    cached(clone.root, md5).unlink()
    return ["flight-delay-v2"]


def _contract_broken(clone: Clone) -> list[str]:
    contract = contract_dict()
    contract["inputs"]["hour"]["max"] = 12
    golden = [{"inputs": {"hour": 1}, "score": 0.5, "output": {}}]
    clone.release(6, contract=contract, golden=golden)
    return []


def _blocked(clone: Clone) -> list[str]:
    return [clone.release(7, state="blocked")]


def _bad_key(clone: Clone) -> list[str]:
    return ["--canary", "10", "--key", "tailnumber"]


def _stable_as_canary(clone: Clone) -> list[str]:
    return ["flight-delay-v1", "--canary", "10"]


def _dirty(clone: Clone) -> list[str]:
    clone.write("production.yaml", (clone.root / "production.yaml").read_text() + "# edited\n")
    return []


def _staged(clone: Clone) -> list[str]:
    clone.write("other.txt", "x")
    clone.git("add", "other.txt")
    return ["--commit"]


@pytest.mark.parametrize(
    ("arrange", "code", "sentence"),
    [
        (_missing, 4, "flight-delay-v9 is not a release: there is no tag of that name."),
        (_lightweight, 4, "flight-delay-v9 is a plain tag without a release record"),
        (_by_hand, 4, "tag flight-delay-v9: its message is not a release record"),
        (_renamed, 4, "tag flight-delay-v9 holds the record of flight-delay-v2"),
        (_moved_at_origin, 4, "tag flight-delay-v2 is another one on origin than in this clone"),
        (_moved_here, 4, "tag flight-delay-v2 stands on another commit than its record says"),
        (_not_on_main, 1, "which is not on main; merge it first."),
        (_bundle_gone, 4, "the bundle of flight-delay-v2 (sha256 "),
        (_bundle_damaged, 4, "the DVC cache: holds other bytes (sha256 "),
        (_rollback_target_gone, 4, "a rollback could not bring flight-delay-v1 back:"),
        (_contract_broken, 1, "the maximum of hour fell from 23 to 12"),
        (_blocked, 1, "did not pass the gates: Blocked: it is worse."),
        (_bad_key, 2, "--key is 'tailnumber'; allowed: a key or input of the contract: flight_id"),
        (_stable_as_canary, 1, "is the stable release already; a canary must be another one."),
        (lambda clone: ["--canary", "0"], 2, "--canary is 0; allowed: a number above 0"),
        (lambda clone: ["--canary", "nan"], 2, "--canary is nan; allowed: a number above 0"),
        (lambda clone: ["--key", "tailnum"], 2, "--key says whom a canary sticks to"),
        (lambda clone: ["v2"], 2, "'v2' is not a model id; allowed: <task>-v<N>."),
        (lambda clone: ["--freeze", " "], 2, "--freeze is empty"),
        (_dirty, 1, "production.yaml has changes that are not committed."),
        (_staged, 1, "other files are staged (other.txt)"),
    ],
)
def test_refusals_change_nothing(
    two: Clone, arrange: Callable[[Clone], list[str]], code: int, sentence: str
) -> None:
    words = arrange(two)
    before = (two.root / "production.yaml").read_bytes()
    head = two.git("rev-parse", "HEAD")
    done = two.run("ship", *words)
    assert sentence in done.err
    assert done.code == code
    assert (two.root / "production.yaml").read_bytes() == before
    assert two.git("rev-parse", "HEAD") == head


def test_everything_wrong_is_said_at_once(two: Clone) -> None:
    _contract_broken(two)
    two.git("push", "-q", "--force", "origin", "HEAD~1:refs/tags/flight-delay-v3")
    two.ship("--freeze", "holiday")
    done = two.run("ship", "flight-delay-v3")
    assert done.code == 4
    for sentence in ("it was moved", "production is frozen: holiday", "the maximum of hour fell"):
        assert sentence in done.err


def test_a_raised_schema_version_passes_with_a_notice(two: Clone) -> None:
    contract = contract_dict()
    contract["inputs"]["hour"]["max"] = 12
    contract["schema_version"] = 2
    golden = [{"inputs": {"hour": 1}, "score": 0.5, "output": {}}]
    two.release(6, contract=contract, golden=golden)
    assert "raises schema_version from 1 to 2, callers must follow" in two.ok("ship").out
    two.git("checkout", "-q", "production.yaml")
    done = two.run("ship", "--canary", "10")
    assert done.code == 1
    assert "callers must follow" in done.err


def test_an_unreachable_origin_is_said_and_does_not_stop(shipped: World, two: Clone) -> None:
    shipped.hide_origin()
    done = two.ok("ship", "flight-delay-v2")
    assert "origin cannot be reached, so its tags were not compared" in done.out
