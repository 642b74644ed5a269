"""Going back: by the command, by git revert, by GitHub's button; once, twice, and after going forward again."""

from __future__ import annotations

import pytest

from gitops_model.delivery.git import Git
from gitops_model.delivery.steps import served_line
from gitops_model.formats.pointer import Pointer
from tests.support.world import Clone, World


def _stable(clone: Clone) -> str | None:
    stable = clone.pointer.stable
    return stable.model if stable else None


@pytest.fixture
def three(shipped: World) -> Clone:
    """v1, v2 and v3 shipped one after the other."""
    clone = shipped.clones[0]
    clone.ship("flight-delay-v2")
    clone.release(3)
    clone.ship("flight-delay-v3")
    return clone


def test_it_restores_the_file_byte_for_byte(two: Clone) -> None:
    before = (two.root / "production.yaml").read_bytes()
    two.ship("flight-delay-v2")
    undone = two.git("rev-parse", "HEAD")
    done = two.ok("rollback", "--reason", "too many false alarms")
    assert "rollback: flight-delay-v2 -> flight-delay-v1" in done.out
    assert "The bundle of flight-delay-v1 is on this machine (the DVC cache)." in done.out
    assert (two.root / "production.yaml").read_bytes() == before
    assert two.git("status", "--porcelain") == ""
    text = two.git("log", "-1", "--format=%B")
    assert text.startswith('Revert "Ship flight-delay-v2"\n')
    assert f"This reverts commit {undone}." in text
    assert "Reason: too many false alarms" in text


def test_it_is_what_git_revert_would_do(two: Clone) -> None:
    two.ship("flight-delay-v2")
    two.git("branch", "other")
    two.ok("rollback")
    ours = two.git("rev-parse", "HEAD^{tree}")
    two.git("checkout", "-q", "other")
    two.git("revert", "--no-edit", "HEAD")
    assert two.git("rev-parse", "HEAD^{tree}") == ours


def test_rolling_back_again_goes_further_back_never_forward(three: Clone) -> None:
    three.ok("rollback")
    assert _stable(three) == "flight-delay-v2"
    three.ok("rollback")
    assert _stable(three) == "flight-delay-v1"
    done = three.run("rollback")
    assert done.code == 1
    assert "nothing served before flight-delay-v1" in done.err
    assert _stable(three) == "flight-delay-v1"


def test_after_a_revert_by_hand_it_goes_further_back(three: Clone) -> None:
    three.git("revert", "--no-edit", "HEAD")
    assert _stable(three) == "flight-delay-v2"
    three.ok("rollback")
    assert _stable(three) == "flight-delay-v1"


def test_a_release_shipped_again_after_a_rollback_counts_again(two: Clone) -> None:
    two.ship("flight-delay-v2")
    two.ok("rollback")
    two.git("push", "-q", "origin", "main")
    two.ship("flight-delay-v2")
    two.ok("rollback")
    assert _stable(two) == "flight-delay-v1"


def test_a_merge_commit(two: Clone) -> None:
    before = (two.root / "production.yaml").read_bytes()
    two.git("checkout", "-q", "-b", "ship")
    two.ok("ship", "flight-delay-v2", "--commit")
    two.git("checkout", "-q", "main")
    two.write("README.md", "meanwhile\n")
    two.commit("Something else", "README.md")
    two.git("merge", "-q", "--no-ff", "-m", "Merge pull request #7 from acme/ship", "ship")
    merge = two.git("rev-parse", "HEAD")
    two.ok("rollback")
    assert (two.root / "production.yaml").read_bytes() == before
    text = two.git("log", "-1", "--format=%B")
    assert text.startswith('Revert "Merge pull request #7 from acme/ship"')
    assert f"This reverts commit {merge}." in text
    assert two.git("show", "--name-only", "--format=", "HEAD") == "production.yaml"
    assert (two.root / "README.md").exists()


def test_a_squash_that_changed_more_takes_back_the_pointer_only(two: Clone) -> None:
    before = (two.root / "production.yaml").read_bytes()
    two.ok("ship", "flight-delay-v2")
    two.write("README.md", "and this\n")
    two.commit("Ship and more (#8)", "production.yaml", "README.md")
    two.ok("rollback")
    assert (two.root / "production.yaml").read_bytes() == before
    assert (two.root / "README.md").read_text() == "and this\n"
    assert "changed other files too; they are left" in two.git("log", "-1", "--format=%b")


def test_later_commits_that_leave_the_pointer_alone_do_not_matter(two: Clone) -> None:
    two.ship("flight-delay-v2")
    two.write("README.md", "later\n")
    two.commit("Later", "README.md")
    two.ok("rollback")
    assert _stable(two) == "flight-delay-v1"


def test_a_canary_is_taken_out(two: Clone) -> None:
    two.ship("--canary", "10")
    two.ok("rollback")
    assert two.pointer.canary is None
    assert _stable(two) == "flight-delay-v1"


