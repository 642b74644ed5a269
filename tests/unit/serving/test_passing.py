"""What may pass by itself, and what is wrong for good."""

from __future__ import annotations

import errno

import pytest

from gitops_model.errors import BadArtifact
from gitops_model.serving.passing import LONGEST_SECONDS, passing, pause


def _caused(error: Exception, *, reason: str = "load") -> BadArtifact:
    try:
        raise BadArtifact("bundle 0123… cannot be loaded", reason=reason) from error
    except BadArtifact as found:
        return found


@pytest.mark.parametrize(
    "error",
    [
        *(
            OSError(number, "trouble")
            for number in (
                *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EACCES),
                *(errno.EAGAIN, errno.ESTALE, errno.ENOSPC, errno.ETIMEDOUT),
            )
        ),
        TimeoutError(),
        MemoryError(),
        RuntimeError("can't start new thread"),
        BadArtifact("the disk failed", reason="read"),
        _caused(OSError(errno.EMFILE, "Too many open files")),
        _caused(MemoryError(), reason="golden"),
        _caused(RuntimeError("std::bad_alloc"), reason="golden"),
        _caused(ImportError("libx.so: cannot open shared object file: Too many open files")),
    ],
)
def test_what_the_machine_lacks_may_come_back(error: Exception) -> None:
    assert passing(error)


@pytest.mark.parametrize(
    "error",
    [
        *(
            BadArtifact("wrong", reason=reason)
            for reason in ("sha256", "format", "contract", "load", "golden", "missing")
        ),
        _caused(FileNotFoundError(errno.ENOENT, "gone"), reason="missing"),
        _caused(OSError("Failed to interpret file as a pickle")),
        _caused(ValueError("a broken protobuf")),
        ZeroDivisionError(),
    ],
)
def test_what_lies_in_the_bytes_does_not_pass(error: Exception) -> None:
    assert not passing(error)


def test_tries_get_rarer_and_stay_frequent_enough_to_heal_in_ten_seconds() -> None:
    waits = [pause(tries) for tries in range(1, 2000)]
    assert waits[:4] == [0.25, 0.5, 1.0, 2.0]
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_SECONDS <= 5.0
