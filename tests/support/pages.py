"""The states of a service that its page shows."""

from __future__ import annotations

import random
from typing import Any

from gitops_model.formats.watch import Watch
from gitops_model.serving.history import History
from gitops_model.serving.page import Facts


def ref(number: int) -> dict[str, Any]:
    return {"model": f"parcel-delay-v{number}", "sha256": f"{number:x}" * 64}


def pointer(**changes: Any) -> dict[str, Any]:
    named = {"stable": ref(4), "previous": ref(3), "canary": None, "shadow": None, "freeze": None}
    return named | changes


def state(*, live: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """What /status says; everything well unless `changes` say otherwise."""
    at = {"commit": "3c2dfcbf40c81dbb", "switched_at": "2026-11-28T10:00:01.123Z"}
    return {
        "desired": {"commit": "3c2dfcbf40c81dbb", "written_at": "2026-11-28T10:00:00Z", **pointer()},
        "live": {**at, **(live or pointer())},
        "in_sync": True, "ready": True, "loading": [], "errors": [],
        "canary": None, "removed": [], "shadow": None,
    } | changes  # fmt: skip


def history() -> History:
    """An hour with a gap, and one minute in which some requests failed."""
    chance, now = random.Random(1), 0.0
    found = History(lambda: now)
    for minute in range(60):
        now = minute * 60.0
        for number in range(0 if 20 < minute < 24 else 40):
            status = 500 if minute == 40 and number % 10 == 0 else 422 if number == 7 else 200
            missing = ["weight"] if number % 20 == 0 else []
            seconds = chance.lognormvariate(-6.5, 0.6)
            found.add(status=status, seconds=seconds, rows=1, missing=missing)
    return found


def judged(verdict: str, **changes: Any) -> dict[str, Any]:
    arms = {"canary": {"events": 3, "of": 1200}, "stable": {"events": 20, "of": 11000}}
    names = (("errors", 0.02, 0.4), ("fallback", 0.1, 1.2), ("slow", 0.6, 0.1))
    signals = [
        {"name": name, **arms, "against": against, "in_favour": good}
        for name, against, good in names
    ]
    said = {"proposal": None, "reason": None, "waits_for": [], "signals": signals}
    return {"model": "parcel-delay-v5", "verdict": verdict, **said, **changes}


CANARY = pointer(canary={**ref(5), "percent": 10, "key": "sender"})
SHADOW = pointer(shadow=ref(6))
STATES: dict[str, dict[str, Any]] = {
    "nothing_yet": state(
        desired=None, in_sync=False, live=pointer(stable=None, previous=None) | {"switched_at": None}
    ),
    "one_release": state(live=pointer(previous=None)),
    "canary_deciding": state(
        live=CANARY,
        canary=judged("not yet", waits_for=["7 of 30 minutes have passed"]),
    ),
    "canary_ok": state(
        live=CANARY,
        canary=judged("ok", proposal="It is no worse. To give it all requests: make ship MODEL=parcel-delay-v5"),
    ),
    "canary_removed": state(
        in_sync=False,
        errors=[{"sentence": "canary parcel-delay-v5 is not routed: it was worse."}],
        removed=[{"sentence": "parcel-delay-v5 was taken out at 10:04: errors 5 % against 0.2 %."}],
    ),
    "shadow": state(
        live=SHADOW,
        shadow={
            "model": "parcel-delay-v6", "state": "running", "said": None, "agreement": 0.9923,
            "difference": {"p95": 0.031}, "dropped_rows": {"queue": 3, "down": 0, "lost": 0},
        },
    ),
    "stale_pointer": state(
        in_sync=False,
        loading=["parcel-delay-v7"],
        desired={"commit": "aaaabbbbccccdddd", "written_at": "x", **pointer(stable=ref(7))},
        live=pointer(freeze="incident 12"),
    ),
    "failed_load": state(
        in_sync=False,
        desired={"commit": "aaaabbbbccccdddd", "written_at": "x", **pointer(stable=ref(7))},
        errors=[{"sentence": "parcel-delay-v7 cannot be loaded: its sha256 is another one."}],
    ),
}  # fmt: skip


def facts(name: str, found: Watch | None = None) -> Facts:
    asked = name != "nothing_yet"
    return Facts(
        task="parcel-delay" if asked else "No model yet",
        state=STATES[name],
        minutes=history().minutes() if asked else History().minutes(),
        trained_missing={"weight": 0.01, "height": 0.002},
        watch=found,
    )
