"""What a new user stumbled over and no other test holds: long values, other people's flights, tests of speed."""

from __future__ import annotations

import re

import numpy as np
import pytest

from gitops_model.formats import inputs
from tests.support.places import ROOT, TEMPLATE

LONG = "x" * 2000
EXAMPLE = re.compile(r"(?<!in )\bflights?\b(?!-delay|_id)", re.IGNORECASE)


@pytest.mark.parametrize("values", [["a", "b"], ["a", LONG[:100]]])
def test_a_category_of_two_thousand_characters_is_cut_in_messages(values: list[str]) -> None:
    rules = inputs.parse("plan", {"type": "category", "values": values})
    (problem,) = inputs.row_validator({"plan": rules})({"plan": LONG}).problems
    column = inputs.check_column(rules, np.array([LONG], dtype=object), np.array([False]))
    for said in (problem, column.problem):
        assert said is not None and "x" * 40 + "…" in said and len(said) < 200


def test_the_library_speaks_of_nobodys_flights() -> None:
    """A team's model may be about anything; only ids such as flight-delay-v2 stand for an example."""
    for path in (ROOT / "src/gitops_model").rglob("*"):
        if path.suffix in (".py", ".j2", ".html", ".json"):
            for line in path.read_text(encoding="utf-8").splitlines():
                assert not EXAMPLE.search(line), f"{path.name}: {line.strip()}"


@pytest.mark.parametrize("name", ["Makefile", "dvc.yaml", "serving.yaml", "monitor.yaml"])
def test_neither_do_the_files_that_a_team_keeps(name: str) -> None:
    text = (TEMPLATE / name).read_text(encoding="utf-8")
    assert not EXAMPLE.search(re.sub(r"~/envs/flights|in flight", "", text))


def test_no_test_that_a_team_keeps_measures_speed() -> None:
    for path in (TEMPLATE / "tests").glob("*.py"):
        assert not re.search(
            r"^(import|from) time|perf_counter|process_time", path.read_text(), re.MULTILINE
        )
