"""The ledger of looks at a test set is what Git remembers: one for each dvc.lock ever committed."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

import pytest

from gitops_model.delivery import candidate, dvc
from gitops_model.delivery.baseline import Baseline
from gitops_model.delivery.git import Git
from gitops_model.errors import CannotEvaluate
from gitops_model.evaluation import ledger
from gitops_model.evaluation.inputs import TestSet
from gitops_model.formats.pointer import Pointer
from tests.support import cases


def md5(name: str) -> str:
    """What stands in dvc.lock for a short name: `t1`, `m1`."""
    return hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()


def lock(*, test: str, model: str) -> str:
    """A dvc.lock with the two outputs the ledger reads."""
    test, model = md5(test), md5(model)
    return (
        "schema: '2.0'\nstages:\n"
        f"  prepare: {{cmd: a, outs: [{{path: build/prepared/test.csv, md5: '{test}', size: 1}}]}}\n"
        f"  package: {{cmd: b, outs: [{{path: build/model.tar, md5: '{model}', size: 1}}]}}\n"
    )


def commit(root: Path, text: str) -> None:
    (root / "dvc.lock").write_text(text)
    for words in (["add", "dvc.lock"], ["commit", "-q", "--allow-empty", "-m", "Train"]):
        subprocess.run(["git", *words], cwd=root, check=True)


def test_each_candidate_on_this_test_set_counts_once_on_whatever_branch(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "-b", "main", str(tmp_path)], check=True)
    commit(tmp_path, lock(test="t1", model="m1"))
    commit(tmp_path, lock(test="t2", model="m2"))
    subprocess.run(["git", "switch", "-q", "-c", "refused"], cwd=tmp_path, check=True)
    commit(tmp_path, lock(test="t2", model="m3"))
    subprocess.run(["git", "switch", "-q", "main"], cwd=tmp_path, check=True)
    commit(tmp_path, "stages: [a merge conflict")
    for odd in (
        "[1]",
        "[{md5: x}]",
        "[{path: [1], md5: x}]",
        "7",
        "[{path: p, md5: [&a [1], *a]}]",
    ):
        commit(tmp_path, f"stages: {{package: {{outs: {odd}}}}}")
    commit(tmp_path, lock(test="t2", model="m4"))
    today, mine = "a" * 64, "b" * 64
    now = dvc.lock_of(tmp_path)
    found = candidate.looks(Git.open(tmp_path), now, test_sha256=today, candidate_sha256=mine)
    judged = {look.candidate_sha256 for look in found if look.test_sha256 == today}
    assert judged == {mine, md5("m2"), md5("m3")}
    account = ledger.account(found, test_sha256=today, candidate_sha256=mine, budget=2, alpha=0.05)
    assert (account.looks, account.alpha) == (3, pytest.approx(0.05 * 2 / 3))
    assert account.warning is not None


@pytest.mark.parametrize(
    ("gates_ref", "said"),
    [
        ("origin/main", "The gates.yaml of origin/main decides, .* change it on main first"),
        ("main", "The gates.yaml of main decides, .* change it on main first"),
        (None, "^the gates cannot judge this test set: [^T]*$"),
    ],
)
def test_gates_that_could_never_fail_on_this_many_rows_are_refused(
    gates_ref: str | None, said: str
) -> None:
    base = Baseline(
        trusted_types=(),
        ref="main",
        commit="c" * 40,
        pointer=Pointer(),
        contract=cases.contract(),
        gates=cases.gates(),
        gates_ref=gates_ref,
        warnings=(),
    )
    few = TestSet(
        keys=cases.keys(60),
        labels=[0] * 60,
        sha256="a" * 64,
        slices={"depot": ["d1"] * 40 + ["d2"] * 20},
    )
    with pytest.raises(CannotEvaluate, match="cannot judge this test set: .*min_rows") as caught:
        candidate._refuse_idle_gates(base, cases.contract(), few)
    assert re.search(said, str(caught.value))
