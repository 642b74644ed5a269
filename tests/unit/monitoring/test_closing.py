"""Closing days: whatever the records, the parts and the moment of a crash, the same rows are read."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gitops_model import log
from gitops_model.errors import BadInput
from gitops_model.formats import log_files
from gitops_model.monitoring import closing, kinds, records, traffic
from tests.support import logs
from tests.support.closed_days import DAY, Killed, close, held, names, part, without_nulls
from tests.support.factories import make_contract
from tests.support.logs import SHA, record
from tests.support.profiles import profile


def test_a_day_that_is_over_becomes_one_file(tmp_path: Path) -> None:
    part(tmp_path, 1, [record(n) for n in range(5)])
    part(tmp_path, 2, [record(n) for n in range(5, 8)])
    part(tmp_path, 1, [record(9)], day="2026-11-21")
    (done,) = close(tmp_path)
    assert (done.day, done.rows, done.parts, done.broken) == (DAY, 8, 2, 0)
    (name,) = names(tmp_path)
    assert name.startswith("closed-") and name.endswith(".parquet")
    assert names(tmp_path, "2026-11-21") == ["part-1.jsonl"]
    assert held(tmp_path) == [without_nulls(record(n)) for n in range(8)]
    assert close(tmp_path) == []


@pytest.mark.parametrize(("minutes", "closed"), [(9, 0), (10, 1)])
def test_the_last_answers_of_a_day_have_time_to_arrive(
    tmp_path: Path, minutes: int, closed: int
) -> None:
    part(tmp_path, 1, [record(0)])
    now = datetime(2026, 11, 21, 0, minutes, tzinfo=UTC)
    assert len(close(tmp_path, now)) == closed


def test_columns_are_chosen_by_name_in_closed_and_open_days(tmp_path: Path) -> None:
    # A column with no value, and one whose values have several types, which is held as JSON texts.
    part(tmp_path, 1, [record(0), record(1, inputs={"hour": "7", "distance": 1.5})])
    close(tmp_path)
    part(tmp_path, 2, [record(2)], day="2026-11-21")
    whole = log.read(tmp_path)
    for columns in (["key"], ["inputs.hour", "model"], ["output", "inputs.carrier"], ["inputs"]):
        found = log.read(tmp_path, columns=columns)
        wanted = [n for asked in columns for n in whole if n == asked or n.startswith(f"{asked}.")]
        assert list(found) == wanted and len(found) == 3
        assert found.equals(whole[wanted]) and found.attrs == whole.attrs
    for unknown in ("inputs.hou", "input", ""):
        with pytest.raises(BadInput, match="no record of the log at .* without `columns`"):
            log.read(tmp_path, columns=["model", unknown])
    assert len(log.read(tmp_path, first="2027-01-01", columns=["model"])) == 0


def test_lines_that_are_no_records_are_kept_beside_and_counted(tmp_path: Path) -> None:
    lines = ["torn {", "[1]", '{"inputs": 7}', json.dumps(record(1)).replace("AA", "\\ud800")]
    part(tmp_path, 1, [record(0), *lines, "", record(2)])
    before = log.read(tmp_path)
    (done,) = close(tmp_path)
    assert (done.rows, done.broken) == (2, 4)
    (aside,) = tmp_path.glob("*/closed-*.broken")
    assert aside.read_text().splitlines() == lines
    after = log.read(tmp_path)
    assert before.attrs["broken"] == after.attrs["broken"] == 4
    broken = records.Broken()
    (one,) = records.Log(tmp_path).parts()
    list(records.Log(tmp_path).read(one, records.shape(make_contract()), broken))
    assert broken.count == 4 and "4 lines, kept beside it" in broken.named[0]


def test_half_a_line_at_the_end_is_one_of_them(tmp_path: Path) -> None:
    path = part(tmp_path, 1, [record(0)])
    path.write_bytes(path.read_bytes() + b'{"request_id": "half')
    (done,) = close(tmp_path)
    assert (done.rows, done.broken) == (1, 1)


def test_what_comes_late_is_closed_the_next_time(tmp_path: Path) -> None:
    part(tmp_path, 1, [record(0)])
    close(tmp_path)
    part(tmp_path, 1, [record(1)])
    assert len(log.read(tmp_path)) == 2
    close(tmp_path)
    assert len(names(tmp_path)) == 2 and len(log.read(tmp_path)) == 2


def test_a_writer_that_had_the_file_open_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = part(tmp_path, 1, [record(0)])
    stream = path.open("ab")

    def step(name: str) -> None:
        if name == "publish":
            stream.write(json.dumps(record(1)).encode() + b"\n")
            stream.close()

    monkeypatch.setattr(closing, "_step", step)
    close(tmp_path)
    assert sorted(log.read(tmp_path)["request_id"]) == ["r0", "r1"]
    monkeypatch.undo()
    close(tmp_path)
    assert sorted(log.read(tmp_path)["request_id"]) == ["r0", "r1"]
    assert not list(tmp_path.glob("*/*.jsonl"))


def test_two_closers_do_not_meet(tmp_path: Path) -> None:
    part(tmp_path, 1, [record(0)])
    with closing.alone(tmp_path) as mine:
        assert mine and close(tmp_path) == []
    assert len(close(tmp_path)) == 1


# Types


def columns(folder: Path) -> dict[str, str]:
    (path,) = folder.glob("*/*.parquet")
    found = {}
    for one in pq.read_schema(path):
        inner = list(one.type) if one.name in ("inputs", "output") else []
        found |= {f"{one.name}.{two.name}": str(two.type) for two in inner}
        found[one.name] = str(one.type)
    return found


def with_inputs(*changes: dict[str, Any]) -> list[dict[str, Any]]:
    return [record(n, inputs=record()["inputs"] | one) for n, one in enumerate(changes)]


def test_types_come_from_the_data(tmp_path: Path) -> None:
    part(tmp_path, 1, with_inputs({}, {"distance": 7}, {"distance": None}))
    close(tmp_path)
    found = columns(tmp_path)
    assert found["time"] == "timestamp[ms, tz=UTC]"
    assert found["inputs.distance"] == "double" and found["inputs.hour"] == "int64"
    assert found["inputs.weekend"] == "bool" and found["inputs.carrier"] == "string"


@pytest.mark.parametrize(
    "values",
    [
        [7, "7"],
        [1.5, True],
        [1, True],
        [0.5, 2**53 + 1],
        [2**63, 1],
        [10**400, 1],
        ["a", ["a", 1]],
        [{"a": 1}, 2],
        [{}, {}],
        [[1, "a"], [None]],
    ],
)
def test_values_of_several_types_stay_what_they_are(tmp_path: Path, values: list[Any]) -> None:
    wanted = with_inputs(*({"hour": value} for value in values))
    part(tmp_path, 1, wanted)
    close(tmp_path)
    assert columns(tmp_path)["inputs.hour"] == "string"
    assert held(tmp_path) == [without_nulls(one) for one in wanted]
    frame = log.read(tmp_path)
    assert [json.loads(text) for text in frame["inputs.hour"]] == values


def test_two_contracts_in_a_day_are_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closing, "PIECE_ROWS", 2)
    old = [record(n) for n in range(3)]
    new = [record(n, inputs={"wind": 3.5, "hour": "7"}, output={"late": 0.5}) for n in range(3, 6)]
    part(tmp_path, 1, [*old, *new])
    close(tmp_path)
    assert held(tmp_path) == [without_nulls(one) for one in [*old, *new]]
    found = columns(tmp_path)
    assert found["inputs.wind"] == "double" and found["output.late"] == "double"


@pytest.mark.parametrize(
    "outputs",
    [
        [{"a": 1.0, "b": 2.0}, {"b": 2.0, "a": 1.0}],
        [{"p": {"x": 1, "y": 0}}, {"p": {"x": 0.5, "y": 0.5}}],
        [{"a": True, "p": 0.1}, {"b": True, "p": 0.1}],
        [{"a": None}, {"a": 1.0}],
        [{"a": -0.0}, {"a": 1e22}],
    ],
)
def test_an_output_can_be_written_again_letter_by_letter(
    tmp_path: Path, outputs: list[dict[str, Any]]
) -> None:
    part(tmp_path, 1, [record(n, output=one) for n, one in enumerate(outputs)])
    close(tmp_path)
    found = [kinds.dumps(one["output"]) for one in held(tmp_path)]
    assert found == [kinds.dumps(one) for one in outputs]


def test_the_monitor_counts_the_same_after_closing(tmp_path: Path) -> None:
    contract, known = make_contract(), profile()
    odd = with_inputs({"distance": "far"}, {"hour": True}, {"carrier": 3}, {"distance": [1]})
    rows = [*logs.traffic(np.random.default_rng(1), 300), *odd, record(5, output=7)]
    part(tmp_path, 1, [*rows, "torn"])

    def counted() -> tuple[traffic.Traffic, int]:
        place, broken = records.Log(tmp_path), records.Broken()
        shape = records.shape(contract)
        pieces = (p for one in place.parts() for p in place.read(one, shape, broken))
        return sum(traffic.count(pieces, known).values(), traffic.Traffic()), broken.count

    (before, lost), _ = counted(), close(tmp_path)
    after, lost_after = counted()
    assert before.rows == after.rows == 304 and lost == lost_after == 2
    for name, tally in before.inputs.items():
        other = after.inputs[name]
        assert tally.bins.tolist() == other.bins.tolist()
        assert (tally.missing, tally.wrong) == (other.missing, other.wrong)
    assert before.scores[SHA]["delayed"].bins.tolist() == after.scores[SHA]["delayed"].bins.tolist()


# Properties

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from([2**53 + 1, 2**63, 0.5, -0.0, 1e300]),
    st.sampled_from(["", "a", "7", "2026-11-20T00:00:00.000Z", "é\u2028"]),
    st.lists(st.integers(0, 3), max_size=2),
    st.dictionaries(st.sampled_from("xy"), st.integers(0, 3), max_size=2),
)
RECORDS = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {"inputs": st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES, max_size=3)},
            optional={
                "time": st.sampled_from(["2026-11-20T08:00:00.000Z", "noon"]),
                "route": st.sampled_from(["stable", "canary"]),
                "output": st.dictionaries(st.sampled_from(["p", "q"]), VALUES, max_size=2),
            },
        ),
        st.just("torn {"),
    ),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(
    rows=RECORDS,
    piece=st.integers(1, 4),
    cuts=st.lists(st.integers(0, 12), max_size=3),
    kill=st.integers(0, 25),
)
@example(
    # No float is this whole number, and each of the two lies in a file of its own.
    rows=[
        "torn {",
        {"inputs": {}, "time": "2026-11-20T08:00:00.000Z", "output": {}},
        "torn {",
        {"inputs": {"a": None, "b": None, "c": 0.5}},
        {"inputs": {"c": 2**53 + 1}},
    ],
    piece=1,
    cuts=[4],
    kill=0,
)
def test_any_split_and_any_crash_give_the_same_records(
    tmp_path_factory: Any, rows: list[Any], piece: int, cuts: list[int], kill: int
) -> None:
    folder = tmp_path_factory.mktemp("log")
    edges = sorted({0, len(rows), *(min(cut, len(rows)) for cut in cuts)})
    for number, (begin, end) in enumerate(itertools.pairwise(edges)):
        part(folder, number, rows[begin:end])
    torn = sum(isinstance(row, str) for row in rows)
    wanted = sorted(kinds.dumps(without_nulls(row)) for row in rows if isinstance(row, dict))
    left = [kill]

    def step(_name: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Killed

    def looked() -> tuple[Counter[str], int]:
        table = log.read_table(folder)
        count = Counter(str(row.get("request_id")) for row in table.to_pylist())
        return count, int(table.schema.metadata[b"broken"])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(closing, "PIECE_ROWS", piece)
        before = looked()
        assert before[1] == torn and sum(before[0].values()) == len(wanted)
        patch.setattr(closing, "_step", step)
        try:
            close(folder)
        except Killed:
            assert looked() == before
        # One more crash, in what the first left behind.
        left[0] = kill % 3
        try:
            close(folder)
        except Killed:
            assert looked() == before
        patch.setattr(closing, "_step", lambda _name: None)
        close(folder)
    assert looked() == before
    assert not list(folder.glob("*/*.jsonl")) and not list(folder.glob("*/.*"))
    assert sorted(kinds.dumps(_ordered(row)) for row in held(folder)) == sorted(
        kinds.dumps(_ordered(json.loads(text))) for text in wanted
    )


def _ordered(value: Any) -> Any:
    """Names sorted; a whole number and the float that equals it are one number, except in an output."""
    if isinstance(value, dict):
        return {
            key: one if key == "output" else _ordered(one) for key, one in sorted(value.items())
        }
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= 2**53:
        return float(value)
    return value


# A reader at work


@pytest.mark.parametrize("kill", range(12))
def test_a_reader_that_listed_before_a_day_was_closed_reads_each_record_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill: int
) -> None:
    part(tmp_path, 1, [record(n) for n in range(3)])
    part(tmp_path, 2, [record(n) for n in range(3, 5)])
    place = records.Log(tmp_path)
    parts = place.parts()
    left = [kill]

    def step(_name: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Killed

    monkeypatch.setattr(closing, "_step", step)
    pieces = place.read(parts[0], records.shape(make_contract()), records.Broken())
    found = [name for piece in pieces for name in piece.table["request_id"].to_pylist()]
    with contextlib.suppress(Killed):
        close(tmp_path)
    for one in parts[1:]:
        for piece in place.read(one, records.shape(make_contract()), records.Broken()):
            found += piece.table["request_id"].to_pylist()
    assert sorted(found) == [f"r{n}" for n in range(5)]


def test_names_say_what_counts() -> None:
    one, other = "a" * 12, "b" * 12
    names = [log_files.closing(one, "part-1.jsonl"), log_files.closing(other, "part-1.jsonl")]
    assert log_files.superseded(names) == set()
    assert log_files.superseded([*names, log_files.closed(one)]) == {names[0]}
    assert log_files.day_of("date=2026-13-01") is None and log_files.day_of("x") is None


# read


def test_one_call_reads_everything(tmp_path: Path) -> None:
    part(tmp_path, 1, [record(n) for n in range(3)])
    part(tmp_path, 1, [record(9, inputs={"hour": 7.5})], day="2026-11-21")
    close(tmp_path)
    frame = log.read(str(tmp_path))
    assert len(frame) == 4 and frame["inputs.hour"].tolist() == [7, 7, 7, 7.5]
    assert frame["time"].dtype.kind == "M"
    assert log.read(tmp_path, first="2026-11-21")["request_id"].tolist() == ["r9"]
    assert len(log.read(tmp_path, last=date(2026, 11, 20))) == 3
    assert len(log.read(tmp_path / "nowhere")) == 0
    with pytest.raises(BadInput, match="'yesterday' is no day"):
        log.read(tmp_path, first="yesterday")


def test_without_pandas_it_is_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part(tmp_path, 1, [record(0), "torn"])
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    table = log.read(tmp_path)
    assert table.column("inputs.hour").to_pylist() == [7]
    assert table.schema.metadata[b"broken"] == b"1"


def test_days_of_several_types_are_read_as_texts(tmp_path: Path) -> None:
    part(tmp_path, 1, with_inputs({"hour": 7}, {"hour": "x"}))
    close(tmp_path)
    part(tmp_path, 1, with_inputs({"hour": 8}), day="2026-11-21")
    assert log.read(tmp_path)["inputs.hour"].tolist() == ["7", '"x"', "8"]
