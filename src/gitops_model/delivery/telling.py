"""What people should hear of at once: a canary that was taken out or is ok, a release that does not load.

The agent posts `{"text": …}` to a webhook of their chat, whose address stands in an environment variable, for it is a
secret. Level-triggered: each look tells what is so and was not told yet. One post at a time, in a thread of its own, so
that nothing ever waits for a chat. `told.json` in the store remembers what was told, past a restart.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gitops_model import strict_json
from gitops_model.delivery import canary, service
from gitops_model.delivery.confirm import StillLoading
from gitops_model.errors import BadArtifact, BadInput, GitopsError, os_words
from gitops_model.files import canonical_json, write_atomic
from gitops_model.formats.pointer import Pointer

MOST_BYTES = 100_000
MOST_TOLD = 200
MOST_WORDS = 1500
FIRST_PAUSE = 2.0
LONGEST_PAUSE = 300.0
CONNECT_SECONDS = 3.05
READ_SECONDS = 10.0
# What passes by itself, and what is told as a canary that was taken out.
_NOT_TOLD = frozenset({"read", "removed"})
# Chats make pings and links of these, and a sentence may quote a bundle.
_HARMLESS = str.maketrans({"<": "‹", ">": "›", "@": "＠"})

# Tells people one text; returns None, or why that failed, without the address.
Post = Callable[[str], str | None]


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something to be told once. `key` is what makes it the same event."""

    key: str
    text: str


def events(
    state: Mapping[str, Any] | None, pointer: Pointer, *, failed: str | None = None, link: str = ""
) -> list[Event]:
    """What is to be told of a service's /status (None: it cannot be asked), by the pointer that main wants.

    `failed` is what the last deploy found wrong with a release. `link` says where a pull request is to be had at once.
    """
    found = []
    if failed is not None:
        found.append(Event(key=f"failed {failed}"[:300], text=failed))
    if state is None:
        return found
    wanted = pointer.canary
    for one in state.get("removed") or ():
        if wanted is not None and one["sha256"] == wanted.sha256:
            key = f"removed {one['sha256']} {one['at']}"
            text = canary.removal({"removed": [one]}, pointer) or ""
            found.append(Event(key=key, text=" ".join(part for part in (text, link) if part)))
    judged = state.get("canary") or {}
    named = wanted is not None and judged.get("sha256") == wanted.sha256
    if named and judged["verdict"] != "not yet":
        key = f"{judged['verdict']} {judged['stable']} {judged['sha256']}"
        found.append(Event(key=key, text=canary.notes(state, pointer)[0]))
    if failed is None:
        # What a deploy found is what the service found.
        commit = (state.get("desired") or {}).get("commit")
        for error in state.get("errors") or ():
            # That nothing was deployed yet is no news.
            new = error["reason"] != "missing" or error["sha256"] is not None
            if new and error["reason"] not in _NOT_TOLD:
                key = f"failed {error['reason']} {error['sha256']} {commit}"
                found.append(Event(key=key, text=str(error["sentence"])))
    return found


