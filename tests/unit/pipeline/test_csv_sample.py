"""A file that is larger than anybody wants to wait for: only its beginning is read, and words say so."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitops_model.pipeline import csv_sample


def written(folder: Path, text: str) -> Path:
    path = folder / "data.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("bound", ["MOST_ROWS", "MOST_BYTES"])
@pytest.mark.parametrize("text", ["1,2\n", '1,"a\nb"\n'])
def test_only_the_beginning_of_a_large_file_is_read(
    tmp_path: Path, bound: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_sample, bound, 50)
    path = written(tmp_path, "a,b\n" + text * 100)
    sample = csv_sample.read(path)
    assert not sample.whole and 0 < sample.rows <= 50
    words = csv_sample.words(path, sample)
    assert words.startswith(f"the first {sample.rows} rows, 2 columns of ")
    assert words.endswith("later rows were not looked at")


@pytest.mark.parametrize("text", ["1,2\n", '1,"a\nb"\n'])
@pytest.mark.parametrize(("rows", "whole"), [(9, True), (10, True), (11, False), (12, False)])
def test_one_row_more_than_is_read_makes_it_a_beginning(
    tmp_path: Path, text: str, rows: int, whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_sample, "MOST_ROWS", 10)
    sample = csv_sample.read(written(tmp_path, "a,b\n" + text * rows))
    assert (sample.rows, sample.whole) == (min(rows, 10), whole)


def test_empty_lines_at_the_end_are_no_more_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_sample, "MOST_ROWS", 10)
    assert csv_sample.read(written(tmp_path, "a,b\n" + "1,2\n" * 10 + "\n\n")).whole


def test_a_file_that_fits_exactly_was_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, "a,b\n" + "1,2\n" * 10)
    monkeypatch.setattr(csv_sample, "MOST_ROWS", 10)
    monkeypatch.setattr(csv_sample, "MOST_BYTES", path.stat().st_size)
    assert csv_sample.read(path).whole


@pytest.mark.parametrize("more", [0, 1])
def test_the_bytes_that_are_read_end_where_the_file_does(
    tmp_path: Path, more: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, "a,b\n" + "1,2\n" * (10 + more))
    monkeypatch.setattr(csv_sample, "MOST_BYTES", path.stat().st_size - 4 * more)
    sample = csv_sample.read(path)
    assert (sample.rows, sample.whole) == (10, not more)


def test_a_mark_of_utf8_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    assert csv_sample.read(written(tmp_path, "\ufeffa,b\n1,2\n")).names == ("a", "b")
