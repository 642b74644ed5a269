"""The sentences: what each kind and state of gate says, with both numbers and what is allowed."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from gitops_model.formats.check import (
    BY_KEYS_AND_TIME,
    Gate,
    GateKind,
    GateState,
    SliceRow,
    SliceState,
)
from gitops_model.report import quantities, reasons, sentences
from tests.support import cases, reports

PASS, FAIL, UNSURE = GateState.PASS, GateState.FAIL, GateState.INCONCLUSIVE
ACCURACY = Gate(
    kind=GateKind.PRIMARY,
    metric="accuracy",
    candidate=0.70,
    production=0.76,
    delta=-0.06,
    lower=-0.08,
    upper=-0.04,
    limit=-0.02,
    rows=300,
    state=FAIL,
)
SLOW = Gate(
    kind=GateKind.LATENCY_RATIO,
    unit="ratio",
    better="lower",
    candidate=0.3,
    production=0.2,
    delta=1.5,
    lower=1.4,
    upper=1.6,
    limit=1.25,
    state=FAIL,
)
LARGE = Gate(
    kind=GateKind.ARTIFACT, unit="MB", better="lower", candidate=60.0, lower=60.0, upper=60.0, limit=50.0, state=FAIL
)  # fmt: skip
LIMIT = Gate(
    kind=GateKind.LIMIT, metric="roc_auc", candidate=0.65, lower=0.58, upper=0.72, limit=0.6, state=UNSURE
)  # fmt: skip
LEAK = Gate(kind=GateKind.LEAKAGE, problems=(), state=PASS, blocks=False)
GUARD = Gate(kind=GateKind.SLICE_GUARD, metric="accuracy", limit=-0.05, state=FAIL)


def slice_row(name: str, delta: float | None, state: SliceState) -> SliceRow:
    new = None if delta is None else 0.8 + delta
    return SliceRow(
        slice=name, rows=171, candidate=new, production=0.8, delta=delta, lower=None, upper=None, error=None,
        degrees=None, wins=None, losses=None, rows_needed=None, method="none", state=state,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        (
            ACCURACY,
            "accuracy fell from 0.7600 to 0.7000 (-0.0600, at best -0.0400); allowed: a loss below 0.02.",
        ),
        (
            replace(ACCURACY, state=UNSURE, rows_needed=900, upper=-0.01),
            "accuracy fell from 0.7600 to 0.7000 (-0.0600, between -0.0800 and -0.0100), too uncertain to show a loss "
            "below 0.02; an equally good candidate would need about 900 rows, the test set has 300.",
        ),
        (
            replace(ACCURACY, candidate=0.79, delta=0.03, lower=0.011, limit=0.01, state=PASS),
            "accuracy rose from 0.7600 to 0.7900 (+0.0300, at worst +0.0110); required: a gain above 0.01.",
        ),
        (
            replace(ACCURACY, relative=True, delta=-0.079, upper=-0.053, limit=-0.03),
            "accuracy fell from 0.7600 to 0.7000 (-7.9%, at best -5.3%); allowed: a loss below 3%.",
        ),
        (
            replace(ACCURACY, candidate=None, delta=None, state=GateState.NO_DATA),
            "accuracy has no data: candidate has no value on 300 rows "
            "(a missing or infinite score, or only one class).",
        ),
        (
            replace(ACCURACY, production=None, delta=None, state=GateState.NOT_COMPARED),
            "accuracy was not compared with production. It is 0.7000.",
        ),
        (
            SLOW,
            "the median latency is 50% longer than production's (0.2 ms to 0.3 ms); allowed: less than 25% longer.",
        ),
        (
            replace(SLOW, state=GateState.OFF, reason="New runner."),
            "the median latency is turned off: New runner.",
        ),
        (LARGE, "the bundle's size is 60 MB; it must be below 50 MB."),
        (
            LIMIT,
            "ROC AUC is 0.6500 (0.5800 to 0.7200), too uncertain to say that it is above 0.6.",
        ),
        (LEAK, "no test row was trained on."),
        (
            replace(LEAK, method=BY_KEYS_AND_TIME),
            "no test row was trained on, and the test window follows the training window.",
        ),
        (replace(LEAK, problems=None), "the test set has no data: it was not checked."),
        (
            replace(LEAK, problems=("1 test rows were trained on: a",), state=FAIL),
            "the test set is not unseen: 1 test rows were trained on: a.",
        ),
        (
            Gate(kind=GateKind.SCHEMA, problems=(), state=PASS),
            "today's callers can use the candidate as it is.",
        ),
        (
            GUARD,
            "the slice a=2 and 1 more clearly lost more than 0.05: accuracy fell from 0.8000 to 0.6000 on 171 rows.",
        ),
    ],
)
def test_a_gate_says_both_numbers_and_what_is_allowed(gate: Gate, said: str) -> None:
    rows = [
        slice_row("a=1", -0.1, SliceState.FAIL),
        slice_row("a=2", -0.2, SliceState.FAIL),
        slice_row("a=3", -0.3, SliceState.TOO_SMALL),
    ]
    assert sentences.gate(gate, slices=rows) == said


def test_a_guard_over_one_slice_speaks_of_one_slice():
    gate = Gate(kind=GateKind.SLICE_GUARD, state=PASS, metric="accuracy", limit=0.05)
    rows = (
        slice_row("a=1", -0.01, SliceState.PASS),
        slice_row("a=2", 0.0, SliceState.TOO_SMALL),
    )
    assert sentences.gate(gate, slices=rows) == (
        "the only slice judged did not clearly lose more than 0.05; 1 too small to judge, where a loss of any "
        "size would not be seen."
    )


def test_a_guard_says_which_slice_it_could_not_decide_and_what_small_ones_could_hide():
    gate = Gate(kind=GateKind.SLICE_GUARD, state=PASS, metric="accuracy", limit=0.05)
    rows = (
        slice_row("a=1", 0.01, SliceState.PASS),
        replace(slice_row("a=2", -0.04, SliceState.UNDECIDED), lower=-0.07),
        replace(slice_row("a=3", 0.02, SliceState.UNDECIDED), lower=-0.06),
        replace(slice_row("a=4", -0.2, SliceState.TOO_SMALL), lower=-0.31),
    )
    assert sentences.gate(gate, slices=rows) == (
        "none of 3 slices clearly lost more than 0.05; 2 undecided: a=2 may have lost up to 0.07; 1 too small to "
        "judge, where a loss of up to 0.31 would not be seen."
    )


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        (ACCURACY, "accuracy falls 0.7600 → 0.7000"),
        (replace(ACCURACY, state=UNSURE), "accuracy falls 0.7600 → 0.7000, too uncertain to tell"),
        (
            replace(ACCURACY, candidate=0.765, delta=0.005, limit=0.01),
            "accuracy rises 0.7600 → 0.7650, and a gain above 0.01 is required",
        ),
        (SLOW, "the median latency rises 0.2 ms → 0.3 ms"),
        (LARGE, "the bundle's size is 60 MB, and it must be below 50 MB"),
        (replace(LARGE, candidate=None, state=GateState.NO_DATA), "the bundle's size has no data"),
        (GUARD, "accuracy at a=1 falls 0.8000 → 0.7000"),
    ],
)
def test_the_reason_is_a_few_words_with_both_numbers(gate: Gate, said: str) -> None:
    check = reports.make("better")
    rows = (slice_row("a=1", -0.1, SliceState.FAIL),)
    assert reasons.reason(replace(check, gates=(gate, LEAK), slices=rows)) == said
    twice = replace(check, gates=(gate, replace(LIMIT, state=FAIL)), slices=rows)
    assert reasons.reason(twice).endswith(", and 1 more")


@pytest.mark.parametrize(
    ("gate", "said", "short"),
    [
        (
            replace(ACCURACY, metric="roc_auc", method="too few rows of one class"),
            "ROC AUC fell from 0.7600 to 0.7000 (-0.0600); there are too few rows of one class for an interval, so "
            "nothing shows a loss below 0.02.",
            "ROC AUC falls 0.7600 → 0.7000, and there are too few rows of one class for an interval",
        ),
        (
            replace(LIMIT, method="undefined on too many resamples"),
            "ROC AUC is 0.6500; it has no value on too many resamples of the rows, so nothing shows that it is above "
            "0.6.",
            "ROC AUC is 0.6500, and it has no value on too many resamples of the rows",
        ),
    ],
)
def test_a_number_without_an_interval_says_why(gate: Gate, said: str, short: str) -> None:
    gate = replace(gate, lower=None, upper=None, state=UNSURE)
    assert sentences.gate(gate) == said
    check = replace(reports.make("equal"), gates=(gate,))
    assert reasons.reason(check) == short


def test_19_positives_are_the_reason_and_not_an_unknown_interval():
    kwargs = cases.inputs(rows=900) | {"contract": cases.contract(primary="roc_auc")}
    labels = np.zeros(900)
    labels[:19] = 1
    kwargs = cases.change(kwargs, "test", labels=labels)
    scores = kwargs["candidate"].scores.copy()
    scores[:3] /= 2
    found = cases.check(**cases.change(kwargs, "candidate", scores=scores))
    said = cases.gate(found, "primary").sentence
    assert "too few rows of one class" in said and "no data" not in said


def test_failed_gates_come_before_undecided_ones() -> None:
    check = replace(reports.make("better"), gates=(LIMIT, ACCURACY))
    assert sentences.headline(check) == (
        "Blocked: accuracy fell from 0.7600 to 0.7000 (-0.0600, at best -0.0400); allowed: a loss below 0.02. "
        "(1 more below)"
    )


def test_of_any_two_gates_the_headline_names_the_one_that_failed() -> None:
    check = reports.make("equal")
    orders = itertools.combinations((FAIL, GateState.NO_DATA, UNSURE), 2)
    for (first, second), (strong, weak) in itertools.product(
        itertools.permutations(check.gates, 2), orders
    ):
        gates = (
            replace(first, state=weak, blocks=True, sentence=""),
            replace(second, state=strong, blocks=True, sentence=""),
        )
        assert [gate.id for gate in sentences.blocking(gates)] == [second.id, first.id]


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0.77416, "metric", "0.7742"),
        (1204.5, "metric", "1,204.5"),
        (0.2049, "ms", "0.205 ms"),
        (1234.0, "MB", "1,234 MB"),
        (None, "metric", "no data"),
        (float("nan"), "metric", "no data"),
        (float("inf"), "ms", "no data"),
    ],
)
def test_numbers_have_the_digits_people_read(value: float | None, unit, said: str) -> None:  # type: ignore[no-untyped-def]
    assert quantities.number(value, unit) == said


def test_a_change_that_is_written_with_zeros_has_no_direction() -> None:
    assert quantities.gain(-1e-9, relative=True) == "±0" == quantities.arrow(1e-9)
    assert quantities.arrow(-0.0345) == "▼ 0.0345" and quantities.arrow(None) == ""
    assert quantities.ratio(1.2) == "▼ ×1.20" and quantities.ratio(0.5) == "▲ ×0.50"
