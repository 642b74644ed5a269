"""`gitops-model simulate canary`: what makes no sense is refused, all at once; and how `simulate` finds its kind."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from gitops_model import cli
from gitops_model.delivery import simulate, simulate_canary


@pytest.fixture(autouse=True)
def _no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--slow 0", "--slow is 0; allowed: above 0, at most 1000"),
        ("--slow nan", "--slow is nan; allowed: "),
        ("--hours inf", "--hours is inf; allowed: above 0, at most 168"),
        ("--hours 0", "--hours is 0; allowed: "),
        ("--base-errors -1", "--base-errors is -1; allowed: from 0 to 1"),
        ("--error-rate 3", "--error-rate is 3; allowed: from 0 to 1"),
        ("--rate 1e300", "--rate is 1e+300; allowed: above 0, at most 1,000,000"),
        ("--percent 100", "--percent is 100; allowed: above 0, below 100"),
        ("--canaries 0", "--canaries is 0; allowed: from 1 to 100,000"),
        ("--canaries 100001", "--canaries is 100001; allowed: "),
        ("--after -1", "--after is -1; allowed: from 0, below 60, which is when --hours ends"),
        ("--hours 0.5 --after 30", "--after is 30; allowed: from 0, below 30"),
        ("--seed -1", "--seed is -1; allowed: "),
    ],
)
def test_what_cannot_be_simulated_is_said(
    words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["simulate", "canary", "--canaries", "2", *words.split()]) == 2
    assert said in capsys.readouterr().err


def test_everything_wrong_is_said_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    words = "--percent 0 --slow 0 --error-rate 3 --hours inf"
    assert cli.main(["simulate", "canary", *words.split()]) == 2
    said = [line.split(" is ")[0] for line in capsys.readouterr().err.splitlines()]
    assert said == [
        f"simulate: {name}" for name in ("--percent", "--hours", "--error-rate", "--slow")
    ]


def test_the_bounds_themselves_can_be_simulated(capsys: pytest.CaptureFixture[str]) -> None:
    words = "--canaries 1 --hours 0.001 --base-errors 1 --error-rate 1 --slow 1000 --rate 1e6"
    assert cli.main(["simulate", "canary", *words.split()]) == 0
    assert "from seed 0" in capsys.readouterr().out.lower()


def test_the_table_alone_decides_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    other = SimpleNamespace(
        add_arguments=simulate_canary.add_arguments,
        Options=dict,
        run=lambda options: 40 + int(options["rate"]),
    )
    monkeypatch.setattr(simulate, "KINDS", {**simulate.KINDS, "other": (other, "something else")})
    assert cli.main(["simulate", "other", "--rate", "2"]) == 42


def test_help_names_the_kinds_and_their_options(capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in (["--help"], "how soon the guard"), (["canary", "--help"], "--base-errors"):
        with pytest.raises(SystemExit) as end:
            cli.main(["simulate", *words])
        assert end.value.code == 0 and said in " ".join(capsys.readouterr().out.split())
    with pytest.raises(SystemExit) as end:
        cli.main(["simulate", "weather"])
    assert end.value.code == 2 and "canary" in capsys.readouterr().err
