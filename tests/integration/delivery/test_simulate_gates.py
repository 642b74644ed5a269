"""`gitops-model simulate gates` in a new repository: the table, and what it says to options that make no sense."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from ci_scripts import operating
from gitops_model import cli
from gitops_model.delivery import simulate_gates
from gitops_model.errors import BadInput
from gitops_model.evaluation.inputs import TestSet
from tests.support import cases


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


@pytest.mark.parametrize("repository", ["binary"], indirect=True)
def test_a_later_look_decides_less(repository: str, capsys: pytest.CaptureFixture[str]) -> None:
    passes = []
    for look in ("1", "4"):
        words = ["simulate", "gates", "--rows", "700", "--values", "2", "--runs", "20", "--look"]
        assert cli.main([*words, look]) == 0
        out = capsys.readouterr().out
        assert ("This is look 4 at its rows." in out) == (look == "4")
        (primary,) = (line for line in out.splitlines() if line.startswith("primary"))
        passes.append(float(primary.split()[4].rstrip("%")))
    assert passes[0] > passes[1]


OWN = """
metrics:
  mine: {mean: abs(score - label), better: lower, margin: 2%}
"""


@pytest.mark.parametrize("repository", ["regression"], indirect=True)
def test_what_reads_a_metric_of_the_teams_own_is_left_out_and_named(
    repository: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = Path("gates.yaml").read_text("utf-8")
    for section, more in {"limits": "mine: {below: 0.4}", "slices": "metric: mine"}.items():
        text, count = re.subn(rf"^{section}:.*$", f"{section}:\n  {more}", text, flags=re.MULTILINE)
        assert count == 1
    Path("gates.yaml").write_text(text + OWN, "utf-8")
    assert cli.main(["simulate", "gates", "--rows", "200", "--runs", "20"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("Not simulated")
    assert lines[2].endswith(": metrics.mine, limits.mine, slices.")
    assert not any("mine" in line or "judged" in line for line in lines[3:])
    assert any(line.startswith("primary") for line in lines)


@pytest.mark.parametrize(
    ("rows", "words", "said"),
    [
        ("in_time_order", "", "gates.yaml says rows: in_time_order, and these made-up rows are not. Add --days 28."),
        ("in_time_order", "--groups 20", "Add --days 28 instead of --groups."),
        ("grouped", "--days 20", "Add --groups 200 instead of --days."),
    ],
)  # fmt: skip
@pytest.mark.parametrize("repository", ["binary"], indirect=True)
def test_made_up_rows_must_be_what_gates_yaml_says(
    repository: str, rows: str, words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = Path("gates.yaml").read_text("utf-8")
    Path("gates.yaml").write_text(f"rows: {rows}\n{text}", "utf-8")
    assert cli.main(["simulate", "gates", "--rows", "1000", *words.split()]) == 2
    found = capsys.readouterr()
    assert said in found.err and not found.out


def small(*, group: bool, dates: bool) -> TestSet:
    days = np.array(["2024-01-01", "2024-01-02", "2024-01-02"])
    return TestSet(
        keys=["a", "b", "c"], labels=np.zeros(3), sha256="0" * 64,
        group=np.array([7, 7, 8]) if group else None, time=days if dates else np.arange(3),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "unit", "place"),
    [
        (None, "groups", [0, 0, 1]),
        ("grouped", "groups", [0, 0, 1]),
        ("independent", "groups", [0, 0, 1]),
        ("in_time_order", "days", [0, 1, 1]),
    ],
)
def test_prepared_rows_are_drawn_as_gates_yaml_judges_them(
    rows: Literal["independent", "grouped", "in_time_order"] | None, unit: str, place: list[int]
) -> None:
    gates = replace(cases.Gates.from_dict(cases.gates_data("binary")), rows=rows)
    found = simulate_gates.units(small(group=True, dates=True), gates)
    assert found[0] == unit and found[1] is not None and found[1].tolist() == place
    alone = small(group=False, dates=False)
    if rows in ("grouped", "in_time_order"):
        with pytest.raises(BadInput, match=f"rows: {rows}.*contract.yaml"):
            simulate_gates.units(alone, gates)
    else:
        assert simulate_gates.units(alone, gates) == ("rows", None)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "there are no test rows in build/prepared"),
        ("--days 28", "Example: --rows 5000 --days 28"),
        ("--rows 500 --days 5 --groups 5", "not both"),
        ("--rows 10", "--rows must be at least 20"),
        ("--look 0", "--look is 0; allowed: from 1 to 160"),
        ("--look 161", "--look is 161; allowed"),
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
