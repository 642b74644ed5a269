"""The monitor's issue: a golden file, hostile names, the size that GitHub takes, and the entry that it proposes."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

import pytest
import yaml

from gitops_model.errors import BadInput
from gitops_model.formats.monitor import Settings
from gitops_model.formats.watch import Signal, Watch
from gitops_model.markdown import units
from gitops_model.report import question
from gitops_model.report.question import Asked
from tests.support import reports, visible
from tests.support.reports import HOSTILE
from tests.support.watches import LATE, TEMP, signal, watch

NAMES = (
    "-->",
    "a | b",
    'say "hi" \\ there',
    "@acme #7 <b>",
    "```\n# x",
    "\u202eright\u200b",
    "é 🚚 \x00\x85",
)


def shown(found: Watch, **asked: object) -> str:
    return question.render(found, replace(Asked.about(found), **asked))  # type: ignore[arg-type]


def snippet(body: str) -> str:
    (text,) = re.findall(r"^```yaml\n(.*?)^```$", body, re.MULTILINE | re.DOTALL)
    return str(text)


def test_golden() -> None:
    found = watch(signal(TEMP), signal(LATE, lines=1), signal("input weight", "clean"))
    reports.check_golden("issues/question.md", shown(found, since="2026-05-04", former=12))


def test_the_question_comes_first() -> None:
    first, second, *_ = visible.lines(shown(watch(signal(TEMP)), since="2026-05-04"))
    assert first == (
        "Did the world change, or did our pipeline break? parcel-delay-v4, since 2026-05-04"
    )
    assert second == "The monitor looked at the days 2026-05-01 to 2026-05-05."


def test_the_marker_survives_any_name() -> None:
    found = watch(*map(signal, NAMES))
    asked = Asked.about(found, since="2026-05-04", former=3)
    assert Asked.read(question.render(found, asked)) == asked
    assert [name[:60] for name in NAMES[: question.NAMED]] == asked.named
    assert "--" not in asked.marker().removeprefix("<!--").removesuffix("-->")


def test_a_marker_from_before_it_named_signals_is_read() -> None:
    old = f'{question.MARKER}{{"former": 2, "signals": ["a"], "since": "2026-05-04", "whole": "b"}} -->'
    assert Asked.read(old) == Asked(since="2026-05-04", former=2, signals=("a",), whole="b")


BACK = "way back parcel-delay-v3"


def test_what_cannot_be_judged_any_more_was_not_answered() -> None:
    """The log ended after an alarm: a way back that works says nothing about it."""
    asked = Asked.about(watch(signal(TEMP), signal(BACK, "clean")))
    ended = watch(signal(TEMP, "withheld"), signal(BACK, "clean"))
    assert not question.is_over(ended, asked)
    later = Asked.about(ended, before=asked.signals)
    assert later.quiet and not question.is_over(ended, later)
    assert question.is_over(watch(signal(TEMP, "clean"), signal(BACK, "clean")), later)


def test_a_way_back_that_works_again_is_over_without_any_log() -> None:
    asked = Asked.about(watch(signal(TEMP, "withheld"), signal(BACK)))
    assert question.is_over(watch(signal(TEMP, "withheld"), signal(BACK, "clean")), asked)
    # Another release is the way back now.
    other = watch(signal(TEMP, "withheld"), signal("way back parcel-delay-v4", "clean"))
    assert question.is_over(other, asked)
    assert not question.is_over(watch(signal(TEMP, "withheld")), asked)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "words",
        f"words\n{Asked().marker()}",
        f"{question.MARKER}[] -->",
        f"{question.MARKER}{{}} -->",
        f'{question.MARKER}{{"signals": [], "more": 1}} -->',
    ],
)
def test_what_is_no_marker(body: str) -> None:
    assert Asked.read(body) is None


@pytest.mark.parametrize("name", [*NAMES, HOSTILE])
def test_hostile_names_do_nothing(name: str) -> None:
    found = Signal(name=name, state="alarm", sentence=name, evidence=(name,))
    body = shown(replace(watch(found), causes=(name,), advice=(name,), notes=(name,), model=name))
    outside = re.sub(r"```yaml\n.*?^```$|`[^`\n]*`", "", body, flags=re.MULTILINE | re.DOTALL)
    # The only tags are ours.
    assert set(re.findall(r"<[^ >]*", outside)) <= {
        "<!--",
        "<details",
        "<summary",
        "</summary",
        "</details",
        "<span",
        "</span",
    }
    assert "@acme" not in outside and "#7" not in outside
    rows = [line for line in body.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {3}
    assert len(rows) == 3
    assert body.count("\n```") == 2


@pytest.mark.parametrize("name", NAMES)
def test_the_entry_that_it_proposes_is_valid_and_names_the_signal(name: str) -> None:
    body = shown(watch(signal(TEMP), signal(name)))
    entries = Settings.parse(snippet(body), name="monitor.yaml").expected
    assert [entry.signal for entry in entries] == [TEMP, name]
    assert {entry.until for entry in entries} == {date(2026, 6, 5)}


def test_a_name_that_monitor_yaml_cannot_hold_is_not_proposed() -> None:
    body = shown(watch(signal("x" * 301), signal(TEMP)))
    assert [e["signal"] for e in yaml.safe_load(snippet(body))["expected"]] == [TEMP]
    assert "```yaml" not in shown(watch(signal("x" * 301)))


def test_evidence_is_cut_and_that_is_said() -> None:
    body = shown(watch(signal(TEMP, lines=4000)))
    assert units(body) <= question.LIMIT < 65_536
    left = re.search(r"([\d,]+) more lines are left out", body)
    kept = body.count("21.4")
    assert left and int(left[1].replace(",", "")) + kept == 4000 and kept > 100
    assert "If it is expected" in body


def test_it_stays_below_the_limit_whatever_is_in_it() -> None:
    long = HOSTILE * 40
    many = tuple(
        Signal(name=f"{i} {long}", state="alarm", sentence=long, evidence=(long,) * 40)
        for i in range(600)
    )
    found = replace(
        watch(*many), causes=(long,) * 900, advice=(long,) * 900, notes=(long,) * 900, model=long
    )
    body = shown(found, since="2026-05-04", former=3)
    assert units(body) <= question.LIMIT
    assert "The evidence is left out here" in body and "more are left out here" in body
    assert Asked.read(body) is not None
    assert units(question.change(found, Asked())) < 65_536


def test_when_nothing_alarms_any_more_it_shows_what_is_still_seen() -> None:
    body = shown(watch(signal(TEMP, "watching"), signal(LATE, "clean")))
    assert "No signal alarms any more" in body and "Still seen" in body
    assert TEMP in body and LATE not in body and "```yaml" not in body


def test_what_is_not_known_is_left_out() -> None:
    bare = Watch(made="2026-05-06", model="m-v1", windows=(), signals=(signal(TEMP, lines=0),))
    body = shown(bare)
    for words in (
        "Likely",
        "What to type",
        "To know",
        "days",
        "details",
        "since",
        "before",
        "too long",
    ):
        assert words not in body.split("\n", 1)[1]


def test_the_comment_says_what_is_new_and_what_is_gone() -> None:
    before = Asked.about(watch(signal(TEMP), signal("input weight")))
    now = watch(signal(TEMP, "watching"), signal(LATE), signal("input weight"))
    assert question.change(now, before) == (
        "Alarms now: `score late`. Does not alarm any more: `input temp`."
    )


def test_a_report_of_no_day() -> None:
    with pytest.raises(BadInput, match="which is no day"):
        shown(replace(watch(signal(TEMP)), made="soon"))
