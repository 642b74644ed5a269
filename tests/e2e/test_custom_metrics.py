"""Metrics of gates.yaml in a repository: a column beside the inputs, from the raw data to verdict and reports."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gitops_model import strict_yaml
from gitops_model.delivery import check
from gitops_model.errors import BadInput
from tests.support import cases
from tests.support.isolation import isolated
from tests.support.small import Small, orders, small, warm

# It builds a repository and judges it.
pytestmark = pytest.mark.slow
LOST = "label * (1 - answer) * price"
GATES = cases.gates_data(
    metrics={
        "lost_per_order": {"mean": LOST, "better": "lower", "unit": "EUR", "margin": "20%"},
        "lost_share": {"ratio": {"of": LOST, "to": "label * price"}, "better": "lower"},
    },
    limits={"lost_per_order": {"below": 1000}},
    slices={"margin": 0.5, "min_rows": 20, "metric": "brier"},
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    """A built repository whose table has a price, with this very model in production."""
    folder = tmp_path_factory.mktemp("custom")
    server = warm(folder / "warm")
    made = small(folder, server)
    made.edit("contract.yaml", ("risk: brier}", "risk: brier, columns: [price]}"))
    (made.root / "data/raw/orders.csv").write_text(orders(600))
    made.dvc("add", "-q", "data/raw")
    made.edit("params.yaml", ("rows: 100", "rows: 600"))
    made.edit(
        "pipeline/features.py",
        (
            "    return table\n",
            "    table['price'] = 10.0 + table['members'] ** 2\n    return table\n",
        ),
    )
    (made.root / "gates.yaml").write_text(strict_yaml.dump(GATES, width=200))
    made.repro()
    (made.root / "build/production").mkdir()
    shutil.copy(made.root / "build/model.tar", made.root / f"build/production/{made.sha256}.tar")
    (made.root / "production.yaml").write_text(
        f"stable: {{model: orders-v1, sha256: {made.sha256}}}\n"
        "previous: null\ncanary: null\nshadow: null\nfreeze: null\n"
    )
    made.commit("Train")
    yield made
    server.close()


@pytest.fixture
def inside(built: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Small:
    for name, value in isolated(tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(built.root)
    return built


def table(root: Path) -> pd.DataFrame:
    test = pd.read_csv(root / "build/prepared/test.csv")
    return test.merge(pd.read_csv(root / "build/predictions.csv")[["order_id", "score"]])


def test_a_column_beside_the_inputs_judges_and_no_model_sees_it(
    inside: Small, capsys: pytest.CaptureFixture[str]
) -> None:
    check.run(check.Options(base="main"))
    said = capsys.readouterr().out
    report: dict[str, Any] = json.loads((inside.root / "reports/check.json").read_text())
    assert "metrics" in report, report["sentence"]
    rows = table(inside.root)
    lost = rows["renewed"] * (rows["score"] < 0.5) * rows["price"]
    found = {row["metric"]: row for row in report["metrics"]}
    assert found["lost_per_order"]["candidate"] == pytest.approx(lost.mean(), rel=1e-6)
    wanted = lost.sum() / (rows["renewed"] * rows["price"]).sum()
    assert found["lost_share"]["candidate"] == pytest.approx(wanted, rel=1e-6)
    gates = {gate["id"]: gate for gate in report["gates"]}
    assert gates["metric:lost_per_order"]["state"] == "pass"
    assert gates["limit:lost_per_order"]["unit"] == "EUR"
    for text in (
        said,
        *((inside.root / "reports" / f"check.{end}").read_text() for end in ("md", "html")),
    ):
        assert "ost per order" in text and " EUR" in text
    assert "price" not in json.loads(inside.members()["manifest.json"])["params"]
    assert b"price" not in inside.members()["golden.jsonl"]


@pytest.mark.parametrize(
    ("mean", "words"),
    [
        ("score * prise", "did you mean price"),
        ("answer / amount", "no finite number where"),
        ("score * 10 ** 13", "is beyond 1e+12"),
        ("open(score)", "calls open"),
    ],
)
def test_lint_refuses_with_the_place(inside: Small, mean: str, words: str) -> None:
    assert check.run(check.Options(lint=True)) == 0
    path = inside.root / "gates.yaml"
    text = path.read_text()
    try:
        inside.edit("gates.yaml", (f"mean: {LOST}", f"mean: {mean}"))
        with pytest.raises(BadInput) as refused:
            check.run(check.Options(lint=True))
    finally:
        path.write_text(text)
    (problem,) = refused.value.problems
    assert words in problem and problem.startswith("gates.yaml: metrics.lost_per_order.mean: ")


def test_a_column_that_is_no_number_stops_prepare(inside: Small) -> None:
    path = inside.root / "pipeline/features.py"
    text = path.read_text()
    try:
        path.write_text(text.replace("10.0 + table['members'] ** 2", "table['plan']"))
        done = inside.run("prepare")
    finally:
        path.write_text(text)
    assert done.code == 2 and "whose price is no number" in done.output
    assert np.isfinite(table(inside.root)["price"]).all()
