"""Series come and go with releases; their number is bounded."""

from __future__ import annotations

from gitops_model.formats.pointer import Ref
from gitops_model.serving.metrics import RETIRED, Metrics
from gitops_model.serving.predictor import RowAnswer
from gitops_model.serving.snapshot import Loaded, Served, Snapshot
from tests.support.factories import make_contract

ROW = RowAnswer(output={}, imputed=["distance"], fell_back=True)


def _table(number: int) -> Snapshot:
    loaded = Loaded.__new__(Loaded)
    object.__setattr__(loaded, "contract", make_contract())
    ref = Ref(model=f"flight-delay-v{number}", sha256=f"{number:064x}")
    return Snapshot(stable=Served(ref=ref, loaded=loaded))


def test_a_dropped_release_keeps_its_last_counts_for_a_while_and_then_goes() -> None:
    metrics = Metrics()
    for number in range(1, 21):
        metrics.switched(_table(number - 1) if number > 1 else Snapshot(), _table(number))
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
    assert "model_switches_total 20.0" in text


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
