"""Who answers a request: pure functions of the routing table and the request's key."""

from __future__ import annotations

import hashlib
from typing import Literal

from gitops_model.serving.snapshot import Served, Snapshot

Route = Literal["stable", "canary", "fallback", "pinned"]
BUCKETS = 10_000


def bucket(key: str, *, salt: str) -> int:
    """Where `key` falls among 10,000 equal buckets: the same on every machine, in every process.

    The salt is the canary's sha256. It is constant for a rollout, so a caller stays where it is; it differs
    between rollouts, so the same callers are not the first to meet every new model.
    """
    digest = hashlib.blake2b(
        key.encode("utf-8", "surrogatepass"), digest_size=8, key=salt.encode()[:64]
    ).digest()
    return int.from_bytes(digest) % BUCKETS


def in_canary(key: str, *, percent: float, salt: str) -> bool:
    """Whether `key` belongs to the canary's share. Raising `percent` only adds keys and never moves one back."""
    return bucket(key, salt=salt) < round(percent * BUCKETS / 100)


def route(snapshot: Snapshot, key: str) -> tuple[Served, Route] | None:
    """The release that answers `key`, and by which route; None when no model is loaded."""
    if snapshot.stable is None:
        return None
    rule, canary = snapshot.canary_rule, snapshot.canary
    if rule is None or canary is None:
        return snapshot.stable, "stable"
    if in_canary(key, percent=rule.percent, salt=rule.sha256):
        return canary, "canary"
    return snapshot.stable, "stable"
