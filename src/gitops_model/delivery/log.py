"""`log close`: make each day of the prediction log that is over one Parquet file, and move it to the bucket that
serving.yaml names, if it names one. Twice is harmless.

The service never does it: a host that only serves has no pyarrow. The agent, `deploy --watch`, starts this command
once an hour where pyarrow is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from gitops_model import progress
from gitops_model.delivery import programs, service
from gitops_model.errors import BadInput, GitopsError
from gitops_model.files import size_words

EVERY_SECONDS = 3600.0
# So that a service on the same processors comes first.
NICENESS = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `log`."""
    parser.add_argument("action", choices=["close"], help="close: the days that are over")
    parser.add_argument(
        "--log", type=Path, metavar="FOLDER", help="the prediction log (default: serving.yaml)"
    )
    parser.add_argument(
        "--background", action="store_true", help="at low priority, and silent with nothing to do"
    )


@dataclass(frozen=True, kw_only=True)
class Options:
    """`log` is the folder (None: that of serving.yaml). A bucket cannot be closed: renaming there is no single step.

    A folder that is named stays where it is; that of serving.yaml moves to the bucket named there, if there is one.
    `background`: let others have the processor first, and say nothing where there is nothing to do.
    """

    action: Literal["close"] = "close"
    log: Path | None = None
    background: bool = False


def run(options: Options) -> int:
    """Close what is over, and say what was done. Raises BadInput without pyarrow, ExternalFailure for a disk."""
    if not _can():
        raise BadInput(
            "closing days needs pyarrow, which is not installed here: install gitops-model[monitoring], or close on "
            "another machine that sees the folder."
        )
    from gitops_model.monitoring import closing, sending

    if options.background:
        os.nice(NICENESS)
    folder = options.log or service.log_folder(Path())
    to = None if options.log else service.log_bucket(Path())
    count = 0
    now = datetime.now(UTC)
    with progress.waiting(f"closing days of {folder}"):
        for done in closing.close(folder, now=now):
            count += 1
            lost = (
                f"; {done.broken:,} lines are no records and lie beside it" if done.broken else ""
            )
            print(
                f"log: {done.day}: {done.rows:,} rows of {done.parts:,} files, {size_words(done.before)} of JSON "
                f"lines, are {size_words(done.after)} of Parquet{lost}.",
                flush=True,
            )
    if to is not None:
        with progress.waiting(f"moving closed days to {to}"):
            for sent in sending.send(folder, to, now=now):
                count += 1
                print(f"log: {sent.day}: {size_words(sent.size)} moved to {to}.", flush=True)
    if not count and not options.background:
        print(f"log: no day in {folder} waits to be closed.")
    return 0


def _can() -> bool:
    return importlib.util.find_spec("pyarrow") is not None


class Closer:
    """Starts `log close` for the agent: once an hour, never twice at a time, and never waits for it."""

    def __init__(self, root: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self._clock = clock
        self._next = clock() if _can() else float("inf")
        self._process: subprocess.Popen[bytes] | None = None

    def look(self) -> None:
        """Start it if it is time."""
        if self._process is not None and self._process.poll() is None:
            return
        if self._clock() < self._next:
            return
        self._next = self._clock() + EVERY_SECONDS
        # Whatever is wrong here must not keep the agent from deploying.
        with contextlib.suppress(GitopsError, OSError):
            if service.log_folder(self._root).is_dir():
                self._process = subprocess.Popen(
                    [*programs.gitops_model(), "log", "close", "--background"], cwd=self._root
                )

    def stop(self) -> None:
        """End it. What it left undone, the next one does."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait()
