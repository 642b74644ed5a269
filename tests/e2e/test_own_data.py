"""A team's own data: from a CSV file to a served model and a rollback, by editing the files that the README names.

tests/e2e/own/ holds these files for three data sets that have nothing in common with flights.
"""

from __future__ import annotations

import difflib
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ci_scripts.bake import bake, export
from gitops_model import Contract
from gitops_model.pipeline import prepared
from tests.support import own_data
from tests.support.server import Server, running
from tests.support.small import Small
from tests.support.warm import Warm

OWN = Path(__file__).parent / "own"
CODE = ("pipeline/features.py", "pipeline/source.py", "pipeline/train.py")
EDITED = ("contract.yaml", "gates.yaml", "params.yaml", *CODE)
# Of all three data sets together.
MOST_LINES = 120
MADE = re.compile(
    r"(data/\.gitignore|data/raw\.dvc|dvc\.lock|production\.yaml|build/.*|reports/.*)"
)
# Said of rows that have a time, and of no others.
TIME = re.compile(r"(?i)\b(windows?|as_of|timeframe|months?|days?|dates?|earlier|rows before)\b")
NEAR = 60


@dataclass(frozen=True, kw_only=True)
class Own:
    """A data set: the file that `fetch` copies, a better parameter, and a question with its right answer."""

    name: str
    problem: str
    export: str
    better: tuple[str, str]
    question: dict[str, Any]
    answer: Any

    def right(self, found: Any, wanted: Any) -> bool:
        """Whether an answer is right; a number is when it is near."""
        return bool(abs(found - wanted) < NEAR if self.problem == "regression" else found == wanted)


# No time: rows are split at random. "mobile" is rare; "screened" and "concavity" are left out of the question.
TUMOURS = Own(
    name="tumours",
    problem="binary",
    export="tumours.csv",
    better=("c: 0.1", "c: 1.0"),
    question={
        "clinic": "mobile", "radius": 21.0, "texture": 26.0, "smoothness": 0.11, "roundness": 6.7
    },
    answer=True,
)  # fmt: skip
# No time: the digits of one form are split together. The question is a zero.
DIGITS = Own(
    name="digits",
    problem="multiclass",
    export="digits.csv",
    better=("leaf: 4", "leaf: 1"),
    question={
        "scanner": None, "bold": False, "band0": 86, "band1": 71, "band2": 65, "band3": 72,
        "stripe0": 18, "stripe1": 132, "stripe2": 108, "stripe3": 36,
    },
    answer="0",
)  # fmt: skip
# The latest visits test the model.
PROGRESSION = Own(
    name="progression",
    problem="regression",
    export="visits.csv",
    better=("learning_rate: 0.01", "learning_rate: 0.05"),
    question={
        "practice": "island", "sex": "male", "smoker": None, "age": 55, "bmi": 36.0,
        "blood_pressure": 115.0, "cholesterol_ratio": 6.5, "triglycerides": 5.6,
    },
    answer=260,
)  # fmt: skip
SETS = (TUMOURS, DIGITS, PROGRESSION)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(tmp_path_factory.mktemp("template"))


def edited(own: Own) -> list[str]:
    """The files that this data set needs edited."""
    return [name for name in EDITED if (OWN / own.name / name).exists()]


def generate(template: Path, folder: Path, own: Own) -> Path:
    """The repository before the first edit."""
    answers = {"project_name": own.name, "problem": own.problem, "dvc_remote": "local"}
    return bake(template, folder, answers)


def test_the_edits_are_few(template: Path, tmp_path: Path) -> None:
    """Lines that somebody writes: added or changed. Deleting a line of the example is not counted."""
    written = {
        f"{own.name}/{name}": _written(generated / name, OWN / own.name / name)
        for own in SETS
        for generated in [generate(template, tmp_path, own)]
        for name in edited(own)
    }
    assert sum(written.values()) <= MOST_LINES, written
    files = (path for path in OWN.glob("*/**/*") if path.suffix in (".py", ".yaml"))
    assert {path.relative_to(OWN).as_posix() for path in files} == set(written)
    assert min(written.values()) > 0, written


def _written(before: Path, after: Path) -> int:
    lines = [path.read_text().splitlines() for path in (before, after)]
    diff = list(difflib.unified_diff(*lines, n=0))[2:]
    return sum(line.startswith("+") for line in diff)


