"""`gitops-model log close` as a command, killed, and started by the agent."""

from __future__ import annotations

import importlib.util
import subprocess
import time
from pathlib import Path

import pytest

from gitops_model import log
from gitops_model.cli import main
from gitops_model.delivery import log as command
from gitops_model.delivery import programs
from tests.support import logs

SETTINGS = "host: 127.0.0.1\nport: 0\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "serving.yaml").write_text(SETTINGS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def folder(root: Path) -> Path:
    return root / "logs" / "predictions"


def parquet(root: Path) -> list[Path]:
    return sorted(folder(root).glob("*/*.parquet"))


def test_it_says_what_it_closed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs.write(folder(root), "2026-11-20", [*(logs.record(n) for n in range(3)), "torn\n"])
    assert main(["log", "close"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("log: 2026-11-20: 3 rows of 1 files, ")
    assert "; 1 lines are no records and lie beside it." in said
    assert main(["log", "close", "--log", str(folder(root))]) == 0
    assert "no day in" in capsys.readouterr().out


def test_without_pyarrow_it_says_what_to_install(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert main(["log", "close"]) == 2
    assert "install gitops-model[monitoring]" in capsys.readouterr().err
    closer = command.Closer(root)
    closer.look()
    assert closer._process is None


def test_a_disk_that_is_full_loses_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import errno

    from gitops_model.monitoring import closing

    def full(name: str) -> None:
        if name == "broken":
            raise OSError(errno.ENOSPC, "No space left on device")

    logs.write(folder(root), "2026-11-20", [logs.record(0)])
    monkeypatch.setattr(closing, "_step", full)
    assert main(["log", "close"]) == 5
    assert "cannot be closed: No space left on device" in capsys.readouterr().err
    assert len(log.read(folder(root))) == 1 and not parquet(root)


@pytest.mark.slow
def test_killed_at_any_time_it_loses_nothing_and_counts_nothing_twice(root: Path) -> None:
    days = [f"2026-11-{day}" for day in range(10, 16)]
    for day in days:
        logs.write(folder(root), day, [logs.record(n) for n in range(2000)])
    kills = 0
    for pause in (0.35, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8, 0.9):
        process = subprocess.Popen([*programs.gitops_model(), "log", "close"], stdout=subprocess.DEVNULL)  # fmt: skip
        time.sleep(pause)
        kills += process.poll() is None
        process.kill()
        process.wait()
        assert len(log.read(folder(root))) == 2000 * len(days)
    assert kills
    assert main(["log", "close"]) == 0
    found = log.read(folder(root))
    assert len(found) == 2000 * len(days)
    assert not list(folder(root).glob("*/*.jsonl"))


def test_the_agent_starts_it_once_an_hour(root: Path) -> None:
    logs.write(folder(root), "2026-11-20", [logs.record(0)])
    now = [0.0]
    closer = command.Closer(root, clock=lambda: now[0])
    closer.look()
    first = closer._process
    assert first is not None and first.wait(60) == 0
    assert len(parquet(root)) == 1
    now[0] = command.EVERY_SECONDS - 1
    closer.look()
    assert closer._process is first
    now[0] += 1
    closer.look()
    assert closer._process is not first
    closer.stop()
    (root / "serving.yaml").write_text("no settings")
    now[0] += command.EVERY_SECONDS
    closer.look()


def test_a_real_service_writes_what_it_reads(tmp_path: Path) -> None:
    from datetime import UTC, datetime, timedelta

    from gitops_model.monitoring import closing
    from tests.support.factories import REQUEST
    from tests.support.server import Store, running

    store = Store(tmp_path / "store")
    commit = store.point(store.add(1))
    settings = {"log": {"predictions": True, "folder": "log"}}
    with running(store.folder, tmp_path / "service", **settings) as server:
        server.until_synced(commit)
        replies = [server.predict(REQUEST | {"hour": hour}).json for hour in range(5)]
        batch = server.call("POST", "/predict", {"rows": [REQUEST] * 3}).json
        server.stop()
    place = tmp_path / "service" / "log"
    before = log.read(place)
    assert len(before) == 8 and before["rows"].tolist() == [1] * 5 + [3] * 3
    assert list(closing.close(place, now=datetime.now(UTC) + timedelta(days=2)))
    after = log.read(place)
    assert before.to_csv() == after.to_csv()
    answers = [reply["output"]["probability"] for reply in replies]
    assert after["output.probability"].tolist()[:5] == answers
    assert after["output.probability"].tolist()[5:] == [r["output"]["probability"] for r in batch["rows"]]  # fmt: skip
