"""Where bundles come from, and what GitHub and git may answer."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gitops_model.delivery import assets, confirm, fetch
from gitops_model.delivery.git import Git
from gitops_model.delivery.lock_file import Lock
from gitops_model.errors import BadArtifact, BadInput, ExternalFailure
from gitops_model.files import sha256_bytes
from gitops_model.formats.pointer import Ref
from tests.support.world import Clone, World

DATA = b"the bundle"
REF = Ref(model="flight-delay-v1", sha256=sha256_bytes(DATA))


class Hub:
    """The two calls of GitHub's API that a download makes. `trouble` answers the next requests instead."""

    def __init__(self) -> None:
        self.asset = DATA
        self.name = "model.tar"
        self.trouble: list[int] = []
        self.tokens: list[str | None] = []
        self.paths: list[str] = []
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.tokens.append(self.headers.get("Authorization"))
                hub.paths.append(self.path)
                status, body = hub.answer(self.path, self.headers.get("Accept", ""))
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, path: str, accept: str) -> tuple[int, bytes]:
        if self.trouble:
            return self.trouble.pop(0), b'{"message": "trouble"}'
        if path == "/repos/acme/flights/releases/tags/flight-delay-v1":
            asset = {
                "id": 5,
                "name": self.name,
                "url": f"{self.url}/repos/acme/flights/releases/assets/5",
            }
            return 200, json.dumps({"id": 1, "tag_name": REF.model, "assets": [asset]}).encode()
        if path == "/repos/acme/flights/releases/assets/5" and "octet-stream" in accept:
            return 200, self.asset
        return 404, b'{"message": "Not Found"}'


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    made = Hub()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    monkeypatch.setenv("GITHUB_API_URL", made.url)
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    monkeypatch.delenv("GH_TOKEN", raising=False)
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.fixture
def places(tmp_path: Path) -> fetch.Places:
    return fetch.Places(
        root=tmp_path, store=tmp_path / "store", origin="git@github.com:acme/flights.git"
    )


