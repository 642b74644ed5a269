"""A generated repository whose data and model are so small that a build takes a second."""

from __future__ import annotations

import json
import random
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ci_scripts.bake import bake, export
from gitops_model.files import sha256_file
from tests.support.places import ROOT
from tests.support.warm import LIBRARIES, Done, Warm

SOURCE = '''\
"""YOURS: where the raw data comes from."""

import pandas as pd

from gitops_model import read_csv


def fetch(folder, params):
    pd.DataFrame({"order_id": ["a1"]}).to_csv(folder / "orders.csv", index=False)


def load(folder, params):
    return read_csv(folder / "orders.csv", columns=["order_id", "plan"]).head(params["rows"])
'''
FEATURES = '''\
"""YOURS: from raw rows to the contract's inputs, keys and label."""

from pipeline import helper


def build(raw, *, contract):
    table = raw.copy()
    table["amount"] = helper.scaled(table["amount"])
    table["active"] = table["active"].astype(bool)
    return table
'''
HELPER = '''\
"""YOURS: what features.py shares."""


def scaled(values):
    return values / 10.0
'''
TRAIN = '''\
"""YOURS: the estimator."""

from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder


def fit(rows, labels, *, contract, params, seed):
    inputs = make_column_transformer(
        (SimpleImputer(), ["amount", "members", "active"]),
        (OneHotEncoder(handle_unknown="ignore", dtype="float32", sparse_output=False), ["plan"]),
    )
    model = LogisticRegression(C=params["c"], max_iter=params["trees"] * 50, random_state=seed)
    return make_pipeline(inputs, model).fit(rows, labels)
'''
CONTRACT = """\
task: orders
problem: binary
schema_version: 1
inputs:
  plan: {type: category, values: [free, pro, team], missing: impute}
  amount: {type: number, min: 0, max: 100, missing: impute}
  members: {type: integer, min: 0, max: 1000}
  active: {type: boolean}
output: {name: renews, threshold: 0.5}
label: {name: renewed, definition: the order was renewed, arrives_after_days: 30}
keys: {request: order_id}
slices: [plan]
success: {primary: roc_auc, risk: brier}
"""
PARAMS = """\
seed: 3
data:
  split: {by: random, test_share: 0.3}
  max_refused: 0.01
  rows: 100
model:
  runtime: onnx
  trees: 20
  c: 1.0
trusted_types: []
"""


@dataclass(frozen=True)
class Small:
    """The repository, and its commands as forked processes; `library` is the folder they import `gitops_model` from."""

    root: Path
    warm: Warm
    library: Path = ROOT / "src"

    def python(self, *words: str) -> Done:
        """`python -P WORDS`."""
        outside = self.warm.environment()
        env = {name: value for name, value in outside.items() if not name.startswith("PYTEST_")}
        env["PYTHONPATH"] = str(self.library)
        return self.warm.run(*words, cwd=self.root, env=env)

    def run(self, *words: str) -> Done:
        """`gitops-model WORDS`."""
        return self.python("-m", "gitops_model", *words)

    def ok(self, *words: str) -> str:
        done = self.run(*words)
        assert done.code == 0, f"{words} -> {done.code}\n{done.output}"
        return done.output

    def dvc(self, *words: str, fails: bool = False) -> str:
        done = self.python("-m", "dvc", *words)
        assert (done.code != 0) == fails, f"dvc {words} -> {done.code}\n{done.output}"
        return done.output

    def git(self, *words: str) -> str:
        done = subprocess.run(["git", *words], cwd=self.root, capture_output=True, text=True)
        assert done.returncode == 0, f"git {words}: {done.stderr}"
        return done.stdout.strip()

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "-q", "--no-verify", "--allow-empty", "-m", message)

    def repro(self) -> list[str]:
        """`dvc repro`; returns the stages that ran, or were taken from DVC's cache of runs."""
        out = self.dvc("repro")
        words = ("Running stage '", "Stage '")
        lines = [line for line in out.splitlines() if line.startswith(words)]
        ran = [line for line in lines if "didn't change" not in line]
        return [line.split("'")[1] for line in ran]

    def edit(self, name: str, *changes: tuple[str, str]) -> None:
        """Replace texts that must each stand exactly once in a file."""
        text = (self.root / name).read_text()
        for old, new in changes:
            assert text.count(old) == 1, f"{name} has {old!r} {text.count(old)} times"
            text = text.replace(old, new)
        (self.root / name).write_text(text)

    @property
    def sha256(self) -> str:
        return sha256_file(self.root / "build/model.tar")

    def members(self) -> dict[str, bytes]:
        """Files of the bundle that was built, by name."""
        with tarfile.open(self.root / "build/model.tar") as bundle:
            return {m.name: bundle.extractfile(m).read() for m in bundle}  # type: ignore[union-attr]


def orders(rows: int = 120, *, seed: int = 0) -> str:
    """The raw data as CSV."""
    chance = random.Random(seed)
    lines = ["order_id,plan,amount,members,active,renewed"]
    for number in range(rows):
        plan = chance.choice(["free", "pro", "team", ""])
        members = chance.randint(0, 30)
        score = members / 10 + (plan == "pro") + chance.gauss(0, 1)
        amount = "" if number % 9 == 0 else round(chance.uniform(0, 900), 2)
        row = (f"o{number}", plan, amount, members, number % 3 == 0, int(score > 1.8))
        lines.append(",".join(map(str, row)))
    return "\n".join(lines) + "\n"


def warm(folder: Path) -> Warm:
    """A server for `Small`: it has imported third-party packages only, so each test may bring a library of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    return Warm(folder, preload=[m for m in LIBRARIES if not m.startswith("gitops_model")])


def place(folder: Path) -> Path:
    """Where `small` puts the repository."""
    return folder / "out" / "orders"


def small(folder: Path, server: Warm) -> Small:
    """A repository with committed code and data under DVC, not built yet."""
    root = bake(export(folder / "template"), folder / "out", {"project_name": "Orders"})
    assert root == place(folder)
    made = Small(root, server)
    write(root, SMALL_FILES)
    pipeline, features = root / "dvc.yaml", "      - pipeline/features.py\n"
    helper = features + "      - pipeline/helper.py\n"
    pipeline.write_text(pipeline.read_text().replace(features, helper))
    (root / "stages.json").write_text(versions(made))
    made.git("init", "-q", "-b", "main")
    made.dvc("add", "-q", "data/raw")
    made.commit("Begin")
    return made


SMALL_FILES: Mapping[str, str] = {
    "pipeline/source.py": SOURCE,
    "pipeline/features.py": FEATURES,
    "pipeline/helper.py": HELPER,
    "pipeline/train.py": TRAIN,
    "contract.yaml": CONTRACT,
    "params.yaml": PARAMS,
    "data/raw/orders.csv": orders(),
}


def write(root: Path, files: Mapping[str, str]) -> None:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, newline="")


def versions(made: Small, release: str = "0.1.0") -> str:
    """stages.json for the library that the repository's commands import, as `make wheel` writes it."""
    path = made.root / "stages.json"
    former = json.loads(path.read_text())
    code = (
        "import json, sys; from gitops_model.pipeline.stages import versions; "
        f"print(json.dumps(versions({release!r}, json.loads({json.dumps(former)!r})), indent=2))"
    )
    done = made.python("-c", code)
    assert done.code == 0, done.output
    return done.output
