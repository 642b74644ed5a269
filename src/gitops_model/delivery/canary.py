"""What a service says of the canary that production.yaml names, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitops_model.delivery import service
from gitops_model.errors import ExternalFailure
from gitops_model.formats.pointer import Pointer

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


def testimony(state: State | None, pointer: Pointer) -> str | None:
    """What the service found of the canary of `pointer`, with its numbers, for the commit that gives it all requests.

    None where the service says nothing of it.
    """
    canary = pointer.canary
    if canary is None or state is None:
        return None
    for one in state.get("removed") or ():
        if one["sha256"] == canary.sha256:
            return f"The service took it out as a canary: {one['reason']}."
    found = state.get("canary")
    if not found or found["sha256"] != canary.sha256:
        return None
    return (
        f"As a canary beside {found['stable']}, after {found['minutes']:g} minutes: {found['verdict']}. "
        f"{found['evidence']}."
    )


def testimony_at(url: str | None, pointer: Pointer) -> str | None:
    """The same as `testimony`, of the service at `url`. Raises ExternalFailure when it cannot be asked (`url` None)."""
    try:
        state = None if url is None else service.status(url)
    except ExternalFailure:
        state = None
    if state is None:
        raise ExternalFailure(
            "the service cannot be asked from here how the canary did; see `make status` there."
        )
    try:
        return testimony(state, pointer)
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
