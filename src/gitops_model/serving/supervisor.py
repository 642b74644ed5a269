"""`serve` with several workers: holds the port, starts workers, and replaces those that end. It answers nobody itself.

All workers accept from one listener, which is open as long as the service: a connection that nobody took yet outlives
the worker that is killed. SIGTERM ends all in order; SIGHUP replaces them one by one, by serving.yaml as it is then.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import shutil
import signal
import socket
import sys
import tempfile
import time
from asyncio import StreamWriter
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gitops_model.errors import BadInput, GitopsError
from gitops_model.files import write_atomic
from gitops_model.formats.serving import Settings
from gitops_model.serving import prediction_log, server
from gitops_model.serving.door import BACKLOG
from gitops_model.serving.loader import now
from gitops_model.serving.member import LEAVE_SECONDS, LONGEST_LINE, TELL_SECONDS
from gitops_model.serving.pooled import Bench
from gitops_model.serving.shared import Board, Colleague, Crew, Folder
from gitops_model.serving.trial import PATIENCE

logger = logging.getLogger("gitops_model.serving")

COMMAND = (sys.executable, "-P", "-m", "gitops_model.serving.worker")
# A worker that ended sooner than this after its start is started again later each time.
SETTLED_SECONDS = 10.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
# A replacement that cannot answer by then, and the time that a trial may last, replaces nobody.
READY_SECONDS = 60.0
# One that says nothing for so long hangs: it tells something twice a second.
SILENT_SECONDS = 60.0
# What an orderly end takes on top of what the requests in flight are granted.
GRACE_SECONDS = 5.0
# What is the same for all workers, or for as long as the service runs.
FIXED = ("host", "port", "workers", "guard", "log_folder", "ray")
# What a worker has not read by then is not added to; the next line says it anew.
MOST_UNREAD = 1 << 16


def pause(quick: int) -> float:
    """Seconds before a worker is started again, after `quick` ends in a row that came soon after a start."""
    return 0.0 if quick <= 1 else min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (quick - 2))


def how(code: int) -> str:
    """How a process ended, by its exit code."""
    if code >= 0:
        return f"ended with code {code}"
    with contextlib.suppress(ValueError):
        return f"was ended by {signal.Signals(-code).name}"
    return f"was ended by signal {-code}"


class Worker:
    """A running worker as its supervisor sees it."""

    def __init__(self, process: Process, writer: StreamWriter, number: int, place: int) -> None:
        self.process = process
        self.writer = writer
        self.number = number
        self.place = place
        self.started = self.heard = time.monotonic()
        self.started_at = now()
        self.open = asyncio.Event()
        self.ready = False
        self.leaving = False

    @property
    def serving(self) -> bool:
        """Whether it accepts connections and can answer."""
        return self.open.is_set() and self.ready and not self.leaving

    def seen(self) -> Colleague:
        """What the others are told of it."""
        return Colleague(
            number=self.number,
            pid=self.process.pid,
            started_at=self.started_at,
            serving=self.serving,
        )

    def send(self, message: dict[str, Any]) -> None:
        """Tell it something, unless it does not listen."""
        if self.writer.is_closing():
            return
        if self.writer.transport.get_write_buffer_size() < MOST_UNREAD:
            self.writer.write(json.dumps(message).encode() + b"\n")

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send it a signal, if it is still there."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)


class Supervisor:
    """Keeps as many workers running as serving.yaml wants. `again` reads the settings anew, for SIGHUP.

    `workers` are those that run now, by number.
    """

    def __init__(
        self,
        settings: Settings,
        listener: socket.socket,
        folder: Folder,
        *,
        again: Callable[[], Settings],
    ) -> None:
        self._settings = settings
        self._listener = listener
        self._folder = folder
        self._again = again
        self._began = time.monotonic()
        # When they are replaced one by one, there is one more; and one that ends is not gone at once.
        self._places = 2 * settings.workers + 1
        self._board = Board(folder.board, self._places)
        self._bench = Bench(settings.guard)
        self.workers: dict[int, Worker] = {}
        # From before a worker is started until what it left on the board is counted.
        self._taken: set[int] = set()
        self._started = self._ends = self._lost_rows = 0
        self._said: str | None = None
        self._stopping = asyncio.Event()
        self._replacing: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until SIGTERM or Ctrl+C."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self.replace_all)
        self._use(self._settings)
        for _ in range(self._settings.workers):
            self._go(self._keep())
        telling = asyncio.create_task(self._tell())
        announcing = asyncio.create_task(self._announce())
        await self._stopping.wait()
        announcing.cancel()
        if self._replacing is not None:
            self._replacing.cancel()
        self._listener.close()
        await self._stop()
        telling.cancel()

    def stop(self) -> None:
        """End all workers in order, and then `run`."""
        self._stopping.set()

    def _go(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _announce(self) -> None:
        while not any(worker.open.is_set() for worker in self.workers.values()):
            await asyncio.sleep(0.02)
        server.say(self._listener)

    async def _start(self) -> Worker:
        """Raises OSError where the machine has no room for another process."""
        self._started += 1
        number = self._started
        place = next(place for place in range(self._places) if place not in self._taken)
        with contextlib.ExitStack() as undo:
            self._taken.add(place)
            undo.callback(self._taken.discard, place)
            self._board.clear(place)
            mine, theirs = socket.socketpair()
            undo.callback(mine.close)
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    *COMMAND,
                    *(str(self._folder.path), str(self._listener.fileno()), str(theirs.fileno())),
                    *(str(number), str(place), str(self._places), str(self._began)),
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=(self._listener.fileno(), theirs.fileno()),
                    # Ctrl+C is for the supervisor alone, which ends them in order.
                    start_new_session=True,
                )
            reader, writer = await asyncio.open_unix_connection(sock=mine, limit=LONGEST_LINE)
            undo.pop_all()
        worker = self.workers[number] = Worker(process, writer, number, place)
        self._go(self._hear(worker, reader))
        if self._stopping.is_set():
            worker.kill(signal.SIGTERM)
        return worker

    async def _keep(self, worker: Worker | None = None) -> None:
        """Start a worker, and another one each time it ends, until it is told to leave or the service ends."""
        quick = 0
        while not self._stopping.is_set():
            try:
                worker = worker or await self._start()
            except OSError as error:
                quick += 1
                logger.error(
                    "a worker cannot be started: %s; it is tried again in %g s", error, pause(quick)
                )
            else:
                self._ended(worker, await worker.process.wait())
                if worker.leaving or self._stopping.is_set():
                    return
                lived = time.monotonic() - worker.started
                quick = 0 if lived > SETTLED_SECONDS else quick + 1
                if pause(quick):
                    logger.error(
                        "worker %d ended %.1f s after its start, the %d. in a row; the next one starts in %g s",
                        *(worker.number, lived, quick, pause(quick)),
                    )
                worker = None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause(quick)):
                    await self._stopping.wait()

    def _ended(self, worker: Worker, code: int) -> None:
        """Keep what it counted, and say what went with it."""
        del self.workers[worker.number]
        self._bench.gone(worker.number)
        lost = self._board.owed(worker.place)
        self._board.clear(worker.place)
        self._taken.discard(worker.place)
        worker.writer.close()
        try:
            self._mend(worker.process.pid)
            self._folder.fold(worker.number, lost=lost)
        except OSError as error:
            logger.error("what worker %d counted is lost: %s", worker.number, error)
        if code == 0 and (worker.leaving or self._stopping.is_set()):
            return
        self._ends += 1
        self._lost_rows += lost
        rows = f"{lost:,} answered rows had not been written to the prediction log, and are lost"
        log = f"; {rows}" if self._settings.log_predictions else ""
        self._said = f"worker {worker.number} (pid {worker.process.pid}) {how(code)}{log}."
        logger.error("%s", self._said)
        self._tell_all()

    def _mend(self, pid: int) -> None:
        """Nobody writes its part of the log any more, so half a line that a kill left is cut off here."""
        if self._settings.log_predictions:
            # It may have been yesterday's: the last rows of a day are written after its end.
            for part in self._settings.log_folder.glob(f"date=*/{prediction_log.part(pid)}"):
                prediction_log.drop_torn_line(part)

    async def _hear(self, worker: Worker, reader: asyncio.StreamReader) -> None:
        # One that is killed leaves an error rather than an end where it had not read everything.
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                self._heard(worker, json.loads(line))

    def _heard(self, worker: Worker, said: Mapping[str, Any]) -> None:
        if worker.number not in self.workers:
            return
        worker.heard = time.monotonic()
        self._bench.heard(worker.number, said["saw"])
        before, worker.ready = worker.serving, bool(said["ready"])
        if said["open"]:
            worker.open.set()
        if worker.serving != before:
            self._tell_all()

    async def _tell(self) -> None:
        while True:
            self._tell_all()
            self._look_for_silent()
            await asyncio.sleep(TELL_SECONDS)

    def _tell_all(self) -> None:
        crew = Crew(
            wanted=self._settings.workers,
            ends=self._ends,
            lost_rows=self._lost_rows,
            said=self._said,
            workers=tuple(worker.seen() for worker in self.workers.values()),
        )
        message = {"crew": crew.to_plain(), "verdicts": self._bench.verdicts()}
        for worker in self.workers.values():
            worker.send(message)

    def _look_for_silent(self) -> None:
        for worker in self.workers.values():
            if time.monotonic() - worker.heard > SILENT_SECONDS:
                words = "worker %d has said nothing for %g s; it is ended"
                logger.error(words, worker.number, SILENT_SECONDS)
                worker.kill()

    def replace_all(self) -> None:
        """One by one, by the settings as they are now; nothing where that is going on already."""
        if self._replacing is None or self._replacing.done():
            self._replacing = asyncio.create_task(self._one_by_one())

    async def _one_by_one(self) -> None:
        """A new worker for each old one: first it is ready, then the old one leaves."""
        before = self._settings
        try:
            new = self._again()
            changed = [name for name in FIXED if getattr(new, name) != getattr(before, name)]
            if changed:
                what = " and ".join(changed)
                raise BadInput(
                    f"serving.yaml has another {what}, which needs a restart of the service"
                )
            self._use(new)
        except (GitopsError, OSError) as error:
            logger.error("the workers stay as they are: %s", error)
            return
        old = list(self.workers.values())
        for number, worker in enumerate(old):
            why = await self._replace(worker) if worker.number in self.workers else None
            if why is not None:
                rest = (
                    f"{number} of {len(old)} run by serving.yaml as it is now, and each that starts"
                )
                if number == 0:
                    self._use(before)
                    rest = "so the others stay as they are"
                logger.error("%s, %s", why, rest)
                return
            logger.info("replaced %d of %d workers", number + 1, len(old))

    def _use(self, settings: Settings) -> None:
        """Workers that are started from now on run by these."""
        write_atomic(self._folder.settings, settings.to_json())
        self._settings = settings

    async def _replace(self, old: Worker) -> str | None:
        """Returns why not, where no new one got as far as accepting connections."""
        try:
            new = await self._start()
        except OSError as error:
            return f"no worker can be started ({error})"
        ready = asyncio.create_task(new.open.wait())
        ended = asyncio.create_task(new.process.wait())
        await asyncio.wait(
            (ready, ended),
            timeout=READY_SECONDS + PATIENCE * self._settings.load_seconds,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if not ready.done() or ended.done():
            ready.cancel()
            new.leaving = True
            new.kill()
            self._ended(new, await ended)
            return "the new worker does not serve"
        self._go(self._keep(new))
        # Another one follows an old one that ended meanwhile, so the new one is not needed.
        leaves = old if old.number in self.workers else new
        leaves.leaving = True
        self._tell_all()
        leaves.send({"leave": True})
        await self._end([leaves], LEAVE_SECONDS)
        return None

    async def _stop(self) -> None:
        for worker in self.workers.values():
            worker.kill(signal.SIGTERM)
        await self._end(list(self.workers.values()), 0.0)
        if self._tasks:
            # Each notices that its worker ended, and hears what it said last.
            await asyncio.wait(self._tasks, timeout=1.0)

    async def _end(self, workers: list[Worker], seconds: float) -> None:
        """Wait until they ended, and kill those that do not within what they are granted."""
        if not workers:
            return
        granted = seconds + self._settings.shutdown_seconds + GRACE_SECONDS
        ends = {asyncio.create_task(worker.process.wait()): worker for worker in workers}
        _, late = await asyncio.wait(ends, timeout=granted)
        for end in late:
            logger.error("worker %d does not end; it is killed", ends[end].number)
            ends[end].kill()
        if late:
            await asyncio.wait(late)


def supervise(settings: Settings, *, again: Callable[[], Settings]) -> None:
    """Serve with several workers until a signal. Raises BadInput when the address cannot be taken."""
    listener = server.listen(settings.host, settings.port)
    # From here on callers wait instead of being refused, whoever of the workers is there.
    listener.listen(BACKLOG)
    path = Path(tempfile.mkdtemp(prefix="gitops-model-"))
    try:
        asyncio.run(Supervisor(settings, listener, Folder(path), again=again).run())
    finally:
        shutil.rmtree(path, ignore_errors=True)
