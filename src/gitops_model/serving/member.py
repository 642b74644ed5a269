"""A worker's place among the others: what it tells them, what it hears, and what it says for all of them.

The supervisor is at the other end of a socket: a line of JSON every half second each way, at once where something
changed. What workers need of each other lies in the shared folder; see `shared`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gitops_model.serving import merging, shared
from gitops_model.serving.history import Minute
from gitops_model.serving.limits import Limits
from gitops_model.serving.merging import Family
from gitops_model.serving.shared import Board, Counts, Crew, Folder

logger = logging.getLogger("gitops_model.serving")

TELL_SECONDS = 0.5
# A worker that leaves answers on its open connections for so long, so that callers part from it by themselves.
LEAVE_SECONDS = 5.0
LONGEST_LINE = 1 << 24


@dataclass(frozen=True, kw_only=True)
class Knows:
    """What a worker can be asked by its member: functions of the service."""

    state: Callable[[], dict[str, Any]]
    counts: Callable[[], Counts]
    told: Callable[[], dict[str, Any] | None]
    hear: Callable[[list[dict[str, Any]]], None]
    limits: Limits


class Member:
    """`number` is this worker's alone, `place` its row on the board; `began` is when the service began (monotonic)."""

    def __init__(
        self, folder: Folder, board: Board, *, number: int, place: int, began: float
    ) -> None:
        self.number = number
        self.began = began
        self.gone = asyncio.Event()
        self.leaves = asyncio.Event()
        self._folder = folder
        self._board = board
        self._place = place
        self._row = board.row(place)
        self._crew = Crew()
        self._writer: asyncio.StreamWriter | None = None
        self._changed = asyncio.Event()
        # One thread: the files of a worker are written one after the other.
        self._hand = ThreadPoolExecutor(1, thread_name_prefix="share")

    @property
    def folder(self) -> Path:
        """What all workers of the service see."""
        return self._folder.path

    @property
    def owed(self) -> memoryview[int]:
        """Where the prediction log counts what it took and what it wrote."""
        return self._row[shared.TAKEN : shared.WRITTEN + 1]

    def changed(self) -> None:
        """Something happened that others want to know at once."""
        self._changed.set()

    def opened(self, *, ready: bool) -> None:
        """This worker accepts connections, and may be `ready` to answer them."""
        self._row[shared.READY], self._row[shared.OPEN] = int(ready), 1
        self._changed.set()

    def closed(self) -> None:
        """It accepts none."""
        self._row[shared.OPEN] = 0

    @property
    def others_ready(self) -> bool:
        """Whether somebody else accepts connections and can answer."""
        return self._board.others_ready(self._place)

    def gives_way(self, connections: int) -> bool:
        """Whether the next connection is another worker's, because that one has fewer than these."""
        self._row[shared.CONNECTIONS] = connections
        return shared.gives_way(connections, self._board.connections(self._place))

    async def run(self, channel: socket.socket, knows: Knows) -> None:
        """Tell and hear, until cancelled; then tell once more."""
        reader, self._writer = await asyncio.open_unix_connection(sock=channel, limit=LONGEST_LINE)
        hearing = asyncio.create_task(self._hear(reader, knows))
        try:
            while True:
                await self._publish(knows)
                self._balance(knows.limits)
                words = {"open": self._row[shared.OPEN], "ready": self._row[shared.READY]}
                self._send({**words, "saw": knows.told()})
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(TELL_SECONDS):
                        await self._changed.wait()
                self._changed.clear()
        finally:
            hearing.cancel()
            await self._publish(knows)
            self._writer.close()

    def _balance(self, limits: Limits) -> None:
        self._row[shared.CONNECTIONS] = limits.connections
        if not self.leaves.is_set():
            others = self._board.connections(self._place)
            limits.parting = shared.surplus(limits.connections, others)

    async def _hear(self, reader: asyncio.StreamReader, knows: Knows) -> None:
        try:
            # A supervisor that is killed leaves an error rather than an end where it had not read everything.
            with contextlib.suppress(ConnectionError):
                while line := await reader.readline():
                    self._heard(json.loads(line), knows)
        finally:
            self.gone.set()

    def _heard(self, said: Mapping[str, Any], knows: Knows) -> None:
        if "leave" in said:
            knows.limits.parting = 1 << 60
            self.leaves.set()
        else:
            self._crew = Crew.from_plain(said["crew"])
            knows.hear(said["verdicts"])

    def _send(self, message: Mapping[str, Any]) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(json.dumps(message).encode() + b"\n")

    async def _publish(self, knows: Knows) -> None:
        try:
            await self._write("state", knows.state())
            await self._write("metrics", knows.counts().to_plain())
        except OSError as error:
            logger.error("the other workers do not learn what this one does: %s", error)

    async def _write(self, what: str, data: Any) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._hand, self._folder.write, self.number, what, data)

    async def exposition(self, own: Counts) -> bytes:
        """The metrics of all workers together. This one's are written first, so that no later look shows less."""
        await self._write("metrics", own.to_plain())
        live, ended = await asyncio.to_thread(self._folder.counts, but=self.number)
        own.families.update(self._of_service())
        others = [counts.families for counts in live.values()]
        found = merging.merged(own.families, others, ended.families)
        return await asyncio.to_thread(merging.exposition, found)

    def _of_service(self) -> dict[str, Family]:
        workers = Family("gauge", "Workers that are wanted, and that serve.")
        for word, count in (("wanted", self._crew.wanted), ("serving", len(self._crew.serving))):
            workers.samples["service_workers", (("state", word),)] = count
        ends = Family("counter", "Workers that ended by themselves or were killed.")
        ends.samples["service_worker_ends_total", ()] = self._crew.ends
        return {"service_workers": workers, "service_worker_ends": ends}

    def hour(self) -> list[Minute]:
        """The last hour of all other workers, those that are gone among them."""
        live, ended = self._folder.counts(but=self.number)
        return [*ended.hour, *(minute for counts in live.values() for minute in counts.hour)]

    def state(self, own: dict[str, Any]) -> dict[str, Any]:
        """/status for all workers: what is the same everywhere, or else what the last of them still does."""
        crew = self._crew
        numbers = [one.number for one in crew.serving if one.number != self.number]
        states = {number: self._folder.read(number, "state") for number in numbers}
        others = [state for state in states.values() if state is not None]
        states[self.number] = own
        return {
            **merging.furthest_behind(own, others),
            "ready": own["ready"],
            "uptime_seconds": own["uptime_seconds"],
            "workers": {
                "wanted": crew.wanted,
                "serving": len(crew.serving),
                "ends": crew.ends,
                "lost_rows": crew.lost_rows,
                "said": crew.said,
                "answered_by": os.getpid(),
                "each": [asdict(one) | _brief(states.get(one.number)) for one in crew.workers],
            },
        }


def _brief(state: Mapping[str, Any] | None) -> dict[str, Any]:
    if state is None:
        return {"ready": False, "in_sync": False, "commit": None, "stable": None}
    live = state["live"]
    return {
        "ready": state["ready"],
        "in_sync": state["in_sync"],
        "commit": live["commit"],
        "stable": live["stable"] and live["stable"]["model"],
    }
