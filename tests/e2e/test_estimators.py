"""Each estimator of docs/estimators.md trains on the example, is packed, served and rolled back.

The environment is the one that the page describes: its block is typed as it stands, and once more for the rest.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from ci_scripts import estimators
from ci_scripts.bake import bake, export
from ci_scripts.estimators import CELLS, Cell
from tests.support.places import ROOT
from tests.support.server import Ref, Server, Store, running
from tests.support.shell_blocks import blocks

pytestmark = pytest.mark.slow
PAGE = ROOT / "docs/estimators.md"
PARITY = 1e-5


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the page's block makes of a generated repository's environment, with the other packages, too."""
    folder = tmp_path_factory.mktemp("page")
    root = bake(export(folder / "template"), folder / "out", {})
    (block,) = blocks(PAGE)
    more = block.text.replace("lightgbm\\nonnxmltools", "xgboost-cpu\\ncatboost")
    assert more != block.text
    env = {
        k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "PYTHONPATH"))
    }
    for text in ("make setup\n", block.text, more):
        done = subprocess.run(
            ["sh", "-e", "-c", text],
            cwd=root,
            env=env | {"CI": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return root / ".venv/bin/python"


@dataclass
class Site:
    """A repository whose model changes, and a service that follows a store."""

    root: Path
    python: Path
    store: Store
    server: Server
    made: int = 0

    def build(self, cell: Cell) -> tuple[Ref, list[dict[str, Any]]]:
        """Train and pack; the reference of the bundle in the store, and its golden requests."""
        measured = estimators.build(cell, self.root, self.python)
        assert measured.parity <= PARITY
        self.made += 1
        built = self.root / "build/model.tar"
        self.store.bundle(measured.sha256).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(built, self.store.bundle(measured.sha256))
        with tarfile.open(built) as tar:
            member = tar.extractfile("golden.jsonl")
            assert member is not None
            golden = [json.loads(line) for line in member.read().splitlines()]
        return {"model": f"flight-delay-v{self.made}", "sha256": measured.sha256}, golden

    def serve(self, ref: Ref, previous: Ref | None, golden: list[dict[str, Any]]) -> None:
        """Point at `ref`, and ask its golden requests."""
        self.store.point(ref, previous=previous)
        # A bundle is tried in a process of its own first, which imports all of scikit-learn and CatBoost.
        self.server.until_serving(ref, patience=120)
        rows = [line["inputs"] for line in golden]
        reply = self.server.call("POST", "/predict", {"rows": rows})
        assert (reply.status, reply.json["model"]) == (200, ref["model"]), reply.text
        for row, line in zip(reply.json["rows"], golden, strict=True):
            assert row["output"].keys() == line["output"].keys()
            for name, wanted in line["output"].items():
                exact = isinstance(wanted, (bool, str))
                expected = wanted if exact else pytest.approx(wanted, abs=PARITY, rel=0)
                assert row["output"][name] == expected


@contextmanager
def opened(folder: Path, python: Path, problem: str) -> Iterator[Site]:
    root = estimators.prepare(folder, python, problem)
    trusted = sorted({name for cell in CELLS for name in cell.trusted})
    command = [str(python), "-P", "-m", "gitops_model"]
    store = Store(folder / "store")
    store.folder.mkdir()
    with running(
        store.folder, folder / "service", command=command, trusted_types=trusted
    ) as server:
        yield Site(root, python, store, server)


@pytest.fixture(scope="module")
def sites(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Site]]:
    """One for each problem: a service refuses a release whose answers are of another kind."""
    folder = tmp_path_factory.mktemp("sites")
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setenv("PYTHONPATH", str(estimators.LIBRARY))
        yield {
            problem: stack.enter_context(opened(folder / problem, python, problem))
            for problem in estimators.PROBLEMS
        }


@pytest.fixture(scope="module")
def first(sites: Mapping[str, Site]) -> Mapping[str, tuple[Ref, list[dict[str, Any]]]]:
    """By problem: what every other one replaces, and goes back to."""
    return {name: site.build(replace(CELLS[0], problem=name)) for name, site in sites.items()}


@pytest.mark.parametrize("cell", CELLS[1:], ids=lambda cell: cell.name)
def test_from_fit_to_a_served_answer_and_back(
    cell: Cell,
    sites: Mapping[str, Site],
    first: Mapping[str, tuple[Ref, list[dict[str, Any]]]],
) -> None:
    site, (before, golden) = sites[cell.problem], first[cell.problem]
    ref, answers = site.build(cell)
    site.serve(before, None, golden)
    site.serve(ref, before, answers)
    site.serve(before, ref, golden)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("CatBoost", "CatBoost has no converter to ONNX that skl2onnx can use. Set model.runtime to sklearn"),
        ("calibrated (isotonic)", "ONNX and scikit-learn differ by"),
    ],
)  # fmt: skip
def test_what_onnx_cannot_hold_says_what_to_choose(
    name: str, said: str, sites: Mapping[str, Site]
) -> None:
    site = sites["binary"]
    (cell,) = (cell for cell in CELLS if cell.name == name)
    wrong = Cell(name=name, model=cell.model, imports=cell.imports, trusted=cell.trusted)
    with pytest.raises(RuntimeError, match="model.runtime to sklearn") as caught:
        estimators.build(wrong, site.root, site.python)
    assert said in str(caught.value)


def test_the_page_has_a_row_for_each() -> None:
    rows = PAGE.read_text().partition(estimators.BEGIN)[2].partition(estimators.END)[0]
    names = [line.split(" | ")[0].removeprefix("| ") for line in rows.splitlines()[2:]]
    assert names == [cell.name for cell in CELLS]
