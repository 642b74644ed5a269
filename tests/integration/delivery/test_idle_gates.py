"""Gates that could never fail on the test rows at hand are refused, by the branch whose gates they are."""

from __future__ import annotations

import re

import pytest

from gitops_model.delivery import candidate
from gitops_model.delivery.baseline import Baseline
from gitops_model.errors import CannotEvaluate
from gitops_model.evaluation.inputs import TestSet
from gitops_model.formats.pointer import Pointer
from tests.support import cases


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
