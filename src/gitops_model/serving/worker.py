"""One of several workers: a whole service that shares the listener, and ends when its supervisor says so or is gone.

    python -P -m gitops_model.serving.worker FOLDER LISTENER CHANNEL NUMBER PLACE PLACES BEGAN

LISTENER and CHANNEL are file descriptors that it inherits.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from gitops_model.formats.serving import Settings
from gitops_model.serving import event_log
from gitops_model.serving.app import App, create_app
from gitops_model.serving.member import LEAVE_SECONDS, Member
from gitops_model.serving.server import Server, answer, config, end
from gitops_model.serving.service import Service
from gitops_model.serving.shared import Board, Folder

READY_LOOK_SECONDS = 0.02


def main(words: Sequence[str]) -> None:
    """Serve until a signal, or until the supervisor wants."""
    path, listener, channel, number, place, places, began = words
    folder = Folder(Path(path))
    settings = Settings.from_json(folder.settings.read_text(encoding="utf-8"))
    if settings.ray is not None:
        settings = settings.absolute()
        # Ray puts the folder in which a process runs on the import path of what that starts on the cluster.
        os.chdir("/")
    event_log.set_up(settings.log_format, who=f"worker {number}: ")
    member = Member(
        folder,
        Board(folder.board, int(places)),
        number=int(number),
        place=int(place),
        began=float(began),
    )
    app = create_app(settings, member, socket.socket(fileno=int(channel)))
    server = WorkerServer(app, member, config(app, settings))
    answer(server, socket.socket(fileno=int(listener)))
    end()


class WorkerServer(Server):
    """Opens its doors when it may, and closes them when it is to leave."""

    def __init__(self, app: App, member: Member, config: uvicorn.Config) -> None:
        super().__init__(app, config)
        self._service: Service = app.state.service
        self._member = member
        self._tasks: list[asyncio.Task[None]] = []

    def gives_way(self, connections: int) -> bool:
        return self._member.gives_way(connections)

    async def begin(self, sockets: list[socket.socket]) -> None:
        """Let callers in, as far as no other worker serves them better."""
        self._tasks = [asyncio.create_task(work) for work in (self._open(), self._leave())]

    async def _open(self) -> None:
        """Without a model it can but say why, so it leaves callers to those that have one."""
        while self._service.watcher.snapshot.stable is None:
            if self._member.others_ready:
                self.close_doors()
            else:
                self.open_doors()
                self._member.opened(ready=False)
            await asyncio.sleep(READY_LOOK_SECONDS)
        self.open_doors()
        self._member.opened(ready=True)

    async def _leave(self) -> None:
        """Accept no more, part from callers by the answers they get, and then end."""
        gone, leaves = (
            asyncio.create_task(event.wait()) for event in (self._member.gone, self._member.leaves)
        )
        await asyncio.wait((gone, leaves), return_when=asyncio.FIRST_COMPLETED)
        self._tasks[0].cancel()
        self.close_doors()
        if leaves.done():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LEAVE_SECONDS):
                    while self.server_state.connections:
                        await asyncio.sleep(READY_LOOK_SECONDS)
        self.should_exit = True

    def close_doors(self) -> None:
        self._member.closed()
        super().close_doors()


if __name__ == "__main__":
    main(sys.argv[1:])
