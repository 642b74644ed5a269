"""Releases that are routed and never loaded, for what only counts their answers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from gitops_model.formats.pointer import Canary, Ref
from gitops_model.serving.snapshot import Served, Snapshot
from tests.support.factories import make_contract


def _served(number: int) -> Served:
    loaded: Any = SimpleNamespace(contract=make_contract())
    return Served(ref=Ref(model=f"flight-delay-v{number}", sha256=f"{number:064x}"), loaded=loaded)


STABLE, CANARY, OTHER = _served(1), _served(2), _served(3)


def routed(canary: Served | None = CANARY) -> Snapshot:
    """STABLE, and a tenth of the keys to `canary`."""
    rule = Canary(model=canary.ref.model, sha256=canary.ref.sha256, percent=10) if canary else None
    return Snapshot(stable=STABLE, canary=canary, canary_rule=rule)