def test_a_repository_without_storage_fetches_from_its_release(
    hub: Hub, places: fetch.Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fetch.into_store(REF, md5=None, places=places) == "the GitHub Release of acme/flights"
    assert places.store is not None
    assert fetch.bundle_path(places.store, REF.sha256).read_bytes() == DATA
    assert hub.tokens[0] is None
    assert fetch.into_store(REF, md5=None, places=places) == "the store"
    monkeypatch.setenv("GITHUB_TOKEN", "ghs_secret")
    found = fetch.find(REF, md5=None, places=fetch.Places(root=places.root, origin=places.origin))
    assert found.data == DATA
    assert "ghs_secret" in (hub.tokens[-1] or "")


def test_what_may_pass_is_tried_again(hub: Hub, places: fetch.Places) -> None:
    hub.trouble = [502, 503]
    assert fetch.find(REF, md5=None, places=places).data == DATA


def _other_bytes(hub: Hub) -> None:
    hub.asset = b"other bytes"


def _no_asset(hub: Hub) -> None:
    hub.name = "README.md"


def _no_release(hub: Hub) -> None:
    hub.trouble = [404]


def _refused(hub: Hub) -> None:
    hub.trouble = [401]


@pytest.mark.parametrize(
    ("arrange", "sentence", "reason"),
    [
        (_other_bytes, "the GitHub Release of acme/flights: holds other bytes (sha256", "sha256"),
        (_no_asset, "release flight-delay-v1 has no file model.tar", "missing"),
        (_no_release, "no release of that id; a private repository needs GITHUB_TOKEN", "missing"),
        (_refused, "the API answered 401", "missing"),
    ],
)
def test_what_github_may_answer(
    hub: Hub, places: fetch.Places, arrange: Callable[[Hub], None], sentence: str, reason: str
) -> None:
    arrange(hub)
    with pytest.raises(BadArtifact) as caught:
        fetch.into_store(REF, md5=None, places=places)
    assert sentence in str(caught.value)
    assert "Tried: the store: not there; build/model.tar: not there;" in str(caught.value)
    assert caught.value.reason == reason
    assert places.store is not None and not (places.store / "bundles").exists()


def test_offline_asks_nobody(hub: Hub, places: fetch.Places) -> None:
    with pytest.raises(BadArtifact):
        fetch.find(REF, md5="0" * 32, places=places, offline=True)
    assert hub.paths == []


@pytest.mark.parametrize(
    ("origin", "slug"),
    [
        ("git@github.com:acme/flights.git", "acme/flights"),
        ("https://github.com/acme/flights", "acme/flights"),
        ("https://x-access-token:abc@github.com/acme/flights.git", "acme/flights"),
        ("ssh://git@github.com/acme/fl.ights.git", "acme/fl.ights"),
        ("https://gitlab.com/acme/flights.git", None),
        ("https://github.com.evil.example/acme/flights", None),
        ("/srv/git/flights.git", None),
        (None, None),
    ],
)
def test_slug(origin: str | None, slug: str | None) -> None:
    assert assets.slug(origin) == slug


def test_a_token_in_origins_address_is_never_shown(clone: Clone) -> None:
    clone.git("remote", "set-url", "origin", "http://me:ghs_secret@127.0.0.1:1/x.git")
    fetched = Git.open(clone.root).fetch(branch="main")
    assert not fetched.reached
    assert "ghs_secret" not in fetched.problem
    assert "127.0.0.1" in fetched.problem


def test_git_that_hangs_is_given_up(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        clone.git("remote", "set-url", "origin", f"http://127.0.0.1:{port}/x.git")
        fetched = Git.open(clone.root).fetch(branch="main", timeout=0.5)
    assert fetched.problem == "`git fetch` gave no answer within 0.5 s."


def test_git_that_is_not_there(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ExternalFailure, match="git is not installed"):
        Git(root=clone.root).out("status")


def test_two_tags_are_not_one(world: World, clone: Clone) -> None:
    git = Git.open(clone.root)
    clone.git("tag", "-a", "flight-delay-v1", "-m", "one\n\ntwo\n")
    clone.git("tag", "-a", "flight-delay-v10", "-m", "ten")
    clone.git("tag", "flight-delay-v2")
    assert [tag.name for tag in git.tags("flight-delay-v*")] == [
        "flight-delay-v1",
        "flight-delay-v10",
    ]
    tag = git.tag("flight-delay-v1")
    assert tag is not None
    assert tag.message.strip() == "one\n\ntwo"
    assert tag.commit == git.need("HEAD") != tag.object


@pytest.mark.parametrize(
    ("found", "expected", "agree"),
    [
        ({"late": True, "probability": 0.7}, {"late": True, "probability": 0.7}, True),
        ({"late": True, "probability": 0.7000001}, {"late": True, "probability": 0.7}, True),
        ({"late": True, "probability": 0.71}, {"late": True, "probability": 0.7}, False),
        ({"late": False, "probability": 0.7}, {"late": True, "probability": 0.7}, False),
        ({"late": False, "probability": 0.4999999}, {"late": True, "probability": 0.5}, True),
        ({"late": True}, {"late": True, "probability": 0.7}, False),
        ({"late": True, "probability": 0.7, "x": 1}, {"late": True, "probability": 0.7}, False),
        ({"late": True, "probability": None}, {"late": True, "probability": 0.7}, False),
        ({"late": 1, "probability": 0.7}, {"late": True, "probability": 0.7}, True),
        ({"m": 1000.001, "unit": "min"}, {"m": 1000.0, "unit": "min"}, True),
        ({"m": 1000.1, "unit": "min"}, {"m": 1000.0, "unit": "min"}, False),
        (
            {"k": "a", "probabilities": {"a": 0.6, "b": 0.4}},
            {"k": "a", "probabilities": {"a": 0.6, "b": 0.4}},
            True,
        ),
        (
            {"k": "a", "probabilities": {"a": 0.6, "c": 0.4}},
            {"k": "a", "probabilities": {"a": 0.6, "b": 0.4}},
            False,
        ),
        ([], {"late": True}, False),
        (None, {"late": True}, False),
    ],
)
def test_same_output(found: object, expected: object, agree: bool) -> None:
    assert confirm.same(found, expected, tolerance=1e-5) is agree


@pytest.mark.parametrize(
    "text",
    ["", "stages: 3\n", "- a\n", "<<<<<<< HEAD\n", "stages: {package: 1}\n", "schema: '2.0'\n"],
)
def test_odd_lock_files(text: str) -> None:
    try:
        assert Lock.parse(text).outs == {}
    except BadInput as error:
        assert str(error).startswith("dvc.lock") and str(error).endswith("make train")
