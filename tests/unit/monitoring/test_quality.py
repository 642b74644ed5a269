"""Delayed quality: windows against the model card, withheld until enough labels came."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from gitops_model.evaluation import metrics
from gitops_model.formats.monitor import Settings
from gitops_model.monitoring import quality, records
from gitops_model.monitoring.labels import Labels
from gitops_model.monitoring.quality import Answered, Card
from gitops_model.monitoring.records import Piece
from tests.support import logs
from tests.support.factories import CARRIERS, make_contract

CONTRACT = make_contract()
LAST = date(2026, 11, 20)
WEEKS = Settings(window_days=7, alarm=3, of=5, clean=5)
AUC = Card(name="roc_auc", value=0.84, rows=5000)


def day(
    when: date, rng: np.random.Generator, *, rows: int = 200, skill: float = 1.4, share: float = 1.0
) -> Answered:
    labels = (rng.random(rows) < 0.3).astype(float)
    scores = 1 / (1 + np.exp(-(skill * (2 * labels - 1) / 2 * 1.0 + rng.normal(size=rows))))
    carriers = np.array(["AA", "B6"], dtype=object)[rng.integers(0, 2, rows)]
    labels[rng.random(rows) >= share] = np.nan
    return Answered(day=when, scores=scores, labels=labels, slices={"carrier": carriers})


def days(count: int, seed: int = 0, **options: float) -> list[Answered]:
    rng = np.random.default_rng(seed)
    end = LAST - timedelta(days=1)
    return [day(end - timedelta(days=place), rng, **options) for place in range(count)]  # type: ignore[arg-type]


def signal(rows: list[Answered], card: Card = AUC, settings: Settings = WEEKS):  # type: ignore[no-untyped-def]
    return quality.signals(rows, [card], CONTRACT, last=LAST, settings=settings)[0]


def test_as_good_as_the_card_is_clean() -> None:
    found = signal(days(35))
    assert found.state == "clean" and len(found.evidence) == 5
    # Labels of the last day had no time to arrive.
    assert found.evidence[-1].startswith("2026-11-13 to 2026-11-19: ROC AUC 0.8")


def test_a_model_that_lost_its_skill_is_an_alarm() -> None:
    found = signal(days(35, skill=0.2))
    assert found.state == "alarm" and "worse than 0.84 in the model card" in found.sentence


def test_better_than_the_card_is_no_alarm() -> None:
    assert signal(days(35, skill=4)).state == "clean"


def test_the_value_is_the_catalogues() -> None:
    rows = days(7)
    found = quality.measure(AUC, rows, CONTRACT, WEEKS, 0.01)
    labels, scores = (
        np.concatenate([getattr(one, name) for one in rows]) for name in ("labels", "scores")
    )
    assert found.value == metrics.value("roc_auc", labels, scores, metrics.context(CONTRACT))


@pytest.mark.parametrize("share", [0.0, 0.5, 0.75])
def test_too_few_labels_withhold_the_verdict(share: float) -> None:
    found = signal(days(35, skill=0.2, share=share))
    assert found.state == "withheld" and "judged from 80 % and 50 rows on" in found.sentence


def test_a_correction_that_comes_late_opens_its_window_again() -> None:
    rows = days(35)
    wrong = [one if one.day < date(2026, 10, 30) else None for one in rows]
    spoiled = [
        Answered(day=one.day, scores=one.scores, labels=1 - one.labels, slices=one.slices)
        if kept is None
        else one
        for one, kept in zip(rows, wrong, strict=True)
    ]
    assert signal(rows).state == "clean" and signal(spoiled).state == "alarm"


def test_one_class_alone_gives_no_value_and_no_crash() -> None:
    rows = [
        Answered(day=one.day, scores=one.scores, labels=np.zeros(len(one.labels)), slices={})
        for one in days(35)
    ]
    assert signal(rows).state == "withheld"


def test_a_slice_is_judged_by_itself() -> None:
    rows = days(35)
    for one in rows:
        own = one.slices["carrier"] == "B6"
        one.scores[own] = np.random.default_rng(1).random(int(own.sum()))
    card = Card(name="roc_auc", value=0.84, rows=2000, where=("carrier", "B6"))
    other = Card(name="roc_auc", value=0.84, rows=2000, where=("carrier", "AA"))
    assert signal(rows, card).state == "alarm" and signal(rows, other).state == "clean"
    assert signal(rows, card).name == "quality roc_auc carrier=B6"


def test_days_that_differ_widen_what_chance_may_do() -> None:
    rng = np.random.default_rng(5)
    same = days(7, rows=400)
    apart = [day(one.day, rng, rows=400, skill=float(rng.choice([0.2, 2.6]))) for one in same]
    calm = quality.measure(AUC, same, CONTRACT, WEEKS, 0.01)
    wild = quality.measure(AUC, apart, CONTRACT, WEEKS, 0.01)
    assert wild.chance > 1.5 * calm.chance


def test_an_unchanged_model_is_called_worse_as_rarely_as_promised() -> None:
    alpha, worse = 0.05, 0
    truth = Card(name="accuracy", value=0.7, rows=10**9)
    for seed in range(400):
        rng = np.random.default_rng(seed)
        rows = []
        for place in range(7):
            right = rng.random(150) < 0.7
            labels = (rng.random(150) < 0.5).astype(float)
            scores = np.where(right, labels, 1 - labels)
            when = LAST - timedelta(days=place)
            rows.append(Answered(day=when, scores=scores, labels=labels, slices={}))
        worse += quality.measure(truth, rows, CONTRACT, WEEKS, alpha).worse
    assert worse / 400 <= 0.09


def test_cards_are_the_primary_the_risk_and_each_slice() -> None:
    manifest = {
        "metrics": {"roc_auc": 0.8, "brier": 0.1, "rows": 100},
        "slices": [
            {"slice": "carrier", "value": "AA", "rows": 60, "metrics": {"roc_auc": 0.7}},
            {"slice": "carrier", "value": "B6", "rows": 3, "metrics": {"roc_auc": None}},
        ],
    }
    names = [card.signal for card in quality.cards(manifest, CONTRACT)]
    assert names == ["quality roc_auc", "quality brier", "quality roc_auc carrier=AA"]


def pieces(count: int, rng: np.random.Generator) -> list[Piece]:
    """Days of 40 rows in two pieces; every third row is of another release."""
    shape, found = records.shape(CONTRACT), []
    for place in range(count):
        when = LAST - timedelta(days=1 + place)
        made = list(logs.traffic(rng, 40))
        for number, one in enumerate(made):
            one["request_id"] = f"{when} {number}"
            one["sha256"] = one["sha256"] if number % 3 else "b" * 64
        for half in (made[:20], made[20:]):
            kept = [{name: one[name] for name in shape.names} for one in half]
            found.append(Piece(day=when, table=pa.Table.from_pylist(kept, schema=shape)))
    return found


@pytest.mark.parametrize("together", [1, 30, 10**6])
@pytest.mark.parametrize("share", [0, 3, 40])
def test_rows_without_a_label_are_counted_and_not_kept(
    monkeypatch: pytest.MonkeyPatch, together: int, share: int
) -> None:
    monkeypatch.setattr(quality, "LOOKED_UP", together)
    rng = np.random.default_rng(3)
    read = pieces(7, rng)
    ids = [f"{one.day} {number}" for one in read[::2] for number in range(share)]
    known = Labels(
        ids=pa.array(ids, pa.string()),
        values=rng.integers(0, 2, len(ids)).astype(float),
        refused=0,
        contradictory=0,
    )
    found = quality.collect(iter(read), known, CONTRACT, logs.SHA)
    own = pa.concat_tables([one.table for one in read]).filter(pc.field("sha256") == logs.SHA)
    labels = known.of(own.column("request_id"))
    kept = np.concatenate([one.labels for one in found])
    assert sorted(kept) == sorted(labels[np.isfinite(labels)]) and len(kept) == 7 * (share * 2 // 3)
    # By hand: every row with its label or none, as one day.
    carriers = np.array([one["carrier"] for one in own.column("inputs").to_pylist()], dtype=object)
    scores = np.array([one["probability"] for one in own.column("output").to_pylist()])
    plain = [Answered(day=LAST, scores=scores, labels=labels, slices={"carrier": carriers})]
    for where in (None, *(("carrier", name) for name in CARRIERS)):
        card = Card(name="roc_auc", value=0.5, rows=100, where=where)
        got, wanted = (
            quality.measure(card, rows, CONTRACT, replace(WEEKS, label_coverage=0.01), 0.01)
            for rows in (found, plain)
        )
        assert (got.covered, got.value) == pytest.approx((wanted.covered, wanted.value))
