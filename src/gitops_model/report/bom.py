"""The bill of materials of a release: CycloneDX 1.7, for scanners and auditors. Every value stands in record or check.

Written by hand: the Python library of CycloneDX has no class for a model card.
Specification: https://cyclonedx.org/docs/1.7/json/
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gitops_model.files import canonical_json
from gitops_model.formats.check import Check, GateKind
from gitops_model.validation import Json

NAME = "bom.cdx.json"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One figure of the model card; `lower` and `upper` are the bounds of its interval, None without one."""

    metric: str
    value: float
    slice: str | None = None
    lower: float | None = None
    upper: float | None = None

    def to_json(self) -> Json:
        bounds = {"lowerBound": repr(self.lower), "upperBound": repr(self.upper)}
        return {
            "type": self.metric,
            "value": repr(self.value),
            **({} if self.slice is None else {"slice": self.slice}),
            **({} if None in (self.lower, self.upper) else {"confidenceInterval": bounds}),
        }


def render(record: Mapping[str, Any], check: Check | None, *, problem: str) -> str:
    """JSON text, the same for the same release; `problem` is the contract's kind of problem."""
    model, sha256, data = record["model"], record["sha256"], record["data"]
    dataset = {
        "bom-ref": f"data:{data['snapshot']}",
        "type": "data",
        "name": "training and test data",
        "version": str(data["snapshot"]),
        "data": [{"type": "dataset", "name": _rows(data)}],
    }
    libraries = [_library(name, version) for name, version in _versions(record)]
    parts = [dataset, *libraries]
    task, _, version = model.rpartition("-v")
    return canonical_json(
        {
            "$schema": "http://cyclonedx.org/schema/bom-1.7.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": "1.7",
            "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'sha256:{sha256}:{model}')}",
            "version": 1,
            "metadata": {
                "timestamp": record["released"]["at"],
                "component": {
                    "bom-ref": model,
                    "type": "machine-learning-model",
                    "name": task,
                    "version": version,
                    "hashes": [{"alg": "SHA-256", "content": sha256}],
                    "modelCard": {
                        "modelParameters": {
                            "approach": {"type": "supervised"},
                            "task": problem,
                            "datasets": [{"ref": dataset["bom-ref"]}],
                        },
                        "quantitativeAnalysis": {
                            "performanceMetrics": [
                                one.to_json() for one in _measured(record, check)
                            ]
                        },
                    },
                    "properties": [
                        {"name": f"gitops-model:{name}", "value": value}
                        for name, value in _origin(record)
                    ],
                },
            },
            "components": parts,
            "dependencies": [{"ref": model, "dependsOn": [part["bom-ref"] for part in parts]}],
        }
    )


def _rows(data: Mapping[str, Any]) -> str:
    rows = data["rows"]
    return f"{rows['train']:,} rows to train, {rows['test']:,} rows to test"


def _origin(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "commit", record["code"]["commit"]
    yield "sources_sha256", record["code"]["sources_sha256"]
    yield "contract_sha256", record["contract"]["sha256"]
    yield "verdict", str(record["gates"].get("state"))
    if record.get("rollback_target"):
        yield "rollback_target", record["rollback_target"]


def _versions(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    named = {**record["environment"].get("libraries", {})}
    named["gitops-model"] = record["library"]["version"]
    return sorted(named.items())


def _library(name: str, version: str) -> Json:
    purl = f"pkg:pypi/{name}@{version}"
    return {"bom-ref": purl, "type": "library", "name": name, "version": version, "purl": purl}


def _measured(record: Mapping[str, Any], check: Check | None) -> Iterator[Measured]:
    """Without a check the numbers of the record, which have no intervals."""
    if check is None:
        for name, value in sorted(record["metrics"].items()):
            if value is not None:
                yield Measured(metric=name, value=value)
        return
    for metric in check.metrics:
        if metric.candidate is not None:
            yield Measured(
                metric=metric.metric,
                value=metric.candidate,
                lower=metric.candidate_lower,
                upper=metric.candidate_upper,
            )
    guard = next((gate for gate in check.gates if gate.kind is GateKind.SLICE_GUARD), None)
    of_slices = guard.metric if guard and guard.metric else "slice metric"
    for row in check.slices:
        if row.candidate is not None:
            yield Measured(metric=of_slices, value=row.candidate, slice=row.slice)
