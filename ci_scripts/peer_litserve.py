"""The service that LitServe starts a process for: see `ci_scripts.peer_servers`.

LitServe reads annotations as FastAPI does, so what it calls has none.
"""

from typing import Any

import litserve

from ci_scripts.peer_servers import Onnx


class Api(litserve.LitAPI):  # type: ignore[misc]
    """One row, or many."""

    def setup(self, device: str) -> None:
        """In its process."""
        self.model = Onnx()

    def decode_request(self, request):  # type: ignore[no-untyped-def]
        """Rows."""
        return request.get("rows") or [request["inputs"]]

    def predict(self, rows: Any) -> Any:
        """Probabilities."""
        return self.model(rows)

    def encode_response(self, output):  # type: ignore[no-untyped-def]
        """The answer."""
        return {"probabilities": output}
