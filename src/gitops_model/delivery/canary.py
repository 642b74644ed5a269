"""What a service says of the canary and the shadow that production.yaml names, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitops_model.delivery import service
from gitops_model.errors import ExternalFailure
from gitops_model.formats.pointer import Pointer, Ref

State = Mapping[str, Any]


def removal(state: State | None, pointer: Pointer) -> str | None:
    """That the service took the canary of `pointer` out, and why; None when it did not."""
    canary = pointer.canary
    if canary is None or state is None:
        return None
    # A service of an older version of the library says nothing of canaries.
    for one in state.get("removed") or ():
        if one["sha256"] == canary.sha256:
            return str(one["sentence"])
    return None


def notes(state: State, pointer: Pointer) -> tuple[str, ...]:
    """How the judgement of a canary that is routed stands, with the evidence, and what may follow."""
    found, canary = state.get("canary"), pointer.canary
    if not found or canary is None or found["sha256"] != canary.sha256:
        return ()
    name = found["model"]
    if found["verdict"] == "ok":
        said = [str(found["proposal"])]
    elif found["verdict"] == "bad":
        back = f'make rollback REASON="canary {name} is worse"'
        said = [
            f"canary {name} is worse than {found['stable']} ({found['reason']}) and stays, because guard in "
            f"serving.yaml says act: false. To take it out: {back}"
        ]
    else:
        said = [
            f"canary {name} is judged for {found['minutes']:g} minutes: not yet, {'; '.join(found['waits_for'])}"
        ]
    if found["shift"]:
        said.append(
            f"canary {name}: {found['shift']}. That is no verdict; the release may be meant to"
        )
    return tuple(f"{sentence}." for sentence in said)


def testimony(state: State | None, pointer: Pointer, tried: Ref) -> str | None:
    """What the service found of `tried`, canary or shadow of `pointer`, for the commit that gives it (more) requests.

    None where the service says nothing of it.
    """
    if state is None:
        return None
    if tried == pointer.shadow:
        return _of_shadow(state, tried)
    for one in state.get("removed") or ():
        if one["sha256"] == tried.sha256:
            return f"The service took it out as a canary: {one['reason']}."
    found = state.get("canary")
    if not found or found["sha256"] != tried.sha256:
        return None
    return (
        f"As a canary beside {found['stable']}, after {found['minutes']:g} minutes: {found['verdict']}. "
        f"{found['evidence']}."
    )


def _of_shadow(state: State, tried: Ref) -> str | None:
    found = state.get("shadow")
    if not found or found["sha256"] != tried.sha256 or "agreement" not in found:
        return None
    rows, apart, latency = found["rows"], found["difference"], found["latency_ms"]
    both = rows["same"] + rows["other"]
    if not both:
        return None
    words = [f"agrees on {100 * found['agreement']:.2f} % of {both:,} rows that both answered"]
    if apart["mean_signed"] is not None:
        words.append(f"its score less the answered one is {apart['mean_signed']:+.3g} in the mean")
    words.append(f"without sign 95 % lie within {apart['p95']:.3g}")
    others = [
        f"{name} {count:,}"
        for name, count in rows.items()
        if count and name not in ("same", "other")
    ]
    if others:
        words.append(f"other rows: {', '.join(others)}")
    if found["cost_bounds"] is not None:
        low, high = (1000 * value / both for value in found["cost_bounds"])
        words.append(f"cost of 1,000 rows {low:+.3g} to {high:+.3g}, whatever the labels say")
    if latency["p50"] is not None:
        words.append(f"{latency['p50']:.3g} ms a request (p50), {latency['p95']:.3g} ms (p95)")
    dropped = sum(found["dropped_rows"].values())
    if dropped:
        words.append(f"{dropped:,} rows were not copied")
    workers = (state.get("workers") or {"serving": 1})["serving"]
    where = f" (in one of {workers} workers)" if workers > 1 else ""
    beside = state["live"]["stable"]["model"]
    return f"As a shadow beside {beside}{where}: {'; '.join(words)}."


def testimony_at(url: str | None, pointer: Pointer, tried: Ref) -> str | None:
    """The same as `testimony`, of the service at `url`. Raises ExternalFailure when it cannot be asked (`url` None)."""
    try:
        state = None if url is None else service.status(url)
    except ExternalFailure:
        state = None
    if state is None:
        raise ExternalFailure(
            f"the service cannot be asked from here how {tried.model} did; see `make status` there."
        )
    try:
        return testimony(state, pointer, tried)
    except (LookupError, TypeError):
        # A service of another version of the library words it in another way.
        return None


def removal_at(url: str | None, pointer: Pointer) -> str | None:
    """The same as `removal`, of the service at `url`; None, too, when it cannot be asked."""
    if url is None or pointer.canary is None:
        return None
    try:
        return removal(service.status(url), pointer)
    except ExternalFailure:
        return None