@dataclass
class Story:
    """The repository, its service, and all that people read."""

    made: Small
    service: Server
    read: list[str] = field(default_factory=list)

    def ok(self, *words: str) -> str:
        out = self.made.ok(*words)
        self.read.append(out)
        return out

    def train(self, subject: str) -> None:
        """What `make train` and `make check` do, and a merge."""
        self.read.append(self.made.dvc("repro"))
        self.made.commit(subject)
        assert "check: May ship" in self.ok("check")
        self.made.git("push", "-q", "origin", "main")

    def ship(self, model: str) -> str:
        """Release, ship, deploy; returns the sha256 of what is live."""
        assert f"release: {model} is commit" in self.ok("release")
        self.ok("ship", model, "--push")
        assert f"live: {model}" in self.ok("deploy")
        root = self.made.root
        page = (root / "reports/check.html").read_text()
        self.read.append(re.sub(r"(?s)<(style|script)\b.*?</\1>|<[^>]*>", " ", page))
        self.read.append((root / "reports/check.md").read_text())
        self.read.append(card(root / "build/model.tar"))
        return self.live(model)

    def live(self, model: str) -> str:
        stable = self.service.status()["live"]["stable"]
        assert stable["model"] == model
        return str(stable["sha256"])

    def ask(self, model: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The answers of `model` to `rows`."""
        reply = self.service.call("POST", "/predict", {"rows": rows})
        assert reply.status == 200, reply.text
        assert (reply.json["model"], reply.json["route"]) == (model, "stable")
        return [row["output"] for row in reply.json["rows"]]


def card(bundle: Path) -> str:
    """The model card in a bundle."""
    with tarfile.open(bundle) as tar:
        member = tar.extractfile("MODEL_CARD.md")
        assert member is not None
        return member.read().decode()


@pytest.fixture
def story(own: Own, template: Path, warm: Warm, tmp_path: Path) -> Iterator[Story]:
    """A generated repository with an empty origin, and its service, which serves nothing yet."""
    made = Small(generate(template, tmp_path, own), warm)
    made.git("init", "-q", "-b", "main")
    origin = str(tmp_path / "origin.git")
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", origin], check=True)
    made.git("remote", "add", "origin", origin)
    (made.root / "store").mkdir()
    with running(made.root / "store", tmp_path / "service") as service:
        made.edit("serving.yaml", ("port: 8080", f"port: {service.port}"))
        made.commit("Generate the repository")
        yield Story(made, service)


@pytest.mark.parametrize(
    "own",
    [pytest.param(own, marks=pytest.mark.slow) for own in (TUMOURS, DIGITS, PROGRESSION)],
    ids=lambda own: own.name,
)
def test_from_a_csv_file_to_a_served_model_and_back(own: Own, story: Story) -> None:
    made, first, second = story.made, f"{own.name}-v1", f"{own.name}-v2"
    exports = made.root.parent / "exports"
    exports.mkdir()
    getattr(own_data, own.name)().to_csv(exports / own.export, index=False)
    for name in edited(own):
        shutil.copy(OWN / own.name / name, made.root / name)
    made.commit("Replace the example by our data")
    made.git("push", "-q", "-u", "origin", "main")
    generated = made.git("rev-parse", "HEAD~1")
    _require_own_checks(made)

    story.ok("data")
    made.dvc("add", "-q", "data/raw")
    story.train("Train the first model")
    sha256 = story.ship(first)
    contract = Contract.load(made.root / "contract.yaml")
    test = prepared.read(contract, "test", folder=made.root / "build/prepared")
    rows = [prepared.inputs(contract, row) for _, row in test.iterrows()]
    outputs = story.ask(first, rows)

    made.edit("params.yaml", own.better)
    story.train("Change a parameter")
    assert story.ship(second) != sha256
    better = story.ask(second, rows)
    assert better != outputs
    _require_right(own, contract, test[contract.label.name], better)
    reply = story.service.predict(own.question).json
    missing = [name for name in contract.inputs if own.question.get(name) is None]
    assert (reply["model"], reply["imputed"]) == (second, missing)
    assert missing and own.right(reply["output"][contract.output.name], own.answer)

    story.ok("rollback", "--reason", "it was not better", "--push", "--deploy")
    assert story.live(first) == sha256
    assert story.ask(first, rows) == outputs

    changed = set(made.git("diff", "--name-only", generated, "HEAD").split())
    assert {name for name in changed if not MADE.fullmatch(name)} <= {*EDITED}
    story.read.append(story.service.get("/docs").text)
    spoken = {found[0] for text in story.read for found in TIME.finditer(text)}
    assert bool(spoken) == (contract.keys.time is not None), spoken


def _require_own_checks(made: Small) -> None:
    """What the workflow `check` runs besides the pipeline: `make lint` and `make test`."""
    made.ok("check", "--lint")
    for words in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *words, "."],
            cwd=made.root,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    done = made.python("-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert done.code == 0, done.output
    assert "2 passed, 1 skipped" in done.output


def _require_right(
    own: Own, contract: Contract, labels: pd.Series[Any], outputs: list[dict[str, Any]]
) -> None:
    """The answers are right far more often than one answer to everything would be."""
    dull = labels.mean() if own.problem == "regression" else labels.mode()[0]
    found = [output[contract.output.name] for output in outputs]
    right = sum(own.right(*pair) for pair in zip(found, labels, strict=True))
    assert right > 1.2 * sum(own.right(dull, label) for label in labels)
