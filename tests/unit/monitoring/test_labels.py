"""Labels that arrive late: in any order, corrected, contradictory, and none of them believed blindly."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_model.errors import BadInput
from gitops_model.monitoring import labels
from tests.support.factories import make_contract

CONTRACT = make_contract()


def read(place: Path, problem: str = "binary") -> dict[str, float]:
    found = labels.read(str(place), make_contract(problem))
    return dict(zip(found.ids.to_pylist(), found.values.tolist(), strict=True))


def write(folder: Path, *files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for number, text in enumerate(files):
        (folder / f"{number}.csv").write_text(text)
    return folder


def test_ids_stay_texts_and_the_contracts_key_is_a_name_for_them(tmp_path: Path) -> None:
    write(tmp_path, "request_id,late\n007,1\n", "flight_id,late,more\n08,false,x\n")
    assert read(tmp_path) == {"007": 1.0, "08": 0.0}


def test_parquet_is_read(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"request_id": ["a", "b"], "late": [True, False]}), tmp_path / "l.parquet"
    )
    assert read(tmp_path / "l.parquet") == {"a": 1.0, "b": 0.0}


def test_the_latest_label_counts(tmp_path: Path) -> None:
    text = "request_id,late,labelled_at\na,0,2026-11-01\na,1,2026-11-03\na,0,2026-11-02\n"
    assert read(write(tmp_path, text)) == {"a": 1.0}


def test_labels_that_contradict_each_other_count_as_none(tmp_path: Path) -> None:
    found = labels.read(str(write(tmp_path, "request_id,late\na,0\na,1\nb,1\nb,1\n")), CONTRACT)
    assert found.ids.to_pylist() == ["b"] and found.contradictory == 1


def test_what_is_no_label_is_counted(tmp_path: Path) -> None:
    found = labels.read(str(write(tmp_path, "request_id,late\na,maybe\n,1\nb,\nc,0\n")), CONTRACT)
    assert found.ids.to_pylist() == ["c"] and found.refused == 3


@pytest.mark.parametrize(
    ("problem", "text", "value"),
    [("multiclass", "very_late", 2.0), ("regression", "-3.5", -3.5)],
)
def test_each_problem_has_its_labels(tmp_path: Path, problem: str, text: str, value: float) -> None:
    assert read(write(tmp_path, f"request_id,late\na,{text}\nb,nan\n"), problem) == {"a": value}


@pytest.mark.parametrize(
    ("text", "words"),
    [("id,late\na,1\n", "needed: request_id or flight_id, and late"), ("", "cannot be read")],
)
def test_a_file_that_is_no_table_of_labels_is_refused(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(BadInput, match=words):
        read(write(tmp_path, text))


def test_a_place_without_labels_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no labels lie in"):
        read(tmp_path)


ROWS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("01"), st.sampled_from(["", "1", "2"])),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.randoms(use_true_random=False))
def test_no_order_of_files_and_rows_changes_what_counts(
    tmp_path_factory: Any, rows: list[tuple[str, str, str]], rng: random.Random
) -> None:
    head = "request_id,late,labelled_at\n"
    found = []
    for turn in range(3):
        shuffled = rng.sample(rows, len(rows))
        cut = rng.randint(0, len(rows))
        parts = [shuffled[:cut], shuffled[cut:]]
        texts = [head + "".join(",".join(row) + "\n" for row in part) for part in parts]
        found.append(read(write(tmp_path_factory.mktemp("order") / str(turn), *texts)))
    assert all(one == other for one, other in itertools.pairwise(found))


def test_requests_without_a_label_have_none(tmp_path: Path) -> None:
    found = labels.read(str(write(tmp_path, "request_id,late\na,1\nc,0\n")), CONTRACT)
    values = found.of(pa.chunked_array([["c", "b"], ["a", None]]))
    assert values[[0, 2]].tolist() == [0.0, 1.0] and np.isnan(values[[1, 3]]).all()


def test_the_rows_of_a_batch_have_labels_of_their_own(tmp_path: Path) -> None:
    text = "request_id,row,late\nb,1,1\nb,0,0\na,,1\n"
    found = labels.read(str(write(tmp_path, text)), CONTRACT)
    requests = pa.chunked_array([["b", "b", "b", "a", "a"]])
    rows = pa.chunked_array([pa.array([0, 1, 2, None, 1])])
    np.testing.assert_array_equal(found.of(labels.names(requests, rows)), [0, 1, np.nan, 1, np.nan])
