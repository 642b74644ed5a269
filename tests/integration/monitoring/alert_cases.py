"""For every alert: series on which it fires, and series on which it stays quiet."""

from __future__ import annotations

from dataclasses import dataclass, field

Series = dict[str, str]

# Ten-minute samples, where a day or a week has to pass.
SLOW = 10
DAY, WEEK = 1440 // SLOW, 10080 // SLOW
# A service that is up, with a stable release: what each case starts from.
BASE: Series = {
    'up{job="model", instance="a"}': "1x20000",
    'model_info{job="model", instance="a", model="v1", role="stable"}': "1x20000",
}
CANARY = {'model_info{job="model", instance="a", model="v2", role="canary"}': "1x20000"}
SHADOW = {'model_info{job="model", instance="a", model="v2", role="shadow"}': "1x20000"}
UP = 'model_shadow_up{job="model", instance="a", model="v2"}'
HTTP = (
    'http_requests_total{{job="model", instance="a", route="/predict", method="POST", status="{}"}}'
)
BUCKETS = ("0.008", "0.064", "0.128", "0.512", "1.0", "+Inf")


@dataclass(frozen=True, kw_only=True)
class Case:
    """`fires` and each of `quiet` are laid over BASE; an empty text removes a series.

    There is a sample every `step` minutes, and `at` counts these steps.
    """

    alert: str
    labels: dict[str, str]
    summary: str
    fires: Series
    quiet: list[Series] = field(default_factory=list)
    at: int = 30
    step: int = 1


def _requests(model: str, route: str, *, good: float, bad: float, status: int = 500) -> Series:
    """Requests a minute: answered, and ended with `status`."""
    series = (
        'model_requests_total{{job="model", instance="a", model="{}", route="{}", status="{}"}}'
    )
    return {
        series.format(model, route, 200): f"0+{good}x300",
        series.format(model, route, status): f"0+{bad}x300",
    }


def _http(*, good: float, bad: float) -> Series:
    return {HTTP.format(200): f"0+{good}x300", HTTP.format(503): f"0+{bad}x300"}


def _refused(reason: str, *, good: float, refused: float) -> Series:
    """Requests a minute: answered, and refused for `reason`."""
    series = f'requests_refused_total{{job="model", instance="a", reason="{reason}"}}'
    return {HTTP.format(200): f"0+{good}x300", series: f"0+{refused}x300"}


def _latency(model: str, route: str, *, slowest: str, rate: float) -> Series:
    """`rate` requests a minute, all of them in the bucket that ends at `slowest` seconds."""
    labels = f'job="model", instance="a", model="{model}", route="{route}"'
    below = True
    found = {f"model_request_duration_seconds_count{{{labels}}}": f"0+{rate}x300"}
    for end in BUCKETS:
        below = below and end != slowest
        found[f'model_request_duration_seconds_bucket{{{labels}, le="{end}"}}'] = (
            f"0+{0 if below else rate}x300"
        )
    return found


def _model(metric: str, values: str, more: str = "") -> Series:
    return {f'{metric}{{job="model", instance="a", model="v1"{more}}}': values}


def _rows(rate: float) -> Series:
    return _model("model_rows_total", f"0+{rate}x300", ', route="stable"')


def _missing(training: float, *, rate: float) -> Series:
    """Half of the rows lack the input; `training` is the share that lacked it there."""
    hour = ', input="hour"'
    return {
        **_rows(rate),
        **_model("model_imputed_total", f"0+{rate / 2}x300", hour),
        **_model("model_missing_in_training_ratio", f"{training}x300", hour),
    }


def _traffic(values: str) -> Series:
    return _model("model_requests_total", values, ', route="stable", status="200"')


def _one(metric: str, values: str, more: str = "") -> Series:
    return {f'{metric}{{job="model", instance="a"{more}}}': values}


JOB = {"job": "model"}
INSTANCE = {"job": "model", "instance": "a"}
MODEL = {"job": "model", "model": "v1"}

