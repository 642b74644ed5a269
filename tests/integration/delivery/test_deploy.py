from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gitops_model.delivery import dvc, service
from gitops_model.delivery.store import Store
from gitops_model.formats.pointer import Pointer, Ref, switch
from tests.support.factories import contract_dict, make_bundle
from tests.support.world import Clone, World, served


def test_deploy_is_idempotent_and_writes_what_the_service_reads(two: Clone) -> None:
    done = two.ok("deploy")
    assert "stored: flight-delay-v1 (was nothing)" in done.out
    stored = two.stored
    assert stored["schema"] == 1
    assert stored["commit"] == two.git("rev-parse", "HEAD")
    assert stored["pointer"] == two.pointer.to_dict()
    bundle = two.store / "bundles" / f"{stored['pointer']['stable']['sha256']}.tar"
    assert bundle.is_file()
    before = (two.store / "pointer.json").stat().st_ino
    assert "as before" in two.ok("deploy").out
    assert (two.store / "pointer.json").stat().st_ino == before


def test_what_is_on_main_at_origin_counts(shipped: World, two: Clone) -> None:
    two.ok("ship", "flight-delay-v2", "--commit")
    done = two.ok("deploy")
    assert "has commits that origin lacks; they are not deployed" in done.out
    assert two.stable() == "flight-delay-v1"
    two.ok("deploy", "--ref", "HEAD")
    assert two.stable() == "flight-delay-v2"
    other = shipped.clone()
    other.ok("deploy", "--store", str(two.store))
    assert two.stable() == "flight-delay-v1"


def test_without_origin_the_newest_that_is_known(shipped: World, two: Clone) -> None:
    two.ship("flight-delay-v2")
    stale = shipped.clone()
    two.ok("deploy")
    two.ok("rollback")
    shipped.hide_origin()
    done = two.ok("deploy")
    assert "origin cannot be reached" in done.out
    assert "using this clone's main" in done.out
    assert two.stable() == "flight-delay-v1"
    stale.git("reset", "-q", "--hard", "HEAD~1")
    assert "using origin/main as last seen" in stale.run("deploy").text


def _bundle_of(clone: Clone, model: str) -> Path:
    text = clone.git("tag", "-l", "--format=%(contents)", model)
    md5 = next(line.split()[1] for line in text.splitlines() if line.strip().startswith("md5:"))
    return dvc.cached(clone.root, md5)


def _forward(clone: Clone) -> Pointer:
    sha = next(
        line.split()[1]
        for line in clone.git("tag", "-l", "--format=%(contents)", "flight-delay-v2").splitlines()
        if line.startswith("sha256:")
    )
    return switch(clone.pointer, Ref(model="flight-delay-v2", sha256=sha))


def _missing(clone: Clone) -> None:
    clone.point(switch(clone.pointer, Ref(model="flight-delay-v9", sha256="a" * 64)))


def _wrong_sha(clone: Clone) -> None:
    clone.point(switch(clone.pointer, Ref(model="flight-delay-v2", sha256="a" * 64)))


def _moved(clone: Clone) -> None:
    clone.point(_forward(clone))
    clone.git("push", "-q", "--force", "origin", "HEAD~1:refs/tags/flight-delay-v2")


def _truncated(clone: Clone) -> None:
    clone.point(_forward(clone))
    path = _bundle_of(clone, "flight-delay-v2")
    path.write_bytes(path.read_bytes()[:-512])
    (clone.root / "build/model.tar").unlink()


def _swapped(clone: Clone) -> None:
    clone.point(_forward(clone))
    data = _bundle_of(clone, "flight-delay-v1").read_bytes()
    _bundle_of(clone, "flight-delay-v2").write_bytes(data)
    (clone.root / "build/model.tar").unlink()


def _gone(clone: Clone) -> None:
    clone.point(_forward(clone))
    _bundle_of(clone, "flight-delay-v2").unlink()
    (clone.root / "build/model.tar").unlink()


def _breaking(clone: Clone) -> None:
    contract = contract_dict()
    del contract["inputs"]["weekend"]
    golden = [{"inputs": {"hour": 1}, "score": 0.5, "output": {}}]
    model = clone.release(6, contract=contract, golden=golden)
    sha = make_bundle(seed=6, contract=contract, golden=golden)[1]
    clone.point(switch(clone.pointer, Ref(model=model, sha256=sha)))


def _bad_yaml(clone: Clone) -> None:
    clone.write("production.yaml", "stable: nobody\n")
    clone.commit("By hand", "production.yaml")
    clone.push()


