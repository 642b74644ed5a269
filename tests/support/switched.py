"""A service under a stream of requests while releases are switched and workers are killed, and what became of it."""

from __future__ import annotations

import array
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.factories import REQUEST
from tests.support.places import ROOT
from tests.support.server import Ref, Server, Store
from tests.support.stream import Found, Plan

# What was in flight on a killed worker's connections is sent again within so many seconds.
KILL_SECONDS = 3.0
_ID = re.compile(rb'"request_id":"r-(\d+)"')


@dataclass
class Outcome:
    """What the callers found, when what happened (time.time), and each request's due time and latency in seconds."""

    found: Found
    due: array.array[float]
    latencies: array.array[float]
    switches: list[float] = field(default_factory=list)
    kills: list[float] = field(default_factory=list)

    @property
    def strays(self) -> list[float]:
        """Requests that had to be sent again although no worker was killed."""
        return [
            at
            for at in self.found.again
            if not any(k <= at <= k + KILL_SECONDS for k in self.kills)
        ]

    def p99(self, *, windows: bool, seconds: float = 1.0) -> float:
        """The 99th percentile in seconds: in `windows`, so long after switches, or of what followed nothing.

        Slow requests are left out, and what came within five seconds of a kill.
        """
        chosen = sorted(
            latency
            for due, latency in zip(self.due, self.latencies, strict=True)
            if latency >= 0
            and not _follows(due, self.kills, 5.0)
            and _follows(due, self.switches, seconds) == windows
        )
        return chosen[int(0.99 * len(chosen))] if chosen else float("nan")

    def words(self) -> str:
        """One line for people."""
        found = self.found
        return (
            f"{found.answered:,} answered at {found.answered / found.seconds:.0f}/s, {found.lost} lost, "
            f"{len(found.again)} sent again after {len(self.kills)} kills ({len(self.strays)} at other times); "
            f"{len(self.switches)} switches; p99 {1000 * self.p99(windows=True):.1f} ms after switches, "
            f"{1000 * self.p99(windows=False):.1f} ms else"
        )


def _follows(due: float, times: list[float], seconds: float) -> bool:
    """Whether `due` is within so many seconds after one of the ascending `times`."""
    number = bisect_right(times, due)
    return number > 0 and due - times[number - 1] <= seconds


@contextlib.contextmanager
def stream(
    server: Server, folder: Path, answers: dict[str, float], **options: Any
) -> Iterator[Callable[[], Outcome]]:
    """Callers as a process of its own; the function in the block waits for their end."""
    plan = folder / "plan.json"
    fields = {
        "port": server.port, "inputs": REQUEST, "answers": answers, "out": str(folder / "found.json"), **options,
    }  # fmt: skip
    Plan(**fields)
    plan.write_text(json.dumps(fields))
    words = [sys.executable, "-m", "tests.support.stream", str(plan)]
    process = subprocess.Popen(words, cwd=ROOT)

    def outcome() -> Outcome:
        assert process.wait() == 0
        times = array.array("d")
        times.frombytes((folder / "found.times").read_bytes())
        half = len(times) // 2
        found = Found(**json.loads((folder / "found.json").read_text()))
        return Outcome(found, times[:half], times[half:])

    try:
        yield outcome
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def answers_of(server: Server, store: Store, refs: list[Ref]) -> dict[str, float]:
    """What each release says to the request of all callers."""
    found = {}
    for ref in refs:
        server.until_synced(store.point(ref))
        found[ref["model"]] = server.predict().json["output"]["probability"]
    assert len(set(found.values())) == len(refs)
    return found


def kill_one(server: Server, *, after: int = 0) -> float:
    """kill -9 of a worker, once all serve and the ends `after` which it comes are known; just before when."""
    state = server.until(lambda s: all_serve(s) and s["workers"]["ends"] == after)
    # Callers may see the end of their connection before `kill` returns.
    now = time.time()
    os.kill(state["workers"]["each"][0]["pid"], signal.SIGKILL)
    return now


def all_serve(state: dict[str, Any]) -> bool:
    """Whether as many workers serve as are wanted."""
    return bool(state["workers"]["serving"] == state["workers"]["wanted"])


def switch_under_load(
    server: Server,
    store: Store,
    refs: list[Ref],
    folder: Path,
    *,
    requests: int,
    rate: float,
    switches: int,
    kills: int,
    say: Callable[[str], None] = lambda words: None,
) -> Outcome:
    """`switches` between `refs` and `kills` of workers, evenly over the time that the requests take."""
    answers = answers_of(server, store, refs)
    switched: list[float] = []
    killed: list[float] = []
    with stream(server, folder, answers, requests=requests, rate=rate) as outcome:
        began, lasts = time.time(), requests / rate
        events = [((n + 0.5) / switches * lasts, n) for n in range(switches)]
        events += [((n + 0.25) / kills * lasts, -1) for n in range(kills)]
        for at, number in sorted(events):
            time.sleep(max(0.0, began + at - time.time()))
            if number < 0:
                killed.append(kill_one(server, after=len(killed)))
                say(f"{time.time() - began:.0f} s: {len(killed)} killed, {len(switched)} switched")
                continue
            new, old = refs[number % 2], refs[(number + 1) % 2]
            switched.append(time.time())
            # Every other switch loads from the store, the rest go back to the loaded previous.
            store.point(new, previous=old if number % 4 in (0, 1) else None)
        found = outcome()
    found.switches, found.kills = switched, killed
    return found


def logged(folder: Path) -> tuple[set[int], int]:
    """The numbers of the requests in the prediction log, and how many of its lines are none."""
    numbers, torn = set(), 0
    for part in folder.glob("date=*/*.jsonl"):
        with part.open("rb") as stream:
            for line in stream:
                match = _ID.search(line)
                if match and line.endswith(b"}\n"):
                    numbers.add(int(match[1]))
                elif not line.endswith(b"}\n") or not line.startswith(b'{"time"'):
                    torn += 1
    return numbers, torn
