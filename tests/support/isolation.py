"""An environment in which git, DVC and GitHub know nobody's settings but ours. The one place that says what that is."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

# Variables by which a person, a tool or a job of GitHub Actions would reach into a test.
FOREIGN = (
    "GIT_",
    "GITHUB_",
    "GH_",
    "ACTIONS_",
    "RUNNER_",
    "DVC_",
    "AWS_",
    "EMAIL",
    "XDG_CONFIG",
    "PYTEST_",
)
SERVICE = ("SERVICE_URL", "AGENT_SECONDS", "DEPLOY", "STORE", "REASON", "TO", "FAILED", "CI")
GITCONFIG = (
    "[user]\n\tname = Ada Example\n\temail = ada@example.com\n"
    "[init]\n\tdefaultBranch = main\n[advice]\n\tdetachedHead = false\n"
)


def isolated(home: Path) -> dict[str, str]:
    """The variables to set; `home` gets a .gitconfig with an identity."""
    home.mkdir(parents=True, exist_ok=True)
    (home / ".gitconfig").write_text(GITCONFIG)
    return {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "DVC_NO_ANALYTICS": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "DVC_GLOBAL_CONFIG_DIR": str(home / "dvc"),
        "DVC_SYSTEM_CONFIG_DIR": str(home / "dvc-system"),
    }


def environment(home: Path, outside: Mapping[str, str]) -> dict[str, str]:
    """`outside` without what is foreign, and isolated: the environment of a process that a test starts."""
    kept = {name: value for name, value in outside.items() if not _foreign(name)}
    return {**kept, **isolated(home)}


@contextmanager
def isolation(home: Path) -> Iterator[pytest.MonkeyPatch]:
    """The same for this process while the block lasts, for the autouse fixture of a folder of tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            # pytest's own variables belong to this process.
            if _foreign(name) and not name.startswith("PYTEST_"):
                patch.delenv(name)
        for name, value in isolated(home).items():
            patch.setenv(name, value)
        yield patch


def _foreign(name: str) -> bool:
    return name.startswith(FOREIGN) or name in SERVICE
