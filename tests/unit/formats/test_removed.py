"""removed.json: what services remember of canaries that were bad."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gitops_model.errors import BadInput
from gitops_model.formats import removed
from gitops_model.formats.removed import Removal


def _removal(number: int) -> Removal:
    return Removal(
        model=f"flight-delay-v{number}",
        sha256=f"{number:064x}",
        stable="flight-delay-v1",
        at=f"2026-01-01T00:{number % 60:02}:00.000Z",
        reason="requests that fail: 5 % of 100, at stable 0 % of 900",
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "removed.json"
    assert removed.read(path) == {}
    removed.add(path, [_removal(2)])
    removed.add(path, [_removal(3), _removal(2)])
    assert removed.read(path) == {one.sha256: one for one in (_removal(2), _removal(3))}


def test_the_oldest_is_forgotten_first(tmp_path: Path) -> None:
    path = tmp_path / "removed.json"
    found = removed.write(path, {str(n): _removal(n) for n in range(removed.MOST + 60)})
    assert len(found) == removed.MOST == len(removed.read(path))


@pytest.mark.parametrize("text", ["", "[]", '{"schema": 2, "removed": []}', '{"schema": 1}', "x"])
def test_what_makes_no_sense_is_refused_and_replaced(tmp_path: Path, text: str) -> None:
    path = tmp_path / "removed.json"
    path.write_text(text)
    with pytest.raises(BadInput, match=r"removed\.json"):
        removed.read(path)
    removed.add(path, [_removal(2)])
    assert list(removed.read(path)) == [_removal(2).sha256]


def test_an_entry_without_its_reason_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "removed.json"
    entry = {"model": "m", "sha256": "0" * 64, "stable": "m", "at": "2026"}
    path.write_text(json.dumps({"schema": 1, "removed": [entry]}))
    with pytest.raises(BadInput, match="an entry without model"):
        removed.read(path)


def test_the_sentence_says_what_to_type() -> None:
    sentence = _removal(2).sentence()
    assert sentence.startswith("canary flight-delay-v2 was taken out at 2026-01-01T00:02:00Z")
    assert 'make rollback REASON="canary flight-delay-v2 was taken out"' in sentence
    assert sentence.endswith("make forgive MODEL=flight-delay-v2")
