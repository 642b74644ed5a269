"""What the service says on stderr of what happened to it: a line an event, for people or as JSON; none a good request.

What one caller can bring about again and again (a model that fails on its request) is said a few times a minute, and
then counted.
"""

from __future__ import annotations

import json
import logging
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

# So many lines of one kind a minute; the first of the next minute says how many were left out.
MOST_A_MINUTE = 10
MINUTE = 60.0
MOST_WORDS = 4000
# What an event may say besides its sentence, in this order.
FIELDS = ("event", "model", "sha256", "request_id", "route", "reason", "verdict", "commit")


class Named(Protocol):
    """A release, or what is said of one."""

    @property
    def model(self) -> str | None: ...
    @property
    def sha256(self) -> str | None: ...


def about(event: str, release: Named | None = None, **more: str | None) -> dict[str, str | None]:
    """`extra` of a logging call: the event's name, the release it is about, and more of FIELDS."""
    model, sha256 = (release.model, release.sha256) if release is not None else (None, None)
    return {"event": event, "model": model, "sha256": sha256, **more}


def set_up(form: str, *, who: str = "") -> None:
    """Have all loggers write to stderr as `form` says: text or json. Replaces what was set up before.

    `who` stands before each line of text.
    """
    handler = logging.StreamHandler()
    text = logging.Formatter(f"%(asctime)s {who}%(message)s", "%H:%M:%S")
    handler.setFormatter(Lines() if form == "json" else text)
    handler.addFilter(Sparing())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


class Lines(logging.Formatter):
    """One JSON object a line: at (UTC), level, message, and those of FIELDS that the event has."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        found: dict[str, Any] = {
            "at": at.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "message": record.getMessage()[:MOST_WORDS],
        }
        for name in FIELDS:
            value = getattr(record, name, None)
            if value is not None:
                found[name] = value
        if record.exc_info:
            lines = "".join(traceback.format_exception(*record.exc_info))
            found["traceback"] = lines[-MOST_WORDS:]
        return json.dumps(found, ensure_ascii=False, default=str)


class Sparing(logging.Filter):
    """Lets at most MOST_A_MINUTE lines of one kind through, where callers could have more written.

    Of one kind are lines that one place of a program writes: there are as many as programs have. Their words may be new
    each time, as those of asyncio are, which hold a task's address.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        # Kind → when its minute began, and its lines since.
        self._seen: dict[tuple[str, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """See logging.Filter."""
        if not _by_callers(record):
            return True
        kind, now = (record.pathname, record.lineno), self._clock()
        began, count = self._seen.get(kind, (now, 0))
        if now - began < MINUTE:
            self._seen[kind] = (began, count + 1)
            return count < MOST_A_MINUTE
        self._seen[kind] = (now, 1)
        if (left := count - MOST_A_MINUTE) > 0:
            record.msg = f"{record.msg} (and {left:,} times before it that were not said)"
        return True


def _by_callers(record: logging.LogRecord) -> bool:
    of_service = record.name.startswith("gitops_model")
    return getattr(record, "request_id", None) is not None or not of_service
