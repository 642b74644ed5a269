"""What was built step by step is what a clean clone builds: the same bytes, whatever was edited in between.

Real DVC, real processes; the library is a copy whose modules a test may edit, as a new release would.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitops_model.pipeline import stages
from tests.support import small
from tests.support.places import ROOT
from tests.support.small import Small

LIBRARY = ROOT / "src" / "gitops_model"
# Files of the repository that a stage may depend on, each with what stands in it and what may stand there instead.
FILES = {
    "pipeline/source.py": ('"order_id", "plan"', '"plan", "order_id"'),
    "pipeline/features.py": ("table = raw.copy()", "table = raw.copy()  # changed"),
    "pipeline/helper.py": ("values / 10.0", "values / 20.0"),
    "pipeline/train.py": ('"""YOURS: the estimator."""', '"""YOURS: another estimator."""'),
    "params.yaml": ("c: 1.0", "c: 2.0"),
    "contract.yaml": ("threshold: 0.5", "threshold: 0.4"),
    "requirements.txt": ("# This file was", "# This file is and was"),
    "requirements-serving.txt": ("# This file was", "# This file is and was"),
    "gates.yaml": ("\n", "\n# changed\n"),
}
SEEDS = {"seed: 3": "seed: 4", "test_share: 0.3": "test_share: 0.4", "rows: 100": "rows: 90"}
# Of each stage one module, one template, and one module of no stage.
MODULES = (
    "pipeline/split.py",
    "pipeline/estimator.py",
    "pipeline/onnx_export.py",
    "pipeline/plots.py",
    "pipeline/card.py",
    "pipeline/templates/model_card.md.j2",
    "delivery/deploy.py",
)
EDITS = st.one_of(
    st.tuples(st.sampled_from(sorted(FILES)), st.booleans()),
    st.tuples(st.sampled_from(sorted(SEEDS)), st.booleans()),
    st.tuples(st.sampled_from(MODULES), st.booleans()),
    st.tuples(st.just("data"), st.integers(0, 2)),
)


@pytest.fixture(scope="module")
def built(pristine: Small, tmp_path_factory: pytest.TempPathFactory) -> Small:
    """A copy with a library of its own, for tests that edit both and leave them built."""
    folder = tmp_path_factory.mktemp("built")
    shutil.copytree(LIBRARY, folder / "library" / "gitops_model")
    shutil.copytree(pristine.root, folder / "repo", symlinks=True)
    return Small(folder / "repo", pristine.warm, folder / "library")


def apply(made: Small, edit: tuple[str, int]) -> None:
    """Put one file into one of its states; `edit` names both."""
    name, state = edit
    if name == "data":
        (made.root / "data/raw/orders.csv").write_text(small.orders(seed=state))
        made.dvc("add", "-q", "data/raw")
    elif name in MODULES:
        path = made.library / "gitops_model" / name
        extra = "\n{# changed #}changed\n" if path.suffix == ".j2" else "\n# changed\n"
        path.write_text((LIBRARY / name).read_text() + extra * state)
        (made.root / "stages.json").write_text(small.versions(made))
    else:
        file, was, becomes = (
            ("params.yaml", name, SEEDS[name]) if name in SEEDS else (name, *FILES[name])
        )
        text = (made.root / file).read_text().replace(becomes, was)
        assert was in text
        (made.root / file).write_text(text.replace(was, becomes, 1) if state else text)


def clean_clone(made: Small, folder: Path) -> Small:
    """What somebody else gets: the commit and the data, and nothing that was built."""
    made.git("clone", "-q", str(made.root), str(folder))
    shutil.copytree(made.root / "data/raw", folder / "data/raw", dirs_exist_ok=True)
    return Small(folder, made.warm, made.library)


def same_as_a_clean_clone(made: Small, folder: Path) -> None:
    made.repro()
    made.commit("Edit")
    clone = clean_clone(made, folder)
    assert clone.repro() == list(stages.STAGES)
    assert clone.sha256 == made.sha256
    assert clone.git("status", "--porcelain") == ""
    shutil.rmtree(folder)


def each_kind(made: Small, folder: Path, examples: int) -> None:
    @settings(
        max_examples=examples, deadline=None, derandomize=False, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.lists(EDITS, min_size=1, max_size=4))
    def build_step_by_step(edits: list[tuple[str, int]]) -> None:
        for edit in edits:
            apply(made, edit)
        same_as_a_clean_clone(made, folder)

    build_step_by_step()


def test_a_build_step_by_step_is_the_build_of_a_clean_clone(built: Small, tmp_path: Path) -> None:
    each_kind(built, tmp_path / "clone", 3)


@pytest.mark.slow
def test_many_builds_step_by_step_are_builds_of_a_clean_clone(built: Small, tmp_path: Path) -> None:
    each_kind(built, tmp_path / "clone", 60)


@pytest.mark.slow
def test_a_stage_runs_when_and_only_when_what_it_depends_on_changed(built: Small) -> None:
    for edit in [(name, 0) for name in (*FILES, *SEEDS, *MODULES, "data")]:
        apply(built, edit)
    built.repro()
    ran: dict[str, list[str]] = {}
    for name in (*FILES, *MODULES):
        apply(built, (name, 1))
        ran[name] = built.repro()
    assert ran == {
        "pipeline/source.py": ["prepare", "package"],
        "pipeline/features.py": ["prepare", "package"],
        "pipeline/helper.py": ["prepare", "train", "evaluate", "package"],
        "pipeline/train.py": ["train", "package"],
        "params.yaml": ["train", "evaluate", "package"],
        "contract.yaml": ["prepare", "train", "evaluate", "package"],
        "requirements.txt": ["prepare", "train", "evaluate", "package"],
        "requirements-serving.txt": ["package"],
        "gates.yaml": [],
        "pipeline/split.py": ["prepare", "package"],
        "pipeline/estimator.py": ["train", "evaluate", "package"],
        "pipeline/onnx_export.py": ["package"],
        "pipeline/plots.py": ["evaluate", "package"],
        "pipeline/card.py": ["package"],
        "pipeline/templates/model_card.md.j2": ["package"],
        "delivery/deploy.py": [],
    }
    # What the manifest names is what was run.
    manifest = json.loads(built.members()["manifest.json"])
    assert manifest["library"]["stages"] == json.loads((built.root / "stages.json").read_text())


@pytest.mark.slow
def test_ejected_stages_build_the_same_model_as_code_of_the_team(
    repo: Small,
) -> None:
    before = repo.members()
    for stage in stages.STAGES:
        said = repo.ok("eject", stage)
        assert f"pipeline/{stage}_stage.py is yours" in said
    repo.commit("Eject every stage")
    assert repo.repro() == list(stages.STAGES)
    after = repo.members()
    theirs, ours = (json.loads(members.pop("manifest.json")) for members in (before, after))
    # The card names the sources, too.
    assert before.pop("MODEL_CARD.md") != after.pop("MODEL_CARD.md")
    assert after == before
    ejected = {f"pipeline/{stage}_stage.py" for stage in stages.STAGES}
    assert ours["code"].keys() == theirs["code"].keys()
    assert ours["code"] != theirs["code"]
    # An edit of a stage that is the team's runs it again, and shows in the bundle's name for its sources.
    path = repo.root / "pipeline/evaluate_stage.py"
    path.write_text(path.read_text() + "# changed\n")
    assert repo.repro() == ["evaluate", "package"]
    assert json.loads(repo.members()["manifest.json"])["code"] != ours["code"]
    # Nothing of the library that is not public is imported there.
    for name in sorted(ejected):
        code = (repo.root / name).read_text()
        assert not re.search(r"^\s*(from|import) gitops_model\.", code, re.MULTILINE), name
    again = repo.run("eject", "train")
    assert (again.code, "pipeline/train_stage.py exists" in again.output) == (2, True)


@pytest.mark.slow
def test_the_tools_of_dvc_read_what_the_pipeline_writes(repo: Small) -> None:
    repo.edit("params.yaml", ("trees: 20", "trees: 1"))
    repo.repro()
    changed = json.loads(repo.dvc("metrics", "diff", "--json"))
    assert changed["reports/metrics.json"]["brier"]["diff"] != 0
    assert json.loads(repo.dvc("params", "diff", "--json"))["params.yaml"].keys() == {"model.trees"}
    repo.dvc("plots", "diff", "HEAD", "-o", "plots")
    page = (repo.root / "plots/index.html").read_text()
    assert "ROC" in page and "Calibration" in page and '"rev": "HEAD"' in page
    repo.dvc("exp", "run", "-n", "stronger", "-S", "model.c=50")
    table = repo.dvc("exp", "show", "--csv")
    assert re.search(r"^stronger,|,stronger,", table, re.MULTILINE)
    assert "model.c" in table.splitlines()[0] and "roc_auc" in table.splitlines()[0]
