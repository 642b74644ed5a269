"""A release on GitHub: killed anywhere and finished by the next run, and never two under one id."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from gitops_model.delivery import looks
from tests.workflows import scopes
from tests.workflows.bare_git import put_workflow
from tests.workflows.commands import Commands, Running
from tests.workflows.fake_state import Recorded
from tests.workflows.links import ready_branch
from tests.workflows.shop import Shop, judged, shop

__all__ = ["judged", "shop"]  # the fixtures
WRITES = ("POST", "PATCH", "PUT", "DELETE", "git")


def test_release_and_again(shop: Shop) -> None:
    done = shop.release()
    assert done.code == 0, done.output
    shop.check_whole()
    again = shop.release()
    assert again.code == 0, again.output
    shop.check_whole()
    message = shop.git.text("cat-file", "tag", "flight-delay-v1")
    assert "state: pass" in message or "state: 'pass'" in message


@pytest.mark.parametrize("scope", scopes.RELEASE)
def test_each_permission_is_needed(shop: Shop, scope: str) -> None:
    shop.start(without=scope).wait()
    assert shop.fake.state.denials, f"nothing needed {scope}"
    shop.fake.state.denials.clear()
    assert shop.release().code == 0
    assert shop.fake.state.denials == []


def calls(shop: Shop) -> list[tuple[int, str]]:
    """Number and method of each call; a push is `git`, a fetch counts as GET."""

    def method(call: Recorded) -> str:
        if call.operation.startswith("git "):
            return "git" if "receive-pack" in call.operation else "GET"
        return call.method

    return [(call.number, method(call)) for call in shop.fake.state.calls]


@pytest.fixture(scope="session")
def script(
    judged: Path, commands: Commands, tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[int, str]]:
    """The calls of an undisturbed release: number and method."""
    place = Shop(judged, commands, tmp_path_factory.mktemp("script"))
    with place.fake:
        assert place.release().code == 0
        return sorted(calls(place))


def kill_and_finish(shop: Shop, number: int, phase: str) -> None:
    running: list[Running] = []

    def kill(seen: int, at: str) -> None:
        if (seen, at) == (number, phase) and running:
            running.pop().kill()

    shop.fake.on_call = kill
    shop.fake.reset_calls()
    process = shop.start()
    running.append(process)
    process.wait()
    shop.fake.on_call = lambda seen, at: None
    assert not running, f"call {number} never came: {sorted(calls(shop))}"
    done = shop.release()
    assert done.code == 0, done.output
    shop.check_whole()


@pytest.mark.parametrize(
    "part", [0, *(pytest.param(part, marks=pytest.mark.slow) for part in range(1, 8))]
)
def test_killed_after_each_write_and_run_again(
    script: list[tuple[int, str]], judged: Path, commands: Commands, tmp_path: Path, part: int
) -> None:
    # What GitHub holds changes only with writes: a kill after each covers every state a run can leave behind.
    writes = [number for number, method in script if method in WRITES]
    assert len(writes) >= 10
    for number in writes[part::8]:
        folder = tmp_path / str(number)
        folder.mkdir()
        place = Shop(judged, commands, folder)
        with place.fake:
            kill_and_finish(place, number, "after")


@pytest.mark.slow
def test_killed_at_each_call_and_run_again(
    script: list[tuple[int, str]], judged: Path, commands: Commands, tmp_path: Path
) -> None:
    for number, _ in script:
        for phase in ("before", "after"):
            folder = tmp_path / f"{number}-{phase}"
            folder.mkdir()
            place = Shop(judged, commands, folder)
            with place.fake:
                kill_and_finish(place, number, phase)


def variant(data: bytes, number: int) -> bytes:
    """Another valid bundle: the same model, with a line more in its card."""
    buffer = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(data)) as old,
        tarfile.open(fileobj=buffer, mode="w") as new,
    ):
        for member in old:
            stream = old.extractfile(member)
            assert stream is not None
            content = stream.read()
            if member.name == "MODEL_CARD.md":
                content += f"\nVariant {number}.\n".encode()
                member.size = len(content)
            new.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.slow
def test_twenty_at_once_of_fourteen_bundles(shop: Shop) -> None:
    """Every bundle gets one id of its own and every id a whole release, or the run says clearly that it did not."""
    first = shop.judged
    folders = []
    for number in range(14):
        folder = shop.folder / f"variant-{number}"
        shutil.copytree(first / "release", folder / "release")
        data = variant((first / "release" / "model.tar").read_bytes(), number)
        (folder / "release" / "model.tar").write_bytes(data)
        report = json.loads((folder / "release" / "check.json").read_text())
        report["candidate"]["sha256"] = hashlib.sha256(data).hexdigest()
        (folder / "release" / "check.json").write_text(json.dumps(report))
        folders.append(folder)
    running = []
    for shop.judged in [*folders, *folders[:6]]:
        running.append(shop.start())
    unfinished = []
    for number, done in enumerate([r.wait() for r in running]):
        assert done.code in (0, 5), done.output
        assert "Traceback" not in done.output, done.output
        if done.code == 5:
            assert "again" in done.output, done.output
            unfinished.append([*folders, *folders[:6]][number])
    for shop.judged in unfinished:
        again = shop.release()
        assert again.code == 0, again.output
    tags = sorted(shop.git.refs("refs/tags/"))
    assert tags == sorted(f"refs/tags/flight-delay-v{n}" for n in range(1, 15))
    state = shop.fake.state
    assert not any(r["draft"] for r in state.releases.values())
    assert sorted(r["tag_name"] for r in state.releases.values()) == [
        t.removeprefix("refs/tags/") for t in tags
    ]
    digests = set()
    for release in state.releases.values():
        files = {a["name"]: state.assets[a["id"]] for a in release["assets"]}
        digest = hashlib.sha256(files["model.tar"]).hexdigest()
        assert f"{digest}  model.tar" in files["SHA256SUMS"].decode()
        assert digest in shop.git.text("cat-file", "tag", release["tag_name"])
        digests.add(digest)
    assert len(digests) == 14


@pytest.mark.parametrize("end", ["/releases", "/assets"])
def test_another_run_publishes_after_the_draft_is_made_or_while_it_is_filled(
    shop: Shop, end: str
) -> None:
    assert shop.release().code == 0
    releases = shop.fake.state.releases
    ((number, whole),) = releases.items()
    tag = whole["tag_name"]
    whole["tag_name"] = "not-yet-there"
    shop.fake.state.burned_tags.clear()

    def overtake(seen: int, at: str) -> None:
        call = shop.fake.state.calls[-1]
        if at == "after" and call.method == "POST" and call.path.split("?")[0].endswith(end):
            releases.pop(max(set(releases) - {number}, default=number + 1), None)
            whole["tag_name"] = tag

    shop.fake.on_call = overtake
    done = shop.release()
    assert done.code == 0, done.output
    assert len(releases) == 1 and whole["tag_name"] == tag
    shop.check_whole()


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        pytest.param(kind, method, marks=[] if quick else [pytest.mark.slow])
        for kind, quick_method in ((429, "GET"), (502, "PATCH"), ("reset", "POST"))
        for method in ("GET", "POST", "PATCH")
        for quick in [method == quick_method]
    ],
)
def test_lost_answers_and_limits_are_survived(shop: Shop, method: str, kind: int | str) -> None:
    shop.fake.fault(method=method, kind=kind, applied=kind != 429)
    done = shop.release()
    assert done.code == 0, done.output
    shop.check_whole()


def test_actions_may_not_open_pull_requests(shop: Shop) -> None:
    """GitHub's default. The branch stays, and everybody is led to the page that opens the pull request."""
    shop.fake.settings.actions_may_create_prs = False
    done = shop.release()
    assert done.code == 0, done.output
    branch = ready_branch(shop.fake, done.output)
    assert branch in branches(shop) and "title=Ship%20flight-delay-v1" in done.output
    (release,) = shop.fake.state.releases.values()
    assert not release["draft"] and ready_branch(shop.fake, release["body"]) == branch
    note, head = release["body"], shop.git.ref(f"refs/heads/{branch}")
    assert shop.fake.latest_status(str(head)) is None
    assert shop.release().code == 0
    assert branches(shop) == ["main", branch] and release["body"] == note


