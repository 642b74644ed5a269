"""`make estimators`: which estimators go from `fit` to a served answer, by which runtime, and what they cost.

Each cell trains on the example, is measured and packed by the library's own stages in the environment that
docs/estimators.md describes, and is asked row by row. The table of that page is what this prints.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ci_scripts.bake import ROOT, bake, export
from ci_scripts.compat import version
from gitops_model.pipeline import stages

PAGE = ROOT / "docs/estimators.md"
BEGIN, END = "<!-- made by `make estimators` -->\n", "<!-- end -->\n"
OPTIONAL = ("lightgbm", "xgboost-cpu", "catboost", "onnxmltools")
LIBRARY = ROOT / "src"
HEADER = (
    *("estimator", "add to requirements.in", "trusted_types in params.yaml", "runtime"),
    *("served bytes", "µs a row", "parity"),
)

TRAIN = '''\
"""YOURS: the estimator."""

from sklearn import calibration, ensemble, linear_model
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
{imports}

def fit(rows, labels, *, contract, params, seed):
    categories = [name for name, rules in contract.inputs.items() if rules.type == "category"]
    numbers = [name for name in contract.inputs if name not in categories]
    columns = [
        ("numbers", make_pipeline(SimpleImputer(strategy="median"), *{scale}), numbers),
        ("categories", OneHotEncoder(handle_unknown="ignore", dtype="float32"), categories),
    ]
    if {text}:
        columns.append(("text", TfidfVectorizer(lowercase=False, token_pattern="[a-zA-Z0-9]+"), "dest"))
    model = {model}
    inputs = ColumnTransformer(columns, sparse_threshold=0)
    return Pipeline([("inputs", inputs), ("model", model)]).fit(rows, labels)
'''
# What a process of the repository does for one cell; prints one line of JSON at the end.
BUILD = """
import json, sys, time
from pathlib import Path
from gitops_model.cli import main
for stage in ("train", "evaluate", "package"):
    if code := main([stage]):
        sys.exit(code)
from gitops_model.formats.bundle import Bundle
from gitops_model.formats.params import Params
from gitops_model.pipeline import prepared
from gitops_model.runtime.models import load_model
data = Path("build/model.tar").read_bytes()
bundle = Bundle.open(data, sha256=__import__("hashlib").sha256(data).hexdigest(), name="model.tar")
model = load_model(bundle, trusted=Params.load(Path("params.yaml")).trusted_types)
test = prepared.read(bundle.contract, "test").head(200)
rows = [prepared.columns(bundle.contract, test.iloc[n : n + 1]) for n in range(len(test))]
times = []
for row in rows:
    began = time.perf_counter()
    model.predict(row)
    times.append(time.perf_counter() - began)
