"""The prediction log in a bucket of an S3 server: moved there, read from there, and what is said when that fails."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from gitops_model import log
from gitops_model.cli import main
from gitops_model.delivery import service
from gitops_model.errors import BadInput, ExternalFailure
from gitops_model.monitoring import asked, labels, parts, records, sending
from gitops_model.monitoring import storage as storage_of
from tests.support import logs
from tests.support.buckets import BUCKET, Storage
from tests.support.closed_days import close
from tests.support.factories import make_contract
from tests.support.isolation import isolation

TO = f"s3://{BUCKET}/flights"
DAY = "2026-11-20"
LATER = datetime(2026, 11, 25, 1, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A log with a day that is over."""
    place = tmp_path / "logs" / "predictions"
    logs.write(place, DAY, [*(logs.record(n) for n in range(5)), "torn\n"])
    return place


def closed(folder: Path) -> list[Path]:
    close(folder, LATER)
    return sorted(folder.glob("*/closed-*"))


def send(folder: Path, to: str = TO) -> list[sending.Sent]:
    return list(sending.send(folder, to, now=LATER))


def test_a_closed_day_moves_and_is_read_as_before(bucket: Storage, folder: Path) -> None:
    before = log.read_table(folder)
    files = {f"flights/date={DAY}/{path.name}": path.read_bytes() for path in closed(folder)}
    sent = send(folder)
    assert [one.day for one in sent] == [DAY, DAY]
    assert sum(one.size for one in sent) == sum(map(len, files.values()))
    for name, data in files.items():
        assert bucket.client().get_object(Bucket=BUCKET, Key=name)["Body"].read() == data
    assert set(bucket.objects()) == set(files) and not closed(folder)
    assert log.read_table(TO) == before
    # The service writes on; readers that know both places see all of it.
    logs.write(folder, "2026-11-25", [logs.record(9)])
    assert send(folder) == []
    both = records.Log(folder, TO)
    assert [(part.day.day, part.place) for part in both.parts()] == [(20, 1), (25, 0)]
    rows = [row for part in both.parts() for row in _ids(both, part)]
    assert rows == ["r0", "r1", "r2", "r3", "r4", "r9"]


def _ids(place: records.Log, part: parts.Part) -> list[str]:
    pieces = place.read(part, records.shape(make_contract()), records.Broken())
    return [one for piece in pieces for one in piece.table.column("request_id").to_pylist()]


def test_what_moves_after_it_was_listed_is_read_where_it_went(
    bucket: Storage, folder: Path
) -> None:
    both, wanted = records.Log(folder, TO), ["r0", "r1", "r2", "r3", "r4"]
    (lines,) = both.parts()
    closed(folder)
    (parquet,) = both.parts()
    send(folder)
    for part in (lines, parquet):
        assert part.place == 0 and _ids(both, part) == wanted
        found = list(asked.records(both, part, records.Broken()))
        assert [one["request_id"] for one in found] == wanted
    # What is nowhere any more was deleted, and is no failure.
    for name in bucket.objects():
        bucket.client().delete_object(Bucket=BUCKET, Key=name)
    assert _ids(both, lines) == _ids(both, parquet) == []


def test_a_day_that_is_not_over_stays(bucket: Storage, folder: Path) -> None:
    now = datetime(2026, 11, 20, 23, tzinfo=UTC)
    assert list(sending.send(folder, TO, now=now)) == []
    assert not bucket.asked


