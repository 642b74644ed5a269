"""Release note: every number in it is one of check.json or of the record."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from gitops_model import markdown, strict_yaml
from gitops_model.formats.check import GateKind
from gitops_model.report import release_note
from tests.support import reports

NUMBER = re.compile(r"[-+]?\d+(?:,\d{3})*(?:\.\d+)?")


def test_the_record_of_these_tests_is_valid() -> None:
    strict_yaml.check(reports.RECORD, kind="record", name="record")


@pytest.mark.parametrize("situation", ["better", "blocked_by_slice", "first_release", "turned_off"])
@pytest.mark.parametrize("problem", reports.PROBLEMS)
def test_every_number_of_the_note_is_in_the_report(situation: str, problem: str) -> None:
    check = reports.make(situation, problem)
    facts = check.to_json()
    allowed = numbers_of(facts) | numbers_of(
        {key: reports.RECORD[key] for key in ("model", "data", "rollback_target", "released")}
    )
    shown = release_note.render_note(reports.RECORD, check)
    assert unexplained(shown, allowed) == []
    assert unexplained(release_note.verdict_section(check), numbers_of(facts)) == []
    assert len(NUMBER.findall(shown)) > 40


def test_a_changed_number_changes_the_note() -> None:
    check = reports.make("better")
    gate = check.gate(GateKind.PRIMARY)
    assert gate is not None and gate.delta is not None
    before = release_note.render_note(reports.RECORD, check)
    assert f"{gate.production:.4f} → {gate.candidate:.4f} (▲ {gate.delta:.4f})" in before
    gates = tuple(replace(g, candidate=0.1234) if g is gate else g for g in check.gates)
    assert "→ 0.1234" in release_note.render_note(reports.RECORD, replace(check, gates=gates))


def test_the_note_says_what_a_release_needs() -> None:
    shown = release_note.render_note(reports.RECORD, reports.make("better"))
    for part in (
        "# parcel-delay-v4",
        "a" * 64,
        "c" * 40,
        reports.SHA,
        "`parcel-delay-v3`: revert",
        "by time, test",
        "**Trade-off:**",
    ):
        assert part in shown
    assert shown.count("## Verdict at release") == 1


def test_the_trade_off_names_what_clearly_became_worse() -> None:
    worse = reports.make("blocked_by_slice")
    assert "accuracy on the slice depot=d01 " in release_note.trade_off(worse)
    assert release_note.trade_off(reports.make("equal")) == "nothing measured became clearly worse"
    assert (
        release_note.trade_off(reports.make("first_release"))
        == "nothing was in production to trade against"
    )
    slow = reports.make("equal")
    assert slow.latency is not None
    times = replace(slow.latency, ratio=1.2, ratio_lower=1.15, production_ms=1.0, candidate_ms=1.2)
    slow = replace(slow, latency=times)
    assert release_note.trade_off(slow) == "median latency 1 ms → 1.2 ms (×1.20)"


def test_the_first_release_and_the_unknown_are_said_as_such() -> None:
    first = release_note.render_note(
        reports.RECORD | {"rollback_target": None}, reports.make("first_release")
    )
    assert "none, this is the first" in first
    without = release_note.render_note(reports.RECORD, None)
    assert without.count(release_note.UNKNOWN) == 3
    assert "Not evaluated: the candidate" in release_note.verdict_section(reports.not_evaluated())


def test_a_gate_that_was_off_is_said_in_bold() -> None:
    assert "**OFF: latency was turned off: The runner" in release_note.verdict_section(
        reports.make("turned_off")
    )


def test_the_card_keeps_its_text_and_gets_the_verdict() -> None:
    shown = release_note.append_verdict("# Model card: x\n\n", reports.make("better"))
    assert shown.startswith("# Model card: x\n\n## Verdict at release\n")


def test_hostile_text_does_nothing() -> None:
    record = reports.RECORD | {"released": {"by": reports.HOSTILE, "at": "now"}}
    shown = release_note.render_note(record, reports.hostile())
    assert not re.search(r"@\w|<(?!/?(?:sub|span)>)|://|(?<!\\)\]\(", shown)
    assert markdown.BREAK in shown


def numbers_of(value: Any) -> set[str]:
    """Every way in which a number of `value` may be written in a report, and all numbers inside its texts."""
    if isinstance(value, dict):
        return set().union(*map(numbers_of, value.values())) if value else set()
    if isinstance(value, list):
        return {str(len(value))}.union(*map(numbers_of, value))
    if isinstance(value, bool) or value is None:
        return set()
    if isinstance(value, str):
        return set(NUMBER.findall(value))
    found = {
        f"{value:g}",
        f"{value:.4f}",
        f"{value:+.4f}",
        f"{value:.2f}",
        f"{value:.3g}",
        f"{value:,}",
        f"{value:,.1f}",
    }
    found |= {
        f"{abs(value):.3g}",
        f"{abs(value) * 100:.3g}",
        f"{abs(value) * 100:.1f}",
        f"{abs(value):.4f}",
        f"{value * 100:+.1f}",
        f"{(1 - value) * 100:.4g}",
    }
    return found


def unexplained(shown: str, allowed: set[str]) -> list[str]:
    """Numbers of the Markdown that come from nowhere. Metric names hold digits (F1), so they are left out."""
    visible = re.sub(r"`[0-9a-f]{40,64}`|\bF1\b|95th|sha256", "", shown)
    ratios = {"1.00"}  # memory and size against production: 1 when equal
    return [n for n in NUMBER.findall(visible) if n not in allowed | ratios]
