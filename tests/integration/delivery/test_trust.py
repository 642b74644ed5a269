"""Whose list of types counts while a candidate is judged: that of the branch it would merge into."""

from __future__ import annotations

from gitops_model import strict_yaml
from gitops_model.delivery import baseline
from tests.support.cases import gates_data
from tests.support.world import Clone

PARAMS = "seed: 1\ndata: {split: {by: random, test_share: 0.2}}\nmodel: {runtime: sklearn}\n"


def _trusted(clone: Clone) -> tuple[str, ...]:
    return baseline.find("main", root=clone.root).trusted_types


def test_a_branch_cannot_add_to_the_types_its_own_judge_loads(clone: Clone) -> None:
    clone.write("gates.yaml", strict_yaml.dump(gates_data()))
    clone.write("params.yaml", PARAMS + "trusted_types: [pipeline.model.Mean]\n")
    clone.commit("Trust our mean", "params.yaml", "gates.yaml")
    clone.git("switch", "-qc", "evil")
    clone.write("params.yaml", PARAMS + "trusted_types: [pipeline.model.Mean, posix.system]\n")
    clone.commit("Trust everything", "params.yaml")
    assert _trusted(clone) == ("pipeline.model.Mean",)


def test_without_a_list_nothing_is_trusted(clone: Clone) -> None:
    clone.write("gates.yaml", strict_yaml.dump(gates_data()))
    assert _trusted(clone) == ()
    clone.write("params.yaml", PARAMS)
    clone.commit("Params without a list", "params.yaml")
    assert _trusted(clone) == ()
    clone.write("params.yaml", "trusted_types: [posix.system]\n")
    clone.commit("Params that are no params", "params.yaml")
    assert _trusted(clone) == ()


def test_a_weaker_gates_yaml_is_spelled_out_for_its_reviewer(clone: Clone) -> None:
    clone.write("gates.yaml", strict_yaml.dump(gates_data()))
    clone.commit("Gates", "gates.yaml")

    def said(**changes: object) -> str:
        clone.write("gates.yaml", strict_yaml.dump(gates_data(**changes)))
        return " ".join(baseline.find("main", root=clone.root).warnings)

    weaker = {"rule": "not_worse", "margin": 0.5}
    assert "gates.yaml here allows more: primary.margin 0.02 → 0.5." in said(primary=weaker)
    assert "allows more" not in said(confidence=0.99) and "differs from main" in said(
        confidence=0.99
    )
    clone.write("gates.yaml", "confidence: [")
    assert "differs from main" in " ".join(baseline.find("main", root=clone.root).warnings)
