"""`gitops-model compare` on a prediction log whose days moved to a bucket."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from gitops_model.cli import main
from gitops_model.formats.pointer import Pointer
from gitops_model.monitoring import sending
from tests.support import logs
from tests.support.buckets import BUCKET, Storage
from tests.support.closed_days import close
from tests.support.factories import contract_dict

TO = f"s3://{BUCKET}/flights"
REPORT = Path("reports/compare.md")
NOW = datetime.now(UTC)
DAYS = [f"{NOW.date() - timedelta(days=back)}" for back in (4, 3, 2)]


@pytest.fixture
def folder(bucket: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The log of three days, on each of which a shadow was asked as well, in a repository that names the bucket."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "contract.yaml").write_text(yaml.safe_dump(contract_dict()))
    (tmp_path / "production.yaml").write_text(Pointer().to_yaml())
    (tmp_path / "serving.yaml").write_text(f"host: 127.0.0.1\nport: 0\nlog: {{to: {TO}}}\n")
    place = tmp_path / "logs" / "predictions"
    for at, day in enumerate(DAYS):
        output = {"delayed": False, "probability": 0.1 + 0.1 * at}
        rows = [logs.record(n, output=output) for n in range(40)]
        rows += [logs.shadowed(n, 0.2, 0.8 if n % 4 else 0.3) for n in range(40)]
        logs.write(place, day, rows)
    return place


def _pages() -> list[str]:
    found = []
    for words in ((), (DAYS[0], DAYS[2])):
        assert main(["compare", *words]) == 0
        found.append(REPORT.read_text())
    return found


def test_it_says_of_the_bucket_what_it_says_of_the_folder(
    bucket: Storage, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = _pages()
    assert f"{logs.SHADOW} as shadow" in here[0] and DAYS[2] in here[1]
    close(folder, NOW)
    assert len(list(sending.send(folder, TO, now=NOW))) == 3 and not list(folder.rglob("*.parquet"))
    assert _pages() == here
    bucket.asked.clear()
    assert main(["compare", DAYS[0], DAYS[2]]) == 0
    assert bucket.got(f"date={DAYS[0]}") and not bucket.got(f"date={DAYS[1]}")

    REPORT.unlink()
    bucket.cut = "GET .*parquet"
    capsys.readouterr()
    assert main(["compare"]) == 5
    said = capsys.readouterr().err
    assert f"the log at {TO} cannot be read" in said and "gives no answer" in said
    assert not REPORT.exists()
