"""Reading the expressions of rules and panels: which metrics and labels they name. And finding promtool."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.places import TEMPLATE

MONITORING = TEMPLATE / "monitoring"
ALERTS, DASHBOARD = MONITORING / "alerts.yml", MONITORING / "dashboard.json"
WHY = "prometheus is not installed (Debian and Ubuntu: apt-get install prometheus)"
needs_prometheus = pytest.mark.skipif(
    shutil.which("promtool") is None or shutil.which("prometheus") is None, reason=WHY
)

# Every series that Prometheus scrapes has these.
SCRAPED = frozenset({"job", "instance"})
_WORDS = frozenset({"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring"})
_TEXT = r'"(?:[^"\\]|\\.)*"'
_LABELS = r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)"


@dataclass(frozen=True, kw_only=True)
class Named:
    """What an expression names: labels that are matched by metric, and labels it groups and joins by."""

    metrics: Mapping[str, frozenset[str]]
    grouped: frozenset[str]


def named(expression: str) -> Named:
    """Metrics and labels in a PromQL expression; Grafana's variables may stand in it."""
    text = re.sub(_TEXT, '""', expression)
    grouped = {word.strip() for part in re.findall(_LABELS, text) for word in part.split(",")}
    text = re.sub(_LABELS, " ", text)
    text = re.sub(r"\[[^]]*\]|\boffset\s+\w+", " ", text)
    metrics: dict[str, frozenset[str]] = {}
    for found in re.finditer(r"(?<![\w.$])([a-zA-Z_:][\w:]*)\s*(\(|\{[^}]*\})?", text):
        name, rest = found[1], found[2] or ""
        if rest == "(" or name in _WORDS:
            continue
        if found.start() and text[: found.start()].count("{") > text[: found.start()].count("}"):
            continue
        labels = frozenset(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", rest))
        metrics[name] = metrics.get(name, frozenset()) | labels
    return Named(metrics=metrics, grouped=frozenset(grouped - {""}))


def rules() -> list[dict[str, Any]]:
    """All rules of alerts.yml, in order."""
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    """The alerts by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def dashboard() -> dict[str, Any]:
    """dashboard.json."""
    found: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return found


def panel_expressions() -> Iterator[tuple[str, str]]:
    """Title and expression of each query of each panel."""
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def filled(expression: str) -> str:
    """An expression with Grafana's variables filled in, as Prometheus gets it."""
    return re.sub(r"\$(job|model)\b", ".*", expression).replace("$__rate_interval", "5m")


def promtool(*words: str | Path) -> str:
    """What promtool said. Raises AssertionError when it found something wrong."""
    done = subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
