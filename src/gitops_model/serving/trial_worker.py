"""The process in which a bundle is tried before the service loads it: it may hang, crash, or need too much memory.

    python -P -m gitops_model.serving.trial_worker PARENT BUNDLE SHA256 SECONDS MEMORY_MB [TYPE …]

It ends with 0 when the bundle loads and answers its golden requests. Otherwise it writes why not.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import resource
import sys
from collections.abc import Sequence
from pathlib import Path

from gitops_model.errors import BadArtifact, GitopsError
from gitops_model.formats.bundle import Bundle
from gitops_model.serving import loader
from gitops_model.serving.passing import passing, short_of_memory
from gitops_model.serving.shadow_worker import bound

# Behind whatever answers callers, and not behind all else: on a busy machine it must still come to an end.
NICENESS = 10


def main(words: Sequence[str]) -> int:
    """Try one bundle."""
    parent, path, sha256, seconds, memory_mb, *trusted = words
    os.nice(NICENESS)
    bound(int(parent), memory_mb=int(memory_mb))
    with contextlib.suppress(OSError, ValueError):
        # Whoever started the service may allow less; the parent waits for so long only, anyway.
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 5))
    # Whatever the model prints must not look like our words.
    out = os.dup(1)
    os.dup2(2, 1)
    logging.disable(logging.CRITICAL)
    try:
        loader.ready(Bundle.read(Path(path), sha256=sha256), trusted=trusted)
    except Exception as error:
        reason = error.reason if isinstance(error, BadArtifact) else "load"
        said = " ".join(str(error).split())
        said = said if isinstance(error, GitopsError) else f"{type(error).__name__}: {said}"
        if short_of_memory(error):
            reason = "memory"
        elif passing(error):
            reason = "read"
        os.write(out, json.dumps({"reason": reason, "said": said[:1000]}).encode())
        return 1
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    # A library's threads must not keep the process.
    os._exit(code)
