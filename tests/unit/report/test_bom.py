"""The bill of materials obeys CycloneDX 1.7, and every number in it is one of check or record."""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import Any

import pytest
from jsonschema import Draft7Validator
from referencing import Registry, Resource

from gitops_model.formats.check import Check
from gitops_model.report import bom
from tests.support import reports

ENVIRONMENT = {"lock_sha256": "1" * 64, "libraries": {"numpy": "2.0.0", "scikit-learn": "1.9.0"}}
FULL: dict[str, Any] = {
    **reports.RECORD,
    "environment": ENVIRONMENT,
    "gates": {"state": "pass", "sentence": "May ship."},
    "metrics": {"roc_auc": 0.8, "pr_auc": None},
}


@functools.cache
def validator() -> Draft7Validator:
    """CycloneDX's own schema as its Python library ships it. The library's validator would bring jsonschema's checks of
    formats, which every process that imports jsonschema then pays seconds for."""
    folder = resources.files("cyclonedx.schema") / "_res"

    def load(address: str) -> Resource[Any]:
        text = (folder / address.rpartition("/")[2]).read_text(encoding="utf-8")
        return Resource.from_contents(json.loads(text))

    schema = load("bom-1.7.SNAPSHOT.schema.json").contents
    return Draft7Validator(schema, registry=Registry(retrieve=load))  # type: ignore[call-arg]


def problems(text: str) -> list[str]:
    return [error.message[:300] for error in validator().iter_errors(json.loads(text))]


def test_a_bill_with_a_field_of_its_own_is_refused() -> None:
    text = bom.render(FULL, None, problem="binary")
    assert problems(text.replace('"specVersion"', '"specVersio"')) != []


@pytest.mark.parametrize("situation", ["better", "blocked_by_slice", "first_release"])
@pytest.mark.parametrize("problem", reports.PROBLEMS)
def test_it_is_cyclonedx(problem: str, situation: str) -> None:
    check = reports.make(situation, problem)
    text = bom.render(FULL, check, problem=problem)
    assert problems(text) == []
    assert text == bom.render(FULL, check, problem=problem)
    assert numbers(json.loads(text)) == expected(check)


def numbers(data: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    card = data["metadata"]["component"]["modelCard"]
    rows = card["quantitativeAnalysis"]["performanceMetrics"]
    return [(row["type"], row["value"], row.get("slice")) for row in rows]


def expected(check: Check) -> list[tuple[str, str, str | None]]:
    found: list[tuple[str, str, str | None]] = [
        (row.metric, repr(row.candidate), None)
        for row in check.metrics
        if row.candidate is not None
    ]
    (measured,) = {gate.metric for gate in check.gates if gate.id == "slices"} or {None}
    for row in check.slices:
        if row.candidate is not None:
            found.append((measured or "slice metric", repr(row.candidate), row.slice))
    return found


def test_without_a_check_it_holds_the_records_numbers() -> None:
    text = bom.render(FULL, None, problem="binary")
    assert problems(text) == []
    assert numbers(json.loads(text)) == [("roc_auc", "0.8", None)]
    component = json.loads(text)["metadata"]["component"]
    assert component["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
