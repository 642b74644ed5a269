"""Several workers as one: sums, gauges by their kind, ended workers, and who speaks for all of them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from gitops_model.serving import merging
from gitops_model.serving.merging import Families


def _worker(
    requests: int, *, seconds: tuple[float, ...] = (), model: str = "v1", **gauges: float
) -> Families:
    registry = CollectorRegistry()
    counter = Counter("model_requests_total", "Requests.", ("model",), registry=registry)
    counter.labels(model).inc(requests)
    histogram = Histogram("took_seconds", "Time.", ("model",), buckets=(1, 2), registry=registry)
    for one in seconds:
        histogram.labels(model).observe(one)
    for name, value in gauges.items():
        Gauge(name, "A gauge.", registry=registry).set(value)
    return merging.families(registry.collect())


def _value(found: Families, name: str, **labels: str) -> float:
    text = merging.exposition(found).decode()
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    [value] = [s.value for s in samples if s.name == name and s.labels == labels]
    return float(value)


def test_one_worker_alone_says_what_the_client_library_says() -> None:
    registry = CollectorRegistry()
    Counter("asked_total", "Asked.", ("model",), registry=registry).labels('a"b').inc(3)
    Histogram("took_seconds", "Time.", buckets=(1, 2), registry=registry).observe(1.5)
    Gauge("in_progress", "Now.", registry=registry).set(2)

    def lines(text: bytes) -> list[str]:
        return [line for line in text.decode().splitlines() if "_created" not in line]

    found = merging.merged(merging.families(registry.collect()), [], {})
    assert lines(merging.exposition(found)) == lines(generate_latest(registry))


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=5), st.integers(0, 10**6))
def test_counters_are_the_sum_of_the_living_and_the_ended(counts: list[int], gone: int) -> None:
    own, *others = [_worker(count) for count in counts]
    ended = merging.folded({}, _worker(gone), models=["v1"])
    found = merging.merged(own, others, ended)
    assert _value(found, "model_requests_total", model="v1") == sum(counts) + gone


def test_histograms_add_up_bucket_by_bucket() -> None:
    found = merging.merged(_worker(1, seconds=(0.5, 1.5)), [_worker(1, seconds=(1.5, 5.0))], {})
    buckets = [_value(found, "took_seconds_bucket", model="v1", le=le) for le in ("1.0", "2.0")]
    assert buckets == [1, 3]
    assert _value(found, "took_seconds_count", model="v1") == 4
    assert _value(found, "took_seconds_sum", model="v1") == 8.5


def test_gauges_are_amounts_or_the_worst_of_all_or_what_was_told_last() -> None:
    own = _worker(0, connections_open=2, pointer_in_sync=1, pointer_out_of_sync_seconds=0)
    own |= _worker(0, model_canary_verdict=0)
    other = _worker(0, connections_open=3, pointer_in_sync=0, pointer_out_of_sync_seconds=7)
    other |= _worker(0, model_canary_verdict=1)
    found = merging.merged(own, [other], {})
    assert _value(found, "connections_open") == 5
    assert _value(found, "pointer_in_sync") == 0
    assert _value(found, "pointer_out_of_sync_seconds") == 7
    assert _value(found, "model_canary_verdict") == 0


def test_gauges_of_an_ended_worker_end_with_it() -> None:
    ended = merging.folded({}, _worker(5, connections_open=3), models=["v1"])
    found = merging.merged(_worker(1, connections_open=2), [], ended)
    assert _value(found, "connections_open") == 2
    assert _value(found, "model_requests_total", model="v1") == 6


def test_series_of_releases_that_nobody_serves_any_more_are_let_go() -> None:
    ended: Families = {}
    for number in range(20):
        last = _worker(1, model=f"v{number}")
        ended = merging.folded(ended, last, models=[f"v{number - 1}"])
        assert merging.models_of(ended) <= {f"v{number}", f"v{number - 1}"}
    assert _value(ended, "model_requests_total", model="v19") == 1


def test_what_is_written_is_what_is_read() -> None:
    found = _worker(3, seconds=(0.5,), connections_open=1)
    assert merging.from_plain(json.loads(json.dumps(merging.to_plain(found)))) == found


def _state(commit: str, *, in_sync: bool = True, errors: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "desired": {"commit": commit, "written_at": f"2026-01-0{commit}T00:00:00Z"},
        "live": {"commit": commit if in_sync else "0"},
        "in_sync": in_sync,
        "errors": [{"sentence": error} for error in errors],
    }


def test_status_is_in_sync_only_when_all_are() -> None:
    assert merging.furthest_behind(_state("2"), [_state("2")])["in_sync"]
    behind = _state("2", in_sync=False, errors=("it is too large",))
    for own, other in ((_state("2"), behind), (behind, _state("2"))):
        found = merging.furthest_behind(own, [other])
        assert not found["in_sync"]
        assert found["live"]["commit"] == "0"
        assert found["last_error"] == {"sentence": "it is too large"}


def test_a_worker_that_has_not_seen_the_new_pointer_speaks_for_all() -> None:
    for own, other in ((_state("1"), _state("2")), (_state("2"), _state("1"))):
        found = merging.furthest_behind(own, [other])
        assert found["live"]["commit"] == "1"
        assert not found["in_sync"]


def test_the_same_error_of_all_is_said_once() -> None:
    states = [_state("2", in_sync=False, errors=("it is too large",)) for _ in range(3)]
    assert len(merging.furthest_behind(states[0], states[1:])["errors"]) == 1
