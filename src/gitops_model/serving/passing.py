"""Which failures may pass by themselves, and how long to wait before the next try.

A bundle is wrong for good by its bytes alone: another sha256, a truncated file, a model that cannot be loaded, a broken
contract, other golden answers. Whatever the machine ran out of, it may have again in a moment.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

from gitops_model.errors import BadArtifact

# The longest wait leaves room for a load within ten seconds of the trouble's end.
FIRST_SECONDS = 0.25
LONGEST_SECONDS = 5.0
# What is not there is noticed when it comes; the rest a file's content can bring about.
_LASTING = frozenset({errno.ENOENT, errno.EINVAL, errno.EFBIG, errno.ENOTDIR, errno.EISDIR})
_MEMORY = (
    *("bad_alloc", "bad allocation", "out of memory"),
    *("failed to allocate", "cannot allocate", "unable to allocate"),
)
_WORDS = ("can't start new thread", "too many open files")


def passing(error: BaseException) -> bool:
    """Whether the same bytes may do better later: descriptors, memory, threads, disk, permissions or time ran out."""
    return any(_passing(one) for one in _chain(error))


def short_of_memory(error: BaseException) -> bool:
    """Whether memory is what ran out."""
    return any(_memory(one) for one in _chain(error))


def pause(tries: int) -> float:
    """Seconds to wait after the try of this number, the first being 1."""
    doubled: float = FIRST_SECONDS * 2 ** min(tries - 1, 10)
    return min(LONGEST_SECONDS, doubled)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    # What an error was explicitly raised from; what happened to be handled meanwhile says nothing of it.
    while error is not None:
        yield error
        error = error.__cause__


def _passing(error: BaseException) -> bool:
    if isinstance(error, BadArtifact):
        return error.reason == "read"
    if isinstance(error, OSError):
        return isinstance(error, TimeoutError) or (
            error.errno is not None and error.errno not in _LASTING
        )
    # A module that cannot be imported says what this host lacks, not what the bundle is.
    if isinstance(error, ImportError) or _memory(error):
        return True
    words = str(error).lower()
    return any(word in words for word in _WORDS)


def _memory(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    words = str(error).lower()
    return isinstance(error, MemoryError) or any(word in words for word in _MEMORY)
