"""What workers share: the board, the counts of those that are gone, and who takes the next connection."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gitops_model.formats.serving import Guard, Settings
from gitops_model.serving import shared, supervisor
from gitops_model.serving.history import History, Minute
from gitops_model.serving.merging import Family
from gitops_model.serving.shared import Board, Counts, Folder
from tests.support.places import TEMPLATE

KEY = ("model_requests_total", (("model", "v1"),))


def _counts(requests: float, *, minute: int = 0) -> Counts:
    family = Family("counter", "Requests.", {KEY: requests})
    return Counts({"model_requests": family}, [Minute(minute, requests=int(requests))])


def test_workers_run_by_the_settings_of_their_supervisor() -> None:
    settings = Settings.load(TEMPLATE / "serving.yaml")
    settings = replace(settings, workers=3, trusted_types=("a.B",), guard=Guard(act=False))
    assert Settings.from_json(settings.to_json()) == settings
    bare = Settings(host="::1", port=0, store=Path("store"))
    assert Settings.from_json(bare.to_json()) == bare


def _total(folder: Folder) -> float:
    live, ended = folder.counts()
    known = [*live.values(), ended]
    return sum(one.families["model_requests"].samples[KEY] for one in known if one.families)


def test_nothing_is_counted_twice_or_lost_when_a_worker_ends(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for number, requests in ((1, 10), (2, 20), (3, 30)):
        folder.write(number, "metrics", _counts(requests).to_plain())
    assert _total(folder) == 60
    folder.fold(2)
    assert (_total(folder), folder.numbers()) == (60, [1, 3])
    folder.fold(1)
    assert (_total(folder), folder.numbers()) == (60, [3])


def test_a_worker_whose_file_is_still_there_counts_once(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write(1, "metrics", _counts(10).to_plain())
    folder.fold(1)
    # As in the moment between the two steps of folding.
    folder.write(1, "metrics", _counts(10).to_plain())
    assert _total(folder) == 10


def test_rows_that_went_with_a_worker_are_counted_as_dropped(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.fold(1, lost=7)
    folder.fold(2, lost=5)
    _, ended = folder.counts()
    dropped = ended.families["prediction_log_dropped"].samples
    assert dropped == {("prediction_log_dropped_total", ()): 12}


def test_the_last_hour_outlives_workers(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for number in range(1, 4):
        folder.write(number, "metrics", _counts(10, minute=number // 2).to_plain())
        folder.fold(number)
    _, ended = folder.counts()
    assert [(m.number, m.requests) for m in ended.hour] == [(0, 10), (1, 20)]
    history = History(clock=lambda: 60.0, began=0.0)
    history.add(status=200, seconds=0.001, rows=1)
    assert [m.requests for m in history.minutes(ended.hour) if m] == [10, 21]
    assert Minute.from_plain(history.kept()[0].to_plain()) == history.kept()[0]


def test_the_board_is_seen_by_all_and_outlives_its_writer(tmp_path: Path) -> None:
    ours, theirs = Board(tmp_path / "board", 3), Board(tmp_path / "board", 3)
    row = theirs.row(1)
    row[shared.TAKEN], row[shared.WRITTEN] = 12, 9
    row[shared.OPEN], row[shared.CONNECTIONS] = 1, 4
    del theirs
    assert ours.owed(1) == 3
    assert ours.connections(0) == [4]
    assert ours.connections(1) == []
    ours.clear(1)
    assert (ours.owed(1), ours.connections(0)) == (0, [])


def test_a_worker_gives_way_to_one_with_fewer_connections_only() -> None:
    assert shared.gives_way(3, [2, 5])
    assert not shared.gives_way(2, [2, 5])
    assert not shared.gives_way(9, [])


def test_a_worker_parts_from_what_is_beyond_its_share() -> None:
    assert shared.surplus(16, [0]) == 8
    assert shared.surplus(9, [8]) == 0
    assert shared.surplus(16, []) == 0
    assert shared.surplus(0, [16]) == 0


def test_a_worker_that_dies_at_once_again_and_again_is_started_later_each_time() -> None:
    pauses = [supervisor.pause(quick) for quick in range(12)]
    assert pauses[:6] == [0, 0, 0.5, 1, 2, 4]
    assert pauses == sorted(pauses)
    assert pauses[-1] == supervisor.LONGEST_PAUSE


@pytest.mark.parametrize(
    ("code", "words"), [(3, "ended with code 3"), (-9, "was ended by SIGKILL")]
)
def test_how_a_worker_ended_is_said(code: int, words: str) -> None:
    assert supervisor.how(code) == words