class Teller:
    """Tells each event once. `look` never waits: a post runs in a thread, and the next look sees how it ended."""

    def __init__(
        self, memory: Path, *, post: Post, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._memory = memory
        self._post = post
        self._clock = clock
        self._told = list(_read(memory))
        self._thread: threading.Thread | None = None
        self._ended: tuple[Event, str | None] | None = None
        self._failures = 0
        self._not_before = 0.0
        self._said = ""
        self._refused = ""

    def look(self, found: Sequence[Event]) -> None:
        """Take in how the last post ended, and begin the next one if something is to be told."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._thread = None
        self._take_in()
        if self._clock() < self._not_before:
            return
        # What the chat refused last waits until the others were told.
        untold = (one for one in found if one.key not in self._told)
        due = min(untold, key=lambda one: one.key == self._refused, default=None)
        if due is not None:
            self._thread = threading.Thread(target=self._tell, args=(due,), daemon=True)
            self._thread.start()

    def wait(self, seconds: float) -> None:
        """Wait until the post that is under way has ended, at most so long."""
        if self._thread is not None:
            self._thread.join(seconds)

    def close(self) -> None:
        """Remember what was told last. Waits for a post that is under way, which is bounded in time."""
        self.wait(CONNECT_SECONDS + READ_SECONDS)
        self._take_in()

    def _take_in(self) -> None:
        if self._ended is not None:
            ended, self._ended = self._ended, None
            self._take(*ended)

    def _tell(self, event: Event) -> None:
        self._ended = (event, self._post(plain(event.text)))

    def _take(self, event: Event, problem: str | None) -> None:
        if problem is not None:
            self._refused = event.key
            self._failures += 1
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self._failures - 1, 10))
            self._not_before = self._clock() + pause
            self._say(f"the webhook was not reached: {problem}; it is tried again")
            return
        self._failures, self._not_before, self._said, self._refused = 0, 0.0, "", ""
        self._told = [*self._told, event.key][-MOST_TOLD:]
        try:
            write_atomic(self._memory, canonical_json({"schema": 1, "told": self._told}))
        except OSError as error:
            self._say(f"a restart would tell it again: {os_words(error)}")
        print(f"deploy: told by the webhook: {event.text}", flush=True)

    def _say(self, words: str) -> None:
        """Once for the same trouble."""
        if words != self._said:
            self._said = words
            print(f"deploy: {words}.", flush=True)


class Herald:
    """The agent's part of it: asks the service for its state at each look, and keeps what a deploy found wrong."""

    def __init__(self, teller: Teller, *, url: str | None, link: str) -> None:
        self._teller = teller
        self._url = url
        self._link = link
        self._failed: str | None = None

    def deployed(self, problem: BadArtifact | StillLoading | None) -> None:
        """A deploy ended; `problem` is None where it went well, else names the release and what is wrong with it."""
        passes = isinstance(problem, BadArtifact) and problem.reason in _NOT_TOLD
        self._failed = None if problem is None or passes else str(problem)

    def close(self) -> None:
        """The agent ends."""
        self._teller.close()

    def look(self, pointer: Pointer) -> None:
        """Tell what is to be told. Raises nothing: whatever is wrong here must not keep the agent from deploying."""
        state = None
        try:
            state = service.status(self._url) if self._url is not None else None
            found = events(state, pointer, failed=self._failed, link=self._link)
        except (GitopsError, LookupError, TypeError, AttributeError):
            # Something else listens there, or a service that words its state in another way.
            found = events(None, pointer, failed=self._failed)
        self._teller.look(found)


def plain(text: str) -> str:
    """One short paragraph that pings nobody and links nowhere by itself."""
    line = " ".join(text.split()).translate(_HARMLESS)
    return line if len(line) <= MOST_WORDS else line[: MOST_WORDS - 1] + "…"


def address(name: str, environ: Mapping[str, str]) -> str:
    """The webhook's address, from the environment variable `name`. Raises BadInput, which never quotes it."""
    url = environ.get(name, "").strip()
    if not url:
        raise BadInput(
            f"serving.yaml: webhook names the environment variable {name}, which is not set; nobody is told. Write "
            f"{name}=https://… into the agent's environment (docs/SERVING.md), and start it again."
        )
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isprintable():
        raise BadInput(
            f"the environment variable {name} holds no address of a webhook; allowed: https://host/… Nobody is told."
        )
    return url


def poster(url: str) -> Post:
    """Posts JSON with `text`, as Slack, Mattermost and others take it. Bounded in time, follows no redirect."""

    def post(text: str) -> str | None:
        # Two tenths of a second to import, and only needed when there is something to tell.
        import requests

        timeout = (CONNECT_SECONDS, READ_SECONDS)
        try:
            # The body of the answer says nothing that matters, and is not read.
            with requests.post(
                url, json={"text": text}, timeout=timeout, stream=True, allow_redirects=False
            ) as answer:
                code = answer.status_code
        # The words of an error may hold the address, which is a secret.
        except (requests.RequestException, OSError, ValueError) as error:
            return type(error).__name__
        return None if 200 <= code < 300 else f"it answered {code}"

    return post


def herald(root: Path, *, memory: Path, url: str | None, link: str) -> Herald | None:
    """What `webhook` in serving.yaml asks for; None where nobody is to be told, or it cannot be done, which is said."""
    name = service.settings(root).get("webhook")
    if name is None:
        return None
    try:
        target = address(name, os.environ)
    except BadInput as error:
        # An agent that cannot tell still deploys.
        print(f"deploy: {error}", flush=True)
        return None
    print(f"deploy: events are told to the webhook in {name}.", flush=True)
    return Herald(Teller(memory, post=poster(target)), url=url, link=link)


def _read(memory: Path) -> list[str]:
    try:
        found = strict_json.parse(memory.read_bytes(), name=memory.name, most_bytes=MOST_BYTES)
    except (OSError, BadInput):
        return []
    told = found.get("told") if isinstance(found, dict) and found.get("schema") == 1 else None
    return [str(key) for key in told] if isinstance(told, list) else []
