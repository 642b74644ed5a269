"""The table of docs/monitoring.md says of our monitor what our monitor does: some of its rows, computed anew."""

from __future__ import annotations

import pytest

from ci_scripts import run_lengths, streams
from ci_scripts.streams import World

pytestmark = pytest.mark.slow


def committed() -> dict[tuple[str, str, str], list[str]]:
    """Cells of the committed table by stream, rows a day and rule."""
    page = run_lengths.PAGE.read_text("utf-8")
    table = page.partition(run_lengths.BEGIN)[2].partition(run_lengths.END)[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table.splitlines()
        if line.startswith("|")
    ]
    return {(row[0], row[1], row[2]): row[3:] for row in rows[2:]}


# Those of 5,000 rows a day take minutes, and run through the same code.
@pytest.mark.parametrize("world", streams.WORLDS)
def test_the_committed_table_holds_what_our_monitor_does(world: World) -> None:
    cells = committed()
    found = run_lengths.ours(world, 200)
    assert sorted(found) == ["ours-1", "ours-7"]
    for rule, values in found.items():
        assert cells[run_lengths.WORDS[world], "200", run_lengths.RULES[rule]] == values


def test_the_committed_table_has_our_rows_for_every_stream() -> None:
    words = run_lengths.WORDS
    wanted = {
        (words[world], f"{rows:,}", run_lengths.RULES[rule])
        for world in streams.WORLDS
        for rows in streams.ROWS
        for rule in ("ours-7", "ours-1")
    }
    assert wanted <= set(committed())


def test_a_monitor_that_never_speaks_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = run_lengths.delays("1 sd", "independent", 200, 0)
    monkeypatch.setattr(run_lengths.shift, "stability", lambda *_: 0.0)
    deaf = run_lengths.delays("1 sd", "independent", 200, 0)
    assert all(honest.values()) and not any(deaf.values())