@pytest.mark.parametrize("left", ["all of it", "half of it", "other bytes"])
def test_what_a_killed_run_left_there_is_no_harm(bucket: Storage, folder: Path, left: str) -> None:
    (path,) = (one for one in closed(folder) if one.suffix == ".parquet")
    data = path.read_bytes()
    there = {"all of it": data, "half of it": data[: len(data) // 2], "other bytes": data[::-1]}
    name = f"flights/date={DAY}/{path.name}"
    bucket.client().put_object(Bucket=BUCKET, Key=name, Body=there[left])
    # While it lies in both places it counts once, as it is here.
    both = records.Log(folder, TO)
    assert [_ids(both, part) for part in both.parts()] == [["r0", "r1", "r2", "r3", "r4"]]
    bucket.asked.clear()
    send(folder)
    put = [one for one in bucket.asked if one.what.startswith("PUT") and path.name in one.what]
    assert len(put) == (left != "all of it")
    assert bucket.client().get_object(Bucket=BUCKET, Key=name)["Body"].read() == data
    assert len(log.read_table(TO)) == 5


def test_an_upload_that_breaks_off_is_no_object(
    bucket: Storage, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "PIECE_BYTES", 12 << 20)
    (path,) = (one for one in closed(folder) if one.suffix == ".parquet")
    # Larger than what goes up by one request; the content does not matter.
    path.write_bytes(np.random.default_rng(7).bytes(25 << 20))
    bucket.cut = "PUT .*partNumber=2"
    with pytest.raises(ExternalFailure) as caught:
        send(folder)
    said = str(caught.value)
    assert f"{path} cannot be moved to {TO}. It stays here: the storage at {bucket.url}" in said
    assert "gives no answer" in said and "\n" not in said
    assert path.exists() and not any(name.endswith(".parquet") for name in bucket.objects())
    # Not for a moment, as a request that completes it would.
    assert not [one.what for one in bucket.asked if re.match("POST .*uploadId=", one.what)]
    bucket.cut = None
    send(folder)
    assert not path.exists()
    assert bucket.objects()[f"flights/date={DAY}/{path.name}"] == 25 << 20


def test_ctrl_c_in_an_upload_leaves_nothing_there(
    bucket: Storage, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aside, path = closed(folder)
    aside.unlink()
    path.write_bytes(bytes(25 << 20))
    monkeypatch.setattr(sending, "PIECE_BYTES", 12 << 20)

    def first_piece(at: int, _size: int, _step: int) -> Iterator[int]:
        yield at
        raise KeyboardInterrupt

    monkeypatch.setattr(sending, "range", first_piece, raising=False)
    with pytest.raises(KeyboardInterrupt):
        send(folder)
    assert path.exists() and not any("closed-" in name for name in bucket.objects())
    assert any("partNumber=2" in one.what for one in bucket.asked)


def test_bytes_that_do_not_come_back_are_not_deleted_here(
    bucket: Storage, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = closed(folder)
    monkeypatch.setattr(sending, "_sha256", lambda *_: "0" * 64)
    with pytest.raises(ExternalFailure, match="with other bytes than here. It stays here"):
        send(folder)
    assert closed(folder) == paths


def _wrong_secret(patch: pytest.MonkeyPatch) -> None:
    patch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")


def _unknown_key(patch: pytest.MonkeyPatch) -> None:
    patch.setenv("AWS_ACCESS_KEY_ID", "AKIAUNKNOWN")


def _no_server(patch: pytest.MonkeyPatch) -> None:
    patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")


KEYS = "refuses the credentials .* Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
FAILURES = [
    (_wrong_secret, TO, KEYS),
    (_unknown_key, TO, KEYS),
    (_no_server, TO, "at http://127.0.0.1:9 gives no answer .* Is AWS_ENDPOINT_URL right"),
    (lambda _patch: None, "s3://no-such-bucket/flights", "no .*bucket.* Create it, or correct the"),
]


@pytest.mark.parametrize(
    ("spoil", "place", "why"), FAILURES, ids=["secret", "key", "server", "bucket"]
)
def test_each_failure_is_one_sentence_and_changes_nothing(
    bucket: Storage,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoil: object,
    place: str,
    why: str,
) -> None:
    paths = closed(folder)
    assert callable(spoil)
    spoil(monkeypatch)
    contract = make_contract()
    begin = time.monotonic()
    every = (
        lambda: send(folder, place),
        lambda: records.Log(place).parts(),
        lambda: log.read_table(place),
        lambda: labels.read(place, contract),
        lambda: labels.read(f"{place}/labels.csv", contract),
    )
    # Each waits for two more attempts where nobody answers.
    for doing in every[:2] if spoil is _no_server else every:
        with pytest.raises((BadInput, ExternalFailure), match=why) as caught:
            doing()
        said = str(caught.value)
        assert place in said and "\n" not in said and "AWS Error" not in said
    assert time.monotonic() - begin < 60
    assert closed(folder) == paths
    for name, value in bucket.env.items():
        monkeypatch.setenv(name, value)
    assert bucket.objects() == {}


def test_a_server_that_breaks_off_in_the_middle_is_no_gap_in_the_log(
    bucket: Storage, folder: Path
) -> None:
    closed(folder)
    send(folder)
    place = records.Log(TO)
    (part,) = place.parts()
    bucket.cut = "GET .*parquet"
    with pytest.raises(
        ExternalFailure, match=f"the log at {TO} cannot be read: .* gives no answer"
    ):
        _ids(place, part)


@pytest.mark.slow
def test_a_server_that_takes_requests_and_says_nothing_is_not_waited_for_long(
    bucket: Storage, folder: Path
) -> None:
    paths = closed(folder)
    bucket.hang = "."
    begin = time.monotonic()
    with pytest.raises(ExternalFailure, match="cannot be moved .* gives no answer"):
        send(folder)
    with pytest.raises(ExternalFailure, match="cannot be listed: .* gives no answer"):
        records.Log(TO).parts()
    assert time.monotonic() - begin < 60
    bucket.hang = None
    assert closed(folder) == paths


def test_only_the_days_and_columns_that_are_asked_for_are_fetched(
    bucket: Storage, tmp_path: Path
) -> None:
    folder, days = tmp_path / "log", [f"2026-11-{day}" for day in (17, 18, 19, 20)]
    rng = np.random.default_rng(3)
    for day in days:
        rows = [row | {"key": rng.bytes(40).hex()} for row in logs.traffic(rng, 4000)]
        logs.write(folder, day, rows)
    closed(folder)
    (path,) = folder.glob("date=2026-11-19/*.parquet")
    size = path.stat().st_size
    group = pq.read_metadata(path).row_group(0)
    columns = {
        group.column(at).path_in_schema: group.column(at).total_compressed_size
        for at in range(group.num_columns)
    }
    wanted = sum(
        one for name, one in columns.items() if name.startswith(("inputs.", "output.", "r", "sha"))
    )
    send(folder)
    bucket.asked.clear()
    place = records.Log(TO)
    (part,) = place.parts(first=date(2026, 11, 19), last=date(2026, 11, 19))
    assert len(_ids(place, part)) == 4000
    assert not bucket.got("date=2026-11-18") and not bucket.got("date=2026-11-20")
    got = bucket.got("date=2026-11-19")
    fetched = sum(one.sent for one in got)
    print(f"{fetched:,} of {size:,} bytes in {len(got)} requests; the columns are {wanted:,}")
    # What is small and lies between two columns is fetched with them, and so is the file's end.
    assert wanted < fetched < 0.6 * size and len(got) <= 6
    bucket.asked.clear()
    day = "2026-11-19"
    table = log.read_table(TO, first=day, last=day, columns=["output.probability"])
    assert (table.num_rows, table.column_names) == (4000, ["output.probability"])
    chosen = sum(one.sent for one in bucket.got(day))
    print(f"one column: {chosen:,} bytes")
    assert chosen < fetched


def test_the_command_closes_moves_and_says_so(
    bucket: Storage,
    tmp_path: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = tmp_path / "serving.yaml"
    settings.write_text("host: 127.0.0.1\nport: 0\nlog: {to: null}\n")
    assert main(["log", "close"]) == 0
    assert not bucket.objects()
    settings.write_text(f"host: 127.0.0.1\nport: 0\nlog: {{to: {TO}}}\n")
    capsys.readouterr()
    assert main(["log", "close"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2 and all(
        f"log: {DAY}: " in line and f"moved to {TO}." in line for line in said
    )
    assert main(["log", "close"]) == 0
    assert "no day in" in capsys.readouterr().out
    assert service.log_places(Path(), None) == (Path("logs/predictions"), TO)
    assert service.log_places(Path(), "elsewhere") == ("elsewhere",)
    logs.write(folder, DAY, [logs.record(6)])
    bucket.cut = "PUT"
    assert main(["log", "close", "--background"]) == 5
    out, err = capsys.readouterr()
    assert "1 rows of 1 files" in out and "cannot be moved" in err
    settings.write_text("host: 127.0.0.1\nport: 0\nlog: {to: /srv/log}\n")
    assert main(["log", "close"]) == 2
    assert "s3://bucket/folder" in capsys.readouterr().err


def test_where_a_bucket_of_amazons_lies_is_asked_of_amazon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answers(found: str | OSError) -> None:
        def region(bucket: str) -> str:
            assert bucket == "team"
            if isinstance(found, OSError):
                raise found
            return found

        monkeypatch.setattr(storage_of.fs, "resolve_s3_region", region)

    with isolation(tmp_path / "home"):
        answers("eu-central-1")
        files, folder = storage_of.opened("s3://team/flights/")
        assert (files.region, folder) == ("eu-central-1", "team/flights")
        answers(OSError("Bucket 'team' not found"))
        with pytest.raises(BadInput, match="s3://team cannot be opened: Bucket 'team' not found"):
            storage_of.opened("s3://team")
        answers(OSError("AWS Error NETWORK_CONNECTION during HeadBucket operation: curlCode: 6"))
        with pytest.raises(ExternalFailure, match="the storage gives no answer .curlCode: 6."):
            storage_of.opened("s3://team")
