"""The rules by which a pointer in the store becomes the routing table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from gitops_model.formats import compatibility
from gitops_model.formats.pointer import Ref
from gitops_model.formats.removed import Removal
from gitops_model.formats.store import Stored
from gitops_model.serving.snapshot import Beside, Loaded, Served, Snapshot

# The reason of a refusal that is no fault of the pointer, the store or a bundle, and is not counted as one.
REMOVED = "removed"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why something wanted is not served, in a word for metrics and a sentence for people."""

    model: str | None
    sha256: str | None
    reason: str
    sentence: str

    def to_dict(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "sha256": self.sha256,
            "reason": self.reason,
            "sentence": self.sentence,
        }


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The next routing table, what of the pointer it refuses, and what it accepts with a warning."""

    snapshot: Snapshot
    refusals: list[Failure] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def plan(
    live: Snapshot,
    desired: Stored,
    loaded: Mapping[str, Loaded],
    *,
    at: str,
    removed: Mapping[str, Removal] = MappingProxyType({}),
    beside: Mapping[str, Beside] | None = None,
) -> Plan:
    """The routing table that follows `live` when the bundles in `loaded` and `beside` (by sha256) are at hand.

    - Nothing is routed that is not loaded. Without the wanted stable release, `live` stays as it is.
    - A missing previous, canary or shadow does not hold stable back; it joins in a later call.
    - Today's callers must not be broken: a stable release whose contract would refuse or mislead them needs
      a higher schema_version. Going back to the loaded `previous` is always allowed, with a warning.
    - A canary always has to understand stable's callers, since they do not choose who answers them.
    - A canary in `removed` (by sha256) was worse than stable; it is not routed, whichever pointer names it.
    - A pointer with no stable release does not take the serving one away.
    """
    pointer = desired.pointer
    if live.canary is not None and live.canary.ref.sha256 in removed:
        live = replace(live, canary=None, canary_rule=None)
    if pointer.stable is None:
        if live.stable is None:
            return Plan(snapshot=Snapshot(commit=desired.commit, freeze=pointer.freeze))
        sentence = (
            f"the pointer names no stable release; {live.stable.ref.model} keeps serving. "
            "To stop answering, stop the service."
        )
        return Plan(snapshot=live, refusals=[_failure(None, "pointer", sentence)])

    stable = _served(pointer.stable, loaded)
    if stable is None:
        return Plan(snapshot=live)
    refusals, warnings = _contract_break(live, stable)
    if refusals:
        return Plan(snapshot=live, refusals=refusals)

    canary = _served(pointer.canary.ref, loaded) if pointer.canary else None
    if pointer.canary is not None and pointer.canary.sha256 in removed:
        sentence = removed[pointer.canary.sha256].sentence()
        refusals, canary = [_failure(pointer.canary.ref, REMOVED, sentence)], None
    if canary is not None:
        change = compatibility.change(stable.loaded.contract, canary.loaded.contract)
        if change.broken:
            sentence = (
                f"canary {canary.ref.model} is not routed: callers of {stable.ref.model} would be broken, "
                f"because {change.why}."
            )
            refusals = [_failure(canary.ref, "contract", sentence)]
            canary = None
    same_stable = live.stable is not None and live.stable.ref == stable.ref
    snapshot = Snapshot(
        commit=desired.commit,
        stable=stable,
        previous=_served(pointer.previous, loaded),
        canary=canary,
        canary_rule=pointer.canary if canary else None,
        shadow=(beside or {}).get(pointer.shadow.sha256) if pointer.shadow else None,
        freeze=pointer.freeze,
        switched_at=live.switched_at if same_stable else at,
    )
    return Plan(snapshot=snapshot, refusals=refusals, warnings=warnings)


def in_sync(live: Snapshot, desired: Stored | None) -> bool:
    """Whether every release the pointer names is in its place in the routing table, under the same rule."""
    if desired is None:
        return False
    pointer = desired.pointer
    wanted = (pointer.stable, pointer.previous, pointer.canary, pointer.shadow, pointer.freeze)
    found = (
        live.stable.ref if live.stable else None,
        live.previous.ref if live.previous else None,
        live.canary_rule,
        live.shadow.ref if live.shadow else None,
        live.freeze,
    )
    return wanted == found


def _served(ref: Ref | None, loaded: Mapping[str, Loaded]) -> Served | None:
    if ref is None or ref.sha256 not in loaded:
        return None
    return Served(ref=ref, loaded=loaded[ref.sha256])


def _contract_break(live: Snapshot, stable: Served) -> tuple[list[Failure], list[str]]:
    if live.stable is None or live.stable.ref.sha256 == stable.ref.sha256:
        return [], []
    change = compatibility.change(live.stable.loaded.contract, stable.loaded.contract)
    if not change.broken:
        return [], []
    if live.previous is not None and live.previous.ref.sha256 == stable.ref.sha256:
        return [], [f"rolled back to {stable.ref.model} although {change.why}"]
    if change.announced:
        words = (
            f"schema_version rose from {change.old_version} to {change.new_version}: {change.why}"
        )
        return [], [f"{stable.ref.model} asks callers to follow; its {words}"]
    sentence = (
        f"{stable.ref.model} is not served, {live.stable.ref.model} keeps serving: today's callers would be "
        f"broken, because {change.why}. Keep the contract, or raise its schema_version and tell the callers."
    )
    return [_failure(stable.ref, "contract", sentence)], []


def _failure(ref: Ref | None, reason: str, sentence: str) -> Failure:
    return Failure(
        model=ref.model if ref else None,
        sha256=ref.sha256 if ref else None,
        reason=reason,
        sentence=sentence,
    )
