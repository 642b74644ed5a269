"""Fixtures for the tests of the template: a clean copy of it, and one bake for each combination of options."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ci_scripts import bake


@pytest.fixture(autouse=True)
def isolated(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the real HOME or git configuration. Returns the HOME of this test."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ada@example.test")
    for name in list(os.environ):
        if name.startswith(("GITHUB_", "MAKE", "MFLAGS", "PYTEST_ADDOPTS")) or name == "CI":
            monkeypatch.delenv(name)
    return home


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as a clone would have it."""
    return bake.export(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def baked(
    template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[dict[str, str]], Path]:
    """Bake a combination of options, once a session. Tests only read what it returns."""
    done: dict[tuple[tuple[str, str], ...], Path] = {}

    def get(options: dict[str, str]) -> Path:
        key = tuple(sorted(options.items()))
        if key not in done:
            done[key] = bake.bake(template, tmp_path_factory.mktemp("bake"), options)
        return done[key]

    return get
