"""The service that `bentoml serve` imports: see `ci_scripts.peer_servers`."""

from __future__ import annotations

from typing import Any

import bentoml

from ci_scripts.peer_servers import Onnx


@bentoml.service
class Bento:
    """One row, or many."""

    def __init__(self) -> None:
        self.model = Onnx()

    @bentoml.api  # type: ignore[untyped-decorator]
    def predict(
        self, inputs: dict[str, Any] | None = None, rows: list[dict[str, Any]] | None = None
    ) -> list[float]:
        """Probabilities."""
        return self.model(rows or [inputs or {}])
