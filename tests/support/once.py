"""Make something expensive once, however many test processes want it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

DEADLINE = 300.0


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of one test run see, with or without pytest-xdist."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def once(folder: Path, make: Callable[[Path], None]) -> Path:
    """`folder`, filled by the first process that comes with `make(folder)`; the others wait until it is done."""
    done, failed = (
        folder.with_name(folder.name + ".done"),
        folder.with_name(folder.name + ".failed"),
    )
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        deadline = time.monotonic() + DEADLINE
        while not done.exists():
            assert not failed.exists(), (
                f"{folder.name} could not be made: see the first test that failed"
            )
            assert time.monotonic() < deadline, f"{folder.name} is still being made"
            time.sleep(0.05)
        return folder
    try:
        make(folder)
    except BaseException:
        failed.touch()
        raise
    done.touch()
    return folder
