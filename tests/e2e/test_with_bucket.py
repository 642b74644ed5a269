"""A team on S3-compatible storage: data, bundles and log of a generated repository, on a real server (moto's)."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gitops_model import log
from tests.support.buckets import BUCKET, Storage, storage
from tests.support.isolation import isolation
from tests.support.server import PATIENCE, Server, running
from tests.support.small import Small

REMOTE, LOG = f"s3://{BUCKET}/dvc", f"s3://{BUCKET}/log"
ORDER = {"plan": "pro", "amount": 12.0, "members": 3, "active": True}
ROWS = 30
# Its test rows are too few for the gates.
SHIP = ("ship", "orders-v1", "--accept-unevaluated", "a rehearsal", "--push")


@dataclass(frozen=True)
class Team:
    """Whoever trains, the serving host, the service on it, and the storage between them."""

    trainer: Small
    host: Path
    service: Server
    bucket: Storage

    @property
    def store(self) -> Path:
        return self.service.store

    @property
    def log(self) -> Path:
        return self.service.folder / "log"

    def clone(self) -> Small:
        """A clone on the serving host, which has neither data nor bundles."""
        origin = self.trainer.git("remote", "get-url", "origin")
        subprocess.run(["git", "clone", "-q", origin, self.host], check=True)
        return Small(self.host, self.trainer.warm)


@pytest.fixture
def team(repo: Small, tmp_path: Path) -> Iterator[Team]:
    """A built repository on an empty storage; its variables are set."""
    with (
        isolation(tmp_path / "home") as patch,
        storage() as bucket,
        running(
            tmp_path / "store",
            tmp_path / "service",
            log={"predictions": True, "folder": str(tmp_path / "service" / "log")},
        ) as service,
    ):
        for name, value in bucket.env.items():
            patch.setenv(name, value)
        origin = tmp_path / "origin.git"
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", origin], check=True)
        repo.git("remote", "add", "origin", str(origin))
        repo.dvc("remote", "add", "-q", "--default", "storage", REMOTE)
        repo.edit(
            "serving.yaml",
            ("port: 8080", f"port: {service.port}"),
            ("store: store #", f"store: {service.store} #"),
            ("folder: logs/predictions #", f"folder: {service.folder / 'log'}\n  to: {LOG} #"),
        )
        repo.commit("Use the storage")
        repo.git("push", "-q", "-u", "origin", "main")
        yield Team(repo, tmp_path / "host", service, bucket)


@pytest.mark.slow
def test_pipeline_release_deploy_log_and_monitor(team: Team) -> None:
    trainer, bucket = team.trainer, team.bucket
    trainer.dvc("push", "-q")
    assert "release: orders-v1 is commit" in trainer.ok("release")
    trainer.ok(*SHIP)

    host = team.clone()
    host.dvc("pull", "-q")
    assert host.repro() == []
    host.git("clean", "-qfdx")
    assert "orders-v1 fetched from the DVC remote 'storage'." in host.ok("deploy")

    for _ in range(ROWS):
        assert team.service.predict(ORDER).json["model"] == "orders-v1"
    day = _turned_over(team.log)
    said = host.ok("log", "close")
    assert f"{ROWS} rows of 1 files" in said and f"moved to {LOG}." in said
    assert not list(team.log.rglob("*.parquet")) and not list(team.log.rglob("*.jsonl"))
    assert len(log.read(LOG, first=day, last=day)) == ROWS

    bucket.asked.clear()
    assert f"{ROWS} rows in " in host.ok("monitor", "--last", day)
    assert "all are answered with the same bytes" in host.ok("replay", day)
    fetched = bucket.got("closed-")
    assert fetched and not any("date=" in one.what and day not in one.what for one in fetched)


def _turned_over(folder: Path) -> str:
    """Wait until all rows are written, and let their day be one that is over. Returns it."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = [path.read_text().count("\n") for path in folder.glob("*/part-*.jsonl")]
        if sum(found) == ROWS:
            break
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    day = f"{datetime.now(UTC).date() - timedelta(days=2)}"
    (written,) = folder.glob("date=*")
    written.rename(folder / f"date={day}")
    return day


REFUSED = (
    f"the storage {REMOTE} refuses the credentials. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
)


@pytest.mark.slow
def test_a_storage_that_fails_releases_and_deploys_nothing(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer, bucket = team.trainer, team.bucket

    def refused(made: Small, word: str, sentence: str) -> None:
        begin = time.monotonic()
        done = made.run(word)
        assert done.code in (4, 5) and sentence in done.output, done.output
        assert "Traceback" not in done.output
        assert time.monotonic() - begin < 180

    def no_release(sentence: str) -> None:
        refused(trainer, "release", sentence)
        assert trainer.git("ls-remote", "--tags", "origin") == "" and bucket.objects() == {}

    with monkeypatch.context() as patch:
        patch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        no_release(REFUSED)
    no_bucket = "s3://no-such-bucket/dvc has no such bucket. Create it, or correct the address"
    trainer.dvc("remote", "modify", "--local", "storage", "url", "s3://no-such-bucket/dvc")
    no_release(no_bucket)
    trainer.dvc("remote", "modify", "--local", "--unset", "storage", "url")
    bucket.cut = "(PUT|POST) .*files"
    no_release(f"the storage {REMOTE} gives no answer")
    bucket.cut = None
    trainer.ok("release")
    trainer.ok(*SHIP)

    def no_deploy(sentence: str) -> None:
        refused(host, "deploy", sentence)
        left = [path.name for path in team.store.rglob("*") if path.is_file()]
        assert not [name for name in left if name.endswith((".tar", "pointer.json"))], left

    host = team.clone()
    with monkeypatch.context() as patch:
        patch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        no_deploy(REFUSED)
    bucket.cut = "GET .*files"
    no_deploy(f"the storage {REMOTE} gives no answer")
    bucket.cut = None
    host.ok("deploy")
    assert team.service.predict(ORDER).json["model"] == "orders-v1"
