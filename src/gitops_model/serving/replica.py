"""What runs in a process of a cluster: one bundle, verified and tried by its golden requests, that gives scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gitops_model.formats.pointer import Ref
from gitops_model.formats.store import Layout
from gitops_model.runtime.models import Columns, Scores
from gitops_model.serving import loader


class Replica:
    """Reads the bundle from the folder `store` of its own node, and believes nothing of it but its sha256."""

    def __init__(self, store: str, model: str, sha256: str, trusted: Sequence[str]) -> None:
        ref = Ref(model=model, sha256=sha256)
        self._model = loader.load(Layout(Path(store)), ref, trusted=trusted).model

    def predict(self, columns: Columns) -> Scores:
        """See `models.Model.predict`."""
        return self._model.predict(columns)
