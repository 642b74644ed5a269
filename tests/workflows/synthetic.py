"""Check reports with true statistics on invented rows, made by the template's own evaluation."""

CODE = """
import json
from pathlib import Path
import numpy as np
from gitops_model.delivery.check import worded
from gitops_model.evaluation.inputs import Answers, Facts, TestSet
from gitops_model.evaluation.verdict import evaluate
from gitops_model.formats.check import Difference
from gitops_model.formats.contract import Contract
from gitops_model.formats.gates import Gates

contract = Contract.load(Path("contract.yaml"))
gates = Gates.load(Path("gates.yaml"))

def check(loss, *, rows=6000, seed=3, baseline="a" * 64, candidate="b" * 64, slice_loss=0.0, extra=0):
    rng = np.random.default_rng(seed)
    # Calibrated by construction: each label is drawn with the probability that the good model gives.
    good = np.clip(rng.beta(0.8, 3.0, rows), 0.001, 0.999)
    labels = (rng.random(rows) < good).astype(float)
    noise = rng.permutation(good)
    origin = rng.choice(["EWR", "JFK", "LGA"], rows)
    mix = np.where(origin == "JFK", loss + slice_loss, loss)
    worse = np.clip(good * (1 - mix) + noise * mix, 0.001, 0.999)
    keys = [f"k{i:06d}" for i in range(rows)]
    slices = {name: (origin if name == "origin" else rng.choice(["AA", "B6", "DL"], rows)) for name in contract.slices}
    seconds = 0.0003 + rng.random(400) * 1e-5
    def answers(model, sha, scores):
        return Answers(
            model=model, sha256=sha, keys=keys, scores=scores, seconds=seconds, memory_mb=120.0, size_bytes=200_000
        )
    return worded(evaluate(
        test=TestSet(keys=keys, labels=labels, sha256="c" * 64, window=("2013-03-04", "2013-03-31"), slices=slices),
        candidate=answers(None, candidate, worse),
        production=answers("flight-delay-v1", baseline, good) if baseline else None,
        contract=contract, gates=gates,
        facts=Facts(train_keys=[], train_window=("2013-01-01", "2013-03-03"), production_test_sha256="c" * 64,
            production_schema_version=1,
            params_diff=[Difference(name="model.depth", production=5, candidate=6)] * (1 + extra),
            warnings=[]),
    )).to_json()

made = {
    "pass": check(0.0, candidate="b" * 64),
    "worse": check(0.9),
    "first": check(0.0, baseline=None),
}
Path(OUT).write_text(json.dumps(made))
"""