def test_a_raised_canary_goes_back_to_its_former_share(two: Clone) -> None:
    two.ship("--canary", "10")
    two.ship("--canary", "50")
    two.ok("rollback")
    canary = two.pointer.canary
    assert canary is not None and canary.percent == 10


@pytest.mark.parametrize("trial", [["--canary", "10"], ["--shadow"]])
def test_a_release_that_was_tried_first_is_taken_out_altogether(
    two: Clone, trial: list[str]
) -> None:
    before = (two.root / "production.yaml").read_bytes()
    two.ship(*trial)
    two.ship("flight-delay-v2")
    two.ok("rollback", "--reason", "v2 is broken")
    assert (two.root / "production.yaml").read_bytes() == before


def test_a_freeze_is_set_kept_and_is_no_step(three: Clone) -> None:
    three.ok("rollback", "--freeze", "--reason", "incident 12")
    assert three.pointer.freeze == "incident 12"
    three.ok("rollback")
    assert (_stable(three), three.pointer.freeze) == ("flight-delay-v1", "incident 12")


def test_to_an_older_release(three: Clone) -> None:
    three.ok("rollback", "--to", "flight-delay-v1")
    assert three.pointer.stable is not None and three.pointer.previous is None
    assert _stable(three) == "flight-delay-v1"
    assert three.git("log", "-1", "--format=%s") == "Roll back to flight-delay-v1"
    assert three.run("rollback", "--to", "flight-delay-v1").code == 1
    assert three.run("rollback", "--to", "flight-delay-v9").code == 4
    assert three.run("rollback", "--to", "nonsense").code == 2
    assert three.run("rollback").code == 1


def test_uncommitted_work_is_safe(two: Clone) -> None:
    two.ship("flight-delay-v2")
    two.write("contract.yaml", "edited\n")
    two.write("new.txt", "staged\n")
    two.git("add", "new.txt")
    two.ok("rollback")
    assert (two.root / "contract.yaml").read_text() == "edited\n"
    assert two.git("diff", "--cached", "--name-only") == "new.txt"
    assert two.git("show", "--name-only", "--format=", "HEAD") == "production.yaml"


def test_an_edited_pointer_is_refused(two: Clone) -> None:
    two.ship("flight-delay-v2")
    text = (two.root / "production.yaml").read_text() + "# edited\n"
    two.write("production.yaml", text)
    head = two.git("rev-parse", "HEAD")
    done = two.run("rollback")
    assert done.code == 1
    assert "production.yaml has changes that are not committed" in done.err
    assert (two.root / "production.yaml").read_text() == text
    assert two.git("rev-parse", "HEAD") == head


def test_what_a_killed_run_left_is_taken_up(two: Clone) -> None:
    old = (two.root / "production.yaml").read_text()
    two.ship("flight-delay-v2")
    two.write("production.yaml", old)
    two.ok("rollback")
    assert _stable(two) == "flight-delay-v1"
    assert two.git("status", "--porcelain") == ""


def test_offline_and_with_hooks_that_need_the_network(shipped: World, two: Clone) -> None:
    two.ship("flight-delay-v2")
    hook = two.root / ".git" / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\necho no network >&2\nexit 1\n")
    hook.chmod(0o755)
    shipped.hide_origin()
    done = two.ok("rollback")
    assert "origin cannot be reached" in done.out
    assert _stable(two) == "flight-delay-v1"


def test_a_clone_that_is_behind_catches_up_first(shipped: World, two: Clone) -> None:
    other = shipped.clone()
    two.ship("flight-delay-v2")
    other.write("notes.txt", "untracked, and safe\n")
    done = other.ok("rollback", "--push")
    assert "took in what origin/main has" in done.out
    assert "flight-delay-v1" in shipped.at_origin("show", "main:production.yaml")
    assert shipped.at_origin("log", "-1", "--format=%s") == 'Revert "Ship flight-delay-v2"'
    assert (other.root / "notes.txt").exists()


def test_clones_that_went_separate_ways(shipped: World, two: Clone) -> None:
    other = shipped.clone()
    other.write("mine.txt", "x")
    other.commit("Mine", "mine.txt")
    two.ship("flight-delay-v2")
    done = other.run("rollback")
    assert done.code == 1
    assert "have different commits. Bring them together (git pull --rebase)" in done.err


def test_a_push_that_is_refused_leaves_the_commit_and_says_so(shipped: World, two: Clone) -> None:
    two.ship("flight-delay-v2")
    hook = shipped.origin / "hooks" / "update"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    done = two.run("rollback", "--push")
    assert done.code == 5
    assert "open a pull request" in done.err
    assert _stable(two) == "flight-delay-v1"


def test_push_and_deploy_in_one_go(shipped: World, two: Clone) -> None:
    two.ok("deploy")
    two.ship("flight-delay-v2")
    two.ok("deploy")
    assert two.stable() == "flight-delay-v2"
    two.ok("rollback", "--push", "--deploy")
    assert two.stable() == "flight-delay-v1"
    assert two.ok("deploy").out.count("as before") == 1


