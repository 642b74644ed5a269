"""docs/reading_the_log.md: its script and its SQL run, on a log with closed and open days."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitops_model.monitoring import closing
from tests.support import logs
from tests.support.places import ROOT

PAGE = (ROOT / "docs" / "reading_the_log.md").read_text()


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "logs" / "predictions"
    many = [logs.record(n, imputed=["distance"], key="k") for n in range(5)]
    logs.write(folder, "2026-11-20", [*many, "torn\n"])
    logs.write(folder, "2026-11-21", [logs.record(n, inputs={"wind": 3.5}) for n in range(3)])
    assert list(closing.close(folder, now=datetime(2026, 11, 22, 2, tzinfo=UTC)))
    late = [logs.record(n, route="canary", time="2026-11-28T08:00:00.000Z") for n in range(4)]
    # A part that lies in Parquet already, as in the moment between the last two steps.
    (closed,) = folder.glob("date=2026-11-20/*.parquet")
    left = logs.write(folder, "2026-11-20", [logs.record(9)])
    left.rename(closed.parent / f"closing-{closed.stem.removeprefix('closed-')}-part-1.jsonl")
    logs.write(folder, "2026-11-28", [*late, "torn\n"])
    return tmp_path


def test_the_script_runs(place: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block("python")],
        cwd=place,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "2 lines are no records" in done.stdout
    table = re.sub(r" +", " ", done.stdout)
    assert "2026-11-20 flight-delay-v1 stable 8" in table
    assert "2026-11-28 flight-delay-v1 canary 4" in table
    assert "inputs.wind" in table


def test_the_sql_reads_the_same(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    monkeypatch.chdir(place)
    create, select = block("sql").strip().rstrip(";").split(";\n")
    with duckdb.connect() as connection:
        connection.execute(create)
        found = connection.execute(select).fetchall()
    assert [(str(day), route, rows) for day, _, route, rows in found] == [
        ("2026-11-20", "stable", 5),
        ("2026-11-21", "stable", 3),
        ("2026-11-28", "canary", 4),
    ]
