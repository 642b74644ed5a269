"""What the service answers with at one moment: an immutable routing table over loaded models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gitops_model.formats.contract import Contract
from gitops_model.formats.inputs import RowValidator
from gitops_model.formats.pointer import Canary, Ref
from gitops_model.formats.row_arrays import ColumnWriter
from gitops_model.runtime.models import Model
from gitops_model.serving.detail import NO_DETAIL, Detail


@dataclass(frozen=True, kw_only=True, eq=False)
class Loaded:
    """A verified bundle in memory, warmed and checked against its golden requests.

    `row_seconds` is what one row takes on a warm model; `example` is the first golden request's inputs. `columns` is
    the fast check of many rows, which says what `validate` says or nothing.
    """

    sha256: str
    contract: Contract
    validate: RowValidator
    model: Model
    row_seconds: float
    size: int
    example: Mapping[str, Any]
    loaded_at: str
    detail: Detail = NO_DETAIL
    columns: ColumnWriter | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Served:
    """A release and the loaded bundle behind it."""

    ref: Ref
    loaded: Loaded

    @property
    def version(self) -> str:
        """The number in the model id: `12` of `flight-delay-v12`."""
        return self.ref.model.rpartition("-v")[2]


@dataclass(frozen=True, kw_only=True)
class Beside:
    """A release that is loaded in a process of its own: it can be sent copies, and cannot answer."""

    ref: Ref
    schema_version: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Snapshot:
    """One routing table. A request takes it once and keeps it to its end, whatever is switched meanwhile.

    `canary` and `canary_rule` are set together. `shadow` gets a copy of what was answered, and answers nobody.
    """

    commit: str | None = None
    stable: Served | None = None
    previous: Served | None = None
    canary: Served | None = None
    canary_rule: Canary | None = None
    shadow: Beside | None = None
    freeze: str | None = None
    switched_at: str | None = None

    def served(self) -> dict[str, Served]:
        """The releases that can answer by their role, stable first."""
        roles = {"stable": self.stable, "previous": self.previous, "canary": self.canary}
        return {role: served for role, served in roles.items() if served is not None}

    def refs(self) -> dict[str, Ref]:
        """All releases in use by their role, stable first."""
        refs = {role: served.ref for role, served in self.served().items()}
        return refs if self.shadow is None else refs | {"shadow": self.shadow.ref}
