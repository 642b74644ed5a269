"""Peak memory of a model: a process of its own loads the bundle, answers its golden requests and ends.

`weigh` is the command of that process; `peak_mb` looks at it from outside.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from gitops_model.delivery.apart import Options, add_arguments, words
from gitops_model.errors import CannotEvaluate
from gitops_model.formats.bundle import Bundle
from gitops_model.runtime.models import columns_of, load_model

# `cli` takes these of the module of each command.
__all__ = ["Options", "add_arguments", "of_bundle", "peak_mb", "run"]

# ru_maxrss of a child starts from its parent's size, so a small interpreter stands between. Linux counts KiB.
_WEIGH = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
sys.stderr.buffer.write(done.stderr[-2000:])
unit = 1 if sys.platform == "darwin" else 1024
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit)
sys.exit(done.returncode)
"""


def run(options: Options) -> int:
    """Raises BadArtifact when the bundle cannot be loaded."""
    bundle = Bundle.read(options.path, sha256=options.sha256)
    model = load_model(bundle, trusted=options.trust)
    validate = bundle.contract.row_validator()
    for line in bundle.golden:
        model.predict(columns_of(bundle.contract, [validate(line["inputs"]).values]))
    return 0


def of_bundle(path: Path, *, sha256: str, trusted: Sequence[str] = ()) -> float:
    """Peak memory in MB of a process that serves this bundle. Raises CannotEvaluate when it cannot be loaded."""
    return peak_mb(words("weigh", Options(path=path, sha256=sha256, trust=trusted)))


def peak_mb(command: Sequence[str], *, timeout: float = 60) -> float:
    """Peak resident memory, in MB (1,000,000 bytes), of a command that runs to its end.

    One run: twenty of them lay within 0.7 % of each other. Raises CannotEvaluate when the command fails or takes longer
    than `timeout` seconds.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-S", "-c", _WEIGH, *command],
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CannotEvaluate(
            f"peak memory: `{command[0]} ...` did not end within {timeout:g} s."
        ) from None
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise CannotEvaluate(
            f"peak memory: `{command[0]} ...` ended with code {done.returncode}: {''.join(last)}"
        )
    return int(done.stdout.split()[-1]) / 1e6
