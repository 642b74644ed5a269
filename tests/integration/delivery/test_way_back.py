"""`gitops-model monitor` rehearses what a rollback would bring back: real bundles, each loaded in its own process."""

from __future__ import annotations

import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from gitops_model.delivery import programs, rehearsal
from gitops_model.delivery.dvc import cached
from gitops_model.errors import BadArtifact
from gitops_model.formats.pointer import Pointer, Ref
from gitops_model.formats.watch import Signal, Watch
from tests.support import hanging
from tests.support.factories import REQUEST, make_bundle
from tests.support.world import Clone, World

LIE = [{"inputs": REQUEST, "score": 0.123, "output": {"delayed": False, "probability": 0.123}}]


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Three releases that served one after another."""
    world = World.create(tmp_path_factory.mktemp("way_back") / "world")
    for seed in (1, 2, 3):
        world.clones[0].release(seed)
        world.clones[0].ship()
    return world


@pytest.fixture
def clone(shipped: World, tmp_path: Path) -> Clone:
    return shipped.copy(tmp_path / "world").clones[0]


def monitor(clone: Clone) -> tuple[str, Watch]:
    done = clone.ok("monitor")
    return done.text, Watch.load(clone.root / "reports" / "monitor.json")


def way_back(watch: Watch) -> dict[str, Signal]:
    return {s.name: s for s in watch.signals if s.is_way_back}


def object_of(clone: Clone, model: str) -> Path:
    """The file of a release in DVC's cache, which is the only place of a bundle that is not the newest."""
    sha256 = clone.git("tag", "-l", "--format=%(contents)", model)
    (md5,) = [line.split()[-1] for line in sha256.splitlines() if line.strip().startswith("md5:")]
    return cached(clone.root, md5.strip("'"))


def test_previous_and_the_release_before_it_are_rehearsed(clone: Clone) -> None:
    said, watch = monitor(clone)
    found = way_back(watch)
    assert list(found) == ["way back flight-delay-v2", "way back flight-delay-v1"], said
    assert {s.state for s in found.values()} == {"clean"}, said
    assert (
        "the DVC cache has it; it loads, and answers" in found["way back flight-delay-v1"].sentence
    )
    assert not watch.alarms and "way back" not in " ".join(watch.notes)


def test_the_first_release_has_no_way_back_and_no_signal(tmp_path: Path) -> None:
    first = World.create(tmp_path / "world").clones[0]
    assert "no release yet" in first.ok("monitor").out
    assert not (first.root / "reports" / "monitor.json").exists()
    first.release(1)
    first.ship()
    said, watch = monitor(first)
    assert way_back(watch) == {} and "There is no way back yet" in said
    first.release(2)
    first.ship()
    said, watch = monitor(first)
    assert list(way_back(watch)) == ["way back flight-delay-v1"], said
    assert not any("way back" in note for note in watch.notes)


def test_a_bundle_that_is_gone_cannot_be_fetched(clone: Clone) -> None:
    object_of(clone, "flight-delay-v2").unlink()
    said, watch = monitor(clone)
    (alarm,) = watch.alarms
    assert alarm.name == "way back flight-delay-v2" and "cannot be fetched" in alarm.sentence
    assert "the DVC cache: not there" in alarm.sentence and "gh release upload" in alarm.sentence
    # What lies in build/ is another model, as after each training, and no wrong bytes.
    assert alarm.evidence[0].startswith("build/model.tar: holds other bytes")
    assert way_back(watch)["way back flight-delay-v1"].state == "clean"
    assert "A rollback to flight-delay-v2 would fail today" in " ".join(watch.advice), said


