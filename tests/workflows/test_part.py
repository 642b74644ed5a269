"""`make setup PART=github`: what the quick jobs install, from the same locks, and that they need nothing else."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.places import TEMPLATE
from tests.workflows.commands import Commands
from tests.workflows.site import Site

QUICK = ("publish", "ci-release", "ci-rollback", "ci-deploy", "ci-revert", "monitor")


def setup(folder: Path, **values: str) -> subprocess.CompletedProcess[str]:
    # With a cache of byte code elsewhere, pip compiles itself again in each run.
    left = ("MAKEFLAGS", "MAKELEVEL", "PYTHONPYCACHEPREFIX")
    kept = {name: value for name, value in os.environ.items() if name not in left}
    return subprocess.run(
        ["make", "setup"],
        cwd=folder,
        env={**kept, "CI": "true", "PART": "github", **values},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that an installation reads, installed as a part."""
    folder = tmp_path_factory.mktemp("part") / "flight-delay"
    folder.mkdir()
    for name in ("Makefile", "library.lock", "requirements.txt", "vendor", ".dvc"):
        copy = shutil.copytree if (TEMPLATE / name).is_dir() else shutil.copy
        copy(TEMPLATE / name, folder / name)
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=folder, check=True)
    # The first one fills the package cache.
    for _ in range(2):
        shutil.rmtree(folder / ".venv", ignore_errors=True)
        began = spent()
        done = setup(folder)
        assert done.returncode == 0, done.stderr
    print(f"make setup PART=github, warm cache: {spent() - began:.1f} s of CPU")
    return folder


def spent() -> float:
    """CPU seconds of all processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.slow
def test_it_leaves_out_what_trains_and_serves(repository: Path) -> None:
    installed = {path.name.lower() for path in repository.glob(".venv/lib/*/site-packages/*")}
    assert {"gitops_model", "github", "dvc", "scipy"} <= installed
    assert installed.isdisjoint({"pandas", "sklearn", "onnxruntime", "onnx", "uvicorn", "pytest"})
    assert setup(repository).stdout == ""  # the second time it does nothing


@pytest.mark.slow
@pytest.mark.parametrize("command", QUICK)
def test_each_quick_job_starts_with_it(repository: Path, command: str) -> None:
    """It comes as far as its first question to GitHub or Git, and misses no package."""
    environ = {"PATH": os.environ["PATH"], "GITHUB_REPOSITORY": "acme/model", "GITHUB_TOKEN": "t",
               "GITHUB_API_URL": "http://127.0.0.1:9", "GITHUB_API_PACE": "0"}  # fmt: skip
    words = ["--help"] if command in ("publish", "monitor") else []
    done = subprocess.run(
        [repository / ".venv/bin/gitops-model", command, *words],
        cwd=repository, env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "No module named" not in done.stderr and "Traceback" not in done.stderr, done.stderr


@pytest.mark.slow
def test_the_whole_rollback_job_with_nothing_else(
    repository: Path, shipped: Path, commands: Commands, tmp_path: Path
) -> None:
    """From a fresh checkout to the pointer on main: set-up and button as the job runs them, in real processes."""
    site = Site(shipped, commands, tmp_path)
    with site.fake:
        checkout = site.checkout()
        environ = site.environment("rollback.yml", "rollback")
        began = spent()
        done = setup(checkout)
        assert done.returncode == 0, done.stderr
        middle = spent()
        done = subprocess.run(
            ["make", "ci-rollback"], cwd=checkout, capture_output=True, text=True, check=False,
            env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "CI": "true", "PART": "github",
                 "REASON": "wrong", **environ},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert site.pointer()["stable"]["model"] == site.v1
    print(
        f"the rollback job: {middle - began:.1f} s of CPU to set up, {spent() - middle:.1f} s to roll back"
    )


@pytest.mark.slow
def test_a_changed_hash_of_the_common_lock_is_refused_for_a_part_too(repository: Path) -> None:
    lock = repository / "requirements.txt"
    text = lock.read_text()
    start, end = text.index("\njinja2=="), text.index("\njoblib==")
    lock.write_text(
        text[:start] + re.sub("sha256:.{64}", "sha256:" + "0" * 64, text[start:end]) + text[end:]
    )
    shutil.rmtree(repository / ".venv")
    done = setup(repository)
    lock.write_text(text)
    assert done.returncode != 0
    assert "jinja2" in done.stderr.lower(), done.stderr
