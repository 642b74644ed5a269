"""Reading the prediction log: every good record, and nothing lost without a word."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_model.errors import BadInput
from gitops_model.monitoring import records, traffic
from tests.support import logs
from tests.support.factories import make_contract
from tests.support.logs import SHA, record
from tests.support.profiles import profile

CONTRACT = make_contract()
DAY = date(2026, 11, 20)
PROFILE = profile()


def read(folder: Path) -> tuple[traffic.Traffic, records.Broken]:
    log, broken = records.Log(folder), records.Broken()
    shape = records.shape(CONTRACT)
    pieces = (piece for part in log.parts() for piece in log.read(part, shape, broken))
    return sum(traffic.count(pieces, PROFILE).values(), traffic.Traffic()), broken


def test_a_whole_day_is_counted(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    logs.write(tmp_path, "2026-11-20", logs.traffic(rng, 300))
    found, broken = read(tmp_path)
    assert found.rows == 300 and broken.count == 0
    assert found.inputs["distance"].rows == 300 and found.inputs["carrier"].bins.sum() == 300
    assert found.scores[SHA]["delayed"].known == 300


BROKEN = [
    '{"request_id": "half',
    "not json at all",
    "[1, 2]",
    '"text"',
    '{"request_id": "r", "route": "stable"}',
    '{"inputs": 7}',
    "\x00\x00\x00\x00",
]


@pytest.mark.parametrize("line", BROKEN)
def test_a_broken_record_is_lost_alone_counted_and_named(tmp_path: Path, line: str) -> None:
    good = [json.dumps(record(n)) + "\n" for n in range(5)]
    logs.write(tmp_path, "2026-11-20", [*good[:3], line + "\n", *good[3:]])
    found, broken = read(tmp_path)
    assert found.rows == 5
    assert broken.count == 1 and broken.named == ["date=2026-11-20/part-1.jsonl: line 4"]


def test_a_file_that_ends_in_half_a_line_loses_that_one(tmp_path: Path) -> None:
    logs.write(tmp_path, "2026-11-20", [record(0), record(1), json.dumps(record(2))[:50]])
    found, broken = read(tmp_path)
    assert found.rows == 2 and broken.named == ["date=2026-11-20/part-1.jsonl: line 3"]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 3000))
def test_a_file_cut_anywhere_keeps_every_whole_line(tmp_path_factory: Any, cut: int) -> None:
    folder = tmp_path_factory.mktemp("cut")
    path = logs.write(folder, "2026-11-20", [record(n) for n in range(10)])
    data = path.read_bytes()[:cut]
    path.write_bytes(data)
    found, broken = read(folder)
    rest = data.rpartition(b"\n")[2]
    # Only the final line feed may be lacking.
    whole = data.count(b"\n") + (rest.endswith(b"}") and rest.count(b"{") == rest.count(b"}"))
    assert found.rows == whole and broken.count == bool(rest) - (whole - data.count(b"\n"))


def test_values_of_another_type_are_counted_and_the_record_is_kept(tmp_path: Path) -> None:
    wrong = [{**record()["inputs"], "distance": value} for value in ("12", True, [1], 10**400)]
    logs.write(tmp_path, "2026-11-20", [record(n, inputs=one) for n, one in enumerate(wrong)])
    found, broken = read(tmp_path)
    assert found.rows == 4 and broken.count == 0
    assert found.inputs["distance"].wrong == 4 and found.inputs["distance"].missing == 4
    assert found.inputs["carrier"].missing == 0


def test_what_is_not_finite_is_missing(tmp_path: Path) -> None:
    lines = [json.dumps(record(n)).replace("1000.0", value) + "\n"
             for n, value in enumerate(("NaN", "Infinity", "-Infinity", "1e999"))]  # fmt: skip
    logs.write(tmp_path, "2026-11-20", lines)
    found, _ = read(tmp_path)
    assert found.rows == 4 and found.inputs["distance"].missing == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"request_id": "golden-3"},
        {"request_id": "replay-3"},
        {"route": "shadow"},
        {"route": "replay"},
    ],
)
def test_what_nobody_asked_is_no_traffic(tmp_path: Path, changes: dict[str, str]) -> None:
    logs.write(tmp_path, "2026-11-20", [record(0), record(1, **changes)])
    found, broken = read(tmp_path)
    assert found.rows == 1 and broken.count == 0


def test_the_fallback_counts_as_traffic_and_not_as_a_score(tmp_path: Path) -> None:
    logs.write(tmp_path, "2026-11-20", [record(0), record(1, route="fallback")])
    found, _ = read(tmp_path)
    assert found.rows == 2 and found.fallbacks == 1
    assert found.scores[SHA]["delayed"].rows == 1


def test_a_record_without_optional_names_is_read(tmp_path: Path) -> None:
    logs.write(tmp_path, "2026-11-20", ['{"inputs": {"distance": 5}}\n', '{"inputs": {}}\n'])
    found, broken = read(tmp_path)
    assert found.rows == 2 and broken.count == 0 and found.inputs["distance"].missing == 1


def test_parquet_counts_like_json_lines(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    rows = list(logs.traffic(rng, 500))
    logs.write(tmp_path / "lines", "2026-11-20", rows)
    shape = records.shape(CONTRACT)
    table = pa.Table.from_pylist(rows, schema=shape)
    target = tmp_path / "parquet" / "date=2026-11-20"
    target.mkdir(parents=True)
    pq.write_table(table, target / "part-1.parquet", row_group_size=100)
    one, other = read(tmp_path / "lines")[0], read(tmp_path / "parquet")[0]
    for name in CONTRACT.inputs:
        assert one.inputs[name].bins.tolist() == other.inputs[name].bins.tolist()
    assert one.scores[SHA]["delayed"].bins.tolist() == other.scores[SHA]["delayed"].bins.tolist()


def test_a_truncated_parquet_file_is_named(tmp_path: Path) -> None:
    target = tmp_path / "date=2026-11-20" / "part-1.parquet"
    target.parent.mkdir()
    target.write_bytes(b"PAR1 and then nothing")
    found, broken = read(tmp_path)
    assert found.rows == 0 and broken.count == 1 and "part-1.parquet" in broken.named[0]


def test_only_days_that_were_asked_for_are_listed(tmp_path: Path) -> None:
    for day in ("2026-11-18", "2026-11-19", "2026-11-20", "2026-13-77"):
        logs.write(tmp_path, day, [record()])
    (tmp_path / "notes.jsonl").write_text("x")
    found = records.Log(tmp_path).parts(first=date(2026, 11, 19), last=DAY)
    assert [part.day for part in found] == [date(2026, 11, 19), DAY]


def test_a_place_that_is_none() -> None:
    with pytest.raises(BadInput, match="cannot be opened: .* s3://bucket/folder"):
        records.Log("gopher://host/log")
    assert records.Log("/nowhere/at/all").parts() == []


def test_small_blocks_read_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    logs.write(tmp_path, "2026-11-20", [*logs.traffic(rng, 200), "torn\n", *logs.traffic(rng, 50)])
    whole, _ = read(tmp_path)
    monkeypatch.setattr(records, "BLOCK_BYTES", 1000)
    parts, broken = read(tmp_path)
    assert parts.rows == whole.rows == 250
    assert broken.named == ["date=2026-11-20/part-1.jsonl: line 201"]
    for name in CONTRACT.inputs:
        assert parts.inputs[name].bins.tolist() == whole.inputs[name].bins.tolist()
