"""What shadows counted, for Prometheus: the series are made of plain numbers at each scrape."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from gitops_model.runtime.compared import Spread
from gitops_model.serving.shadow import Shadows
from gitops_model.serving.shadow_account import Account

_MODEL = ("model",)


@dataclass(frozen=True)
class ShadowState(Collector):
    """A shadow's series are there at zero from the moment it runs; those of the latest that ended stay for a while."""

    shadows: Shadows

    def collect(self) -> Iterator[Metric]:
        """Called at each scrape."""
        # Of a release that was a shadow twice, the present one counts.
        accounts = {a.ref.model: a for a in self.shadows.accounts() if a.tally is not None}
        up = GaugeMetricFamily(
            "model_shadow_up", "1 while the shadow's process answers copies.", labels=_MODEL
        )
        memory = GaugeMetricFamily(
            "model_shadow_memory_bytes", "Memory of the shadow's process.", labels=_MODEL
        )
        ends = CounterMetricFamily(
            "model_shadow_ends", "Times the shadow's process ended by itself.", labels=_MODEL
        )
        rows = CounterMetricFamily(
            "model_shadow_rows",
            "Rows the shadow saw, by how its answer compares with the answer given.",
            labels=("model", "outcome"),
        )
        beyond = CounterMetricFamily(
            "model_shadow_beyond",
            "Rows whose score differs by more than the tolerance.",
            labels=_MODEL,
        )
        dropped = CounterMetricFamily(
            "model_shadow_dropped_rows",
            "Rows the shadow did not see: queue full, no process (down), or it ended meanwhile (lost).",
            labels=("model", "reason"),
        )
        differences = HistogramMetricFamily(
            "model_shadow_score_difference",
            "Absolute difference of the shadow's score from the score answered.",
            labels=_MODEL,
        )
        seconds = HistogramMetricFamily(
            "model_shadow_duration_seconds",
            "Validation and model of a copied request, in a process that gives way to all others.",
            labels=_MODEL,
        )
        for model, account in accounts.items():
            tally = account.tally
            assert tally is not None
            up.add_metric((model,), float(account.state == "running"))
            memory.add_metric((model,), account.memory)
            ends.add_metric((model,), account.ends)
            for outcome, count in tally.outcomes.items():
                rows.add_metric((model, outcome), count)
            beyond.add_metric((model,), tally.beyond)
            for reason, count in account.dropped.items():
                dropped.add_metric((model, reason), count)
            _histogram(differences, account, tally.differences)
            _histogram(seconds, account, account.seconds)
        yield from (up, memory, ends, rows, beyond, dropped, differences, seconds)


def _histogram(family: HistogramMetricFamily, account: Account, spread: Spread) -> None:
    ends = [str(floatToGoString(edge)) for edge in (*spread.edges, float("inf"))]  # type: ignore[no-untyped-call]
    counts = map(float, accumulate(spread.counts))
    family.add_metric((account.ref.model,), list(zip(ends, counts, strict=True)), spread.sum)
