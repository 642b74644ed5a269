"""The core of the truth table for the other kinds of problem: what may ship, and what stops the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.gates.conftest import FIT, Repository, copy, generate, ship
from tests.support.warm import Warm

pytestmark = pytest.mark.slow
SPOILT = (
    "    places = (rows['carrier'] == 'WN').to_numpy().nonzero()[0]\n"
    "    labels = labels.copy()\n"
    "    labels[places] = sorted(labels)[len(labels) * 95 // 100]\n"
)
# About what always answering the mean would do.
WORSE = ("trees: 5", "trees: 1"), ("depth: 2", "depth: 1"), ("rate: 0.1", "rate: 0.001")
BETTER = (("trees: 5", "trees: 60"),)


def params(*changes: tuple[str, str]) -> Callable[[Repository], None]:
    return lambda repository: repository.edit("params.yaml", *changes)


def spoil_one_carrier(repository: Repository) -> None:
    repository.edit("params.yaml", *BETTER)
    repository.edit("pipeline/train.py", (FIT, SPOILT + FIT))


def narrow_the_contract(repository: Repository) -> None:
    repository.edit("contract.yaml", ("max: 6000", "max: 5500"))


def weaken_the_gates(repository: Repository) -> None:
    repository.edit("params.yaml", *WORSE)
    repository.edit("gates.yaml", ("  margin: 2% ", "  margin: 200% "))


def forget_the_lock(repository: Repository) -> None:
    repository.edit("params.yaml", ("trees: 5", "trees: 6"))


@dataclass(frozen=True, kw_only=True)
class Row:
    """A change, the exit code of `check`, and the state of gates it must lead to."""

    change: Callable[[Repository], None]
    code: int
    gates: Mapping[str, str]
    train: bool = True


TABLE = {
    "better": Row(change=params(*BETTER), code=0, gates={"primary": "pass", "slices": "pass"}),
    "equal": Row(
        change=lambda _: None, code=0, gates={"primary": "pass", "slices": "pass"}, train=False
    ),
    "worse": Row(change=params(*WORSE), code=1, gates={"primary": "fail"}),
    "worse on one slice": Row(change=spoil_one_carrier, code=1, gates={"slices": "fail"}),
    "a contract that breaks callers": Row(
        change=narrow_the_contract, code=1, gates={"schema": "fail"}
    ),
    "gates weakened on the branch": Row(change=weaken_the_gates, code=1, gates={"primary": "fail"}),
    "a stale lock": Row(change=forget_the_lock, code=3, gates={}, train=False),
}


@pytest.fixture(scope="module", params=["multiclass", "regression"])
def shipped_of(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, warm: Warm
) -> Repository:
    """A repository of each kind with v1 in production."""
    made = generate(tmp_path_factory.mktemp(request.param), request.param, warm)
    if request.param == "multiclass":
        # Five trees are not calibrated well enough for a first release.
        made.edit("gates.yaml", ("ece: {below: 0.1}", "ece: {below: 0.2}"))
        made.commit("Accept a small model")
    assert ship(made) == "flight-delay-v1"
    return made


@pytest.mark.parametrize("name", TABLE)
def test_row(shipped_of: Repository, tmp_path: Any, name: str) -> None:
    row = TABLE[name]
    repository = copy(shipped_of, tmp_path)
    repository.run("git", "switch", "-q", "-c", "candidate")
    row.change(repository)
    if row.train:
        repository.train()
    found = repository.check()
    assert found.code == row.code, found.said
    assert found.report is not None
    states = {gate["id"]: gate["state"] for gate in found.report.get("gates", ())}
    assert {key: states.get(key) for key in row.gates} == row.gates, found.said
