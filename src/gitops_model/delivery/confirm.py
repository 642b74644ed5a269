"""Reading back: does the service really serve what was deployed, and does it answer as the bundle promised?"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gitops_model.delivery import service
from gitops_model.delivery.fetch import bundle_path
from gitops_model.delivery.store import Stored
from gitops_model.errors import BadArtifact, ExternalFailure
from gitops_model.formats.bundle import Bundle
from gitops_model.formats.pointer import Pointer, Ref
from gitops_model.progress import Progress

POLL_SECONDS = 0.02
# With a canary, a key decides who answers. So many keys are tried to meet the stable model.
KEYS = 200


class StillLoading(ExternalFailure):
    """The time is up, and the service is still loading what is to serve."""


def wait(url: str, wanted: Stored, *, seconds: float) -> None:
    """Wait until the service serves `wanted`.

    Raises BadArtifact with the service's own sentence when it refuses a release, StillLoading when it is not done with
    it in time, ExternalFailure when it vanishes or does not look at it.
    """
    until = time.monotonic() + seconds
    model = wanted.pointer.stable.model if wanted.pointer.stable else "nothing"
    progress = Progress(
        f"waiting until the service at {url} serves {model} (at most {seconds:g} s)"
    )
    try:
        while not _arrived(url, wanted):
            if time.monotonic() > until:
                raise _late(url, wanted, seconds)
            progress.step()
            time.sleep(POLL_SECONDS)
    finally:
        progress.end()


def _arrived(url: str, wanted: Stored) -> bool:
    state = _state(url)
    seen = state["desired"] or {}
    if (seen.get("commit"), seen.get("written_at")) != (wanted.commit, wanted.written_at):
        return False
    if serves(state["live"], wanted.pointer):
        return True
    _raise_refusal(state["errors"], wanted)
    return False


def _state(url: str) -> Mapping[str, Any]:
    state = service.status(url)
    if state is None:
        raise ExternalFailure(
            f"the service at {url} stopped answering while it was loading the release."
        )
    return state


def serves(live: Mapping[str, Any], pointer: Pointer) -> bool:
    """Whether what a service says is live is all that answers by `pointer`."""
    # `previous` is loaded after the rest; nobody waits for it.
    target = pointer.to_dict()
    return all(live.get(role) == target[role] for role in ("stable", "canary", "shadow"))


def _raise_refusal(errors: list[Mapping[str, Any]], wanted: Stored) -> None:
    pointer = wanted.pointer
    previous = pointer.previous.sha256 if pointer.previous else None
    for error in errors:
        if error["sha256"] is None or error["sha256"] != previous:
            raise BadArtifact(str(error["sentence"]), reason=str(error["reason"]))


def _late(url: str, wanted: Stored, seconds: float) -> ExternalFailure:
    state = _state(url)
    seen = (state["desired"] or {}).get("commit")
    if seen != wanted.commit:
        return ExternalFailure(
            f"the service at {url} did not take up the new pointer within {seconds:g} s (it is at commit "
            f"{str(seen)[:12]}). Does it watch another store? See store in serving.yaml."
        )
    live = (state["live"].get("stable") or {}).get("model", "no model")
    loading = ", ".join(state.get("loading") or ())
    sentence = f"after {seconds:g} s the service at {url} still serves {live}; it is loading {loading or 'nothing'}."
    return StillLoading(sentence) if loading else ExternalFailure(sentence)


def golden(url: str, store: Path, stable: Ref) -> int:
    """Send the stable bundle's golden requests to the service and compare. Returns how many were compared.

    0 when a canary took every attempt. Raises BadArtifact (reason golden) at the first answer that differs.
    """
    from gitops_model.runtime.answers import GOLDEN_ID, GOLDEN_TOLERANCE

    bundle = Bundle.read(bundle_path(store, stable.sha256), sha256=stable.sha256)
    compared = 0
    for number, line in enumerate(bundle.golden, start=1):
        found = _ask_stable(url, stable, line["inputs"], f"{GOLDEN_ID}{number}")
        if found is None:
            continue
        if not same(found, line["output"], tolerance=GOLDEN_TOLERANCE):
            raise BadArtifact(
                f"the service answers golden request {number} of {stable.model} with {found}, but {line['output']} was "
                "recorded when the bundle was built.",
                reason="golden",
            )
        compared += 1
    return compared


def _ask_stable(
    url: str, stable: Ref, inputs: Mapping[str, Any], request_id: str
) -> Mapping[str, Any] | None:
    """The stable model's output; None when a canary took every attempt."""
    for attempt in range(KEYS):
        body = {
            "request_id": request_id,
            "key": f"{request_id}-{attempt}",
            "inputs": inputs,
        }
        answer = service.predict(url, body)
        if stable.sha256.startswith(str(answer.get("sha256") or "-")):
            if answer.get("route") == "fallback":
                raise BadArtifact(
                    f"the service answers {request_id} of {stable.model} with the fallback.",
                    reason="golden",
                )
            output: Mapping[str, Any] = answer["output"]
            return output
    return None


def same(found: Any, expected: Any, *, tolerance: float) -> bool:
    """Whether two outputs agree: numbers within `tolerance` (relative above 1), words exactly.

    A word may differ where a number differs a little: a probability on the threshold tips over with its last digit.
    """
    pairs = list(_leaves(found, expected))
    if any(pair is None for pair in pairs):
        return False
    numbers = [(a, b) for a, b in filter(None, pairs) if _number(a) and _number(b)]
    words = [(a, b) for a, b in filter(None, pairs) if not (_number(a) and _number(b))]
    close = all(abs(a - b) <= tolerance * max(1.0, abs(b)) for a, b in numbers)
    exact = all(a == b for a, b in numbers)
    return close and (all(a == b for a, b in words) or (bool(numbers) and not exact))


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _leaves(found: Any, expected: Any) -> Any:
    """Pairs of values at the same place; None where one side has nothing."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        for key in expected.keys() | found.keys():
            if key in expected and key in found:
                yield from _leaves(found[key], expected[key])
            else:
                yield None
    else:
        yield found, expected