def test_a_broken_pointer_in_history_is_passed_over(two: Clone) -> None:
    two.ship("flight-delay-v2")
    good = (two.root / "production.yaml").read_text()
    two.write("production.yaml", "stable: [\n")
    two.commit("Break it", "production.yaml")
    two.write("production.yaml", good)
    two.commit("Mend it", "production.yaml")
    two.ok("rollback")
    assert _stable(two) == "flight-delay-v1"


def test_a_broken_pointer_at_head_is_taken_back(two: Clone) -> None:
    """What cannot be read was never deployed: what the file said before is what serves."""
    two.ship("flight-delay-v2")
    two.ok("ship", "--freeze", "incident 12", "--commit")
    good = (two.root / "production.yaml").read_text()
    two.write("production.yaml", "stable: [\n")
    two.commit("Break it", "production.yaml")
    two.push()
    done = two.ok("rollback", "--reason", "nobody can read it")
    assert "no production.yaml that can be read -> flight-delay-v2, frozen" in done.out
    assert (two.root / "production.yaml").read_text() == good
    assert two.git("log", "-1", "--format=%s") == 'Revert "Break it"'
    two.ok("rollback")
    assert _stable(two) == "flight-delay-v1"


def test_a_deleted_pointer_is_put_back(two: Clone) -> None:
    two.ship("flight-delay-v2")
    good = (two.root / "production.yaml").read_text()
    two.git("rm", "-q", "production.yaml")
    two.git("commit", "-q", "-m", "Tidy up")
    two.push()
    two.write("other.txt", "x")
    two.git("add", "other.txt")
    two.ok("rollback", "--push")
    assert (two.root / "production.yaml").read_text() == good
    assert two.git("show", "--name-only", "--format=", "HEAD") == "production.yaml"
    two.ok("rollback")
    assert _stable(two) == "flight-delay-v1"


def test_a_pointer_that_never_could_be_read(world: World, clone: Clone) -> None:
    clone.git("checkout", "-q", "--orphan", "anew")
    clone.write("production.yaml", "stable: [\n")
    clone.commit("Broken from the start", "production.yaml")
    done = clone.run("rollback")
    assert done.code == 2 and "is not valid YAML" in done.err


def test_a_rollback_never_gives_a_canary_everything(three: Clone) -> None:
    """A Ship pull request that was edited into a canary and merged by rebase leaves a pointer that never served."""
    three.release(4)
    three.ok("ship", "flight-delay-v4", "--commit")
    shipped = three.pointer
    three.git("revert", "--no-edit", "HEAD")
    three.ok("ship", "flight-delay-v4", "--canary", "10")
    three.git("reset", "-q", "--soft", "HEAD~1")
    three.commit("Rather a canary", "production.yaml")
    assert [p.pointer.stable for p in served_line(Git.open(three.root))][-2] == shipped.stable
    three.ok("rollback")
    assert _stable(three) == "flight-delay-v3" and three.pointer.canary is None


def test_a_slip_of_the_hand_is_no_way_back(two: Clone) -> None:
    """The sha256 was wrong and was corrected in the next commit; nobody could deploy what it said before."""
    two.ok("ship", "flight-delay-v2")
    good = (two.root / "production.yaml").read_text()
    stable = two.pointer.stable
    assert stable is not None
    two.write("production.yaml", good.replace(stable.sha256, "fe" * 32))
    two.commit("Ship by hand", "production.yaml")
    two.write("production.yaml", good)
    two.commit("Mend it", "production.yaml")
    two.ok("rollback")
    assert _stable(two) == "flight-delay-v1"


def test_what_never_served_is_no_way_back(three: Clone) -> None:
    """It would go around the gates, and around a freeze."""
    three.release(7, state="blocked")
    three.ship("--freeze", "incident 12")
    done = three.run("rollback", "--to", "flight-delay-v4")
    assert done.code == 1
    assert "flight-delay-v4 never served, so nothing can go back to it." in done.err
    assert "make ship MODEL=flight-delay-v4" in done.err
    assert _stable(three) == "flight-delay-v3"


def test_back_to_what_was_rolled_back_from(three: Clone) -> None:
    three.ok("rollback")
    three.ok("rollback", "--to", "flight-delay-v3")
    assert _stable(three) == "flight-delay-v3"


def test_to_a_release_whose_tag_is_gone_or_was_moved(three: Clone) -> None:
    stable = three.pointer.stable
    assert stable is not None
    three.ok("rollback", "--to", "flight-delay-v1")
    message = three.git("tag", "-l", "--format=%(contents)", "flight-delay-v3")
    three.git("tag", "-f", "-a", "-m", message.replace(stable.sha256, "fe" * 32), stable.model)
    three.ok("rollback", "--to", "flight-delay-v3")
    assert three.pointer.stable == stable
    three.git("tag", "-d", "flight-delay-v2")
    three.ok("rollback", "--to", "flight-delay-v2")
    assert _stable(three) == "flight-delay-v2"


def test_nothing_ever_served(clone: Clone) -> None:
    done = clone.run("rollback")
    assert done.code == 1
    assert "nothing served before no release" in done.err
    assert clone.pointer == Pointer()