CASES = [
    Case(
        alert="ServiceDown",
        labels=INSTANCE,
        summary="The service a does not answer",
        fires=_one("up", "0x30"),
        quiet=[{}, _one("up", "1x28 0 1x5")],
    ),
    Case(
        alert="ServiceDown",
        labels=JOB,
        summary="The service  does not answer",
        fires=_one("up", ""),
    ),
    Case(
        alert="NoModelServes",
        labels=INSTANCE,
        summary="a runs and has no model to answer with",
        fires={next(series for series in BASE if "stable" in series): ""},
        quiet=[{}],
    ),
    Case(
        alert="PointerOutOfSync",
        labels=INSTANCE,
        summary="a has not followed the pointer for 6m 40s",
        fires=_one("pointer_out_of_sync_seconds", "400x30"),
        quiet=[_one("pointer_out_of_sync_seconds", "290x30")],
    ),
    Case(
        alert="LoadFailed",
        labels={**INSTANCE, "reason": "golden"},
        summary="A pointer or a bundle was not taken: golden",
        fires=_one("model_load_failures_total", "0x20 1x20", ', reason="golden"'),
        quiet=[_one("model_load_failures_total", "1x40", ', reason="golden"')],
    ),
    Case(
        alert="ErrorsHigh",
        labels=JOB,
        summary="10% of the predictions end in an error",
        fires=_http(good=90, bad=10),
        quiet=[_http(good=99, bad=1), _http(good=1, bad=3)],
    ),
    Case(
        alert="LatencyHigh",
        labels={**MODEL, "route": "stable"},
        summary="v1 is slow: p95 975.6ms (stable)",
        fires=_latency("v1", "stable", slowest="1.0", rate=20),
        quiet=[
            _latency("v1", "stable", slowest="0.512", rate=20),
            _latency("v1", "stable", slowest="1.0", rate=4),
        ],
    ),
    Case(
        alert="TimeOuts",
        labels=MODEL,
        summary="2% of the requests to v1 time out",
        fires=_requests("v1", "stable", good=98, bad=2, status=504),
        quiet=[
            _requests("v1", "stable", good=995, bad=5, status=504),
            _requests("v1", "stable", good=1, bad=3, status=504),
            _requests("v1", "stable", good=90, bad=10, status=500),
        ],
    ),
    Case(
        alert="Overloaded",
        labels=JOB,
        summary="1 requests a second are refused for want of room",
        fires=_refused("busy", good=600, refused=60),
        quiet=[
            _refused("busy", good=6000, refused=60),
            _refused("busy", good=1, refused=4),
            # The caller's own doing, or told by TimeOuts.
            _refused("size", good=600, refused=60),
            _refused("deadline", good=600, refused=60),
        ],
    ),
    Case(
        alert="Overloaded",
        labels=JOB,
        summary="1 requests a second are refused for want of room",
        # Only the metrics are still answered.
        fires=_refused("connections", good=4, refused=60),
    ),
    Case(
        alert="FallbacksHigh",
        labels=MODEL,
        summary="v1 fails on 10% of the rows",
        fires={**_rows(100), **_model("model_fallbacks_total", "0+10x300")},
        quiet=[
            {**_rows(100), **_model("model_fallbacks_total", "0+1x300")},
            {**_rows(4), **_model("model_fallbacks_total", "0+4x300")},
        ],
    ),
    Case(
        alert="RefusalsHigh",
        labels=MODEL,
        summary="20% of the requests to v1 break its contract",
        fires={
            **_requests("v1", "stable", good=80, bad=20, status=422),
            **_model("model_validation_failures_total", "0+20x300"),
        },
        quiet=[
            {
                **_requests("v1", "stable", good=95, bad=5, status=422),
                **_model("model_validation_failures_total", "0+5x300"),
            },
            {
                **_requests("v1", "stable", good=1, bad=3, status=422),
                **_model("model_validation_failures_total", "0+3x300"),
            },
        ],
    ),
    Case(
        alert="InputMissing",
        labels={**MODEL, "input": "hour"},
        summary="hour is missing 40% more often than in training",
        fires=_missing(0.1, rate=100),
        quiet=[_missing(0.45, rate=100), _missing(0.1, rate=2)],
        at=90,
    ),
    Case(
        alert="CanaryFails",
        labels=JOB,
        summary="The canary fails on 10% of its requests, more than stable",
        fires={
            **CANARY,
            **_requests("v1", "stable", good=900, bad=0),
            **_requests("v2", "canary", good=90, bad=10),
        },
        quiet=[
            # Both fail alike: that is no matter of the canary.
            {
                **CANARY,
                **_requests("v1", "stable", good=900, bad=100),
                **_requests("v2", "canary", good=90, bad=10),
            },
            {
                **CANARY,
                **_requests("v1", "stable", good=900, bad=0),
                **_requests("v2", "canary", good=1, bad=0.4),
            },
        ],
    ),
    Case(
        alert="CanaryFails",
        labels=JOB,
        summary="The canary fails on 50% of its requests, more than stable",
        fires={
            **CANARY,
            **_requests("v1", "stable", good=900, bad=0),
            **_requests("v2", "canary", good=50, bad=0),
            **_requests("v2", "fallback", good=50, bad=0),
        },
    ),
    Case(
        alert="CanarySlow",
        labels=JOB,
        summary="The canary takes 124.8ms (p95), twice as long as stable",
        fires={
            **_latency("v1", "stable", slowest="0.064", rate=100),
            **_latency("v2", "canary", slowest="0.128", rate=20),
        },
        quiet=[
            {
                **_latency("v1", "stable", slowest="0.128", rate=100),
                **_latency("v2", "canary", slowest="0.128", rate=20),
            },
            {
                **_latency("v1", "stable", slowest="0.064", rate=100),
                **_latency("v2", "canary", slowest="0.128", rate=4),
            },
        ],
    ),
    Case(
        alert="CanaryRemoved",
        labels={"job": "model", "model": "v1"},
        summary="The canary v1 is worse than the stable release",
        fires=_model("model_canary_verdict", "0x20 1x20", ', verdict="bad"'),
        quiet=[
            {
                **_model("model_canary_verdict", "0x40", ', verdict="bad"'),
                **_model("model_canary_verdict", "1x40", ', verdict="ok"'),
            },
        ],
    ),
    Case(
        alert="ShadowDown",
        labels=JOB | {"instance": "a", "model": "v2"},
        summary="The shadow v2 does not run on a",
        fires={**SHADOW, UP: "1x10 0x300"},
        quiet=[
            {**SHADOW, UP: "1x300"},
            # It was started again in time.
            {**SHADOW, UP: "1x15 0x10 1x300"},
            # The pointer no longer names it.
            {UP: "1x10 0x300"},
        ],
    ),
    Case(
        alert="NoTraffic",
        labels=JOB,
        summary="Only 0 requests came in an hour",
        fires=_traffic(f"0+100x{WEEK} {100 * WEEK}x20"),
        # A quiet Sunday is no silence when the Sunday before was as quiet.
        quiet=[
            _traffic("0+100x2000"),
            _traffic(f"0+100x{WEEK} {100 * WEEK}+20x20"),
            _traffic(f"0x{WEEK - DAY} 0+100x{DAY} {100 * DAY}x20"),
            _traffic(f"0+10x{WEEK} {10 * WEEK}x20"),
        ],
        at=WEEK + 10,
        step=SLOW,
    ),
    Case(
        alert="NoTraffic",
        labels=JOB,
        summary="Only 0 requests came in an hour",
        fires=_traffic(f"0+100x{DAY} {100 * DAY}x20"),
        at=DAY + 10,
        step=SLOW,
    ),
    Case(
        alert="PredictionLogDrops",
        labels=INSTANCE,
        summary="a loses records of the prediction log",
        fires=_one("prediction_log_dropped_total", "0x20 7x20"),
        quiet=[_one("prediction_log_dropped_total", "7x40")],
    ),
    Case(
        alert="MemoryGrows",
        labels=INSTANCE,
        summary="a needs 953.7MiB, half as much again as yesterday",
        fires=_one("process_resident_memory_bytes", f"3e8x{DAY} 1e9x300"),
        quiet=[
            _one("process_resident_memory_bytes", f"3e8x{DAY} 6e8x300"),
            _one("process_resident_memory_bytes", f"1e8x{DAY} 2.9e8x300"),
        ],
        at=DAY + 20,
        step=SLOW,
    ),
]
