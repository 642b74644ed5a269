"""What people read when their function in pipeline/ got something wrong; exit code 2, and nothing is half-written.

The golden file is the table. UPDATE_GOLDEN=1 writes it anew; read every sentence of the difference aloud.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from gitops_model.cli import main
from gitops_model.pipeline import stages, team_code
from tests.support import small

GOLDEN = Path(__file__).parent / "golden" / "team_mistakes.txt"

DVC = """\
stages:
  prepare:
    deps: [contract.yaml, data/raw, pipeline/features.py, pipeline/helper.py, pipeline/source.py]
    params: [data, seed, {stages.json: [prepare]}]
  train:
    deps: [build/prepared/train.csv, contract.yaml, pipeline/train.py]
    params: [model, seed, {stages.json: [train]}]
  package:
    deps: [pipeline/features.py, pipeline/helper.py, pipeline/source.py, pipeline/train.py]
"""
FETCH = "def fetch(folder, params):\n"
LOAD = "import pandas as pd\n\n\ndef load(folder, params):\n"
BUILD = "import pandas as pd\n\n\ndef build(raw, *, contract):\n    raw['amount'] /= 10\n"
FIT = "def fit(rows, labels, *, contract, params, seed):\n"
MODELS = "from sklearn.dummy import DummyClassifier, DummyRegressor\n\n\n" + FIT
FITTED = MODELS + "    found = DummyClassifier().fit(rows, labels)\n"

# name: (command, what changes in the repository)
CASES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "fetch writes nothing": ("data", {"source": FETCH + "    return 1\n"}),
    "fetch raises": (
        "data",
        {"source": FETCH + "    (folder / 'a.csv').write_text('a')\n    1 / 0\n"},
    ),
    "fetch is missing": ("data", {"source": "def get(folder, params):\n    pass\n"}),
    "fetch takes other arguments": ("data", {"source": "def fetch(window):\n    pass\n"}),
    "fetch ends the program": ("data", {"source": FETCH + "    exit()\n"}),
    "the file is missing": ("data", {"source": ""}),
    "no raw data": ("prepare", {"data/raw/orders.csv": ""}),
    "load returns nothing": ("prepare", {"source": LOAD + "    pd.DataFrame({'a': [1]})\n"}),
    "load returns a list": ("prepare", {"source": LOAD + "    return [1, 2]\n"}),
    "load returns no rows": ("prepare", {"source": LOAD + "    return pd.DataFrame({'a': []})\n"}),
    "load finds an empty file": (
        "prepare",
        {
            "source": LOAD + "    return pd.read_csv(folder / 'orders.csv')\n",
            "data/raw/orders.csv": " ",
        },
    ),
    "read_csv finds an empty file": ("prepare", {"data/raw/orders.csv": " "}),
    "read_csv finds a header only": ("prepare", {"data/raw/orders.csv": "order_id,plan\n"}),
    "read_csv finds a renamed column": ("prepare", {"data/raw/orders.csv": "order,plan\n1,pro\n"}),
    "read_csv finds a torn row": (
        "prepare",
        {"data/raw/orders.csv": "order_id,plan\n1,pro\n2,a,b,c\n"},
    ),
    "read_csv finds bytes that are no text": (
        "prepare",
        {"data/raw/orders.csv": "order_id,plan\n1,\udcff\n"},
    ),
    "load opens a file that is missing": (
        "prepare",
        {"source": LOAD + "    return pd.read_csv(folder / 'order.csv')\n"},
    ),
    "build uses a renamed column": (
        "prepare",
        {"features": BUILD + "    return raw[raw['member'] > 1]\n"},
    ),
    "build uses renamed columns": (
        "prepare",
        {"features": BUILD + "    return raw[['plan', 'Amount']]\n"},
    ),
    "build divides by zero": (
        "prepare",
        {"features": BUILD + "    return raw / (len(raw) - len(raw)) if 1 // 0 else raw\n"},
    ),
    "build raises without a word": ("prepare", {"features": BUILD + "    raise RuntimeError\n"}),
    "build fails in another file": (
        "prepare",
        {
            "features": "from pipeline import helper\n\n\ndef build(raw, *, contract):\n    return helper.scaled('a')\n"
        },
    ),
    "build needs a package": (
        "prepare",
        {"features": "import polars\n" + BUILD + "    return raw\n"},
    ),
    "build is not Python": ("prepare", {"features": BUILD + "    return raw[\n"}),
    "build lacks a colon": (
        "prepare",
        {"features": "def build(raw, *, contract)\n    return raw\n"},
    ),
    "a helper is not Python": ("prepare", {"helper": "def scaled(values:\n"}),
    "build raises while imported": (
        "prepare",
        {"features": "RATE = {}['rate']\n" + BUILD + "    return raw\n"},
    ),
    "build takes no contract": ("prepare", {"features": "def build(raw):\n    return raw\n"}),
    "build returns a series": ("prepare", {"features": BUILD + "    return raw['plan']\n"}),
    "build returns no rows": (
        "prepare",
        {"features": BUILD + "    return raw[raw['members'] > 99]\n"},
    ),
    "build lacks a column": (
        "prepare",
        {"features": BUILD + "    return raw.drop(columns='amount')\n"},
    ),
    "build lacks two columns": (
        "prepare",
        {"features": BUILD + "    return raw[['order_id', 'plan', 'active', 'members']]\n"},
    ),
    "build returns a column twice": (
        "prepare",
        {"features": BUILD + "    return pd.concat([raw, raw[['plan']]], axis=1)\n"},
    ),
    "build returns keys twice": (
        "prepare",
        {"features": BUILD + "    return pd.concat([raw, raw.tail(2)])\n"},
    ),
    "build returns keys that are one text": (
        "prepare",
        {"features": BUILD + "    return raw.assign(order_id=[1, '1', *range(2, 100)])\n"},
    ),
    "build returns rows without key": (
        "prepare",
        {
            "features": BUILD
            + "    return raw.assign(order_id=raw['order_id'].where(raw['members'] > 0))\n"
        },
    ),
    "build returns labels that are missing": (
        "prepare",
        {
            "features": BUILD
            + "    return raw.assign(renewed=raw['renewed'].where(raw['members'] > 0))\n"
        },
    ),
    "build returns a label that is not allowed": (
        "prepare",
        {"features": BUILD + "    return raw.assign(renewed=['yes', *[1] * 99])\n"},
    ),
    "build returns numbers for names": (
        "prepare",
        {
            "features": BUILD + "    return raw\n",
            "contract.yaml": small.CONTRACT.replace("binary", "multiclass")
            .replace("threshold: 0.5", "classes: ['0', '1', '2']")
            .replace("roc_auc", "accuracy")
            .replace("brier", "log_loss"),
        },
    ),
    "build returns no times": (
        "prepare",
        {
            "features": BUILD + "    return raw.assign(day=['31/01/2026', *['2026-01-31'] * 99])\n",
            "contract.yaml": small.CONTRACT.replace(
                "request: order_id", "request: order_id, time: day"
            ),
        },
    ),
    "build returns seconds for times": (
        "prepare",
        {
            "features": BUILD + "    return raw.assign(day=1700000000)\n",
            "contract.yaml": small.CONTRACT.replace(
                "request: order_id", "request: order_id, time: day"
            ),
        },
    ),
    "build breaks the contract": (
        "prepare",
        {
            "features": BUILD
            + "    return raw.assign(active=1, amount=raw['amount'] * 90, plan=raw['plan'].str.upper())\n"
        },
    ),
    "build returns half a character": (
        "prepare",
        # As a text of pandas it would not even be taken; as an object it is.
        {
            "features": BUILD
            + "    ids = pd.Series(['\\ud800', *map(str, range(99))], dtype=object, index=raw.index)\n"
            + "    return raw.assign(order_id=ids)\n"
        },
    ),
    "build reads a file that dvc.yaml does not name": (
        "prepare",
        {
            "features": BUILD + "    open('pipeline/rates.csv').close()\n    return raw\n",
            "pipeline/rates.csv": "a\n",
        },
    ),
    "build imports a file that dvc.yaml does not name": (
        "prepare",
        {
            "features": "from pipeline import extra\n" + BUILD + "    return raw\n",
            "pipeline/extra.py": "X = 1\n",
        },
    ),
    "build uses a part of the library that is not its own": (
        "prepare",
        {"features": "from gitops_model import plots\n" + BUILD + "    return raw\n"},
    ),
    "the split leaves nothing": (
        "prepare",
        {"params.yaml": small.PARAMS.replace("rows: 100", "rows: 1")},
    ),
    "fit returns nothing": ("train", {"train": FIT + "    pass\n"}),
    "fit returns an estimator that is not fitted": (
        "train",
        {"train": MODELS + "    return DummyClassifier()\n"},
    ),
    "fit returns a regressor": (
        "train",
        {"train": MODELS + "    return DummyRegressor().fit(rows, labels)\n"},
    ),
    "fit returns an estimator of one class": (
        "train",
        {"train": MODELS + "    return DummyClassifier().fit(rows, labels * 0)\n"},
    ),
    "fit returns what skops cannot store": (
        "train",
        {"train": FITTED + "    found.log = 1j\n    return found\n"},
    ),
    "fit returns what skops cannot load": (
        "train",
        {"train": FITTED + "    found.log = lambda: 1\n    return found\n"},
    ),
    "fit raises in a library": (
        "train",
        {
            "train": "from sklearn.linear_model import LogisticRegression\n\n\n"
            + FIT
            + "    return LogisticRegression().fit(rows, labels)\n"
        },
    ),
    "fit uses a setting that is missing": ("train", {"train": FIT + "    return params['tree']\n"}),
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    built = dict.fromkeys(("build/model.tar", "build/prepared/test.csv"), "built before\n")
    small.write(tmp_path, {**small.SMALL_FILES, **built, "dvc.yaml": DVC})
    listed = {stage: f"0.1.0+{stages.digest(stage)}" for stage in stages.STAGES}
    (tmp_path / "stages.json").write_text(json.dumps(listed))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    forget()


def forget() -> None:
    """The next repository has other modules of the same names."""
    for name in [name for name in sys.modules if name.split(".")[0] == "pipeline"]:
        del sys.modules[name]
    team_code._Watch.opened.clear()


def said(root: Path, capsys: pytest.CaptureFixture[str], name: str) -> str:
    """Do the mistake; returns the sentence after checking that nothing was written."""
    command, changes = CASES[name]
    if command == "train":
        assert main(["prepare"]) == 0
        forget()
    for path, content in changes.items():
        target = root / (path if "." in path else f"pipeline/{path}.py")
        target.unlink(missing_ok=True)
        if content:
            target.write_bytes(content.encode(errors="surrogateescape"))
    before = tree(root)
    capsys.readouterr()
    assert main([command]) == 2, name
    assert tree(root) == before, name
    return capsys.readouterr().err


def tree(root: Path) -> dict[str, bytes]:
    """Every file, but the traceback that is left on purpose, and what Python compiled."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != "traceback.txt" and "__pycache__" not in path.parts
    }


def golden() -> dict[str, str]:
    parts = GOLDEN.read_text(encoding="utf-8").split("\n## ") if GOLDEN.exists() else []
    return {name: sentence for name, _, sentence in (part.partition("\n") for part in parts[1:])}


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_is_one_sentence(
    name: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = said(root, capsys, name)
    assert "Traceback" not in found
    kept = golden()
    if os.environ.get("UPDATE_GOLDEN"):
        kept[name] = found
        ordered = [case for case in CASES if case in kept]
        text = "".join(f"\n## {case}\n{kept[case].rstrip()}\n" for case in ordered)
        GOLDEN.write_text("What people read.\n" + text, encoding="utf-8")
    assert kept.get(name, "").rstrip() == found.rstrip()


def test_the_golden_file_has_no_other_cases() -> None:
    assert list(golden()) == list(CASES)


def test_the_traceback_is_kept_whole(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(root, capsys, "build divides by zero")
    kept = (root / "build/traceback.txt").read_text()
    assert "ZeroDivisionError" in kept and 'features.py", line 6, in build' in kept
