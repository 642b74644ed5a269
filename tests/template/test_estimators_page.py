"""`make estimators` writes into docs/estimators.md between two marks, and for the version that stands here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ci_scripts import compat, estimators
from ci_scripts.estimators import BEGIN, CELLS, END, Measured

ROW = Measured(cell=CELLS[0], bytes=1234, us=56.0, parity=1e-7, sha256="")


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page to write into; nothing is trained."""
    monkeypatch.setattr(estimators, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(estimators, "CELLS", CELLS[:1])
    monkeypatch.setattr(estimators, "prepare", lambda folder, python: folder)
    monkeypatch.setattr(estimators, "build", lambda cell, root, python: ROW)
    monkeypatch.setenv("ESTIMATORS_PYTHON", "python")
    return tmp_path / "page.md"


def test_only_what_stands_between_the_marks_is_written(page: Path) -> None:
    page.write_text(f"Before.\n\n{BEGIN}former\n{END}\nAfter.\n")
    estimators.main()
    assert page.read_text() == f"Before.\n\n{BEGIN}{estimators.table([ROW])}{END}\nAfter.\n"


@pytest.mark.parametrize("text", ["Before.\n", f"{BEGIN}former\n", f"former\n{END}", END + BEGIN])
def test_a_page_without_the_marks_is_left_alone(
    page: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.write_text(text)
    monkeypatch.setattr(estimators, "prepare", lambda *_: pytest.fail("measured before it looked"))
    with pytest.raises(SystemExit, match=r"page.md needs the lines .*estimators"):
        estimators.main()
    assert page.read_text() == text


def test_stages_get_the_version_that_pyproject_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "9.8.7"\n')
    (tmp_path / "stages.json").write_text("{}")
    monkeypatch.setattr(compat, "ROOT", tmp_path)
    monkeypatch.setattr(estimators, "export", lambda folder: folder)
    monkeypatch.setattr(estimators, "bake", lambda *_: tmp_path)
    monkeypatch.setattr(estimators, "run", lambda *_: "")
    root = estimators.prepare(tmp_path, Path("python"))
    written = json.loads((root / "stages.json").read_text())
    assert {text.partition("+")[0] for text in written.values()} == {"9.8.7"}
