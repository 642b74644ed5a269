"""The service that LitServe starts a process for: see `ci_scripts.peer_servers`."""

from __future__ import annotations

from typing import Any

import litserve

from ci_scripts.peer_servers import Onnx


class Api(litserve.LitAPI):  # type: ignore[misc]
    """One row, or many."""

    def setup(self, device: str) -> None:
        """In its process."""
        self.model = Onnx()

    def decode_request(self, request: dict[str, Any], **_: Any) -> Any:
        """Rows."""
        return request.get("rows") or [request["inputs"]]

    def predict(self, rows: Any, **_: Any) -> Any:
        """Probabilities."""
        return self.model(rows)

    def encode_response(self, output: Any, **_: Any) -> Any:
        """The answer."""
        return {"probabilities": output}
