"""`gitops-model simulate gates` in a new repository: the table, and what it says to options that make no sense."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci_scripts import operating
from gitops_model import cli


@pytest.fixture(params=["binary", "regression"])
def repository(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Where contract.yaml and gates.yaml are those of the template; returns the kind of problem."""
    problem = str(request.param)
    for name in ("contract.yaml", "gates.yaml"):
        (tmp_path / name).write_text(operating.rendered(name, problem), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return problem


def test_every_gate_about_answers_has_a_line(
    repository: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "simulate",
        "gates",
        "--rows",
        "700",
        "--days",
        "14",
        "--values",
        "2",
        "--runs",
        "20",
        "--alike",
        "0.9",
    ]
    assert cli.main(words) == 0
    out = capsys.readouterr().out
    assert "700 made-up test rows on 14 days" in out and "from seed 0" in out
    names = {
        "binary": ["primary: ROC AUC", "risk: expected cost per row", "limit: ROC AUC"],
        "regression": ["primary: RMSE", "risk: expected cost per row", "limit: R²"],
    }[repository]
    lines = out.splitlines()
    for name in [*names, "  origin=o0 (", "  carrier=c1 (", "all of them together"]:
        assert any(line.startswith(name) for line in lines), (name, out)
    (primary,) = (line for line in lines if line.startswith("primary"))
    margin, *shares = primary.split(": ")[1].replace("ROC AUC", "").replace("RMSE", "").split()
    assert margin == {"binary": "0.01", "regression": "2.0%"}[repository]
    assert sum(float(share.rstrip("%")) for share in shares[:3]) == pytest.approx(100, abs=0.2)
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "there are no test rows in build/prepared"),
        ("--days 28", "Example: --rows 5000 --days 28"),
        ("--rows 500 --days 5 --groups 5", "not both"),
        ("--rows 10", "--rows must be at least 20"),
        ("--rows 500 --alike 1", "--alike is 1; allowed: from 0 to below 1"),
        ("--rows 500 --positives 0", "--positives is 0; allowed: between 0 and 1"),
        ("--rows 500 --runs 1", "--runs 20"),
    ],
)
def test_what_cannot_be_simulated_is_said(
    repository: str, words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["simulate", "gates", *words.split()]) == 2
    assert said in capsys.readouterr().err
