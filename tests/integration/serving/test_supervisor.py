"""As many workers as are wanted, whatever ends or cannot start: with workers that serve nobody, so that it is quick."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gitops_model.formats.serving import Settings
from gitops_model.serving import prediction_log, supervisor
from gitops_model.serving.shared import Folder
from gitops_model.serving.supervisor import Supervisor
from tests.support import stub_worker

PATIENCE = 20.0
SETTINGS = Settings(host="127.0.0.1", port=0, store=Path("store"), workers=2, load_seconds=1.0)


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until it holds."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"waited in vain: {what}"
        await asyncio.sleep(0.01)


def serving(crew: Supervisor) -> list[int]:
    """The numbers of the workers that serve."""
    return sorted(number for number, worker in crew.workers.items() if worker.serving)


def places(crew: Supervisor) -> list[int]:
    """The rows of the board that its workers have."""
    return sorted(worker.place for worker in crew.workers.values())


@pytest.fixture(autouse=True)
def _stubs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "COMMAND", (sys.executable, "-IS", stub_worker.__file__))
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 0.05)


def run(folder: Path, story: Callable[[Supervisor], Awaitable[None]], *settings: Settings) -> None:
    """Tell a story of a supervisor that began with the first settings and finds the others, one at each SIGHUP.

    No worker outlives it.
    """

    async def whole() -> None:
        found = iter(settings[1:])
        with socket.create_server(("127.0.0.1", 0)) as listener:
            crew = Supervisor(settings[0], listener, Folder(folder), again=lambda: next(found))
            running = asyncio.create_task(crew.run())
            try:
                await asyncio.wait_for(story(crew), PATIENCE)
            finally:
                crew.stop()
                await running
        assert not crew.workers

    asyncio.run(whole())


class Starts:
    """The starts of processes from now on: the first fail, as where there is no room for one more; others are held.

    `failing` are still to fail; `begun` did not, and go on once `held` is False.
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *, failing: int, held: bool = False
    ) -> None:
        self.failing, self.held, self.begun = failing, held, 0
        self._real = asyncio.create_subprocess_exec
        monkeypatch.setattr(asyncio, "create_subprocess_exec", self._start)

    async def _start(self, *words: str, **rest: Any) -> asyncio.subprocess.Process:
        if self.failing:
            self.failing -= 1
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        self.begun += 1
        while self.held:
            await asyncio.sleep(0.01)
        return await self._real(*words, **rest)

    def go(self) -> None:
        """Hold them no longer."""
        self.held = False


def test_two_workers_that_end_together_come_back_at_places_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(crew: Supervisor) -> None:
        await until(lambda: len(serving(crew)) == 2, "both serve")
        assert places(crew) == [0, 1]
        starts = Starts(monkeypatch, failing=0, held=True)
        for worker in crew.workers.values():
            worker.kill()
        await until(lambda: starts.begun == 2, "two others are being started")
        starts.go()
        await until(lambda: serving(crew) == [3, 4], "two others serve")
        assert places(crew) == [0, 1]

    run(tmp_path, story, SETTINGS)


def test_a_worker_that_could_not_be_started_is_started_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(crew: Supervisor) -> None:
        await until(lambda: len(serving(crew)) == 2, "both serve")
        starts = Starts(monkeypatch, failing=3)
        crew.workers[1].kill()
        await until(lambda: not starts.failing and len(serving(crew)) == 2, "two serve again")
        assert places(crew) == [0, 1]

    run(tmp_path, story, SETTINGS)
    assert "a worker cannot be started: [Errno 11] Resource temporarily unavailable" in caplog.text


def test_a_service_whose_first_workers_could_not_be_started_serves_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Starts(monkeypatch, failing=4)

    async def story(crew: Supervisor) -> None:
        await until(lambda: len(serving(crew)) == 2, "both serve")

    run(tmp_path, story, SETTINGS)


def test_a_worker_whose_start_ends_after_the_service_did_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = Starts(monkeypatch, failing=0, held=True)

    async def story(crew: Supervisor) -> None:
        await until(lambda: starts.begun == 2, "both are being started")
        crew.stop()
        asyncio.get_running_loop().call_later(0.05, starts.go)

    run(tmp_path, story, SETTINGS)