times.sort()
served = bundle.member("model.onnx" if bundle.manifest["runtime"] == "onnx" else "model.skops")
print(json.dumps({
    "bytes": len(served),
    "us": times[len(times) // 2] * 1e6,
    "parity": bundle.manifest["parity"]["largest_difference"],
    "sha256": bundle.sha256,
}))
"""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One estimator. `packages`: what it needs beside the generated requirements. `trusted`: types for skops.

    `linear`: numbers are scaled first. Trees must not be: a scaled number that ONNX rounds otherwise by one float32
    falls on the other side of a threshold.
    """

    name: str
    model: str
    imports: str = ""
    packages: tuple[str, ...] = ()
    runtime: str = "onnx"
    trusted: tuple[str, ...] = ()
    linear: bool = False
    text: bool = False
    problem: str = "binary"


BOOSTED = "ensemble.GradientBoostingClassifier(n_estimators=30, random_state=seed)"
FOREST = "ensemble.RandomForestClassifier(60, max_depth=8, random_state=seed)"
BINARY = (
    Cell(
        name="LogisticRegression",
        model="linear_model.LogisticRegression(max_iter=500)",
        linear=True,
    ),
    Cell(name="RandomForest", model=FOREST),
    Cell(name="GradientBoosting", model=BOOSTED),
    Cell(
        name="HistGradientBoosting",
        model="ensemble.HistGradientBoostingClassifier(max_iter=60, random_state=seed)",
        trusted=("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",),
    ),
    Cell(
        name="LightGBM",
        model="LGBMClassifier(n_estimators=60, random_state=seed, n_jobs=1, verbose=-1)",
        imports="from lightgbm import LGBMClassifier\n",
        packages=("lightgbm", "onnxmltools"),
        trusted=(
            "collections.OrderedDict",
            "lightgbm.basic.Booster",
            "lightgbm.sklearn.LGBMClassifier",
        ),
    ),
    Cell(
        name="XGBoost",
        model="XGBClassifier(n_estimators=60, random_state=seed, n_jobs=1)",
        imports="from xgboost import XGBClassifier\n",
        packages=("xgboost-cpu", "onnxmltools"),
        trusted=("xgboost.core.Booster", "xgboost.sklearn.XGBClassifier"),
    ),
    Cell(
        name="CatBoost",
        model="CatBoostClassifier(iterations=60, random_seed=seed, thread_count=1, verbose=0, "
        "allow_writing_files=False)",
        imports="from catboost import CatBoostClassifier\n",
        packages=("catboost",),
        runtime="sklearn",
        trusted=("catboost.core.CatBoostClassifier",),
    ),
    Cell(
        name="calibrated (sigmoid)",
        model=f"calibration.CalibratedClassifierCV({BOOSTED}, cv=3)",
        trusted=(
            "sklearn.calibration._CalibratedClassifier",
            "sklearn.calibration._SigmoidCalibration",
        ),
    ),
    Cell(
        name="calibrated (isotonic)",
        model=f"calibration.CalibratedClassifierCV({BOOSTED}, cv=3, method='isotonic')",
        runtime="sklearn",
        trusted=("sklearn.calibration._CalibratedClassifier",),
    ),
    Cell(
        name="stacked",
        model=f"ensemble.StackingClassifier([('forest', {FOREST}), ('boosting', {BOOSTED})], cv=3)",
        trusted=("sklearn.utils._bunch.Bunch",),
    ),
    Cell(
        name="TF-IDF and LogisticRegression",
        model="linear_model.LogisticRegression(max_iter=500)",
        linear=True,
        text=True,
    ),
)
# Converted by other code than scikit-learn's own, which answers three classes in another way than two.
MULTICLASS = ("HistGradientBoosting", "LightGBM", "XGBoost", "CatBoost")
CELLS = (
    *BINARY,
    *(
        replace(cell, name=f"{cell.name}, three classes", problem="multiclass")
        for cell in BINARY
        if cell.name in MULTICLASS
    ),
)
PROBLEMS = ("binary", "multiclass")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one cell came to: size of what is served, µs of one row, largest difference on the test rows."""

    cell: Cell
    bytes: int
    us: float
    parity: float
    sha256: str


def prepare(folder: Path, python: Path, problem: str) -> Path:
    """The example for `problem`, one month of it, prepared by `python`'s environment; its root."""
    answers = {"project_name": f"Estimators {problem}", "problem": problem}
    root = bake(export(folder / f"{problem}-template"), folder / "out", answers)
    former = json.loads((root / "stages.json").read_text(encoding="utf-8"))
    versions = stages.versions(version(), former)
    (root / "stages.json").write_text(json.dumps(versions, indent=2), encoding="utf-8")
    edit(root, runtime="onnx", trusted=())
    code = "import sys; from gitops_model.cli import main; sys.exit(main(['data']) or main(['prepare']))"
    run(python, code, root)
    return root


def edit(root: Path, *, runtime: str, trusted: Sequence[str]) -> None:
    """params.yaml for one cell."""
    (root / "params.yaml").write_text(
        "seed: 13\n"
        "data: {split: {by: time, test_days: 7}, max_refused: 0.01, first_month: 2013-01, last_month: 2013-01}\n"
        f"model: {{runtime: {runtime}}}\n"
        f"trusted_types: {json.dumps(list(trusted))}\n",
        encoding="utf-8",
    )


def build(cell: Cell, root: Path, python: Path) -> Measured:
    """Train, measure, pack and ask one cell. Raises RuntimeError with what the stages said."""
    scale = "[StandardScaler()]" if cell.linear else "[]"
    text = TRAIN.format(imports=cell.imports, model=cell.model, text=cell.text, scale=scale)
    (root / "pipeline/train.py").write_text(text, encoding="utf-8")
    edit(root, runtime=cell.runtime, trusted=cell.trusted)
    found = json.loads(run(python, BUILD, root).strip().splitlines()[-1])
    return Measured(cell=cell, **found)


def run(python: Path, code: str, root: Path) -> str:
    """The output of a program in the repository; its library is this one's src."""
    done = subprocess.run(
        [str(python), "-P", "-c", code],
        cwd=root,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stdout[-3000:])
    return done.stdout


def environment() -> Mapping[str, str]:
    """One thread, and the library of this repository."""
    return {**os.environ, "PYTHONPATH": str(LIBRARY), "OMP_NUM_THREADS": "1"}


def install(folder: Path) -> Path:
    """An environment with the generated requirements and the optional packages; its python."""
    template = next(ROOT.glob("*cookiecutter.project_slug*"))
    uv = str(Path(sys.executable).with_name("uv"))
    python = folder / "bin/python"
    wanted = folder / "optional.in"
    locked = folder / "optional.txt"
    subprocess.run([uv, "-q", "venv", "--python", sys.executable, folder], check=True)
    wanted.write_text("".join(f"{name}\n" for name in OPTIONAL), encoding="utf-8")
    base = str(template / "requirements.txt")
    pip = [uv, "-q", "pip"]
    lock = [*pip, "compile", "--python", str(python), "-c", base, str(wanted), "-o", str(locked)]
    subprocess.run(lock, check=True)
    add = [*pip, "install", "--python", str(python), "-r", base, "-r", str(locked)]
    subprocess.run(add, check=True)
    return python


def table(found: Sequence[Measured]) -> str:
    """The rows in Markdown."""
    lines = [
        f"| {' | '.join(HEADER)} |",
        f"|{'---|' * len(HEADER)}",
    ]
    for row in found:
        packages = ", ".join(row.cell.packages) or "nothing"
        trusted = ", ".join(row.cell.trusted) or "none"
        numbers = f"{row.bytes:,} | {row.us:,.0f} | {row.parity:.0e}"
        lines.append(
            f"| {row.cell.name} | {packages} | {trusted} | {row.cell.runtime} | {numbers} |"
        )
    return "\n".join(lines) + "\n"


def around() -> tuple[str, str]:
    """What stands before and after the table of the page. Exits when the page does not mark where it stands."""
    before, begin, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        sys.exit(f"{PAGE} needs the lines {BEGIN.strip()} and {END.strip()} where the table goes.")
    return before, after


def main() -> None:
    """Measure every cell, and write the table into the page."""
    around()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        known = os.environ.get("ESTIMATORS_PYTHON")
        python = Path(known) if known else install(folder / "env")
        roots = {problem: prepare(folder, python, problem) for problem in PROBLEMS}
        found = []
        for cell in CELLS:
            found.append(build(cell, roots[cell.problem], python))
            print(table(found[-1:]).splitlines()[-1], flush=True)
    before, after = around()
    PAGE.write_text(before + BEGIN + table(found) + END + after, encoding="utf-8")


if __name__ == "__main__":
    main()
