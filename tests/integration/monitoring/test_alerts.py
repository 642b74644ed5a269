"""The rules are well formed, and each alert fires when it should and only then: promtool says so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.monitoring.alert_cases import BASE, CASES, WEEK, Case, Series
from tests.support.places import TEMPLATE
from tests.support.promql import ALERTS, MONITORING, alerts, needs_prometheus, promtool

RUNBOOK = "docs/RUNBOOK.md"


@needs_prometheus
def test_promtool_has_nothing_to_say(tmp_path: Path) -> None:
    assert "SUCCESS" in promtool("check", "rules", ALERTS)
    assert "SUCCESS" in promtool("check", "config", MONITORING / "prometheus.yml")


def test_every_alert_says_what_to_do() -> None:
    headings = re.findall(r"^#+ (.*)$", (TEMPLATE / RUNBOOK).read_text(), re.MULTILINE)
    anchors = {f"{RUNBOOK}#{heading.lower().replace(' ', '-')}" for heading in headings}
    for name, rule in alerts().items():
        assert rule["labels"]["severity"] in {"page", "ticket"}, name
        says = rule["annotations"]
        assert set(says) == {"summary", "description", "runbook", "rollback"}, name
        assert says["runbook"] in anchors, name
        assert says["rollback"] == 'make rollback REASON="..."', name
        assert says["description"].endswith("."), name


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    assert list(dict.fromkeys(case.alert for case in CASES)) == list(alerts())
    for name in alerts():
        assert any(case.quiet for case in CASES if case.alert == name), name


def _test(case: Case, series: Series, expected: dict[str, Any] | None) -> dict[str, Any]:
    laid = {name: values for name, values in (BASE | series).items() if values}
    told = {
        "eval_time": f"{case.at * case.step}m",
        "alertname": case.alert,
        "exp_alerts": [expected] if expected else [],
    }
    return {
        "interval": f"{case.step}m",
        "input_series": [{"series": name, "values": values} for name, values in laid.items()],
        "alert_rule_test": [told],
    }


def _tests(case: Case) -> list[dict[str, Any]]:
    rule = alerts()[case.alert]
    expected = {
        "exp_labels": case.labels | rule["labels"],
        "exp_annotations": rule["annotations"] | {"summary": case.summary},
    }
    return [_test(case, case.fires, expected), *(_test(case, s, None) for s in case.quiet)]


@needs_prometheus
@pytest.mark.parametrize(
    "case",
    [
        # A week of samples takes promtool ten seconds.
        pytest.param(c, id=f"{c.alert}-{n}", marks=[pytest.mark.slow] if c.at > WEEK else [])
        for n, c in enumerate(CASES)
    ],
)
def test_it_fires_on_this_and_not_on_that(tmp_path: Path, case: Case) -> None:
    file = {
        "rule_files": [str(ALERTS)],
        "evaluation_interval": f"{case.step}m",
        "tests": _tests(case),
    }
    path = tmp_path / "cases.yml"
    path.write_text(yaml.safe_dump(file))
    promtool("test", "rules", path)
