"""`gitops-model` as a forked process that has imported its modules already."""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.warm import Done, Running, Warm

__all__ = ["Commands", "Done", "Running"]
PRELOAD = (
    "github", "requests", "jsonschema", "yaml", "numpy", "pandas", "scipy.stats", "narwhals.stable.v2",
    "narwhals._pandas_like.namespace", "gitops_model.evaluation.verdict", "gitops_model.evaluation.decision",
    "gitops_model.delivery.check", "gitops_model.actions.publish", "gitops_model.actions.doctor",
    "gitops_model.actions.judge",
    "gitops_model.actions.release",
    "gitops_model.actions.deploy", "gitops_model.actions.revert", "gitops_model.actions.rollback",
)  # fmt: skip
KEPT = ("PATH", "HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM")


class Commands:
    """The commands, ready to run."""

    def __init__(self, folder: Path, warm: Warm) -> None:
        # What the commands start themselves, as dvc, gets the libraries of `warm`.
        self._warm = Warm(folder, preload=PRELOAD, python=warm.python)

    def close(self) -> None:
        self._warm.close()

    def start(self, *argv: str, cwd: Path, env: dict[str, str], code: str = "") -> Running:
        """Begin `gitops-model ARGV`, or run `code`."""
        base = {name: os.environ[name] for name in KEPT if name in os.environ}
        if "GITHUB_ACTIONS" not in env:
            base |= {
                n: v for n, v in os.environ.items() if n.startswith(("GIT_AUTHOR", "GIT_COMMITTER"))
            }
        words = ("-c", code) if code else ("-m", "gitops_model", *argv)
        return self._warm.start(*words, cwd=cwd, env={**base, **env})

    def run(self, *argv: str, cwd: Path, env: dict[str, str], code: str = "") -> Done:
        return self.start(*argv, cwd=cwd, env=env, code=code).wait()
