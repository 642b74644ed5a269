"""The agent tells people by a webhook: each event once, whatever the chat does, and never its address."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from gitops_model.delivery import telling
from gitops_model.delivery.confirm import StillLoading
from gitops_model.delivery.telling import Event, Herald, Teller, events, poster
from gitops_model.errors import BadArtifact, BadInput
from gitops_model.formats.pointer import Canary, Pointer, Ref
from tests.support.chat import SECRET, Chat

POINTER = Pointer(
    stable=Ref(model="m-v1", sha256="a" * 64),
    canary=Canary(model="m-v2", sha256="c" * 64, percent=10),
)
REMOVED = {
    "model": "m-v2",
    "sha256": "c" * 64,
    "at": "2026-01-01T00:00:00Z",
    "sentence": "out: 5 %",
}
OK = {
    "model": "m-v2",
    "sha256": "c" * 64,
    "stable": "m-v1",
    "verdict": "ok",
    "proposal": "make ship MODEL=m-v2",
    "shift": None,
}


def failure(reason: str) -> dict[str, Any]:
    return {"model": "m-v2", "sha256": "c" * 64, "reason": reason, "sentence": "m-v2 is damaged."}


def state(**more: Any) -> dict[str, Any]:
    known = {"desired": {"commit": "f" * 40}, "live": {}, "canary": None, "removed": []}
    return {**known, "errors": [], **more}


class Turns:
    """A teller whose looks are a second apart, each of which waits for the post that it began."""

    def __init__(self, chat: Chat, memory: Path) -> None:
        self.now = 0.0
        self.teller = Teller(memory, post=poster(chat.url), clock=lambda: self.now)

    def look(self, found: list[Event], seconds: int = 2) -> None:
        for _ in range(seconds):
            self.teller.look(found)
            self.teller.wait(10)
            self.now += 1


def test_what_is_told() -> None:
    assert events(state(), POINTER) == [] and events(None, POINTER) == []
    (one,) = events(state(removed=[REMOVED]), POINTER, link="Open it: https://x.")
    assert one.text == "out: 5 % Open it: https://x."
    # Forgiven and taken out once more is another event.
    (again,) = events(state(removed=[{**REMOVED, "at": "2026-01-02T00:00:00Z"}]), POINTER)
    assert again.key != one.key
    (ok,) = events(state(canary=OK), POINTER)
    assert ok.text == "make ship MODEL=m-v2."
    assert (
        events(state(canary={**OK, "verdict": "not yet", "minutes": 1, "waits_for": []}), POINTER)
        == []
    )
    (failed,) = events(state(errors=[failure("golden")]), POINTER)
    assert failed.text == "m-v2 is damaged."
    # What passes by itself, or is told as a removal.
    assert events(state(errors=[failure("read"), failure("removed")]), POINTER) == []
    empty = {"model": None, "sha256": None, "reason": "missing", "sentence": "no pointer"}
    assert events(state(errors=[empty]), POINTER) == []
    assert len(events(state(errors=[failure("missing")]), POINTER)) == 1
    # A canary that main does not name any more is nobody's business.
    rest = Pointer(stable=POINTER.stable)
    assert events(state(removed=[REMOVED], canary=OK), rest) == []


def test_what_a_failed_deploy_and_the_service_say_is_one_event() -> None:
    found = events(state(errors=[failure("golden")]), POINTER, failed="m-v2 is damaged.")
    assert [one.text for one in found] == ["m-v2 is damaged."]


def test_each_event_is_told_once_and_a_restart_remembers(chat: Chat, tmp_path: Path) -> None:
    memory = tmp_path / "told.json"
    found = events(state(removed=[REMOVED], errors=[failure("sha256")]), POINTER)
    Turns(chat, memory).look(found, 5)
    assert chat.texts == ["out: 5 %", "m-v2 is damaged."]
    Turns(chat, memory).look(found, 5)
    assert len(chat.texts) == 2
    Turns(chat, memory).look(events(state(canary=OK), POINTER))
    assert chat.texts[2:] == ["make ship MODEL=m-v2."]
    memory.write_text("[")
    Turns(chat, memory).look(found)
    assert len(chat.texts) == 5  # a memory that cannot be read tells once more rather than never


def test_a_chat_that_fails_is_tried_again_after_pauses_and_its_address_is_never_said(
    chat: Chat, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # A redirect is not followed: nobody knows where it leads.
    chat.answers = [500, 302, 404, 200]
    turns = Turns(chat, tmp_path / "told.json")
    found = events(state(removed=[REMOVED]), POINTER)
    turns.look(found, 6)
    assert chat.answers == [404, 200] and chat.texts == []
    turns.look(found, 20)
    assert chat.texts == ["out: 5 %"] and chat.followed == 0
    closed = Teller(tmp_path / "other.json", post=poster("http://127.0.0.1:9/" + SECRET))
    for _ in range(3):
        closed.look(found)
        closed.wait(10)
    said = capsys.readouterr().out
    assert SECRET not in said and "it answered 500" in said and "ConnectionError" in said
    assert said.count("told by the webhook") == 1


def test_an_event_that_the_chat_refuses_keeps_no_other_from_being_told(tmp_path: Path) -> None:
    heard: list[str] = []

    def post(text: str) -> str | None:
        heard.append(text)
        return "it answered 400" if text == "odd" else None

    now = [0.0]
    teller = Teller(tmp_path / "told.json", post=post, clock=lambda: now[0])
    both = [Event(key="1", text="odd"), Event(key="2", text="out of routing")]
    for _ in range(20):
        teller.look(both)
        teller.wait(10)
        now[0] += 5
    assert heard.count("out of routing") == 1 and heard.count("odd") > 1


def test_what_was_told_before_an_orderly_end_is_not_told_again(chat: Chat, tmp_path: Path) -> None:
    memory, found = tmp_path / "told.json", [Event(key="1", text="out of routing")]
    for _ in range(2):
        teller = Teller(memory, post=poster(chat.url))
        teller.look(found)
        teller.close()
    assert len(chat.texts) == 1


def test_a_release_that_is_still_loading_when_time_is_up_is_told(tmp_path: Path) -> None:
    heard: list[str] = []
    teller = Teller(tmp_path / "told.json", post=heard.append)
    herald = Herald(teller, url=None, link="")
    herald.deployed(StillLoading("after 90 s the service still serves m-v1; it is loading m-v2."))
    herald.look(POINTER)
    herald.close()
    assert heard == ["after 90 s the service still serves m-v1; it is loading m-v2."]


def test_a_chat_that_hangs_holds_nobody_up(chat: Chat, tmp_path: Path) -> None:
    chat.answers = ["hang"]
    teller = Teller(tmp_path / "told.json", post=poster(chat.url))
    found = events(state(removed=[REMOVED]), POINTER)
    started = time.monotonic()
    for _ in range(100):
        teller.look(found)
    assert time.monotonic() - started < 1 and chat.texts == []
    chat.released.set()


def test_an_event_that_is_over_before_it_was_told_is_dropped(chat: Chat, tmp_path: Path) -> None:
    chat.answers = [500]
    turns = Turns(chat, tmp_path / "told.json")
    turns.look(events(state(removed=[REMOVED]), POINTER))
    turns.look([], 10)
    assert chat.texts == []


def test_what_a_bundle_says_pings_nobody() -> None:
    told = telling.plain("<!channel> @here <https://x|y>\n" + "z" * 5000)
    assert not set("<>@\n") & set(told) and len(told) == telling.MOST_WORDS


@pytest.mark.parametrize(
    "url", ["", "secret", "ftp://x/secret", "https:///secret", "https://x/a\tb"]
)
def test_an_address_that_is_none_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(BadInput) as caught:
        telling.address("MODEL_WEBHOOK", {"MODEL_WEBHOOK": url})
    assert "secret" not in str(caught.value) and "MODEL_WEBHOOK" in str(caught.value)


def test_a_service_that_is_another_one_stops_nothing(
    chat: Chat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Any] = [{"removed": [{}]}, {"canary": "x"}, {"errors": 7}, state()]
    monkeypatch.setattr(telling.service, "status", lambda url: answers.pop(0))
    teller = Teller(tmp_path / "told.json", post=poster(chat.url))
    herald = Herald(teller, url="http://x", link="")
    # What was refused for a removal is told as one; a lack of descriptors is not told.
    herald.deployed(BadArtifact("out", reason="removed"))
    for _ in range(3):
        herald.look(POINTER)
    assert chat.texts == []
    herald.deployed(BadArtifact("m-v2 is another file", reason="sha256"))
    herald.look(POINTER)
    teller.wait(10)
    assert chat.texts == ["m-v2 is another file"]
