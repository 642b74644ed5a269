"""Every metric and label that a rule or a panel names is exported by the real service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.promql import SCRAPED, alerts, filled, named, panel_expressions, rules
from tests.support.server import Server
from tests.support.watched import visit, watched

Labels = dict[str, set[str]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with watched(tmp_path_factory.mktemp("exported")) as server:
        visit(server)
        yield server


@pytest.fixture(scope="module")
def known(server: Server) -> Labels:
    """Label names by sample: what the service exports, what Prometheus adds, what the rules record."""
    found: Labels = {"up": set(SCRAPED)}
    for family in text_string_to_metric_families(server.get("/metrics").text):
        for sample in family.samples:
            found.setdefault(sample.name, set(SCRAPED)).update(sample.labels)
    for rule in rules():
        if "record" in rule:
            found[rule["record"]] = set(named(rule["expr"]).grouped)
    return found


RULES = [(rule.get("alert") or rule["record"], rule["expr"]) for rule in rules()]


@pytest.mark.parametrize("name, expression", [*RULES, *panel_expressions()])
def test_it_names_what_is_exported(known: Labels, name: str, expression: str) -> None:
    found = named(filled(expression))
    assert found.metrics
    assert set(found.metrics) <= set(known), f"{name}: not exported"
    for metric, labels in found.metrics.items():
        assert labels <= known[metric], f"{name}: {metric} has no such label"
    everything = set().union(*(known[metric] for metric in found.metrics))
    assert found.grouped <= everything, f"{name}: no metric has such a label"


def test_summaries_show_labels_that_the_alert_keeps() -> None:
    for name, rule in alerts().items():
        text = " ".join(rule["annotations"].values())
        found = named(rule["expr"])
        # Where nothing is grouped, the labels of the series stay.
        kept = (found.grouped | {"reason"}) if not found.grouped else found.grouped
        shown = {word.rstrip("}") for word in text.split() if word.startswith("$labels.")}
        assert {word.removeprefix("$labels.") for word in shown} <= kept | SCRAPED, name


def test_requests_make_the_series_that_are_shown(server: Server) -> None:
    for route in ("stable", "canary"):
        model = {"stable": "flight-delay-v12", "canary": "flight-delay-v13"}[route]
        labels = {"model": model, "route": route}
        assert server.metric("model_requests_total", status="422", **labels) >= 1
        assert server.metric("model_imputed_total", model=model, input="distance") >= 1
        assert server.metric("model_unlisted_categories_total", model=model, input="carrier") >= 1
        rows = server.metric("model_rows_total", **labels)
        assert server.metric("model_score_count", **labels) == rows > 0
        assert server.metric("model_missing_in_training_ratio", model=model) == 0.11
    for state in ("desired", "live"):
        commit = f"{1:040x}"
        assert server.metric("pointer_info", state=state, role="canary", commit=commit) == 1
    assert server.metric("pointer_in_sync") == 1
    assert server.metric("pointer_out_of_sync_seconds") < 5
    assert server.metric("model_pool_requests") == 0 < server.metric("model_pool_threads")


@pytest.mark.parametrize(
    "expression, metrics, grouped",
    [
        ("up == 0", {"up": set()}, set()),
        ('sum by (a, b) (rate(x_total{c="by", d!~"e{f}"}[5m]))', {"x_total": {"c", "d"}}, {"a", "b"}),
        ("1 - a:b{x='y'} offset 1w > on (j) group_left () c", {"a:b": {"x"}, "c": set()}, {"j"}),
        ('histogram_quantile(0.95, h_bucket{le="1e3"}) unless n', {"h_bucket": {"le"}, "n": set()}, set()),
    ],
)  # fmt: skip
def test_the_reader_of_expressions(
    expression: str, metrics: dict[str, set[str]], grouped: set[str]
) -> None:
    found = named(expression)
    assert (dict(found.metrics), found.grouped) == (metrics, grouped)
