"""A bundle as a model that answers: scores, and the answers callers get from them."""

import os

# Since 1.29 ONNX Runtime tells its makers what runs, and keeps an id of the machine in HOME. It reads this when it is
# imported, which happens in this package alone.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
