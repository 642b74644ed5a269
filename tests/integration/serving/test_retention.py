"""How long the log is kept: whole days, the oldest first, never today."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_model.formats import log_files
from gitops_model.serving import retention
from gitops_model.serving.retention import Keep, doomed, tidy
from tests.support.server import Store, running

TODAY = date(2026, 11, 28)


def day(back: int) -> date:
    return TODAY - timedelta(days=back)


def fill(folder: Path, *backs: int, size: int = 600_000) -> None:
    for back in backs:
        path = folder / f"date={day(back)}" / "part-1.jsonl"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x" * size)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


def test_days_before_the_kept_ones_go(tmp_path: Path) -> None:
    fill(tmp_path, 0, 1, 2, 3, 9)
    gone = tidy(tmp_path, Keep(days=2), today=TODAY)
    assert [one.day for one in gone] == [day(9), day(3)] and gone[0].size == 600_000
    assert left(tmp_path) == [f"date={day(back)}" for back in (2, 1, 0)]


def test_the_oldest_go_until_the_rest_fits(tmp_path: Path) -> None:
    fill(tmp_path, 0, 1, 2, 3)
    assert [one.day for one in tidy(tmp_path, Keep(mb=1.2), today=TODAY)] == [day(3), day(2)]


def test_today_stays_whatever_it_weighs(tmp_path: Path) -> None:
    fill(tmp_path, -1, 0, 1)
    tidy(tmp_path, Keep(days=1, mb=0.001), today=TODAY)
    assert left(tmp_path) == [f"date={day(0)}", f"date={day(-1)}"]


def test_null_keeps_all_and_other_folders_are_left_alone(tmp_path: Path) -> None:
    fill(tmp_path, 400)
    assert tidy(tmp_path, Keep(), today=TODAY) == []
    (tmp_path / "notes").mkdir()
    (tmp_path / "date=soon").mkdir()
    tidy(tmp_path, Keep(days=1), today=TODAY)
    assert left(tmp_path) == ["date=soon", "notes"]


def test_nothing_is_deleted_while_days_are_closed(tmp_path: Path) -> None:
    import fcntl

    fill(tmp_path, 5)
    with (tmp_path / log_files.LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert tidy(tmp_path, Keep(days=1), today=TODAY) == []
    assert len(tidy(tmp_path, Keep(days=1), today=TODAY)) == 1


def test_what_a_killed_service_left_half_deleted_is_deleted(tmp_path: Path) -> None:
    fill(tmp_path, 0)
    (tmp_path / f"{retention.DELETED}2026-01-01").mkdir()
    tidy(tmp_path, Keep(days=1), today=TODAY)
    assert left(tmp_path) == [f"date={TODAY}"]


@given(
    sizes=st.dictionaries(st.integers(-2, 40).map(day), st.integers(0, 5_000_000)),
    days=st.none() | st.integers(1, 30),
    mb=st.none() | st.floats(0.001, 20),
)
def test_no_day_goes_that_fits(sizes: dict[date, int], days: int | None, mb: float | None) -> None:
    gone = doomed(sizes, Keep(days=days, mb=mb), today=TODAY)
    assert gone == sorted(sizes)[: len(gone)] and all(one < TODAY for one in gone)
    kept = {one: size for one, size in sizes.items() if one not in gone}
    past = [one for one in kept if one < TODAY]
    if days is not None:
        assert all(one >= TODAY - timedelta(days=days) for one in past)
    if mb is not None and past:
        assert sum(kept.values()) <= mb * 1_000_000
    if gone:
        last = gone[-1]
        old = days is not None and last < TODAY - timedelta(days=days)
        assert old or (mb is not None and sum(kept.values()) + sizes[last] > mb * 1_000_000)


def test_a_service_deletes_counts_and_says_so(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    ref = store.add(1)
    commit = store.point(ref)
    folder = tmp_path / "service" / "log"
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    for one in (yesterday, yesterday - timedelta(days=9)):
        path = folder / f"date={one}" / "part-1.jsonl"
        path.parent.mkdir(parents=True)
        path.write_text("{}\n")
    log = {"predictions": True, "folder": "log", "keep_days": 2, "keep_mb": None}
    with running(store.folder, tmp_path / "service", log=log) as server:
        server.until_synced(commit)
        assert server.predict().status == 200
        server.until(lambda _: server.metric("prediction_log_deleted_days_total") == 1)
        server.stop()
        assert (
            f"the prediction log of {yesterday - timedelta(days=9)} was deleted: 3 B"
            in server.log()
        )
    kept = sorted(path.name for path in folder.iterdir() if path.is_dir())
    assert kept == [f"date={yesterday}", f"date={yesterday + timedelta(days=1)}"]
    (part,) = (folder / kept[1]).iterdir()
    assert json.loads(part.read_text())["rows"] == 1


@pytest.mark.parametrize("value", [0, -1, 1.5, "7"])
def test_keep_days_is_a_whole_number(tmp_path: Path, value: object) -> None:
    from gitops_model.errors import BadInput
    from gitops_model.formats.serving import Settings

    path = tmp_path / "serving.yaml"
    path.write_text(f"host: h\nport: 1\nlog: {{keep_days: {json.dumps(value)}}}\n")
    with pytest.raises(BadInput, match="keep_days"):
        Settings.load(path)
