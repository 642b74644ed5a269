"""Several workers seen as one: their metrics added up, their states told by the one that is furthest behind. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.registry import Collector

# Only these go on counting when their process is gone.
LASTING = ("counter", "histogram", "summary")
# Gauges that are no amounts. What all workers were told by the supervisor, the one that is asked knows best.
OWN = frozenset({"model_canary_verdict", "model_canary_evidence_ratio"})
LEAST = frozenset(
    {"pointer_in_sync", "process_start_time_seconds", "process_max_fds", "model_shadow_up"}
)
MOST = frozenset(
    {
        *("pointer_out_of_sync_seconds", "pointer_info", "model_info", "python_info"),
        "model_missing_in_training_ratio",
    }
)

Labels = tuple[tuple[str, str], ...]


@dataclass
class Family:
    """One metric: its kind in Prometheus's word, its help text, and its samples by name and labels, in order."""

    kind: str
    help: str
    samples: dict[tuple[str, Labels], float] = field(default_factory=dict)


Families = dict[str, Family]


def families(collected: Iterable[Metric]) -> Families:
    """What a registry collected."""
    found: Families = {}
    for metric in collected:
        family = found.setdefault(metric.name, Family(metric.type, metric.documentation))
        for sample in metric.samples:
            family.samples[sample.name, tuple(sample.labels.items())] = sample.value
    return found


def to_plain(found: Families) -> list[Any]:
    """For JSON."""
    return [
        [name, one.kind, one.help, [[n, dict(labels), value] for (n, labels), value in one.samples.items()]]
        for name, one in found.items()
    ]  # fmt: skip


def from_plain(data: Iterable[Any]) -> Families:
    """What `to_plain` made."""
    return {
        name: Family(
            kind, words, {(n, tuple(labels.items())): value for n, labels, value in samples}
        )
        for name, kind, words, samples in data
    }


def merged(own: Families, others: Iterable[Families], ended: Families) -> Families:
    """One view: `own` is of the worker that is asked, `others` of those that live, `ended` the counts of the rest."""
    result = {name: Family(one.kind, one.help, dict(one.samples)) for name, one in own.items()}
    for other in (*others, ended):
        for name, family in other.items():
            if name in OWN:
                continue
            into = result.setdefault(name, Family(family.kind, family.help))
            for key, value in family.samples.items():
                known = into.samples.get(key)
                into.samples[key] = value if known is None else _joined(name, known, value)
    return result


def _joined(name: str, one: float, other: float) -> float:
    if name in LEAST:
        return min(one, other)
    return max(one, other) if name in MOST else one + other


def folded(ended: Families, last: Families, *, models: Iterable[str]) -> Families:
    """`ended` with the lasting counts of one more. Series of releases that are not in `models` or its own go.

    Workers drop the series of releases that served long ago, and so must this: there would be more and more.
    """
    kept = {*models, *models_of(last)}
    result: Families = {}
    for name, family in (*ended.items(), *last.items()):
        if family.kind not in LASTING:
            continue
        into = result.setdefault(name, Family(family.kind, family.help))
        for (sample, labels), value in family.samples.items():
            if dict(labels).get("model", None) in (None, *kept):
                known = into.samples.get((sample, labels), 0.0)
                into.samples[sample, labels] = known + value
    return result


def models_of(found: Families) -> set[str]:
    """The releases that have series."""
    keys = (key for family in found.values() for key in family.samples)
    return {value for _, labels in keys for label, value in labels if label == "model"}


def exposition(found: Families) -> bytes:
    """The text Prometheus reads."""
    registry = CollectorRegistry()
    registry.register(_Found(found))
    return generate_latest(registry)


@dataclass(frozen=True, eq=False)
class _Found(Collector):
    found: Families

    def collect(self) -> Iterator[Metric]:
        for name, family in self.found.items():
            metric = Metric(name, family.help, family.kind)
            for (sample, labels), value in family.samples.items():
                metric.add_sample(sample, dict(labels), value)
            yield metric


def furthest_behind(own: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """/status for all workers that answer: of one that does not serve what the pointer says yet, where there is one.

    In sync are all, or none is. `errors` are everybody's, each once.
    """

    def order(state: Mapping[str, Any]) -> tuple[bool, str]:
        return state["in_sync"], (state["desired"] or {}).get("written_at") or ""

    states = [own, *others]
    last = min(states, key=order)
    commits = {(state["desired"] or {}).get("commit") for state in states}
    errors: list[Any] = []
    for state in (last, *states):
        errors += [error for error in state["errors"] if error not in errors]
    in_sync = len(commits) == 1 and all(state["in_sync"] for state in states)
    return {
        **last,
        "in_sync": in_sync,
        "errors": errors,
        "last_error": errors[0] if errors else None,
    }
