"""`guard` in serving.yaml: what the template writes is the default, and what makes no sense is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gitops_model.errors import BadInput
from gitops_model.formats.serving import Guard, Settings
from tests.support.places import TEMPLATE


def _load(folder: Path, text: str) -> Settings:
    path = folder / "serving.yaml"
    path.write_text(f"host: 127.0.0.1\nport: 0\n{text}\n")
    return Settings.load(path)


def test_what_the_template_writes_is_the_default() -> None:
    written = yaml.safe_load((TEMPLATE / "serving.yaml").read_text())["guard"]
    assert Guard.from_dict(written) == Guard()
    assert set(written) < set(Guard.__dataclass_fields__)


@pytest.mark.parametrize("text", ["", "guard: {}"])
def test_without_a_word_the_canary_is_guarded(tmp_path: Path, text: str) -> None:
    assert _load(tmp_path, text).guard == Guard() and Guard().act


def test_what_is_said_counts(tmp_path: Path) -> None:
    found = _load(tmp_path, "guard: {act: false, errors: 0.01, min_minutes: 5}").guard
    assert found == Guard(act=False, errors=0.01, min_minutes=5)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("guard: {acts: true}", "act"),
        ("guard: {errors: 0}", "errors"),
        ("guard: {errors: 1}", "errors"),
        ("guard: {false_removals: 0.5}", "false_removals"),
        ("guard: {slower: 1}", "slower"),
        ("guard: {min_minutes: 0}", "min_minutes"),
        ("guard: {min_requests: 1.5}", "min_requests"),
        ("guard: {act: maybe}", "act"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, line: str, word: str) -> None:
    with pytest.raises(BadInput, match=word):
        _load(tmp_path, line)