def branches(shop: Shop) -> list[str]:
    names = [name.removeprefix("refs/heads/") for name in shop.git.refs("refs/heads/")]
    return sorted(name for name in names if name != looks.BRANCH)


def change_workflows(shop: Shop) -> str:
    """Main moves on by a commit that changes a workflow file; the commit before."""
    before = str(shop.git.ref("refs/heads/main"))
    put_workflow(shop.git, "name: other\non: push\njobs: {}\n", "other.yml")
    return before


def test_main_that_moved_on_with_other_workflows_stops_no_release(shop: Shop) -> None:
    """The token may not push this tag by Git, nor name its commit as a target; through the API it may."""
    commit = change_workflows(shop)
    done = shop.start(at=commit).wait()
    assert done.code == 0, done.output
    shop.check_whole()
    assert shop.git.text("rev-parse", "flight-delay-v1^{commit}") == commit


def test_refused_tag_names_the_command_and_the_next_push_recovers(shop: Shop) -> None:
    shop.fake.settings.api_takes_stale_workflows = False
    done = shop.start(at=change_workflows(shop)).wait()
    assert done.code == 5 and "gh workflow run release.yml --ref main" in done.output, done.output
    assert shop.git.refs("refs/tags/") == {} and shop.fake.state.releases == {}
    done = shop.release()
    assert done.code == 0, done.output
    shop.check_whole()


