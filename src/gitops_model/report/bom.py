"""The bill of materials of a release: CycloneDX 1.7, for scanners and auditors. Every value stands in record or check.

Written by hand: the Python library of CycloneDX has no class for a model card.
Specification: https://cyclonedx.org/docs/1.7/json/
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from gitops_model.files import canonical_json
from gitops_model.formats.check import Check, GateKind

NAME = "bom.cdx.json"


def render(record: Mapping[str, Any], check: Check | None, *, problem: str) -> str:
    """JSON text, the same for the same release; `problem` is the contract's kind of problem."""
    model, sha256 = record["model"], record["sha256"]
    data = record["data"]
    dataset = {
        "bom-ref": f"data:{data['snapshot']}",
        "type": "data",
        "name": "training and test data",
        "version": str(data["snapshot"]),
        "data": [{"type": "dataset", "name": _rows(data)}],
    }
    card = {
        "modelParameters": {
            "approach": {"type": "supervised"},
            "task": problem,
            "datasets": [{"ref": dataset["bom-ref"]}],
        },
        "quantitativeAnalysis": {"performanceMetrics": list(_metrics(record, check))},
    }
    task, _, version = model.rpartition("-v")
    bom = {
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
                "modelCard": card,
                "properties": [
                    {"name": f"gitops-model:{name}", "value": value}
                    for name, value in _origin(record)
                ],
            },
        },
        "components": [dataset, *_libraries(record)],
        "dependencies": [
            {
                "ref": model,
                "dependsOn": [
                    dataset["bom-ref"],
                    *(part["bom-ref"] for part in _libraries(record)),
                ],
            }
        ],
    }
    return canonical_json(bom)


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


def _libraries(record: Mapping[str, Any]) -> list[dict[str, str]]:
    named = {**record["environment"].get("libraries", {})}
    named["gitops-model"] = record["library"]["version"]
    return [
        {
            "bom-ref": f"pkg:pypi/{name}@{version}",
            "type": "library",
            "name": name,
            "version": str(version),
            "purl": f"pkg:pypi/{name}@{version}",
        }
        for name, version in sorted(named.items())
    ]


def _metrics(record: Mapping[str, Any], check: Check | None) -> Iterator[dict[str, Any]]:
    """Without a check the numbers of the record, which have no intervals."""
    if check is None:
        for name, value in sorted(record["metrics"].items()):
            if value is not None:
                yield {"type": name, "value": repr(value)}
        return
    for metric in check.metrics:
        if metric.candidate is not None:
            found: dict[str, Any] = {"type": metric.metric, "value": repr(metric.candidate)}
            bounds = metric.candidate_lower, metric.candidate_upper
            if None not in bounds:
                found["confidenceInterval"] = {
                    "lowerBound": repr(bounds[0]),
                    "upperBound": repr(bounds[1]),
                }
            yield found
    measured = next(
        (gate.metric for gate in check.gates if gate.kind is GateKind.SLICE_GUARD), None
    )
    for row in check.slices:
        if row.candidate is not None:
            yield {
                "type": measured or "slice metric",
                "value": repr(row.candidate),
                "slice": row.slice,
            }
