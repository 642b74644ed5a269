"""Stage 3: how good is the model on the test rows? Metrics, slices, plots, and one prediction a row."""

from __future__ import annotations

from pathlib import Path

from gitops_model import Contract, Params, estimator, measures, plots, prepared, stages


def run() -> None:
    """Write reports/metrics.json, slices.csv, plots/*.csv and build/predictions.csv."""
    stages.require_installed("evaluate")
    contract = Contract.load(Path("contract.yaml"))
    params = Params.load(Path("params.yaml"))
    test = prepared.read(contract, "test")
    labels = prepared.labels(contract, test)
    scores = measures.scores(contract, estimator.read(params), test)

    values = measures.metrics(contract, labels, scores)
    measures.write_metrics(values, rows=len(test))
    measures.write_csv(measures.SLICES, measures.slices(contract, test, labels, scores))
    for name, points in plots.tables(contract, labels, scores).items():
        measures.write_csv(plots.FOLDER / name, points)
    measures.write_csv(measures.PREDICTIONS, measures.predictions(contract, test, scores))
    print(f"evaluate: {len(test):,} test rows")
    for name, value in values.items():
        print(f"evaluate: {name} {'no data' if value is None else format(value, '.4f')}")
