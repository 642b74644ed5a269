"""The service's own log: one JSON object a line, whatever a sentence holds, and no caller can fill the disk with it."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

from gitops_model.formats.pointer import Ref
from gitops_model.serving.event_log import MINUTE, MOST_A_MINUTE, Lines, Sparing, about


def record(
    message: str, *values: Any, name: str = "gitops_model.serving", line: int = 1, **extra: Any
) -> logging.LogRecord:
    made = logging.LogRecord(name, logging.ERROR, "x.py", line, message, values, None)
    made.__dict__.update(extra)
    return made


def test_a_line_is_one_object_with_what_the_event_knows() -> None:
    extra = about("load", Ref(model="m-v1", sha256="a" * 64), reason="golden")
    line = Lines().format(record('m-v1 said "no"\nand %s', "„ja“", **extra))
    assert "\n" not in line
    found = json.loads(line)
    assert found.pop("at").endswith("Z") and len(found) == 6
    assert found == {
        "level": "error",
        "message": 'm-v1 said "no"\nand „ja“',
        "event": "load",
        "model": "m-v1",
        "sha256": "a" * 64,
        "reason": "golden",
    }


def test_a_traceback_stays_in_its_line() -> None:
    made = record("it cannot be judged")
    try:
        raise RuntimeError("out of order")
    except RuntimeError:
        made.exc_info = sys.exc_info()
    found = json.loads(Lines().format(made))
    assert found["traceback"].endswith("RuntimeError: out of order\n")


def test_what_callers_bring_about_is_said_a_few_times_and_then_counted() -> None:
    now = [0.0]
    sparing = Sparing(lambda: now[0])

    def said(count: int, **more: Any) -> list[str]:
        made = [record("%s failed", "m-v1", **more) for _ in range(count)]
        return [one.getMessage() for one in made if sparing.filter(one)]

    assert said(1000, request_id="r") == ["m-v1 failed"] * MOST_A_MINUTE
    now[0] = MINUTE
    again = said(3, request_id="r")
    assert again[0] == "m-v1 failed (and 990 times before it that were not said)"
    assert again[1:] == ["m-v1 failed"] * 2
    # A quiet minute leaves nothing to be said.
    now[0] = 2 * MINUTE
    assert said(1, request_id="r") == ["m-v1 failed"]
    # Tracebacks of the libraries below are a caller's doing, too; the service's own events are not.
    assert len(said(1000, name="uvicorn.error")) == MOST_A_MINUTE - 1
    assert len(said(1000)) == 1000


def test_lines_whose_words_are_new_each_time_are_one_kind() -> None:
    """As asyncio writes them: an exception of a task that nobody awaited, with the task's address."""
    sparing = Sparing(lambda: 0.0)
    made = [record(f"Task failed\nfuture: <Task {n:#x}>", name="asyncio") for n in range(10_000)]
    assert sum(map(sparing.filter, made)) == MOST_A_MINUTE
    assert len(sparing._seen) == 1
    # What another place says is not held back by it.
    assert sparing.filter(record("out of memory", name="asyncio", line=2))


def test_a_line_with_signs_of_percent_and_no_values_is_said_with_its_count() -> None:
    now = [0.0]
    sparing = Sparing(lambda: now[0])
    said = [sparing.filter(record("100 % of it", name="asyncio")) for _ in range(12)]
    now[0] = MINUTE
    one = record("100 % of it", name="asyncio")
    assert sum(said) == MOST_A_MINUTE and sparing.filter(one)
    assert one.getMessage() == "100 % of it (and 2 times before it that were not said)"
