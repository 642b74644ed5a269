"""What answers for nobody yet, a shadow or a trial, takes one processor: libraries read their caps when they start."""

from __future__ import annotations

import contextlib
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from gitops_model.errors import BadArtifact
from gitops_model.serving import trial
from gitops_model.serving.shadow_child import Child

CAPS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
}


def _caps(pid: int) -> dict[str, str]:
    """Those of a running process, as the libraries in it see them."""
    until = time.monotonic() + 20
    # The kernel fills it in a moment after the process began.
    while not (text := Path(f"/proc/{pid}/environ").read_text()):
        assert time.monotonic() < until
    words = text.split("\0")
    known = dict(word.split("=", 1) for word in words if "=" in word)
    return {name: known.get(name, "none") for name in CAPS}


@pytest.fixture(autouse=True)
def _without_caps(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CAPS:
        monkeypatch.delenv(name, raising=False)


def test_a_shadow_has_one_thread(tmp_path: Path) -> None:
    child = Child([str(tmp_path), "m-v1", "0" * 64], memory_mb=1000)
    try:
        assert _caps(child.pid) == CAPS
    finally:
        child.close()


def test_a_trial_has_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    begin = subprocess.Popen

    def begun(*arguments: Any, **named: Any) -> Any:
        process = begin(*arguments, **named)
        found.append(_caps(process.pid))
        return process

    monkeypatch.setattr(trial.subprocess, "Popen", begun)
    with contextlib.suppress(BadArtifact):
        trial.Trial(seconds=5, memory_mb=1000)._try(tmp_path / "none.tar", "0" * 64)
    assert found == [CAPS]
