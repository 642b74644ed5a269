"""Running a bundle's model. Gates, parity check and service all predict through here, so they agree."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gitops_model.errors import BadArtifact
from gitops_model.formats.archive import Member
from gitops_model.formats.bundle import Bundle
from gitops_model.formats.contract import Contract
from gitops_model.runtime.calls import run_options

# What may be copied at once, while callers wait.
COPIED_BYTES = 4 << 20

Columns = Mapping[str, NDArray[Any]]
Scores = NDArray[np.float64]


class Model(Protocol):
    """A loaded model."""

    def predict(self, columns: Columns) -> Scores:
        """Scores of n rows: binary (n,), the probability of the positive class; multiclass (n, k), in the order of
        `contract.output.classes`; regression (n,), in the output's unit.

        `columns` has one array of length n for each input: float32 (NaN where imputed), or str for categories.
        """
        ...


def load_model(bundle: Bundle, *, trusted: Collection[str], file: str = "params.yaml") -> Model:
    """Load a verified bundle's model. Raises BadArtifact (reason load) when that fails, OSError when the system does.

    A bundle whose sha256 is right is still a stranger's: `trusted` are the types that the list `trusted_types` of
    `file` lets skops load, and no list in the bundle counts. Only a bundle with `runtime: sklearn` needs skops.
    """
    try:
        if bundle.manifest["runtime"] == "sklearn":
            from gitops_model.runtime import estimators

            packed = bundle.member("model.skops")
            return SklearnModel(
                estimators.load(packed, trusted=trusted, file=file), bundle.contract
            )
        return OnnxModel(bundle.view("model.onnx"), bundle.contract)
    except (BadArtifact, OSError):
        raise
    except Exception as error:
        # Whatever the loader of a foreign format raises means the same here: this bundle cannot be served.
        raise BadArtifact(
            f"bundle {bundle.sha256[:12]}… cannot be loaded: {type(error).__name__}: "
            + " ".join(str(error).split())[:300],
            reason="load",
        ) from error


def columns_of(
    contract: Contract, rows: Sequence[Mapping[str, float | str]]
) -> dict[str, NDArray[Any]]:
    """Turn validated rows (see `Contract.row_validator`) into the arrays `Model.predict` takes."""
    return {
        name: np.array(
            [row[name] for row in rows], dtype=object if rules.type == "category" else np.float32
        )
        for name, rules in contract.inputs.items()
    }


class OnnxModel:
    """ONNX Runtime on one thread: a service scales by processes, and one row gains nothing from more threads."""

    def __init__(self, data: Member, contract: Contract) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        self._session = _session(data, options)
        self._problem = contract.problem
        promised, found = set(contract.inputs), {i.name for i in self._session.get_inputs()}
        if promised != found:
            odd = ", ".join(sorted(promised ^ found))
            raise BadArtifact(
                f"the model's inputs and its contract disagree about: {odd}.", reason="contract"
            )
        outputs = [o.name for o in self._session.get_outputs()]
        self._output = [outputs[-1]]
        self._classes = len(contract.output.classes) if contract.output.classes else 2

    def predict(self, columns: Columns) -> Scores:
        """See `Model.predict`."""
        feed = {name: values.reshape(-1, 1) for name, values in columns.items()}
        raw = self._session.run(self._output, feed, run_options())[0]
        return shaped(raw, problem=self._problem, classes=self._classes)

    def one_row(self, contract: Contract) -> OneRow:
        """The same model for one row at a time, without making an array for each input of each row."""
        return OneRow(self, contract)


def _session(data: Member, options: Any) -> Any:
    """ONNX Runtime's session.

    It copies bytes while no other thread of Python runs, which takes a millisecond for each megabyte; a file it reads
    beside them. The file stands alone in its folder, so that a model cannot name another one as part of itself.
    """
    import onnxruntime

    providers = ["CPUExecutionProvider"]
    if len(data) > COPIED_BYTES:
        # Without room for a file it still loads; callers wait for the copy.
        with contextlib.suppress(OSError), tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            path.write_bytes(data)
            return onnxruntime.InferenceSession(str(path), options, providers=providers)
    return onnxruntime.InferenceSession(bytes(data), options, providers=providers)


class OneRow:
    """One row through an ONNX model: write its values into `cells`, then call `score`.

    `cells` has an array of shape (1, 1) for each input. There is one row at a time, so one thread uses it.
    """

    def __init__(self, model: OnnxModel, contract: Contract) -> None:
        self.cells: dict[str, NDArray[Any]] = {
            name: np.zeros((1, 1), dtype=object if rules.type == "category" else np.float32)
            for name, rules in contract.inputs.items()
        }
        self._run = model._session.run
        self._output = model._output
        self._regression = contract.problem == "regression"
        self._binary = contract.problem == "binary"
        self._shape = (1, model._classes)

    def score(self) -> float | list[float] | None:
        """What `answers.score_of` gives for `predict`'s first row; None for a result of another shape."""
        raw = self._run(self._output, self.cells, run_options())[0]
        if self._regression:
            return float(raw.item()) if raw.size == 1 else None
        if raw.shape != self._shape:
            return None
        return float(raw[0, 1]) if self._binary else list(map(float, raw[0].tolist()))


class SklearnModel:
    """The scikit-learn pipeline itself, for estimators ONNX cannot express (`runtime: sklearn`). Slower."""

    def __init__(self, estimator: Any, contract: Contract) -> None:
        self._estimator = estimator
        self._problem = contract.problem
        self._classes = len(contract.output.classes) if contract.output.classes else 2

    def predict(self, columns: Columns) -> Scores:
        """See `Model.predict`."""
        import pandas as pd

        table = pd.DataFrame(dict(columns))
        model = self._estimator
        raw = model.predict(table) if self._problem == "regression" else model.predict_proba(table)
        return shaped(np.asarray(raw), problem=self._problem, classes=self._classes)


def shaped(raw: NDArray[Any], *, problem: str, classes: int) -> Scores:
    """Bring a runtime's raw output, (n, 1), (n,) or (n, k), to the shape `Model.predict` promises.

    Raises BadArtifact (reason contract) when the number of classes is not the contract's.
    """
    scores = np.asarray(raw, dtype=np.float64)
    if problem == "regression":
        return scores.reshape(-1)
    if scores.ndim != 2 or scores.shape[1] != classes:
        found = scores.shape[1] if scores.ndim == 2 else 1
        raise BadArtifact(
            f"the model answers {found} classes, the contract promises {classes}.",
            reason="contract",
        )
    return scores[:, 1] if problem == "binary" else scores
