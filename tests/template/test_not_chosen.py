"""Nothing of Ray, of object storage and of KServe is mentioned, installed or imported where it is not chosen."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ci_scripts import bake
from gitops_model.delivery import programs
from tests.support import logs
from tests.support.profiles import profile
from tests.support.world import World, served

COMMANDS = """
import sys
from gitops_model.cli import main
for words in sys.argv[1:]:
    print(f"{words}: {main(words.split())}")
"""
# Python says so of each module that it looked for, whether it is there or not.
IMPORTED = re.compile(r"^import time: .*\| +([\w.]+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What would be seen of it: words in files, packages in locks, modules of others and of this library.

    `says_how`: the only lines that may name it, because they say how it is chosen.
    """

    words: str
    packages: str
    modules: tuple[str, ...]
    says_how: tuple[str, ...] = ()


CHOICES = {
    "ray": Choice(
        words=r"\bray\b",
        packages=r"ray",
        modules=("ray", *(f"gitops_model.serving.{n}" for n in ("ray_cluster", "replica"))),
    ),
    "s3": Choice(
        words=r"\bs3\b|\bbuckets?\b|\baws|boto|s3fs|minio",
        packages=r".*(s3|boto|aws).*",
        modules=("boto3", "botocore", "s3fs", "s3transfer", "aiobotocore", "dvc_s3"),
        says_how=(
            "fetched again with `make data`. When you have a bucket or a server, name it:",
            "`dvc remote add --default storage s3://your-bucket/flight-delay`, put `dvc-s3` into `requirements.in`, "
            "run `make lock`.",
        ),
    ),
    "kserve": Choice(
        words=r"kserve|argo ?cd|argoproj|inferenceservice|kubernetes|kubectl",
        packages=r"kserve|kubernetes.*",
        modules=("kserve", "kubernetes", "gitops_model.delivery.manifests"),
    ),
}
every_choice = pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES)


@pytest.fixture
def repository(baked) -> Path:  # type: ignore[no-untyped-def]
    return baked({})  # type: ignore[no-any-return]


@every_choice
def test_no_file_mentions_it(repository: Path, choice: Choice) -> None:
    found = []
    for name in bake.files(repository):
        if not name.endswith((".whl", ".lock")) and not re.fullmatch("requirements.*txt", name):
            lines = (repository / name).read_text(encoding="utf-8").splitlines()
            found += [(name, one) for one in lines if re.search(choice.words, one, re.IGNORECASE)]
    assert found == [("README.md", line) for line in choice.says_how]


@every_choice
def test_no_lock_installs_it(repository: Path, choice: Choice) -> None:
    locks = [*repository.glob("requirements*"), repository / "library.lock"]
    assert len(locks) == 5
    for lock in locks:
        named = re.findall(r"^([\w.-]+)(?:\[[\w,]*\])?(?:==|$)", lock.read_text(), re.MULTILINE)
        assert named and not [one for one in named if re.fullmatch(choice.packages, one)], lock.name


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """What the service and the commands of every day import: a release that serves, is logged, watched, compared."""
    folder = tmp_path_factory.mktemp("imported")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        for role in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{role}_NAME", "Ada")
            patch.setenv(f"GIT_{role}_EMAIL", "ada@example.test")
        clone = World.create(folder / "world").clones[0]
        clone.release(1, members={"reference.json": profile().to_bytes()})
        clone.ship()
        patch.setenv("PYTHONPROFILEIMPORTTIME", "1")
        (folder / "service").mkdir()
        with served(clone, folder / "service", log={"predictions": True}) as server:
            days = [f"{datetime.now(UTC).date() - timedelta(days=back)}" for back in (2, 1)]
            sha256 = clone.pointer.stable.sha256  # type: ignore[union-attr]
            for day in days:
                rows = [logs.record(number, sha256=sha256) for number in range(50)]
                logs.write(clone.root / "logs/predictions", day, rows)
            words = ["deploy", "status", "log close", f"monitor --last {days[1]}"]
            words += [f"compare {' '.join(days)}"]
            done = subprocess.run(
                [programs.gitops_model()[0], "-P", "-c", COMMANDS, *words],
                cwd=clone.root,
                capture_output=True,
                text=True,
            )
            assert all(f"{one}: 0\n" in done.stdout for one in words), done.stdout
            assert server.predict().json["model"] == "flight-delay-v1"
        found = IMPORTED.findall(done.stderr), IMPORTED.findall(server.log())
    # Each of the two has been seen to work.
    assert "gitops_model.monitoring.compare_days" in found[0] and "onnxruntime" in found[1]
    assert not [one for one in found[1] if one.startswith(("pyarrow", "fsspec"))]
    return {*found[0], *found[1]}


@every_choice
def test_nothing_imports_it(imported: set[str], choice: Choice) -> None:
    assert not [one for one in imported if one.startswith(tuple(f"{m}." for m in choice.modules))]
    assert imported.isdisjoint(choice.modules)
