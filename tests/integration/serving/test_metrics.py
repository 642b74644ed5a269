"""Series come and go with releases; their number is bounded."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gitops_model.formats.bundle import Bundle
from gitops_model.formats.contract import Contract
from gitops_model.formats.pointer import Ref
from gitops_model.pipeline import reference
from gitops_model.serving import detail
from gitops_model.serving.collectors import MOST_CLASSES, OTHER
from gitops_model.serving.detail import NO_DETAIL, UNKNOWN_UNIT, Detail
from gitops_model.serving.metrics import RETIRED, Metrics
from gitops_model.serving.predictor import RowAnswer
from gitops_model.serving.snapshot import Loaded, Served, Snapshot
from tests.support.factories import contract_dict, make_bundle, make_contract

ROW = RowAnswer(
    output={"delayed": False, "probability": 0.25}, imputed=["distance"], fell_back=True
)


def _table(
    number: int, *, contract: Contract | None = None, detail: Detail = NO_DETAIL
) -> Snapshot:
    loaded = Loaded.__new__(Loaded)
    object.__setattr__(loaded, "contract", contract or make_contract())
    object.__setattr__(loaded, "detail", detail)
    ref = Ref(model=f"flight-delay-v{number}", sha256=f"{number:064x}")
    return Snapshot(stable=Served(ref=ref, loaded=loaded))


def test_a_dropped_release_keeps_its_last_counts_for_a_while_and_then_goes() -> None:
    metrics = Metrics()
    known = Detail(missing={"distance": 0.1}, listed={"carrier": frozenset({"AA"})})
    for number in range(1, 21):
        before = _table(number - 1, detail=known) if number > 1 else Snapshot()
        metrics.switched(before, _table(number, detail=known))
        for route in ("stable", "fallback"):
            metrics.answered(
                model=f"flight-delay-v{number}", route=route, status=200, seconds=0.001, rows=[ROW]
            )
        metrics.answered(
            model=f"flight-delay-v{number}", route="stable", status=422, seconds=0.001, rows=[]
        )
    text = metrics.exposition().decode()
    present = [n for n in range(1, 21) if f'model="flight-delay-v{n}"' in text]
    assert present == list(range(20 - RETIRED, 21))
    assert 'model_rows_total{model="flight-delay-v20",route="stable"} 1.0' in text
    assert 'model_imputed_total{input="distance",model="flight-delay-v20"} 2.0' in text
    assert 'model_fallbacks_total{model="flight-delay-v20"} 2.0' in text
    assert "model_switches_total 19.0" in text


def test_a_worker_that_loads_its_first_release_switches_nothing() -> None:
    metrics = Metrics()
    one, two, none = _table(1), _table(2), Snapshot()
    for old, new, switches in (
        *((none, none, 0), (none, one, 0), (one, one, 0), (one, two, 1)),
        *((two, one, 2), (one, none, 3), (none, one, 3)),
    ):
        metrics.switched(old, new)
        assert f"model_switches_total {switches:.1f}" in metrics.exposition().decode()


def test_a_release_that_returns_counts_again() -> None:
    metrics = Metrics()
    tables = [_table(number) for number in (1, 2, 3, 4, 1)]
    for old, new in zip([Snapshot(), *tables], tables, strict=False):
        metrics.switched(old, new)
        assert new.stable is not None
        metrics.answered(
            model=new.stable.ref.model, route="stable", status=200, seconds=0.001, rows=[]
        )
    assert 'model="flight-delay-v1"' in metrics.exposition().decode()


def test_buckets_resolve_a_quarter_of_a_millisecond_to_two_seconds() -> None:
    metrics = Metrics()
    metrics.answered(model="m", route="stable", status=200, seconds=0.0003, rows=[])
    text = metrics.exposition().decode()
    assert 'bucket{le="0.00025",model="m",route="stable"} 0.0' in text
    assert 'bucket{le="0.0005",model="m",route="stable"} 1.0' in text
    assert 'le="2.0"' in text


def test_made_up_methods_are_one_series() -> None:
    metrics = Metrics()
    for method in ("JUNK", "KNUJ", "GET"):
        metrics.began()
        metrics.ended(route="unmatched", method=method, status=404)
    text = metrics.exposition().decode()
    assert 'http_requests_total{method="other",route="unmatched",status="404"} 2.0' in text
    assert "http_requests_in_progress 0.0" in text


def _scores(metrics: Metrics, **labels: str) -> dict[float, float]:
    """Rows by the upper end of their bucket, not added up."""
    found: dict[float, float] = {}
    for family in text_string_to_metric_families(metrics.exposition().decode()):
        for sample in family.samples:
            if sample.name == "model_score_bucket" and labels.items() <= sample.labels.items():
                end = float(sample.labels["le"])
                found[end] = found.get(end, 0.0) + sample.value
    ends = sorted(found)
    below = [0.0, *(found[end] for end in ends)]
    return {
        end: found[end] - less for end, less in zip(ends, below, strict=False) if found[end] > less
    }


def _rows(*outputs: dict[str, Any]) -> list[RowAnswer]:
    return [RowAnswer(output=output, imputed=[], fell_back=False) for output in outputs]


def _answer(metrics: Metrics, rows: list[RowAnswer], route: str = "stable") -> None:
    metrics.answered(model="flight-delay-v1", route=route, status=200, seconds=0.001, rows=rows)


def test_probabilities_are_counted_by_answer_and_route() -> None:
    metrics = Metrics()
    metrics.switched(Snapshot(), _table(1))
    low, edge, high = ({"delayed": p >= 0.5, "probability": p} for p in (0.004, 0.1, 0.97))
    _answer(metrics, _rows(low, edge, high, high))
    _answer(metrics, _rows(high), route="canary")
    assert _scores(metrics, route="stable", answer="false") == {0.01: 1.0, 0.1: 1.0}
    assert _scores(metrics, route="stable", answer="true") == {0.99: 2.0}
    assert _scores(metrics, route="canary") == {0.99: 1.0}
    text = metrics.exposition().decode()
    labels = '{answer="true",model="flight-delay-v1",route="stable"}'
    assert f"model_score_count{labels} 2.0" in text and f"model_score_sum{labels} 1.94" in text


def test_classes_are_counted_by_the_probability_of_the_answered_one() -> None:
    classes = [f"c{number}" for number in range(MOST_CLASSES + 30)]
    output = {"name": "delay", "classes": classes}
    metrics = Metrics()
    contract = make_contract("multiclass", output=output)
    metrics.switched(Snapshot(), _table(1, contract=contract))
    for name in classes:
        _answer(metrics, _rows({"delay": name, "probabilities": {name: 0.45}}))
    assert _scores(metrics, answer="c0") == {0.5: 1.0}
    assert _scores(metrics, answer=OTHER) == {0.5: 30.0}
    assert metrics.exposition().decode().count('le="0.5"') == MOST_CLASSES + 1


def _regression(reference_json: bytes) -> Detail:
    data, sha256 = make_bundle(problem="regression", members={"reference.json": reference_json})
    return detail.of(Bundle.open(data, sha256=sha256, name="bundle"))


def _columns(contract: Contract) -> dict[str, Any]:
    return {
        "distance": np.array([1.0, np.nan, 3.0, 4.0], dtype=np.float32),
        "hour": np.arange(4, dtype=np.float32),
        "carrier": np.array(["AA"] * 4, dtype=object),
        "weekend": np.zeros(4, dtype=np.float32),
    }


def test_numbers_are_counted_between_the_quantiles_of_the_test_rows() -> None:
    contract = make_contract("regression")
    minutes = np.linspace(-20.0, 180.0, 101)
    built = reference.build(contract, _columns(contract), minutes)
    found = _regression(built.to_bytes())
    assert found.edges == (-20.0, *(20.0 * k for k in range(9)), 180.0)
    metrics = Metrics()
    metrics.switched(Snapshot(), _table(1, contract=contract, detail=found))
    values = (-25.0, 0.0, 1.0, 1e9)
    _answer(metrics, _rows(*({"delay_minutes": v} for v in values)))
    assert _scores(metrics) == {-20.0: 1.0, 0.0: 1.0, 20.0: 1.0, float("inf"): 1.0}
    assert "model_score_sum" not in metrics.exposition().decode()
    ratio = 'model_missing_in_training_ratio{input="distance",model="flight-delay-v1"} 0.25'
    assert ratio in metrics.exposition().decode()


def test_a_sum_that_may_fall_is_not_shown() -> None:
    """Prometheus would take it for a restart. The first bucket does not tell: it ends at or above zero here."""
    metrics = Metrics()
    contract = make_contract("regression")
    metrics.switched(Snapshot(), _table(1, contract=contract, detail=Detail(edges=(0.0, 9.0))))
    _answer(metrics, _rows({"delay_minutes": -5.0}))
    assert _scores(metrics) == {0.0: 1.0}
    assert "model_score_sum" not in metrics.exposition().decode()


@pytest.mark.parametrize(
    "damaged",
    [
        b"{}",
        b"no JSON",
        b"[1]",
        b'{"scores": {"delay_minutes": {"edges": 3, "min": "a"}}, "inputs": {"distance": []}}',
        b'{"scores": {"delay_minutes": {"edges": [1, 1], "min": 1, "max": 1}}, "inputs": null}',
        json.dumps({"scores": {"delay_minutes": {"edges": list(range(1000))}}}).encode(),
        b'{"inputs": {"distance": {"missing": 1e999}}, "scores": {"delay_minutes": {"min": true}}}',
    ],
)
def test_a_profile_that_cannot_be_read_costs_detail_only(damaged: bytes) -> None:
    found = _regression(damaged)
    assert found.edges == UNKNOWN_UNIT and found.missing == {}


def test_categories_that_are_not_listed_are_counted() -> None:
    inputs = contract_dict()["inputs"]
    inputs["carrier"]["unknown"] = "accept"
    contract = contract_dict() | {"inputs": inputs}
    data, sha256 = make_bundle(contract=contract)
    found = detail.of(Bundle.open(data, sha256=sha256, name="bundle"))
    assert found.listed == {"carrier": {"AA", "B6", "UA", "(missing)"}}
    metrics = Metrics()
    metrics.switched(Snapshot(), _table(1, contract=make_contract(inputs=inputs), detail=found))
    series = 'model_unlisted_categories_total{input="carrier",model="flight-delay-v1"}'
    assert f"{series} 0.0" in metrics.exposition().decode()
    row = RowAnswer(output=ROW.output, imputed=[], fell_back=False, unlisted=["carrier"])
    _answer(metrics, [row, row, ROW])
    assert f"{series} 2.0" in metrics.exposition().decode()


def test_what_may_fail_is_there_at_zero_from_the_start() -> None:
    metrics = Metrics()
    assert 'model_load_failures_total{reason="golden"} 0.0' in metrics.exposition().decode()
    metrics.switched(Snapshot(), _table(1))
    text = metrics.exposition().decode()
    for status in (500, 504):
        labels = f'{{model="flight-delay-v1",route="stable",status="{status}"}}'
        assert f"model_requests_total{labels} 0.0" in text
    assert 'model_imputed_total{input="distance",model="flight-delay-v1"} 0.0' in text


def test_the_pool_is_counted_until_its_work_is_done() -> None:
    metrics, go = Metrics(), threading.Event()
    metrics.has_pool(1)
    with ThreadPoolExecutor(1) as pool:
        work = [pool.submit(go.wait, 20) for _ in range(3)]
        for future in work:
            metrics.pooled(future)
        assert "model_pool_requests 3.0" in metrics.exposition().decode()
        # One that waits and is given up leaves at once; one that runs leaves when it is done.
        work[2].cancel(), work[0].cancel()
        assert "model_pool_requests 2.0" in metrics.exposition().decode()
        go.set()
    assert "model_pool_requests 0.0" in metrics.exposition().decode()
