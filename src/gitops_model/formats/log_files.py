"""Names in the folder of the prediction log, and what they say. `monitoring.closing` has the order of the steps.

date=2026-11-22/part-4711.jsonl            a process writes here
date=2026-11-22/closing-ID-part-4711.jsonl the same file, taken away from its writer: it does not change any more
date=2026-11-22/closed-ID.parquet          all that lies in the closing-ID files; from now on they count no more
date=2026-11-22/closed-ID.broken           their lines that are no records, as they stood there

So names alone say what counts: nobody has to open a file, and a rename is the one moment when it changes. A closed
file may move to a bucket, under the same name below the same folder (`monitoring.sending`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date

# Held by whoever closes or deletes days.
LOCK = ".closing.lock"
_DAY = re.compile(r"date=(\d{4}-\d\d-\d\d)")
_CLOSED = re.compile(r"closed-([0-9a-f]{12})\.(?:parquet|broken)")
_CLOSING = re.compile(r"closing-([0-9a-f]{12})-(.+\.jsonl)")


def day_of(folder: str) -> date | None:
    """The day (UTC) of a folder's name; None for a folder of something else."""
    match = _DAY.fullmatch(folder)
    try:
        return None if match is None else date.fromisoformat(match[1])
    except ValueError:
        return None


def closing(ident: str, part: str) -> str:
    """What `part` is called while it is being closed."""
    return f"closing-{ident}-{part}"


def closing_of(name: str) -> tuple[str, str] | None:
    """Id and first name of a file that is being closed; None for any other."""
    match = _CLOSING.fullmatch(name)
    return None if match is None else (match[1], match[2])


def closed(ident: str) -> str:
    """The Parquet file of `ident`."""
    return f"closed-{ident}.parquet"


def broken(ident: str) -> str:
    """The lines that are no records. No reader of the log takes it for a part."""
    return f"closed-{ident}.broken"


def closed_of(name: str) -> str | None:
    """The id of a file of a closed day; None for any other."""
    match = _CLOSED.fullmatch(name)
    return None if match is None else match[1]


def superseded(names: Iterable[str]) -> set[str]:
    """Of the names in one folder, those whose records lie in a Parquet file there, too."""
    known = set(names)
    found = ((name, closing_of(name)) for name in known)
    return {name for name, held in found if held is not None and closed(held[0]) in known}
