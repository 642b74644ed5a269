"""A repository around a table of random rows: its contract, its data, and a team's code that takes any of them."""

from __future__ import annotations

import contextlib
import json
import math
import random
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from gitops_model import strict_yaml
from gitops_model.pipeline import stages, team_code
from tests.support import small
from tests.support.strategies import INPUT_RULES, TRICKY, allowed_values, refused_values

Row = dict[str, Any]

KEY, LABEL = "row_id", "truth"
DVC = """\
stages:
  prepare:
    deps: [contract.yaml, data/raw, pipeline/features.py, pipeline/source.py]
    params: [data, seed, {stages.json: [prepare]}]
  train:
    deps: [build/prepared/train.csv, contract.yaml, pipeline/train.py]
    params: [model, seed, {stages.json: [train]}]
  package:
    deps: [contract.yaml, pipeline/features.py, pipeline/source.py, pipeline/train.py]
"""
SOURCE = '''\
"""YOURS: typed rows, held as pandas holds them by itself, as objects, or as its nullable types."""

import json

import pandas as pd


def load(folder, params):
    found = json.loads((folder / "rows.json").read_text(encoding="utf-8"))
    dtype = object if params["held"] == "objects" else None
    table = pd.DataFrame(
        {name: pd.Series([row.get(name) for row in found["rows"]], dtype=dtype) for name in found["columns"]}
    )
    return table.convert_dtypes() if params["held"] == "nullable" else table
'''
FEATURES = '''\
"""YOURS: nothing to build."""


def build(raw, *, contract):
    return raw
'''
# A tree that knows every row by heart: a value that changes on its way changes the answer.
TRAIN = '''\
"""YOURS: the estimator."""

from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor


def fit(rows, labels, *, contract, params, seed):
    texts = [name for name, rules in contract.inputs.items() if rules.type == "category"]
    numbers = [name for name in contract.inputs if name not in texts]
    encode = OneHotEncoder(handle_unknown="ignore", dtype="float32", sparse_output=False)
    fill = SimpleImputer(strategy="constant", fill_value=-1.5, keep_empty_features=True)
    inputs = make_column_transformer(*[part for part in ((fill, numbers), (encode, texts)) if part[1]])
    tree = DecisionTreeRegressor if contract.problem == "regression" else DecisionTreeClassifier
    return make_pipeline(inputs, tree(random_state=seed)).fit(rows, labels)
'''
OUTPUTS: Mapping[str, Mapping[str, Any]] = {
    "binary": {"name": "answer", "threshold": 0.5},
    "multiclass": {"name": "answer", "classes": ["NA", "1", 'very, "late"']},
    "regression": {"name": "answer", "unit": "minutes"},
}
SUCCESS = {
    "binary": {"primary": "roc_auc", "risk": "brier"},
    "multiclass": {"primary": "accuracy", "risk": "log_loss"},
    "regression": {"primary": "rmse", "risk": "mae"},
}
_KINDS: Mapping[str, Mapping[str, Any]] = {
    "number": {"type": "number", "min": -0.3, "max": 16777219},
    "free": {"type": "number"},
    "integer": {"type": "integer", "min": -50, "max": 50},
    "endless": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "open": {"type": "category"},
    "closed": {"type": "category", "values": ["a", "b"], "unknown": "reject"},
    "listed": {"type": "category", "values": ["a", "b"], "unknown": "accept"},
}
# Every kind of input there is.
EVERY: Mapping[str, Mapping[str, Any]] = {
    f"{kind}_{missing}": {**rules, "missing": missing}
    for missing in ("impute", "reject")
    for kind, rules in _KINDS.items()
}


@dataclass(frozen=True, kw_only=True)
class Table:
    """What a trip starts from. `bad`: inputs that must be refused, by the key of their row.

    `rows` hold key, label and inputs as callers send them; a missing input is None, or not there.
    """

    problem: str
    inputs: Mapping[str, Mapping[str, Any]]
    rows: list[Row]
    bad: Mapping[str, list[str]]
    slices: list[str]
    held: str
    runtime: str

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """What hypothesis shows: without the rows, of which the failed assertion names one."""
        shown = {name: value for name, value in vars(self).items() if name != "rows"}
        printer.text(f"{len(self.rows)} rows, {shown}")

    @property
    def good(self) -> dict[str, Row]:
        """The inputs of each row that must be accepted, by key."""
        return {row[KEY]: inputs(row) for row in self.rows if row[KEY] not in self.bad}

    @property
    def refused(self) -> dict[str, Row]:
        """The inputs of each row that must be refused, by key, in the table's order."""
        return {row[KEY]: inputs(row) for row in self.rows if row[KEY] in self.bad}


def inputs(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in (KEY, LABEL)}


CONTRACTS = st.dictionaries(
    st.sampled_from(["a", "count_1", "city", "flag", "x"]), INPUT_RULES, min_size=2, max_size=5
)


