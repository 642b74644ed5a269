"""The shadow's own process: loads one bundle, and answers the copies that arrive on its standard input.

    python -P -m gitops_model.serving.shadow_worker PARENT STORE MODEL SHA256 MEMORY_MB [TYPE …]

A block is lines up to an empty one. It first writes a block of what it is, or why it cannot be. Then each block in is
some requests, a line each, a list of rows; each block out says of each request how it went, and then its rows.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from gitops_model.errors import BadArtifact, GitopsError
from gitops_model.formats.pointer import Ref
from gitops_model.formats.store import Layout
from gitops_model.runtime.compared import facts_of
from gitops_model.serving import loader
from gitops_model.serving.detail import UNKNOWN_UNIT
from gitops_model.serving.predictor import Refused, evaluate
from gitops_model.serving.snapshot import Loaded

NICENESS = 19
MOST_WORDS = 300
_PR_SET_PDEATHSIG = 1


def main(words: Sequence[str]) -> int:
    """Answer until the input ends."""
    parent, store, model, sha256, memory_mb, *trusted = words
    give_way(int(parent), memory_mb=int(memory_mb))
    # Whatever the model prints must not look like an answer.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    logging.disable(logging.CRITICAL)
    try:
        loaded = loader.load(
            Layout(Path(store)), Ref(model=model, sha256=sha256), trusted=tuple(trusted)
        )
    except Exception as error:
        # The same words for the watcher as if it had loaded the bundle itself.
        reason = error.reason if isinstance(error, BadArtifact) else "load"
        reason = "read" if isinstance(error, OSError) else reason
        said = " ".join(str(error).split())
        said = said if isinstance(error, GitopsError) else f"{type(error).__name__}: {said}"
        _write(out, [{"failed": reason, "said": said[:1000]}])
        return 1
    edges = loaded.detail.edges
    span = None if edges == UNKNOWN_UNIT else (edges[0], edges[-1])
    _write(out, [asdict(facts_of(loaded.contract, span=span))])
    block: list[bytes] = []
    for line in sys.stdin.buffer:
        if line != b"\n":
            block.append(line)
            continue
        found: list[Any] = []
        for request in block:
            found += _answers(loaded, json.loads(request))
        _write(out, found)
        block = []
    return 0


def give_way(parent: int, *, memory_mb: int) -> None:
    """Take the processor only when nobody else wants it, no more memory than allowed, and end with the service."""
    os.nice(NICENESS)
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    bound(parent, memory_mb=memory_mb)


def bound(parent: int, *, memory_mb: int) -> None:
    """Take no more memory than allowed, and end with the service."""
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # What is written to, unlike the address space, is about what is used: libraries reserve far more.
        resource.setrlimit(resource.RLIMIT_DATA, (memory_mb << 20, memory_mb << 20))
    with contextlib.suppress(OSError):
        # When the machine runs out of memory all the same, the shadow goes first.
        Path("/proc/self/oom_score_adj").write_text("1000")
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def _answers(loaded: Loaded, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    """How a request went: seconds and a word; then each row's output (null: it failed) and what was imputed."""
    started = time.perf_counter()
    try:
        answered = evaluate(loaded, rows, batch=len(rows) > 1)
    except Refused as refused:
        said = refused.problems[0][:MOST_WORDS]
        return [[time.perf_counter() - started, "refused", said, 0]]
    except GitopsError as error:
        return [[time.perf_counter() - started, "failed", str(error)[:MOST_WORDS], 0]]
    seconds = time.perf_counter() - started
    return [
        [seconds, "answered", None, len(answered)],
        *([None if row.fell_back else row.output, row.imputed] for row in answered),
    ]


def _write(out: IO[bytes], lines: Sequence[Any]) -> None:
    out.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines) + b"\n")
    out.flush()


if __name__ == "__main__":
    code = main(sys.argv[1:])
    # A library's threads must not keep the process.
    os._exit(code)