def _no_file(clone: Clone) -> None:
    clone.git("rm", "-q", "production.yaml")
    clone.git("commit", "-q", "-m", "Remove")
    clone.push()


def _nothing(clone: Clone) -> None:
    clone.point(Pointer())


REFUSALS: list[tuple[Callable[[Clone], None], int, str]] = [
    (_missing, 4, "flight-delay-v9 is not a release: there is no tag of that name."),
    (
        _wrong_sha,
        4,
        "production.yaml says flight-delay-v2 is aaaaaaaaaaaa…, but the release's record",
    ),
    (_moved, 4, "tag flight-delay-v2 is another one on origin than in this clone: it was moved"),
    (_truncated, 4, "the DVC cache: holds other bytes (sha256 "),
    (_swapped, 4, "the DVC cache: holds other bytes (sha256 "),
    (
        _gone,
        4,
        "was not found in any source. Tried: the store: not there; build/model.tar: not there;",
    ),
    (_breaking, 4, "would break today's callers of flight-delay-v1: the input weekend was removed"),
    (_bad_yaml, 2, ": stable is 'nobody'; allowed: {model: <task>-v<N>, sha256: <64 hex digits>}"),
    (_no_file, 4, "has no production.yaml."),
    (_nothing, 1, "names no release; flight-delay-v1 keeps serving. To stop answering, stop"),
]


@pytest.mark.parametrize(("arrange", "code", "sentence"), REFUSALS)
def test_refusals_leave_the_store_as_it_was(
    two: Clone, arrange: Callable[[Clone], None], code: int, sentence: str
) -> None:
    two.ok("deploy")
    before = (two.store / "pointer.json").read_bytes()
    arrange(two)
    done = two.run("deploy")
    assert sentence in done.err
    assert len(done.err.splitlines()) == 1 or arrange is _bad_yaml
    assert done.code == code
    assert (two.store / "pointer.json").read_bytes() == before


def test_a_damaged_file_in_the_store_is_replaced(two: Clone) -> None:
    two.ok("deploy")
    path = next((two.store / "bundles").glob("*.tar"))
    good = path.read_bytes()
    path.write_bytes(good[:-1])
    done = two.ok("deploy")
    assert "flight-delay-v1 fetched from the DVC cache." in done.out
    assert path.read_bytes() == good


def test_a_rollback_does_not_fail_over_a_tag(two: Clone) -> None:
    two.ok("deploy")
    two.ship("flight-delay-v2")
    two.ok("deploy")
    two.ok("rollback")
    two.git("tag", "-d", "flight-delay-v1")
    two.git("push", "-q", "origin", ":refs/tags/flight-delay-v1")
    done = two.ok("deploy", "--ref", "HEAD")
    assert "going back although flight-delay-v1 is not a release" in done.out
    assert two.stable() == "flight-delay-v1"


def test_a_lost_previous_is_said_and_holds_nothing_up(two: Clone) -> None:
    two.ship("flight-delay-v2")
    _bundle_of(two, "flight-delay-v1").unlink()
    done = two.ok("deploy")
    assert "no quick way back: the bundle of flight-delay-v1" in done.out
    assert two.stable() == "flight-delay-v2"


def test_bundles_nobody_names_are_deleted(two: Clone) -> None:
    two.ok("deploy")
    stray = two.store / "bundles" / ("f" * 64 + ".tar")
    stray.write_bytes(b"x")
    two.ship("flight-delay-v2")
    two.ok("deploy")
    assert not stray.exists()
    assert len(list((two.store / "bundles").glob("*.tar"))) == 2


def test_a_second_deploy_waits_and_deploys_what_is_desired_then(two: Clone) -> None:
    two.ok("deploy")
    code = "import sys; from gitops_model.cli import main; sys.exit(main(['deploy']))"
    with Store(folder=two.store).locked():
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=two.root,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert "another deploy is at work" in process.stdout.readline()
        two.ship("flight-delay-v2")
        assert two.stable() == "flight-delay-v1"
    assert process.wait(30) == 0
    assert two.stable() == "flight-delay-v2"
    process.stdout.close()


