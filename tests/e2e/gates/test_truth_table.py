"""The gate's truth table, end to end: each row changes data, code or parameters, trains for real, and asks `check`."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
import yaml

from tests.e2e.gates.conftest import FIT, Repository

pytestmark = pytest.mark.slow  # tests/workflows has its own table, of the same check, in every run


def test_nothing_in_production_limits_alone_decide(first: Repository) -> None:
    found = first.check()
    assert found.code == 0, found.said
    assert found.report is not None
    assert found.report["baseline"] is None
    assert (
        "Nothing is in production: this first release is judged by limits and budgets alone."
        in found.said
    )
    assert {g["id"] for g in found.report["gates"] if g["state"] == "not_compared"} >= {
        "primary",
        "risk",
        "slices",
    }


def test_nothing_in_production_and_not_good_enough(first: Repository) -> None:
    first.edit("gates.yaml", ("roc_auc: {above: 0.6}", "roc_auc: {above: 0.95}"))
    first.commit("Ask for more")
    found = first.check()
    assert found.code == 1, found.said
    assert "Blocked: ROC AUC is 0.7" in found.said


def test_better(repository: Repository) -> None:
    repository.edit("params.yaml", ("trees: 5", "trees: 60"))
    repository.train()
    found = repository.check()
    assert found.code == 0, found.said
    assert "May ship: ROC AUC rose from 0.7" in found.said


def test_equal(repository: Repository) -> None:
    repository.edit("README.md", ("# Flight Delay", "# Flight delay, explained"))
    repository.commit("Explain")
    found = repository.check()
    assert found.code == 0, found.said
    assert "ROC AUC stayed at 0.7" in found.said


def test_worse(repository: Repository) -> None:
    repository.edit("params.yaml", ("trees: 5", "trees: 1"), ("depth: 2", "depth: 1"))
    repository.train()
    found = repository.check()
    assert found.code == 1, found.said
    assert "Blocked: ROC AUC fell from 0.7" in found.said
    assert "loss below 0.01" in found.said


def test_worse_within_the_margin(repository: Repository) -> None:
    repository.edit("params.yaml", ("seed: 13", "seed: 14"))
    repository.train()
    found = repository.check()
    assert found.report is not None
    primary = next(g for g in found.report["gates"] if g["id"] == "primary")
    assert -0.01 < primary["delta"] < 0, primary
    assert found.code == 0, found.said
    assert "ROC AUC fell from 0.7" in found.said
    assert "May ship" in found.said


def test_better_in_total_and_worse_on_one_slice(repository: Repository) -> None:
    repository.edit("params.yaml", ("trees: 5", "trees: 60"))
    repository.edit(
        "pipeline/train.py",
        (
            FIT,
            "    labels[(rows['carrier'] == 'WN').to_numpy().nonzero()[0][::2]] ^= 1\n" + FIT,
        ),
    )
    repository.train()
    found = repository.check()
    assert found.code == 1, found.said
    assert found.report is not None
    states = {g["id"]: g["state"] for g in found.report["gates"]}
    assert states["primary"] == "pass", found.said
    assert states["slices"] == "fail", found.said
    assert "carrier=WN" in found.said


def test_a_metric_without_a_value_blocks(repository: Repository) -> None:
    """No late flight in the test days: ROC AUC is not defined, which is no reason to pass."""
    repository.edit(
        "pipeline/features.py",
        (
            '    return table[raw["dep_delay"].notna()]\n',
            '    late = (table[name] == 1) & (time >= "2013-03-04")\n'
            '    return table[raw["dep_delay"].notna() & ~late]\n',
        ),
    )
    repository.train()
    found = repository.check()
    assert found.code == 1, found.said
    assert found.report is not None
    primary = next(g for g in found.report["gates"] if g["id"] == "primary")
    assert primary["state"] == "no_data"
    assert primary["blocks"]


def test_a_model_that_answers_nan_is_never_packed(repository: Repository) -> None:
    repository.edit(
        "pipeline/train.py",
        (
            FIT,
            FIT.replace("return", "fitted =")
            + "    for tree in fitted['model'].estimators_.ravel():\n"
            "        tree.tree_.value[:] = float('nan')\n    return fitted\n",
        ),
    )
    done = repository.train(check=False)
    assert done.returncode != 0
    assert (
        "evaluate: the model answers NaN or infinity for 25,365 of 25,365 test rows"
        in done.stdout + done.stderr
    )
    found = repository.check()
    assert found.code == 3, found.said
    assert "dvc.lock is stale" in found.said


def test_a_changed_test_set_is_said_and_production_answers_the_new_rows(
    repository: Repository,
) -> None:
    repository.edit("params.yaml", ("test_days: 28", "test_days: 21"), ("trees: 5", "trees: 60"))
    repository.train()
    found = repository.check()
    assert found.code == 0, found.said
    assert found.report is not None
    assert found.report["test_set"]["changed"] is True
    production = next(g for g in found.report["gates"] if g["id"] == "primary")["production"]
    assert production is not None
    assert "test set" in (repository.root / "reports/check.md").read_text()


def test_a_contract_that_breaks_callers_is_blocked(repository: Repository) -> None:
    repository.edit(
        "contract.yaml", ("min: 0, max: 6000, unit: miles", "min: 0, max: 5500, unit: miles")
    )
    repository.train()
    found = repository.check()
    assert found.code == 1, found.said
    assert "the maximum of distance fell from 6000 to 5500" in found.said
    assert "raise schema_version in contract.yaml if this is meant" in found.said


def test_a_raised_schema_version_does_what_gates_yaml_says(repository: Repository) -> None:
    repository.edit(
        "contract.yaml", ("min: 0, max: 6000, unit: miles", "min: 0, max: 5500, unit: miles")
    )
    repository.edit("contract.yaml", ("schema_version: 1", "schema_version: 2"))
    repository.train()
    blocked = repository.check()
    assert blocked.code == 1, blocked.said
    assert "schema_change" in blocked.said
    repository.run("git", "switch", "-q", "main")
    repository.edit("gates.yaml", ("schema_change: block ", "schema_change: absolute_only "))
    repository.commit("Allow a new contract")
    repository.run("git", "switch", "-q", "candidate")
    repository.run("dvc", "checkout", "-q")
    allowed = repository.check()
    assert allowed.code == 0, allowed.said
    assert "judged by limits and budgets alone" in allowed.said


def test_slower_and_larger(repository: Repository) -> None:
    repository.run("git", "switch", "-q", "main")
    repository.edit("gates.yaml", ("artifact: {mb_below: 50}", "artifact: {mb_below: 1}"))
    repository.commit("Small bundles only")
    repository.run("git", "switch", "-q", "candidate")
    repository.run("git", "merge", "-q", "main")
    repository.edit("params.yaml", ("trees: 5", "trees: 400"), ("depth: 2", "depth: 5"))
    repository.train()
    found = repository.check()
    assert found.code == 1, found.said
    assert found.report is not None
    states = {g["id"]: g["state"] for g in found.report["gates"]}
    assert states["latency"] == "fail", found.said
    assert states["artifact"] == "fail", found.said
    assert "longer than production's" in found.said
    assert "the bundle's size is" in found.said


def test_test_rows_that_were_trained_on_are_a_leak(repository: Repository) -> None:
    leak = (
        "from pathlib import Path\n"
        "train, test = (Path(f'build/prepared/{n}.csv') for n in ('train', 'test'))\n"
        "train.write_text(train.read_text() + test.read_text().split('\\n', 1)[1])\n"
    )
    (repository.root / "leak.py").write_text(leak)
    repository.edit(
        "dvc.yaml", ("cmd: gitops-model prepare", "cmd: gitops-model prepare && python leak.py")
    )
    repository.train()
    found = repository.check()
    assert found.code == 1, found.said
    assert "test rows were trained on" in found.said


def test_a_stale_lock_is_not_evaluated(repository: Repository) -> None:
    repository.edit("params.yaml", ("trees: 5", "trees: 6"))
    found = repository.check()
    assert found.code == 3, found.said
    assert "dvc.lock is stale (train: model in params.yaml changed" in found.said
    assert "Run `make train` and commit dvc.lock." in found.said
    assert found.report is not None
    assert found.report["state"] == "not_evaluated"


def test_gates_weakened_on_the_branch_change_nothing(repository: Repository) -> None:
    repository.edit("params.yaml", ("trees: 5", "trees: 1"), ("depth: 2", "depth: 1"))
    repository.edit(
        "gates.yaml", ("  margin: 0.01 ", "  margin: 0.4 "), ("  margin: 4%", "  margin: 300%")
    )
    repository.train()
    found = repository.check()
    assert found.code == 1, found.said
    assert "gates.yaml differs from main" in found.said


def test_the_same_inputs_give_the_same_verdict_and_report(repository: Repository) -> None:
    """Everything but the stopwatch and the scales."""
    reports = []
    for _ in range(2):
        report = repository.check().report
        assert report is not None
        for key in ("latency", "candidate"):
            report.pop(key)
        report["gates"] = [
            g for g in report["gates"] if not g["id"].startswith(("latency", "memory"))
        ]
        reports.append(report)
    assert reports[0] == reports[1]


def test_a_production_bundle_that_no_source_has_is_not_evaluated(repository: Repository) -> None:
    pointer = yaml.safe_load((repository.root / "production.yaml").read_text())
    repository.edit("params.yaml", ("trees: 5", "trees: 60"))
    repository.train()
    shutil.rmtree(repository.root / "build/production", ignore_errors=True)
    gone = 0
    for path in (repository.root / ".dvc/cache/files/md5").rglob("*"):
        if path.is_file() and sha256_file(path) == pointer["stable"]["sha256"]:
            path.chmod(0o644)
            path.unlink()
            gone += 1
    assert gone == 1
    found = repository.check()
    assert found.code == 3, found.said
    assert "nothing can be compared with production flight-delay-v1: " in found.said


def sha256_file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