def test_id_taken_on_github_by_another_bundle_is_refused(shop: Shop) -> None:
    assert shop.release().code == 0
    (release,) = shop.fake.state.releases.values()
    number = next(a["id"] for a in release["assets"] if a["name"] == "model.tar")
    shop.fake.state.assets[number] = b"other bytes"
    done = shop.release()
    assert done.code == 4 and "another bundle" in done.output


def test_release_carries_what_was_built_when_it_differs_from_the_lock(
    shop: Shop, trained: Callable[..., Path], judged: Path
) -> None:
    other = (trained(trees=30) / "build" / "model.tar").read_bytes()
    shop.judged = shop.folder / "other"
    shutil.copytree(judged / "release", shop.judged / "release")
    (shop.judged / "release" / "model.tar").write_bytes(other)
    report = json.loads((shop.judged / "release" / "check.json").read_text())
    report["candidate"]["sha256"] = hashlib.sha256(other).hexdigest()
    (shop.judged / "release" / "check.json").write_text(json.dumps(report))
    done = shop.release()
    assert done.code == 0, done.output
    (release,) = shop.fake.state.releases.values()
    number = next(a["id"] for a in release["assets"] if a["name"] == "model.tar")
    assert shop.fake.state.assets[number] == other
    assert hashlib.sha256(other).hexdigest() in shop.git.text("cat-file", "tag", "flight-delay-v1")


@pytest.mark.parametrize("rewritten", [False, True])
def test_a_signed_tag_keeps_its_signature(shop: Shop, tmp_path: Path, rewritten: bool) -> None:
    """Also where GitHub's API would write other bytes than those that were signed: then the tag is pushed."""
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    shop.fake.state.settings.tags_are_rewritten = rewritten
    done = shop.start(SIGNING_KEY=path.read_text()).wait()
    assert done.code == 0, done.output
    shop.check_whole()
    public = " ".join(path.with_suffix(".pub").read_text().split()[:2])
    (tmp_path / "signers").write_text(f"release {public}\n")
    option = f"gpg.ssh.allowedSignersFile={tmp_path / 'signers'}"
    said = shop.git.run("-c", option, "verify-tag", "flight-delay-v1")
    assert said is not None
