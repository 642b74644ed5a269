"""One server around the same model, to be measured: runs in the environment of `ci_scripts.peers`.

`python -m ci_scripts.peer_servers NAME FOLDER PORT` serves until it is ended. FOLDER has model.onnx, model.joblib and
columns.json: the input names, and which of them are categories. Defaults, one worker, access logs off. Each does what
its documentation shows for a model and no more; `bare` and `tuned` do only what cannot be left out.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(os.environ.get("PEER_FOLDER", "."))


def columns() -> dict[str, Any]:
    """Input names in order, each with the dtype of its column."""
    names = json.loads((FOLDER / "columns.json").read_text())
    return {name: object if text else np.float32 for name, text in names.items()}


def session() -> Any:
    """ONNX Runtime on one thread, as ours runs it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        str(FOLDER / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )


class Onnx:
    """Rows in, probabilities out."""

    def __init__(self) -> None:
        self.session, self.columns = session(), columns()
        self.output = [self.session.get_outputs()[-1].name]

    def __call__(self, rows: list[dict[str, Any]]) -> list[float]:
        feed = {
            name: np.array([[row[name]] for row in rows], dtype=dtype)
            for name, dtype in self.columns.items()
        }
        probabilities: list[float] = self.session.run(self.output, feed)[0][:, 1].tolist()
        return probabilities


class Sklearn:
    """Rows in, probabilities out."""

    def __init__(self) -> None:
        import joblib

        self.pipeline, self.columns = joblib.load(FOLDER / "model.joblib"), columns()

    def __call__(self, rows: list[dict[str, Any]]) -> list[float]:
        import pandas as pd

        table = pd.DataFrame(rows, columns=list(self.columns)).astype(self.columns)
        probabilities: list[float] = self.pipeline.predict_proba(table)[:, 1].tolist()
        return probabilities


def bare(tuned: bool) -> Any:
    """ASGI without a framework. `tuned`: orjson, and arrays for one row that are there before."""
    model = Onnx()
    loads: Any = json.loads
    dumps: Any = lambda value: json.dumps(value).encode()  # noqa: E731
    cells: dict[str, Any] = {}
    if tuned:
        import orjson

        loads, dumps = orjson.loads, orjson.dumps
        cells = {name: np.empty((1, 1), dtype) for name, dtype in model.columns.items()}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message["body"]
            more = message["more_body"]
        data = loads(body)
        if "rows" in data:
            answer = dumps({"probabilities": model(data["rows"])})
        elif tuned:
            row = data["inputs"]
            for name, cell in cells.items():
                cell[0, 0] = row[name]
            found = model.session.run(model.output, cells)[0]
            answer = dumps({"probability": float(found[0, 1])})
        else:
            answer = dumps({"probability": model([data["inputs"]])[0]})
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(answer)).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return app


def fastapi(model: Any) -> Any:
    """A type for each input, checked by pydantic."""
    from fastapi import FastAPI
    from pydantic import BaseModel, create_model

    kinds: Any = {name: (str if t is object else float, ...) for name, t in model.columns.items()}
    row = create_model("Row", **kinds)
    ask = create_model("Ask", inputs=(row | None, None), rows=(list[row] | None, None))  # type: ignore[valid-type]
    app = FastAPI()

    async def predict(request: BaseModel) -> dict[str, Any]:
        data = request.model_dump()
        if data["rows"] is not None:
            return {"probabilities": model(data["rows"])}
        return {"probability": model([data["inputs"]])[0]}

    predict.__annotations__["request"] = ask
    app.post("/predict")(predict)
    return app


def litserve(port: int) -> None:
    """LitServe's own process beside its server's."""
    import litserve as server

    from ci_scripts.peer_litserve import Api

    served = server.LitServer(Api(), accelerator="cpu", workers_per_device=1)
    served.run(
        host="127.0.0.1",
        port=port,
        num_api_servers=1,
        generate_client_file=False,
        log_level="error",
    )


def bentoml(port: int) -> None:
    """`bentoml serve`."""
    os.environ["BENTOML_CONFIG_OPTIONS"] = "api_server.logging.access.enabled=false"
    _become(
        "bentoml",
        "serve",
        "ci_scripts.peer_bento:Bento",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    )


def mlserver(port: int) -> None:
    """MLServer with its scikit-learn runtime, in its own process: without workers, as for one small model."""
    place = FOLDER / "mlserver"
    place.mkdir(exist_ok=True)
    (place / "settings.json").write_text(
        json.dumps(
            {
                "host": "127.0.0.1",
                "http_port": port,
                "grpc_port": port + 1,
                "metrics_port": port + 2,
                "parallel_workers": 0,
                "debug": False,
            }
        )
    )  # fmt: skip
    model = {"name": "flight", "implementation": "mlserver_sklearn.SKLearnModel"}
    (place / "model-settings.json").write_text(
        json.dumps(model | {"parameters": {"uri": str(FOLDER / "model.joblib")}})
    )
    _become("mlserver", "start", str(place))


def mlflow(port: int) -> None:
    """`mlflow models serve`, in this environment."""
    import joblib
    import mlflow.sklearn

    place = FOLDER / "mlflow"
    if not place.exists():
        mlflow.sklearn.save_model(
            joblib.load(FOLDER / "model.joblib"),
            str(place),
            pyfunc_predict_fn="predict_proba",
            serialization_format="cloudpickle",
        )
    options = ("--env-manager", "local", "-h", "127.0.0.1", "-p", str(port), "-w", "1")
    _become("mlflow", "models", "serve", "-m", str(place), *options)


def _become(*command: str) -> None:
    os.execv(Path(sys.executable).with_name(command[0]), command)  # noqa: S606


def main(words: list[str]) -> int:
    """Serve."""
    global FOLDER  # noqa: PLW0603  the peers import this module anew, and read it from the environment
    name, folder, port = words[0], words[1], int(words[2])
    FOLDER = Path(folder)
    os.environ["PEER_FOLDER"] = folder
    if name in ("litserve", "bentoml", "mlserver", "mlflow"):
        {"litserve": litserve, "bentoml": bentoml, "mlserver": mlserver, "mlflow": mlflow}[name](
            port
        )
        return 0
    import uvicorn

    apps: dict[str, Any] = {
        "bare": lambda: bare(tuned=False),
        "tuned": lambda: bare(tuned=True),
        "fastapi-onnx": lambda: fastapi(Onnx()),
        "fastapi-sklearn": lambda: fastapi(Sklearn()),
    }
    logging.disable(logging.WARNING)
    uvicorn.run(
        apps[name](), port=port, loop="uvloop", http="httptools", access_log=False, log_level="error"
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