def test_damaged_bytes_are_told_from_bytes_that_are_gone(clone: Clone) -> None:
    place = object_of(clone, "flight-delay-v1")
    data = bytearray(place.read_bytes())
    data[len(data) // 2] ^= 1
    place.write_bytes(data)
    watch = monitor(clone)[1]
    (alarm,) = watch.alarms
    assert alarm.name == "way back flight-delay-v1"
    assert "not what was released" in alarm.sentence and "cannot be fetched" not in alarm.sentence
    assert "the DVC cache: holds other bytes" in alarm.sentence
    assert "`make verify MODEL=flight-delay-v1`" in alarm.sentence


def test_a_record_that_contradicts_the_pointer_is_wrong(clone: Clone) -> None:
    pointer = clone.pointer
    wrong = Ref(model="flight-delay-v2", sha256="d" * 64)
    clone.point(Pointer(stable=pointer.stable, previous=wrong))
    alarm = monitor(clone)[1].alarms[0]
    assert alarm.name == "way back flight-delay-v2" and "not what was released" in alarm.sentence
    assert "the release's record says" in alarm.sentence


@pytest.fixture
def broken(tmp_path: Path, request: pytest.FixtureRequest) -> Clone:
    """A release whose bundle is as the test wants it, and one after it that serves."""
    clone = World.create(tmp_path / "world").clones[0]
    clone.release(1, **request.param())
    clone.ship()
    clone.release(2)
    clone.ship()
    return clone


@pytest.mark.parametrize("broken", [lambda: {"golden": LIE}], indirect=True)
def test_golden_requests_that_are_answered_otherwise(broken: Clone) -> None:
    (alarm,) = monitor(broken)[1].alarms
    assert alarm.name == "way back flight-delay-v1" and "it does not serve" in alarm.sentence
    assert "but 0.123 was recorded when it was built" in alarm.sentence
    assert "make rollback TO=<id>" in alarm.sentence


@pytest.mark.parametrize(
    "broken", [lambda: {"members": {"model.onnx": b"nothing that loads"}}], indirect=True
)
def test_a_model_that_does_not_load(broken: Clone) -> None:
    (alarm,) = monitor(broken)[1].alarms
    assert "it does not serve" in alarm.sentence and "cannot be loaded" in alarm.sentence


@pytest.mark.parametrize(
    "broken", [lambda: {"members": {"model.onnx": hanging.model()}, "golden": LIE}], indirect=True
)
def test_a_model_that_never_answers_is_ended(
    broken: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "SECONDS", 6.0)
    began = time.monotonic()
    (alarm,) = monitor(broken)[1].alarms
    assert "did not load and answer its golden requests within 6 s" in alarm.sentence
    assert 6 <= time.monotonic() - began < 30


@pytest.mark.slow
@pytest.mark.parametrize("broken", [lambda: {"model_runtime": "sklearn"}], indirect=True)
def test_a_pipeline_is_loaded_with_the_types_of_serving_yaml(broken: Clone) -> None:
    (found,) = way_back(monitor(broken)[1]).values()
    assert found.state == "clean", found.sentence


# -- one process for each bundle ---------------------------------------------------------------------------------------


def instead(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let the process of the rehearsal run this code."""
    monkeypatch.setattr(programs, "gitops_model", lambda: (sys.executable, "-c", code))


@pytest.fixture
def bundle(tmp_path: Path) -> tuple[Path, str]:
    data, sha256 = make_bundle()
    path = tmp_path / "model.tar"
    path.write_bytes(data)
    return path, sha256


def test_a_crash_is_a_sentence(bundle: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    instead(monkeypatch, f"import os; os.kill(os.getpid(), {int(signal.SIGSEGV)})")
    with pytest.raises(BadArtifact, match=r"crashed its process \(SIGSEGV\)"):
        rehearsal.of_bundle(bundle[0], sha256=bundle[1])


def test_a_process_that_the_model_started_ends_with_it(
    bundle: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    note = bundle[0].parent / "pid"
    instead(
        monkeypatch,
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(30)'])\n"
        f"open({str(note)!r}, 'w').write(str(child.pid))\ntime.sleep(30)",
    )
    began = time.monotonic()
    with pytest.raises(BadArtifact, match="within 2 s"):
        rehearsal.of_bundle(bundle[0], sha256=bundle[1], seconds=2)
    assert time.monotonic() - began < 20  # it would live for 30
    child = Path("/proc") / note.read_text() / "stat"
    time.sleep(0.2)
    assert not child.exists() or child.read_text().split()[2] == "Z"


def test_it_sees_no_token_and_no_key(
    bundle: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GITHUB_TOKEN", "DVC_CONFIG_LOCAL", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "a secret")
    note = bundle[0].parent / "environment"
    instead(monkeypatch, f"import os; open({str(note)!r}, 'w').write(repr(dict(os.environ)))")
    rehearsal.of_bundle(bundle[0], sha256=bundle[1])
    assert "PATH" in note.read_text() and "a secret" not in note.read_text()


def test_without_what_loads_a_model_it_is_not_rehearsed(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after `pip install gitops-model[monitoring]`: bytes are fetched and verified all the same."""
    absent = (
        "import sys; sys.modules['onnxruntime'] = None\nimport importlib.util as u\nreal = u.find_spec\n"
        "u.find_spec = lambda name: None if name == 'onnxruntime' else real(name)\n"
        "from gitops_model.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    instead(monkeypatch, absent)
    said, watch = monitor(clone)
    found = way_back(watch)
    assert {s.state for s in found.values()} == {"withheld"} and not watch.alarms, said
    assert "not rehearsed: onnxruntime is not installed here" in said
    object_of(clone, "flight-delay-v2").unlink()
    (alarm,) = monitor(clone)[1].alarms
    assert "cannot be fetched" in alarm.sentence


def test_other_bytes_than_promised_are_refused(bundle: tuple[Path, str]) -> None:
    rehearsal.of_bundle(bundle[0], sha256=bundle[1])
    with pytest.raises(BadArtifact, match="was promised"):
        rehearsal.of_bundle(bundle[0], sha256="d" * 64)


# -- what the history of production.yaml says --------------------------------------------------------------------------


def test_a_squashed_history_is_said(clone: Clone) -> None:
    pointer = clone.pointer
    tree = clone.git("rev-parse", "HEAD^{tree}")
    clone.git("reset", "-q", "--hard", clone.git("commit-tree", tree, "-m", "Squashed"))
    said, watch = monitor(clone)
    assert pointer.previous is not None
    assert list(way_back(watch)) == ["way back flight-delay-v2"]
    assert "Which release served before flight-delay-v2 is not known" in said


def test_a_shallow_clone_is_said(clone: Clone, shipped: World, tmp_path: Path) -> None:
    shallow = Clone(tmp_path / "shallow")
    clone.git("clone", "-q", "--depth=1", f"file://{shipped.origin}", str(shallow.root))
    shutil.copytree(clone.root / ".dvc", shallow.root / ".dvc")
    said, watch = monitor(shallow)
    # Without tags the bundle has no name in DVC, and here there is no store.
    assert list(way_back(watch)) == ["way back flight-delay-v2"]
    assert "not known" in said and "git fetch --unshallow" in said


def test_after_a_rollback_the_release_that_was_left_is_no_way_back(clone: Clone) -> None:
    clone.ok("rollback", "--reason", "wrong")
    assert list(way_back(monitor(clone)[1])) == ["way back flight-delay-v1"]


def test_a_canary_changes_nothing(clone: Clone) -> None:
    clone.release(4)
    clone.ship("--canary", "10")
    found = list(way_back(monitor(clone)[1]))
    assert found == ["way back flight-delay-v2", "way back flight-delay-v1"]