def test_a_release_the_service_refuses_is_taken_back(two: Clone, tmp_path: Path) -> None:
    """Golden answers that are not the model's: nothing before the service can know."""
    two.ok("deploy")
    with served(two, tmp_path):
        two.ok("deploy")
        inputs = {"distance": 184.0, "hour": 6, "carrier": "AA", "weekend": True}
        golden = [
            {"inputs": inputs, "score": 0.123, "output": {"delayed": False, "probability": 0.123}}
        ]
        model = two.release(8, golden=golden)
        two.ship(model)
        done = two.run("deploy")
        assert done.code == 4
        assert f"{model} is not served" in done.err
        assert "The store points to flight-delay-v1 again, which serves." in done.err
        assert f"main still asks for {model}: go back there too with `make rollback`." in done.err
        assert two.stable() == "flight-delay-v1"
        assert two.run("status").code == 1
        two.ok("rollback")
        two.push()
        assert "live: flight-delay-v1 (as before)" in two.ok("deploy").out
        assert two.ok("status").code == 0


def test_a_crash_between_pointer_and_confirmation_is_healed(two: Clone, tmp_path: Path) -> None:
    """The pointer of a bad release is in the store, its deploy was killed: the next one goes back all the same."""
    two.ok("deploy")
    with served(two, tmp_path):
        two.ok("deploy")
        golden = [
            {
                "inputs": {"distance": 184.0, "hour": 6, "carrier": "AA", "weekend": True},
                "score": 0.123,
                "output": {"delayed": False, "probability": 0.123},
            }
        ]
        two.ship(two.release(8, golden=golden))
        data = make_bundle(seed=8, golden=golden)
        (two.store / "bundles" / f"{data[1]}.tar").write_bytes(data[0])
        text = {**two.stored, "commit": two.git("rev-parse", "HEAD"), "written_at": "now"}
        text["pointer"] = two.pointer.to_dict()
        (two.store / "pointer.json").write_text(json.dumps(text))
        assert two.run("deploy").code == 4
        assert two.stable() == "flight-delay-v1"


def test_no_service_where_one_is_demanded(two: Clone, tmp_path: Path) -> None:
    with served(two, tmp_path) as server:
        server.kill()
        done = two.run("deploy", "--confirm")
        assert done.code == 5
        assert "the store is ready, but no service answers at" in done.err
        assert "Start it: make serve." in two.ok("deploy").out


def test_another_service_at_that_address(two: Clone) -> None:
    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        two.write(
            "serving.yaml",
            f"host: 127.0.0.1\nport: 1\nurl: http://127.0.0.1:{server.server_port}\n",
        )
        done = two.run("deploy")
        server.shutdown()
        thread.join()
    assert done.code == 5
    assert "is not this service; check url in serving.yaml" in done.err


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"output": {"delayed": True, "probability": 0.999}}, "but {'delayed': "),
        ({"route": "fallback"}, "answers golden-1 of flight-delay-v2 with the fallback."),
    ],
)
def test_a_service_that_answers_differently_is_caught(
    two: Clone,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, object],
    sentence: str,
) -> None:
    """It says that it serves v2, and what it answers is not what v2 answers."""
    with served(two, tmp_path):
        two.ok("deploy")
        two.ship("flight-delay-v2")
        ask = service.predict
        monkeypatch.setattr(service, "predict", lambda url, body: {**ask(url, body), **change})
        done = two.run("deploy")
    assert done.code == 4
    assert sentence in done.err
    assert "The store points to flight-delay-v1 again, which serves." in done.err
    assert two.stable() == "flight-delay-v1"


def test_a_canary_is_confirmed_and_the_stable_model_is_asked(two: Clone, tmp_path: Path) -> None:
    with served(two, tmp_path):
        two.ok("deploy")
        two.ship("--canary", "50")
        done = two.ok("deploy")
        assert "canary flight-delay-v2 at 50 %, 3 golden requests answered as recorded" in done.out
        assert two.ok("status").code == 0


def test_status_says_what_is_not_right(two: Clone, tmp_path: Path) -> None:
    assert two.run("status").code == 1
    with served(two, tmp_path):
        two.ok("deploy")
        two.ship("flight-delay-v2")
        late = two.run("status")
        assert late.code == 1
        assert "desired and live differ in stable" in late.out
        two.ok("deploy")
        done = two.ok("status")
        assert "yes (the store)" in done.out
        assert "All is well" in done.out
        facts = json.loads(two.ok("status", "--json").out)
        assert facts["problems"] == []
        assert [line["role"] for line in facts["lines"]] == ["stable", "rollback target"]
        _bundle_of(two, "flight-delay-v1").unlink()
        for path in (two.store / "bundles").glob("*.tar"):
            if two.stored["pointer"]["previous"]["sha256"] in path.name:
                path.unlink()
        lost = two.run("status")
        assert lost.code == 1
        assert "flight-delay-v1 (rollback target) cannot be restored" in lost.out
