"""What Prometheus scrapes. Labels take few values, whatever callers send: route templates, release ids, inputs."""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import Future
from typing import Any

import prometheus_client as prometheus
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gitops_model.serving import merging
from gitops_model.serving.collectors import PointerState, Scores
from gitops_model.serving.merging import Families
from gitops_model.serving.predictor import RowAnswer
from gitops_model.serving.shadow import Shadows
from gitops_model.serving.shadow_metrics import ShadowState
from gitops_model.serving.snapshot import Served, Snapshot
from gitops_model.serving.tallies import BUCKETS, Https, Names, Tally
from gitops_model.serving.watcher import Watcher

# Series of this many dropped releases stay, so that their last counts are still scraped.
RETIRED = 2
FLUSH_SECONDS = 1.0
CONTENT_TYPE = prometheus.CONTENT_TYPE_LATEST
# A series that is born with its first failure shows no increase, so these are there at zero from the start.
_STATUSES = ("200", "422", "500", "504")
_FAILURES = (
    *("missing", "read", "sha256", "origin", "format"),
    *("contract", "load", "golden", "pointer"),
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


class Metrics:
    """All metrics of one service, in a registry of its own."""

    def __init__(self) -> None:
        prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        prometheus.ProcessCollector(registry=self.registry)
        prometheus.PlatformCollector(registry=self.registry)
        prometheus.GCCollector(registry=self.registry)
        self._http = Counter(
            "http_requests_total",
            "Requests by route template.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self._in_progress = Gauge(
            "http_requests_in_progress", "Requests being answered now.", registry=self.registry
        )
        self._requests = Counter(
            "model_requests_total",
            "Prediction requests by release, route and status.",
            ("model", "route", "status"),
            registry=self.registry,
        )
        self._duration = Histogram(
            "model_request_duration_seconds",
            "From a prediction request's headers to its answer.",
            ("model", "route"),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._rows = Counter(
            "model_rows_total", "Rows answered.", ("model", "route"), registry=self.registry
        )
        self._fallbacks = Counter(
            "model_fallbacks_total",
            "Rows answered with the fallback.",
            ("model",),
            registry=self.registry,
        )
        self._imputed = Counter(
            "model_imputed_total",
            "Inputs that were missing and imputed.",
            ("model", "input"),
            registry=self.registry,
        )
        self._unlisted = Counter(
            "model_unlisted_categories_total",
            "Categories that the contract accepts and does not list.",
            ("model", "input"),
            registry=self.registry,
        )
        self._trained_without = Gauge(
            "model_missing_in_training_ratio",
            "Share of the training rows in which the input was missing.",
            ("model", "input"),
            registry=self.registry,
        )
        self._refused = Counter(
            "model_validation_failures_total",
            "Requests that broke the contract.",
            ("model",),
            registry=self.registry,
        )
        self._info = Gauge(
            "model_info",
            "The releases in use by role; always 1.",
            ("model", "sha256", "role", "schema_version"),
            registry=self.registry,
        )
        self._load_failures = Counter(
            "model_load_failures_total",
            "Pointers and bundles not served, by reason.",
            ("reason",),
            registry=self.registry,
        )
        self._switches = Counter(
            "model_switches_total",
            "Times the stable release gave way to another one or to none, summed over workers.",
            registry=self.registry,
        )
        self._log_dropped = Counter(
            "prediction_log_dropped_total",
            "Records the prediction log could not take.",
            registry=self.registry,
        )
        self._log_deleted = Counter(
            "prediction_log_deleted_days_total",
            "Days of the prediction log that were deleted, as serving.yaml says.",
            registry=self.registry,
        )
        self._pooled = Gauge(
            "model_pool_requests",
            "Prediction requests that wait for a worker thread or occupy one.",
            registry=self.registry,
        )
        self._threads = Gauge(
            "model_pool_threads", "Worker threads for large requests.", registry=self.registry
        )
        self.scores = Scores()
        self.registry.register(self.scores)
        for reason in _FAILURES:
            self._load_failures.labels(reason)
        self._tallies: dict[tuple[str, str, int], Tally] = {}
        self.https = Https(self._http)
        self.imputed, self.unlisted = Names(self._imputed), Names(self._unlisted)
        self._open = 0
        self._retired: deque[str] = deque()
        self._live: set[str] = set()

    def exposition(self) -> bytes:
        """The text Prometheus reads."""
        self.flush()
        return prometheus.generate_latest(self.registry)

    def flush(self) -> None:
        """Hand what was counted since the last time to the registry. On the event loop, which counts."""
        self._in_progress.set(self._open)
        for tally in self._tallies.values():
            tally.flush()
        self.https.flush()
        self.imputed.flush()
        self.unlisted.flush()

    async def run(self) -> None:
        """Flush every second, until cancelled; then once more."""
        try:
            while True:
                await asyncio.sleep(FLUSH_SECONDS)
                self.flush()
        finally:
            self.flush()

    def families(self) -> Families:
        """The same as values, to be added to those of other workers."""
        self.flush()
        return merging.families(self.registry.collect())

    def watch(self, watcher: Watcher) -> None:
        """Ask `watcher` at each scrape what is desired and what is live."""
        self.registry.register(PointerState(watcher))

    def watch_shadows(self, shadows: Shadows) -> None:
        """Ask `shadows` at each scrape what they counted."""
        self.registry.register(ShadowState(shadows))

    def has_pool(self, threads: int) -> None:
        """There are so many worker threads."""
        self._threads.set(threads)

    def pooled(self, work: Future[Any]) -> None:
        """`work` waits for a worker thread. After a time-out it still occupies one until it is done."""
        self._pooled.inc()
        work.add_done_callback(lambda _: self._pooled.dec())

    def began(self) -> None:
        """A request arrived."""
        self._open += 1

    def ended(self, *, route: str, method: str, status: int) -> None:
        """A request was answered, or broke off (status 499)."""
        self._open -= 1
        self.https.counts[route, method if method in _METHODS else "other", status] += 1

    def answered(
        self, *, model: str, route: str, status: int, seconds: float, rows: list[RowAnswer]
    ) -> None:
        """A prediction request ended. `rows` is empty when it was refused or failed."""
        self.tally(model, route, status).add(seconds, len(rows))
        if rows:
            self.scores.add(model, route, rows)
            for row in rows:
                if row.imputed:
                    self.imputed.add(model, row.imputed)
                if row.unlisted:
                    self.unlisted.add(model, row.unlisted)
            fell_back = sum(row.fell_back for row in rows)
            if fell_back:
                self._fallbacks.labels(model).inc(fell_back)
        elif status == 422:
            self._refused.labels(model).inc()

    def tally(self, model: str, route: str, status: int) -> Tally:
        """Where requests of this kind are counted, until another routing table is in effect."""
        tally = self._tallies.get((model, route, status))
        if tally is None:
            tally = self._tallies[model, route, status] = Tally(
                self._requests.labels(model, route, str(status)),
                self._duration.labels(model, route),
                self._rows.labels(model, route),
            )
        return tally

    def load_failed(self, reason: str) -> None:
        """A pointer or a bundle was not taken; see BadArtifact for the reasons."""
        self._load_failures.labels(reason).inc()

    def log_deleted(self, days: int) -> None:
        """Days of the prediction log were deleted, as serving.yaml says."""
        self._log_deleted.inc(days)

    def log_dropped(self, records: int) -> None:
        """The prediction log lost `records` records."""
        self._log_dropped.inc(records)

    def switched(self, old: Snapshot, new: Snapshot) -> None:
        """A new routing table is in effect."""
        before = old.stable.ref.sha256 if old.stable else None
        after = new.stable.ref.sha256 if new.stable else None
        # A process that starts takes up what serves already: that is no switch.
        if before is not None and before != after:
            self._switches.inc()
        self._info.clear()
        for role, served in new.served().items():
            version = str(served.loaded.contract.schema_version)
            self._info.labels(served.ref.model, served.ref.sha256, role, version).set(1)
            if role in ("stable", "canary"):
                self._expect(served, route=role)
        if new.shadow is not None:
            ref, version = new.shadow.ref, str(new.shadow.schema_version)
            self._info.labels(ref.model, ref.sha256, "shadow", version).set(1)
        live = {ref.model for ref in new.refs().values()}
        self._retire(self._live - live)
        self._live = live

    def _expect(self, served: Served, *, route: str) -> None:
        """Have the series at zero that a release answering by `route` may count."""
        model = served.ref.model
        contract, detail = served.loaded.contract, served.loaded.detail
        self.scores.expect(model, contract, detail.edges)
        for status in _STATUSES:
            self._requests.labels(model, route, status)
        self._duration.labels(model, route)
        self._rows.labels(model, route)
        self._fallbacks.labels(model)
        self._refused.labels(model)
        for name, rules in contract.inputs.items():
            if rules.missing == "impute":
                self._imputed.labels(model, name)
        for name in detail.listed:
            self._unlisted.labels(model, name)
        for name, share in detail.missing.items():
            self._trained_without.labels(model, name).set(share)

    def _retire(self, gone: set[str]) -> None:
        self._retired.extend(sorted(gone))
        # What is counted and not handed over yet would bring the series of a dropped release back.
        self.flush()
        while len(self._retired) > RETIRED:
            model = self._retired.popleft()
            if model in self._live or model in self._retired:
                continue
            for metric in (
                *(self._requests, self._duration, self._rows),
                *(self._fallbacks, self._imputed, self._refused),
                *(self._unlisted, self._trained_without),
            ):
                metric.remove_by_labels({"model": model})
            self.scores.forget(model)
            for key in [key for key in self._tallies if key[0] == model]:
                del self._tallies[key]
