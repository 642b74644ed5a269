"""dashboard.json obeys Grafana's types, and its panels say what they show, in which unit, from which source."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.support.promql import dashboard, filled, needs_prometheus, panel_expressions, promtool

SCHEMA = json.loads((Path(__file__).parent / "grafana_dashboard.schema.json").read_text())
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
# What a team has to see, by a word in a panel's title and the metric behind it.
SHOWN = {
    "Latency p50": "model_request_duration_seconds_bucket",
    "Latency p95": "model_request_duration_seconds_bucket",
    "Latency p99": "model_request_duration_seconds_bucket",
    "Time-outs": 'status="504"',
    "Error rate": "model_requests_total",
    "Load failures": "model_load_failures_total",
    "Throughput": "model_requests_total",
    "Queue": "model_pool_requests",
    "Memory": "process_resident_memory_bytes",
    "CPU": "process_cpu_seconds_total",
    "Canary against stable: failures": "role:failures:rate10m",
    "Canary against stable: latency": "model_request_duration_seconds_bucket",
    "Canary: verdict": "model_canary_verdict",
    "Canary: evidence": "model_canary_evidence_ratio",
    "Refused for a limit": "requests_refused_total",
    "Shadow: agreement": "model_shadow_rows_total",
    "Shadow: score difference": "model_shadow_score_difference_bucket",
    "Shadow: rows it refused": "model_shadow_dropped_rows_total",
    "Shadow: latency": "model_shadow_duration_seconds_bucket",
    "Missing inputs": "model_imputed_total",
    "Categories that are not listed": "model_unlisted_categories_total",
    "Score distribution": "model_score_bucket",
    "Pointer: desired and live": "pointer_info",
}


def _problems(content: Any) -> list[str]:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    return [
        f"{'/'.join(map(str, e.absolute_path))}: {e.message}"
        for e in validator.iter_errors(content)
    ]


def test_it_obeys_the_types_of_grafana() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert _problems(dashboard()) == []


@pytest.mark.parametrize(
    "path, value",
    [
        (("panels", 4, "type"), "graph"),
        (("panels", 4, "fieldConfg"), {}),
        (("panels", 6, "options", "legend", "displayMode"), "tables"),
        (("panels", 6, "fieldConfig", "defaults", "custom", "lineWidth"), "1"),
        (("panels", 6, "targets", 0, "legend"), "{{model}}"),
        (("panels", 6, "gridPos", "w"), "8"),
        (("templating", "list", 0, "type"), "data source"),
        (("refresh",), 30),
    ],
)
def test_what_grafana_does_not_know_is_found(path: tuple[Any, ...], value: object) -> None:
    content = dashboard()
    place: Any = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert _problems(content) != []


def test_every_panel_has_title_unit_source_and_a_place_of_its_own() -> None:
    content = dashboard()
    panels = content["panels"]
    assert [v["name"] for v in content["templating"]["list"]] == ["datasource", "job", "model"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({panel["title"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["title"].strip() and panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"] == SOURCE, panel["title"]
        assert panel["targets"] and all(t["datasource"] == SOURCE for t in panel["targets"])
        assert len({t["refId"] for t in panel["targets"]}) == len(panel["targets"])
        assert 0 <= panel["gridPos"]["x"] and panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    for one, other in combinations(panels, 2):
        a, b = one["gridPos"], other["gridPos"]
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        below = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or below, (one["title"], other["title"])


@pytest.mark.parametrize("words, metric", SHOWN.items())
def test_it_shows_what_a_team_has_to_see(words: str, metric: str) -> None:
    shown = [expression for title, expression in panel_expressions() if title.startswith(words)]
    assert any(metric in expression for expression in shown)


@needs_prometheus
def test_its_expressions_are_promql(tmp_path: Path) -> None:
    recorded = [
        {"record": f"panel:{number}", "expr": filled(expression)}
        for number, (_, expression) in enumerate(panel_expressions())
    ]
    path = tmp_path / "panels.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))
    assert f"{len(recorded)} rules found" in promtool("check", "rules", path)