@st.composite
def tables(
    draw: st.DrawFn,
    problem: str,
    contracts: st.SearchStrategy[Mapping[str, Mapping[str, Any]]] = CONTRACTS,
) -> Table:
    """Tables of 30 to 80 rows that are accepted and up to 4 that must be refused.

    Values are drawn by hypothesis, a few for each input; a seed puts them into rows.
    """
    rules = draw(contracts)
    chance = random.Random(draw(st.integers(0, 2**32)))
    good = {
        name: draw(st.lists(allowed_values(rule), min_size=2, max_size=8))
        for name, rule in rules.items()
    }
    prefix = draw(st.one_of(st.just("o"), st.sampled_from(TRICKY)))
    rows = [
        {
            KEY: f"{prefix}{number}",
            LABEL: _label(problem, number, chance),
            **{name: chance.choice(values) for name, values in good.items()},
        }
        for number in range(draw(st.integers(30, 80)))
    ]
    accepted, bad = list(rows), dict[str, list[str]]()
    for number in range(draw(st.integers(0, 4))):
        row = {**chance.choice(accepted), KEY: f"bad{number}"}
        wrong = draw(st.lists(st.sampled_from(sorted(rules)), min_size=1, max_size=2, unique=True))
        row |= {name: draw(refused_values(rules[name])) for name in wrong}
        bad[row[KEY]] = [name for name in rules if name in wrong]
        rows.insert(chance.randrange(len(rows)), row)
    for row in rows:
        for name in [name for name in rules if row[name] is None and chance.random() < 0.5]:
            del row[name]
    return Table(
        problem=problem,
        inputs=rules,
        rows=rows,
        bad=bad,
        slices=draw(st.lists(st.sampled_from(sorted(rules)), unique=True, max_size=3)),
        held=draw(st.sampled_from(["objects", "by pandas", "nullable"])),
        runtime=draw(st.sampled_from(["onnx", "onnx", "sklearn"])),
    )


def _label(problem: str, number: int, chance: random.Random) -> Any:
    """Each class stands in any ten rows, so that both sides of a split have all."""
    if problem == "regression":
        return chance.choice([0.0, -12.25, 7.5, 1e6, chance.gauss(0, 100)])
    if problem == "binary":
        return number % 2 if number < 10 else chance.randint(0, 1)
    classes = OUTPUTS[problem]["classes"]
    return classes[number % 3] if number < 12 else chance.choice(classes)


@contextlib.contextmanager
def repository(table: Table) -> Iterator[Path]:
    """A folder with the table's files, in which this process stands while the block lasts."""
    contract = {
        "task": "trip",
        "problem": table.problem,
        "schema_version": 1,
        "inputs": {name: dict(rules) for name, rules in table.inputs.items()},
        "output": dict(OUTPUTS[table.problem]),
        "label": {"name": LABEL, "definition": "What happened.", "arrives_after_days": 1},
        "keys": {"request": KEY},
        "slices": table.slices,
        "success": SUCCESS[table.problem],
    }
    listed = {stage: f"0.1.0+{stages.digest(stage)}" for stage in stages.STAGES}
    data = {"columns": [KEY, LABEL, *table.inputs], "rows": table.rows}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        files = {
            "pipeline/source.py": SOURCE,
            "pipeline/features.py": FEATURES,
            "pipeline/train.py": TRAIN,
            "contract.yaml": strict_yaml.dump(contract),
            "params.yaml": params(table, max_refused=0),
            "dvc.yaml": DVC,
            "stages.json": json.dumps(listed),
            "data/raw/rows.json": json.dumps(data),
            "requirements.txt": "",
            "requirements-serving.txt": "",
        }
        small.write(Path(), files)
        try:
            yield Path(folder)
        finally:
            forget()


def params(table: Table, *, max_refused: float) -> str:
    """params.yaml."""
    return strict_yaml.dump(
        {
            "seed": 3,
            "data": {
                "split": {"by": "random", "test_share": 0.4},
                "max_refused": max_refused,
                "held": table.held,
            },
            "model": {"runtime": table.runtime},
        }
    )


def forget() -> None:
    """The next repository has other modules of the same names."""
    for name in [name for name in sys.modules if name.split(".")[0] == "pipeline"]:
        del sys.modules[name]
    team_code._Watch.opened.clear()


def as_json(row: Row) -> str:
    """A row as a caller writes it; infinity as the number that is too large for a float, which JSON can hold."""
    return "{" + ", ".join(f"{json.dumps(name)}: {_token(v)}" for name, v in row.items()) + "}"


def _token(value: Any) -> str:
    if isinstance(value, float) and math.isinf(value):
        return "1e999" if value > 0 else "-1e999"
    return json.dumps(value)


def kept(rules: Mapping[str, Any], value: Any) -> Any:
    """What must be left of an accepted value: numbers as float32 has them, everything else as it was sent."""
    if value is None or rules["type"] in ("boolean", "category"):
        return value
    return float(np.float32(value))
