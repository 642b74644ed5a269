"""From a file in the store to a model that may answer: verify, load, warm, compare the golden requests."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from gitops_model.errors import BadArtifact
from gitops_model.formats.bundle import Bundle
from gitops_model.formats.inputs import RowValidator, as_sent
from gitops_model.formats.pointer import Ref
from gitops_model.formats.row_arrays import column_writer
from gitops_model.formats.store import Layout
from gitops_model.runtime import models
from gitops_model.runtime.answers import GOLDEN_TOLERANCE, answer, score_difference, score_of
from gitops_model.serving import detail
from gitops_model.serving.snapshot import Loaded

WARM_CALLS = 20


def now() -> str:
    """The current time in UTC with milliseconds: `2026-11-22T23:31:57.123Z`."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def load(store: Layout, ref: Ref, *, trusted: Collection[str] = ()) -> Loaded:
    """Load `ref` from the store. Takes as long as the model takes; call it off the event loop.

    `trusted` are the types that serving.yaml lets skops load.

    Raises BadArtifact, whose reason says which step failed: missing, read, sha256, format,
    contract, load or golden.
    """
    return ready(Bundle.read(store.bundle(ref.sha256), sha256=ref.sha256), trusted=trusted)


def ready(
    bundle: Bundle, *, trusted: Collection[str] = (), model: models.Model | None = None
) -> Loaded:
    """The model of a verified bundle, once it has answered its golden requests. Raises as `load` does.

    `model` is one that was loaded elsewhere, of the same bundle.
    """
    validate = bundle.contract.row_validator()
    rows = _golden_rows(bundle, validate)
    if model is None:
        model = models.load_model(bundle, trusted=trusted, file="serving.yaml")
    try:
        row_seconds = _warm(model, bundle, rows[0])
        _compare(model, bundle, rows)
    except (BadArtifact, OSError):
        raise
    except Exception as error:
        # Whatever a foreign runtime raises means the same here: this model does not answer.
        raise BadArtifact(
            f"bundle {bundle.sha256[:12]}… fails on its own golden requests: {type(error).__name__}: {error}",
            reason="golden",
        ) from error
    return Loaded(
        sha256=bundle.sha256,
        contract=bundle.contract,
        validate=validate,
        model=model,
        row_seconds=row_seconds,
        size=bundle.size,
        example=as_sent(bundle.golden[0]["inputs"]),
        loaded_at=now(),
        detail=detail.of(bundle),
        columns=column_writer(bundle.contract.inputs),
    )


def _golden_rows(bundle: Bundle, validate: RowValidator) -> list[Mapping[str, float | str]]:
    rows: list[Mapping[str, float | str]] = []
    for number, line in enumerate(bundle.golden, start=1):
        row = validate(line["inputs"])
        if row.problems:
            where = f"bundle {bundle.sha256[:12]}…: golden.jsonl line {number}"
            sentence = f"{where} breaks the bundle's own contract: {' '.join(row.problems[:3])}"
            raise BadArtifact(sentence, reason="contract")
        rows.append(row.values)
    return rows


def _warm(model: models.Model, bundle: Bundle, row: Mapping[str, float | str]) -> float:
    """Call the model until its buffers exist; the fastest call is what one row costs, in seconds."""
    best = float("inf")
    for _ in range(WARM_CALLS):
        started = time.perf_counter()
        model.predict(models.columns_of(bundle.contract, [row]))
        best = min(best, time.perf_counter() - started)
    return best


def _compare(model: models.Model, bundle: Bundle, rows: list[Mapping[str, float | str]]) -> None:
    scores = model.predict(models.columns_of(bundle.contract, rows))
    for number, line in enumerate(bundle.golden):
        where = f"bundle {bundle.sha256[:12]}…: golden request {number + 1}"
        found, expected = score_of(scores, number), line["score"]
        difference = score_difference(found, expected)
        if not difference <= GOLDEN_TOLERANCE:
            raise BadArtifact(
                f"{where} answers {_short(found)}, but {_short(expected)} was recorded when it was built "
                f"(difference {difference:.2g}; allowed: {GOLDEN_TOLERANCE:g}). Do not serve it; build it again.",
                reason="golden",
            )
        if not _same(answer(bundle.contract, expected), line["output"]):
            raise BadArtifact(
                f"{where} has the recorded output {str(line['output'])[:99]}, which score and contract contradict.",
                reason="golden",
            )


def _same(derived: dict[str, Any], recorded: Any) -> bool:
    # Compared through the recorded score, so that a probability that sits on the threshold cannot flip
    # with the last digit of another machine's arithmetic.
    return isinstance(recorded, dict) and derived == recorded


def _short(score: Any) -> str:
    numbers = score if isinstance(score, list) else [score]
    return ", ".join(
        f"{n:.6g}" if isinstance(n, (int, float)) else str(n)[:20] for n in numbers[:10]
    )
