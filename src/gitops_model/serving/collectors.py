"""Metrics that the client library has no type for: scores in buckets of each model's own, and the pointer."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from gitops_model.formats.contract import Contract
from gitops_model.formats.pointer import Pointer, Ref
from gitops_model.serving.predictor import RowAnswer
from gitops_model.serving.watcher import Watcher

# A contract may have 100 classes. Each is a histogram of its own, so the later ones share one.
MOST_CLASSES = 20
OTHER = "(other)"
# A commit has 40 digits. It comes from a file, so a longer one is cut rather than believed.
COMMIT = 40


class ScoreTally:
    """Rows by answer and bucket, of one model and route."""

    def __init__(self, contract: Contract, edges: tuple[float, ...]) -> None:
        self.edges = edges
        self.read = reader_of(contract)
        # A sum of numbers that may be negative can fall, which Prometheus takes for a restart.
        self.has_sum = contract.problem != "regression"
        self.buckets: dict[str, list[int]] = defaultdict(lambda: [0] * (len(self.edges) + 1))
        self.sums: dict[str, float] = defaultdict(float)

    def add(self, rows: Sequence[RowAnswer]) -> None:
        read, edges, buckets, sums = self.read, self.edges, self.buckets, self.sums
        for row in rows:
            answer, score = read(row.output)
            buckets[answer][bisect_left(edges, score)] += 1
            sums[answer] += score


def reader_of(contract: Contract) -> Callable[[dict[str, Any]], tuple[str, float]]:
    """From an output to its answer in a word and its score: see runtime.answers."""
    name = contract.output.name
    if contract.problem == "binary":
        return lambda output: ("true" if output[name] else "false", output["probability"])
    if contract.problem == "regression":
        return lambda output: ("", output[name])
    named = frozenset((contract.output.classes or ())[:MOST_CLASSES])

    def of_class(output: dict[str, Any]) -> tuple[str, float]:
        answer = output[name]
        return answer if answer in named else OTHER, output["probabilities"][answer]

    return of_class


class Scores(Collector):
    """How the scores that were answered are distributed, by model, route and answer."""

    def __init__(self) -> None:
        # Not the release itself: it would keep a model in memory that nobody asks any more.
        self._known: dict[str, tuple[Contract, tuple[float, ...]]] = {}
        self._tallies: dict[tuple[str, str], ScoreTally] = {}

    def expect(self, model: str, contract: Contract, edges: tuple[float, ...]) -> None:
        """From now on count the answers of this release, in buckets that end at `edges`."""
        self._known[model] = (contract, edges)

    def forget(self, model: str) -> None:
        """Drop all series of this release."""
        self._known.pop(model, None)
        for key in [key for key in self._tallies if key[0] == model]:
            del self._tallies[key]

    def add(self, model: str, route: str, rows: Sequence[RowAnswer]) -> None:
        """Count the scores of answered rows."""
        tally = self.tally(model, route)
        if tally is not None:
            tally.add(rows)

    def tally(self, model: str, route: str) -> ScoreTally | None:
        """Where they are counted; None for a release that is not expected."""
        tally = self._tallies.get((model, route))
        if tally is None and model in self._known:
            tally = self._tallies[model, route] = ScoreTally(*self._known[model])
        return tally

    def collect(self) -> Iterator[Metric]:
        """Called at each scrape."""
        family = HistogramMetricFamily(
            "model_score",
            "Scores answered: a probability, of a class the answered one's; for a number the number itself.",
            labels=("model", "route", "answer"),
        )
        for (model, route), tally in self._tallies.items():
            ends = [_words(edge) for edge in (*tally.edges, float("inf"))]
            for answer, counts in tally.buckets.items():
                family.add_metric(
                    (model, route, answer),
                    list(zip(ends, map(float, accumulate(counts)), strict=True)),
                    tally.sums[answer] if tally.has_sum else None,
                )
        yield family


def _words(edge: float) -> str:
    return str(floatToGoString(edge))  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class PointerState(Collector):
    """What the pointer wants and what is served, and since when they differ."""

    watcher: Watcher

    def collect(self) -> Iterator[Metric]:
        """Called at each scrape."""
        watcher, desired, live = self.watcher, self.watcher.desired, self.watcher.snapshot
        in_sync = GaugeMetricFamily(
            "pointer_in_sync", "1 when what is served is what the pointer says."
        )
        in_sync.add_metric((), float(watcher.in_sync))
        since = GaugeMetricFamily(
            "pointer_out_of_sync_seconds",
            "Time since what is served was last seen to be what the pointer says.",
        )
        since.add_metric((), watcher.out_of_sync_seconds)
        info = GaugeMetricFamily(
            "pointer_info",
            "The releases that the pointer names (desired) and that are routed (live); always 1.",
            labels=("state", "role", "model", "commit"),
        )
        if desired is not None:
            for role, ref in _roles(desired.pointer):
                info.add_metric(("desired", role, ref.model, desired.commit[:COMMIT]), 1)
        for role, ref in live.refs().items():
            info.add_metric(("live", role, ref.model, (live.commit or "")[:COMMIT]), 1)
        yield from (in_sync, since, info)


def _roles(pointer: Pointer) -> Iterable[tuple[str, Ref]]:
    roles = {
        "stable": pointer.stable,
        "previous": pointer.previous,
        "canary": pointer.canary.ref if pointer.canary else None,
        "shadow": pointer.shadow,
    }
    return [(role, ref) for role, ref in roles.items() if ref is not None]
