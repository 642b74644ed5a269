from __future__ import annotations

import io

from gitops_model.progress import PLAIN_SECONDS, QUIET_SECONDS, Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_elsewhere_than_on_a_terminal_a_line_now_and_then() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = Progress("fetching m-v2", total=80_000_000, stream=stream, clock=clock)
    for _ in range(int(2 * (QUIET_SECONDS + 2 * PLAIN_SECONDS)) + 1):
        progress.step(int((clock.now - 100) * 1_000_000))
        clock.now += 0.5
    progress.end()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[0] == "fetching m-v2: 2 s, 2.0 MB of 80.0 MB"


def test_a_wait_that_is_soon_over_says_nothing() -> None:
    for stream in (io.StringIO(), Terminal()):
        clock = Clock()
        progress = Progress("asking origin", stream=stream, clock=clock)
        progress.step()
        clock.now += QUIET_SECONDS / 2
        progress.step()
        progress.end()
        assert stream.getvalue() == ""


def test_a_terminal_keeps_one_line_and_removes_it() -> None:
    stream, clock = Terminal(), Clock()
    progress = Progress("waiting", stream=stream, clock=clock)
    for _ in range(3):
        clock.now += QUIET_SECONDS
        progress.step()
    progress.end()
    text = stream.getvalue()
    assert "\n" not in text
    assert text.count("waiting: ") == 3
    assert text.endswith("\r" + " " * len("waiting: 6 s") + "\r")
