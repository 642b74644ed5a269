"""A process that answers logged requests again, through what answers callers: the same validation, runtime, fallback.

It reads blocks from stdin, a line for each request and an empty one at the end, and writes a line for each request.
Its memory is bounded, and it ends with stdin.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitops_model.errors import BadArtifact
from gitops_model.formats.pointer import Ref
from gitops_model.formats.store import Layout
from gitops_model.serving.loader import load
from gitops_model.serving.predictor import ModelFailed, Refused, evaluate
from gitops_model.serving.snapshot import Loaded

MOST_WORDS = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `answer`."""
    parser.add_argument("--trust", action="append", default=[], metavar="TYPE")
    parser.add_argument("--memory-mb", type=int, default=2048)
    parser.add_argument("store", type=Path)
    parser.add_argument("model")
    parser.add_argument("sha256")


@dataclass(frozen=True, kw_only=True)
class Options:
    """The release in a store, the types that skops may load besides its own, and the memory it may take."""

    store: Path
    model: str
    sha256: str
    trust: Sequence[str] = ()
    memory_mb: int = 2048


def run(options: Options) -> int:
    """Answer until stdin ends. The first line says whether the release could be loaded."""
    with contextlib.suppress(OSError, ValueError):
        # What is written to, unlike the address space, is about what is used: libraries reserve far more.
        limit = options.memory_mb << 20
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    try:
        ref = Ref(model=options.model, sha256=options.sha256)
        loaded = load(Layout(options.store), ref, trusted=options.trust)
    except BadArtifact as error:
        _write([{"failed": str(error), "reason": error.reason}])
        return 0
    _write([{}])
    block: list[bytes] = []
    for line in sys.stdin.buffer:
        if line != b"\n":
            block.append(line)
            continue
        # All of it was read before anything is written, so neither side waits for the other.
        _write([_answers(loaded, json.loads(request)) for request in block])
        block = []
    return 0


def _answers(loaded: Loaded, rows: Sequence[dict[str, Any]]) -> Any:
    try:
        found = evaluate(loaded, rows, batch=len(rows) > 1)
    except Refused as refused:
        return f"refused: {refused.problems[0][:MOST_WORDS]}"
    except ModelFailed:
        return "failed: the model gave no answer, and its contract names no fallback"
    return [
        [json.dumps(row.output, separators=(",", ":")), row.imputed, row.fell_back] for row in found
    ]


def _write(lines: Sequence[Any]) -> None:
    sys.stdout.buffer.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    sys.stdout.buffer.flush()
