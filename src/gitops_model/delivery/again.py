"""Processes that answer logged requests again: two for each release, fed in turns, bounded in memory and time."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from gitops_model.delivery import programs
from gitops_model.errors import BadArtifact, ExternalFailure
from gitops_model.formats.pointer import Ref
from gitops_model.monitoring.asked import Request
from gitops_model.monitoring.replayed import Again

PROCESSES = 2
# Releases that are held at the same time. A day has seldom more than a stable one, its successor and a canary.
MOST_RELEASES = 4
BLOCK_ROWS = 256
MEMORY_MB = 2048
LOAD_SECONDS = 120.0
BLOCK_SECONDS = 120.0

# A request, the place of its first row in the log, and its rows answered again.
Took = Callable[[Request, int, list[Again]], None]
Block = list[tuple[Request, int]]


@dataclass(kw_only=True)
class Child:
    """One process, and the block it works on."""

    ref: Ref
    process: subprocess.Popen[bytes]
    errors: IO[bytes]
    block: Block = field(default_factory=list)

    @staticmethod
    def start(store: Path, ref: Ref, *, trusted: Sequence[str], memory_mb: int) -> Child:
        """Start it, and wait until the release is loaded. Raises BadArtifact, ExternalFailure."""
        errors = tempfile.TemporaryFile()  # noqa: SIM115  `close` closes it
        words = [*programs.gitops_model(), "answer", f"--memory-mb={memory_mb}"]
        words += [*(f"--trust={name}" for name in trusted), str(store), ref.model, ref.sha256]
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        )
        child = Child(ref=ref, process=process, errors=errors)
        try:
            (found,) = child._read(1, seconds=LOAD_SECONDS)
        except BaseException:
            child.close()
            raise
        if "failed" in found:
            child.close()
            raise BadArtifact(str(found["failed"]), reason=str(found["reason"]))
        return child

    def send(self, block: Block) -> None:
        """Give it a block to work on; the former one must have been received."""
        lines = [json.dumps([dict(row.inputs) for row in request.rows]) for request, _ in block]
        assert self.process.stdin is not None and not self.block
        self.block = block
        with contextlib.suppress(BrokenPipeError):
            # That it ended is found, with the reason, where its answer is read.
            self.process.stdin.write("".join(f"{line}\n" for line in [*lines, ""]).encode())
            self.process.stdin.flush()

    def receive(self, took: Took) -> None:
        """Wait for its block, and hand on what came back."""
        block, self.block = self.block, []
        found = self._read(len(block), seconds=BLOCK_SECONDS)
        for (request, at), answers in zip(block, found, strict=True):
            if isinstance(answers, str):
                rows = [Again(output=None, why=answers)] * len(request.rows)
            else:
                rows = [
                    Again(output=text, imputed=imputed, fell_back=fell_back)
                    for text, imputed, fell_back in answers
                ]
            took(request, at, rows)

    def _read(self, lines: int, *, seconds: float) -> list[Any]:
        assert self.process.stdout is not None
        timer = threading.Timer(seconds, self.process.kill)
        timer.start()
        try:
            found = [self.process.stdout.readline() for _ in range(lines)]
            if all(line.endswith(b"\n") for line in found):
                return [json.loads(line) for line in found]
        finally:
            timer.cancel()
        self.process.kill()
        code = self.process.wait()
        self.errors.seek(0)
        last = self.errors.read()[-2000:].decode(errors="replace").strip().splitlines()[-1:]
        said = f": {last[0]}" if last else ""
        raise ExternalFailure(
            f"the process that answers as {self.ref.model} ended with code {code}{said}. It may take {MEMORY_MB} MB, "
            f"and {seconds:g} s for {BLOCK_ROWS} rows."
        )

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


class Answerers:
    """Answers requests again by any release, a few at a time. `fetch(ref)` puts its bundle into `store`."""

    def __init__(
        self,
        store: Path,
        *,
        fetch: Callable[[Ref], None],
        took: Took,
        trusted: Sequence[str] = (),
        memory_mb: int = MEMORY_MB,
    ) -> None:
        self._store, self._fetch, self._took = store, fetch, took
        self._trusted, self._memory_mb = trusted, memory_mb
        self._children: dict[Ref, list[Child]] = {}
        self._waiting: dict[Ref, Block] = {}
        self._turn: dict[Ref, int] = {}

    def ask(self, ref: Ref, request: Request, at: int) -> None:
        """Have `request` answered by `ref`. Raises BadArtifact where its bundle is nowhere, or does not load."""
        self._ready(ref)
        block = self._waiting.setdefault(ref, [])
        rows = sum(len(one.rows) for one, _ in block)
        if block and rows + len(request.rows) > BLOCK_ROWS:
            self._send(ref)
            block = self._waiting.setdefault(ref, [])
        block.append((request, at))

    def _ready(self, ref: Ref) -> None:
        if ref in self._children:
            # The one that was used last stands last.
            self._children[ref] = self._children.pop(ref)
            return
        self._fetch(ref)
        if len(self._children) >= MOST_RELEASES:
            self._end(next(iter(self._children)))
        children: list[Child] = []
        self._children[ref], self._turn[ref] = children, 0
        try:
            for _ in range(PROCESSES):
                children.append(
                    Child.start(self._store, ref, trusted=self._trusted, memory_mb=self._memory_mb)
                )
        except BaseException:
            del self._children[ref]
            for child in children:
                child.close()
            raise

    def _send(self, ref: Ref) -> None:
        children, turn = self._children[ref], self._turn[ref]
        child = children[turn]
        self._turn[ref] = (turn + 1) % len(children)
        if child.block:
            child.receive(self._took)
        child.send(self._waiting.pop(ref))

    def _end(self, ref: Ref) -> None:
        if ref in self._waiting:
            self._send(ref)
        for child in self._children.pop(ref):
            if child.block:
                child.receive(self._took)
            child.close()

    def finish(self) -> None:
        """Wait for all answers."""
        for ref in list(self._children):
            self._end(ref)

    def close(self) -> None:
        """End all processes, also where something went wrong."""
        for children in self._children.values():
            for child in children:
                child.close()
        self._children.clear()