def test_a_replacement_that_could_not_be_started_replaces_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(crew: Supervisor) -> None:
        await until(lambda: len(serving(crew)) == 2, "both serve")
        starts = Starts(monkeypatch, failing=1)
        crew.replace_all()
        await until(
            lambda: not starts.failing and "the others stay as they are" in caplog.text, "said"
        )
        assert serving(crew) == [1, 2]

    run(tmp_path, story, SETTINGS, SETTINGS)


def test_settings_with_which_no_worker_serves_are_put_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(crew: Supervisor) -> None:
        await until(lambda: len(serving(crew)) == 2, "both serve")
        crew.replace_all()
        await until(lambda: "does not serve, so the others stay as they are" in caplog.text, "said")
        assert serving(crew) == [1, 2]
        crew.workers[1].kill()
        await until(lambda: serving(crew) == [2, 4], "one follows that runs by the old settings")

    run(tmp_path, story, SETTINGS, replace(SETTINGS, max_rows=stub_worker.REFUSED))
    assert "ended with code 4" in caplog.text


def test_settings_with_which_one_worker_serves_are_everybodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    new = replace(SETTINGS, max_rows=7)

    async def story(crew: Supervisor) -> None:
        await until(lambda: len(serving(crew)) == 2, "both serve")
        starts = Starts(monkeypatch, failing=0, held=True)
        crew.replace_all()
        await until(lambda: starts.begun == 1, "the first replacement is being started")
        starts.failing = 1
        starts.go()
        await until(lambda: "1 of 2 run by serving.yaml as it is now" in caplog.text, "said")
        assert serving(crew) == [2, 3]
        assert Settings.from_json(Folder(tmp_path).settings.read_text()) == new

    run(tmp_path, story, SETTINGS, new)


def test_an_old_worker_that_ends_while_it_is_replaced_is_followed_by_one_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(crew: Supervisor) -> None:
        await until(lambda: len(serving(crew)) == 2, "both serve")
        starts = Starts(monkeypatch, failing=0, held=True)
        crew.replace_all()
        await until(lambda: starts.begun == 1, "another is being started")
        crew.workers[1].kill()
        await until(lambda: 1 not in crew.workers, "the old one ended")
        starts.go()
        await until(lambda: "replaced 2 of 2 workers" in caplog.text, "all are replaced")
        await until(lambda: len(serving(crew)) == 2, "two serve")
        assert len(crew.workers) == 2

    caplog.set_level("INFO")
    run(tmp_path, story, SETTINGS, SETTINGS)


def test_half_a_line_of_a_killed_worker_is_cut_off_whatever_its_day(tmp_path: Path) -> None:
    logged = replace(SETTINGS, log_predictions=True, log_folder=tmp_path / "log")
    days = [tmp_path / "log" / f"date={day}" for day in ("2026-11-21", "2026-11-22")]

    async def story(crew: Supervisor) -> None:
        await until(lambda: len(serving(crew)) == 2, "both serve")
        for day in days:
            day.mkdir(parents=True)
            for worker in crew.workers.values():
                part = day / prediction_log.part(worker.process.pid)
                part.write_bytes(b'{"row":0}\n{"ro')
        killed, lives = crew.workers[1], crew.workers[2]
        killed.kill()
        await until(lambda: serving(crew) == [2, 3], "another follows")
        for day in days:
            part, other = (day / prediction_log.part(one.process.pid) for one in (killed, lives))
            assert part.read_bytes() == b'{"row":0}\n'
            # Its own writer is there to write the rest.
            assert other.read_bytes() == b'{"row":0}\n{"ro'

    run(tmp_path, story, logged)


def test_a_replacement_has_the_time_that_a_trial_may_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "READY_SECONDS", 1.0)
    slow = replace(SETTINGS, workers=1, load_seconds=0.6, max_rows=stub_worker.SLOW)
    assert 1.0 + 2 * slow.load_seconds < stub_worker.SLOW_SECONDS < 4 * slow.load_seconds

    async def story(crew: Supervisor) -> None:
        await until(lambda: serving(crew) == [1], "the first serves")
        crew.replace_all()
        await until(lambda: 2 in crew.workers, "the second is started")
        await until(lambda: 1 not in crew.workers or 2 not in crew.workers, "one is left")
        assert serving(crew) == [2]

    run(tmp_path, story, replace(slow, max_rows=1), slow)
