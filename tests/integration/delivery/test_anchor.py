"""The best release so far comes from the history and the records of main, and falls to one that can be compared."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gitops_model.delivery import anchor, scoring, served
from gitops_model.delivery.baseline import Baseline
from gitops_model.delivery.git import Git
from gitops_model.errors import CannotEvaluate
from gitops_model.evaluation.inputs import Answers
from gitops_model.formats import record
from gitops_model.formats.pointer import Pointer, Ref
from tests.support import cases, reports

SHAS = {number: f"{number}" * 64 for number in range(1, 7)}


def ref(number: int) -> Ref:
    return Ref(model=f"parcel-delay-v{number}", sha256=SHAS[number])


class Main:
    """A main branch on which releases are made and shipped."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.run("init", "-q", "-b", "main", ".")

    def run(self, *words: str, stdin: str | None = None) -> str:
        who = ("-c", "user.name=A", "-c", "user.email=a@b.c")
        done = subprocess.run(
            ["git", *who, *words],
            cwd=self.root,
            check=True,
            input=stdin,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def ship(self, number: int) -> None:
        (self.root / "production.yaml").write_text(Pointer(stable=ref(number)).to_yaml())
        self.run("add", "production.yaml")
        self.run("commit", "-q", "-m", f"Ship {number}")

    def release(self, number: int, *, against: int | None, lower: float = -0.01) -> None:
        gates: dict[str, Any] = {"state": "pass", "sentence": "May ship."}
        if against is not None:
            gates["anchor"] = {"model": ref(against).model, "sha256": SHAS[against], "lower": lower}
        made = reports.RECORD | {
            "model": ref(number).model,
            "sha256": SHAS[number],
            "gates": gates,
            "baseline": {"model": None, "deltas": {"accuracy": 0.01 * number}},
        }
        self.run("tag", "-a", ref(number).model, "-F", "-", stdin=record.format_record(made))

    def baseline(self, stable: int, **gates: Any) -> Baseline:
        git = Git.open(self.root)
        return Baseline(
            ref="main",
            commit=git.need("main"),
            pointer=Pointer(stable=ref(stable)),
            contract=cases.contract(),
            gates=cases.gates(**gates),
            gates_ref="main",
            trusted_types=(),
            warnings=(),
        )


@pytest.fixture
def main(tmp_path: Path) -> Main:
    made = Main(tmp_path)
    made.ship(1)
    made.release(1, against=None)
    made.ship(2)
    made.release(2, against=1, lower=0.01)
    made.ship(3)
    made.release(3, against=2)
    made.ship(2)  # a rollback adds no release to the line
    made.ship(4)
    made.release(4, against=2)
    return made


def past(main: Main, stable: int = 4, **gates: Any) -> served.Past:
    git = Git.open(main.root)
    return served.past(git, main.baseline(stable, **gates), metric="accuracy")


def test_the_line_is_what_served_on_main_and_only_records_there_move_the_best(main: Main) -> None:
    # A tag alone, and a branch that ships by itself, are no part of the line.
    main.release(5, against=2, lower=0.9)
    main.run("switch", "-q", "-c", "mine")
    main.ship(5)
    main.run("switch", "-q", "main")
    found = past(main)
    assert [each.model[-2:] for each in found.served] == ["v1", "v2", "v4"]
    assert found.best(None) == 1
    assert [each.gain for each in found.line(None)] == [0.01, 0.02, 0.04]
    assert found.from_best[0] == SHAS[2]


def test_gates_of_main_may_begin_the_line_anew_or_turn_it_off(main: Main) -> None:
    since = {"margin": 0.04, "since": "parcel-delay-v4", "reason": "the label was redefined in May"}
    assert past(main, anchor=since).best("parcel-delay-v4") == 2
    assert past(main, anchor=since).from_best == [SHAS[4]]
    off = {"enabled": False, "reason": "the label is redefined each month"}
    assert past(main, anchor=off) == served.Past()
    assert past(main, anchor=off).from_best == []


@pytest.mark.parametrize(
    ("since", "said"),
    [
        ("parcel-delay-v2", []),
        # It was rolled back from; the other one is not there.
        ("parcel-delay-v3", ["v3"]),
        ("parcel-delay-v9", ["v9"]),
    ],
)
def test_a_line_that_cannot_begin_where_it_should_is_named(
    main: Main, since: str, said: list[str]
) -> None:
    gates = {"margin": 0.04, "since": since, "reason": "the label was redefined in May"}
    found = past(main, anchor=gates)
    assert list(found.warnings) == [
        f"gates.yaml: anchor.since names parcel-delay-{name}, which is not in the line of releases that served: it "
        "never served, or was rolled back. The line begins with parcel-delay-v1."
        for name in said
    ]


def test_what_was_rolled_back_from_is_not_the_best(main: Main) -> None:
    main.ship(5)
    main.release(5, against=2, lower=0.05)
    assert past(main, 5).from_best == [SHAS[5]]
    # A trial that begins with the rollback does not hide it.
    trial = Pointer(stable=ref(4), shadow=ref(6))
    for pointer in (trial, Pointer(stable=ref(4))):
        (main.root / "production.yaml").write_text(pointer.to_yaml())
        main.run("commit", "-q", "-a", "-m", "Back to 4")
        found = past(main)
        assert [each.model[-2:] for each in found.served] == ["v1", "v2", "v4"]
        assert found.from_best == [SHAS[2], SHAS[4]]


def test_a_release_whose_tag_is_gone_stays_in_the_line(main: Main) -> None:
    main.run("tag", "-d", "parcel-delay-v4")
    assert [each.gates == {} for each in past(main).served] == [False, False, True]
    assert past(main).best(None) == 1


def asked(
    main: Main, monkeypatch: pytest.MonkeyPatch, unable: set[int]
) -> tuple[Answers | None, Any, list[str]]:
    tried = []

    def scored(git: Git, which: Ref, **_: object) -> Answers:
        tried.append(which.model[-2:])
        if int(which.model[-1]) in unable:
            raise CannotEvaluate("12 rows break its contract.")
        return Answers(model=which.model, sha256=which.sha256)

    monkeypatch.setattr(anchor, "_scored", scored)
    main.ship(5)
    main.release(5, against=2)
    git, base = Git.open(main.root), main.baseline(5)
    found, line = anchor.answers(
        git,
        base,
        past(main, 5),
        production=Answers(model=ref(5).model, sha256=SHAS[5]),
        table=pd.DataFrame(),
        keys=[],
        rules=cases.contract(),
        trust=scoring.Trust(types=(), file="params.yaml"),
    )
    return found, line, tried


@pytest.mark.parametrize(
    ("unable", "chosen", "tried"),
    [(set(), 2, ["v2"]), ({2}, 4, ["v2", "v4"]), ({2, 4}, 5, ["v2", "v4"])],
)
def test_it_falls_to_the_nearest_that_can_answer_the_rows_and_says_so(
    main: Main,
    monkeypatch: pytest.MonkeyPatch,
    unable: set[int],
    chosen: int,
    tried: list[str],
) -> None:
    found, line, asked_in_turn = asked(main, monkeypatch, unable)
    assert found is not None and found.sha256 == SHAS[chosen] == line.sha256
    assert asked_in_turn == tried
    if unable:
        assert line.note.startswith(
            "parcel-delay-v2 cannot be compared on these rows: 12 rows break its contract"
        )
        assert line.note.endswith(f"The nearest that can is parcel-delay-v{chosen}.")
    else:
        assert line.note == ""
