"""From counted windows to signals, for tables of any width and kind."""

from __future__ import annotations

import subprocess
import sys
from datetime import date, timedelta

import numpy as np
import pytest

from gitops_model.formats.monitor import Settings
from gitops_model.formats.profile import Column, Profile
from gitops_model.formats.watch import Moved, Signal, State
from gitops_model.monitoring import counts, signals, windows
from gitops_model.monitoring.counts import Tally
from gitops_model.monitoring.traffic import Traffic
from gitops_model.pipeline import reference

LAST = date(2026, 11, 20)
SETTINGS = Settings(window_days=1)
RNG = np.random.default_rng(11)


def profile(inputs: dict[str, Column]) -> Profile:
    score = reference.number(RNG.random(2000), None)
    return Profile(rows=2000, days=None, score_days=None, inputs=inputs, scores={"late": score})


def spans(tallies: dict[str, Tally], rows: int) -> list[windows.Span]:
    days = {LAST - timedelta(days=n): Traffic(rows=rows, inputs=tallies) for n in range(5)}
    return windows.spans(days, last=LAST, settings=SETTINGS)


def test_three_hundred_columns_of_which_one_moved() -> None:
    column = reference.number(RNG.normal(size=5000), None)
    inputs: dict[str, Column] = {f"c{number}": column for number in range(300)}
    tallies = {name: counts.numbers(column, RNG.normal(size=500)) for name in inputs}
    tallies["c7"] = counts.numbers(column, RNG.normal(1, 1, 500))
    watched = signals.columns(profile(inputs), spans(tallies, 500), "a" * 64, SETTINGS)
    found = [signals.drift(one, spans(tallies, 500), SETTINGS) for one in watched]
    assert [one.name for one in found if one.state == "alarm"] == ["input c7"]
    assert all(len(signals.picture(one).bars) <= 12 for one in watched)


def test_values_out_of_reach_and_of_another_type_are_said() -> None:
    column = reference.number(RNG.normal(size=5000), None)
    values = np.append(RNG.normal(size=490), [99.0] * 5 + [np.nan] * 5)
    tallies = {"c": counts.numbers(column, values, wrong=5)}
    held = spans(tallies, 500)
    (watched, _) = signals.columns(profile({"c": column}), held, "a" * 64, SETTINGS)
    sentence = signals.drift(watched, held, SETTINGS).sentence
    assert "1 % of the values lie beyond those of training." in sentence
    assert "5 values have another type than contract.yaml says." in sentence


def test_a_table_without_numbers() -> None:
    column = reference.category(np.array(list("ab") * 500, dtype=object), None)
    tallies = {"letter": counts.categories(column, {"a": 100, "b": 100}, missing=0)}
    held = spans(tallies, 200)
    watched = signals.columns(profile({"letter": column}), held, "a" * 64, SETTINGS)
    states = [signals.drift(one, held, SETTINGS).state for one in watched]
    assert states == ["clean", "withheld"]


@pytest.mark.parametrize(
    ("rows", "state"),
    [([0] * 5, "withheld"), ([9, 9, 9, 9, 0], "watching"), ([9, 9, 9, 0, 0], "alarm"), ([9] * 5, "clean")],
)  # fmt: skip
def test_silence(rows: list[int], state: str) -> None:
    held = [windows.Span(first=LAST, last=LAST, traffic=Traffic(rows=count)) for count in rows]
    assert signals.silence(held, SETTINGS, deployed=True).state == state


@pytest.mark.parametrize(
    ("seen", "state"),
    [
        ([False] * 5, "clean"),
        ([None] * 5, "withheld"),
        ([True, True, False, False, False], "watching"),
        ([True, False, True, False, True], "alarm"),
        ([True] * 10 + [False] * 3, "watching"),
        ([True] * 10 + [False] * 5, "clean"),
        ([True, True, None, None, True], "alarm"),
        ([None, None, None, None, False], "clean"),
    ],
)
def test_when_a_shift_becomes_an_alarm_and_ends(seen: list[bool | None], state: str) -> None:
    assert windows.state(seen, SETTINGS) == state


def alarm(name: str, moved: Moved = "values", state: State = "alarm") -> Signal:
    return Signal(name=name, state=state, sentence="it moved", moved=moved)


@pytest.mark.parametrize(
    ("found", "word"),
    [
        ([alarm("input a")], "unit"),
        ([alarm("input a"), alarm("input b")], "season"),
        ([alarm("input a", "missing")], "nulls"),
        ([alarm("input a", "new")], "renamed or added"),
        ([alarm("score late")], "another release"),
        ([alarm("silence")], "Nobody asks"),
        ([alarm("fallback")], "fails on some"),
    ],
)
def test_causes_fit_what_was_seen(found: list[Signal], word: str) -> None:
    assert any(word in cause for cause in signals.causes(found))
    assert signals.causes([Signal(name="input a", state="clean", sentence="")]) == ()


WORSE = alarm("quality roc_auc")
GOOD = alarm("quality roc_auc", state="clean")
UNKNOWN = alarm("quality roc_auc", state="withheld")
MANY = [alarm(f"input {name}") for name in "abcde"]


@pytest.mark.parametrize(
    ("found", "wanted", "words"),
    [
        ([], False, ""),
        ([GOOD], False, ""),
        ([alarm("silence")], False, ""),
        ([WORSE], True, "worse than in the model card: quality roc_auc."),
        ([WORSE, *MANY], True, "worse than in the model card"),
        ([WORSE, alarm("input a", "missing")], False, "Mend it first: input a."),
        ([alarm("fallback"), *MANY], False, "Mend it first: fallback."),
        ([GOOD, *MANY], False, "as good as the model card says"),
        ([UNKNOWN, *MANY], True, "input a, input b, input c and 2 more shifted"),
        ([alarm("input a")], False, "input a shifted alone"),
        ([alarm("input a", state="expected"), alarm("input b", state="watching")], False, ""),
    ],
)
def test_the_evidence_says_whether_to_retrain(
    found: list[Signal], wanted: bool, words: str
) -> None:
    said = signals.retrain(found)
    assert said.wanted is wanted and words in said.why and bool(words) == bool(said.why)


def test_the_monitor_imports_nothing_that_trains_or_judges() -> None:
    code = (
        "import sys; import gitops_model.monitoring.signals, gitops_model.monitoring.records, "
        "gitops_model.monitoring.labels, gitops_model.monitoring.quality; "
        "print([m for m in ('scipy', 'pandas', 'sklearn', 'dvc', 'onnxruntime') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
