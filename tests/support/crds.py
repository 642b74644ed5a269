"""The schemas that a cluster holds a manifest against, and what KServe's webhook refuses besides."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import yaml

from tests.support.places import ROOT

CRDS = ROOT / "tests/unit/delivery/crds"
FILES = {"InferenceService": "inference-service.crd.yaml", "Application": "application.crd.yaml"}
LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
# A CRD leaves metadata to Kubernetes.
METADATA = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "pattern": f"^{LABEL}$"},
        "namespace": {"type": "string", "pattern": f"^{LABEL}$"},
        "annotations": {
            "type": "object",
            "propertyNames": {"pattern": rf"^({LABEL}(\.{LABEL})*/)?[A-Za-z0-9][\w.-]{{0,62}}$"},
            "additionalProperties": {"type": "string"},
        },
    },
}


def problems(manifest: dict[str, Any]) -> list[str]:
    """What is wrong with a manifest by its CRD; a field that the CRD would silently drop is wrong, too."""
    errors = _validator(manifest["kind"]).iter_errors(manifest)
    return sorted(f"{error.json_path}: {error.message}" for error in errors)


def refused(isvc: dict[str, Any]) -> list[str]:
    """What KServe's webhook refuses of a canary: validateCanarySpecs and others in inference_service_validation.go."""
    return list(_refused(isvc))


def pods(isvc: dict[str, Any]) -> dict[str, int]:
    """Release → its pods once all are ready: adjustStableMinReplicasForCanaries in components/predictor.go."""
    stable = isvc["spec"]["predictor"]
    found = {
        one["predictor"]["name"]: one["predictor"]["minReplicas"]
        for one in isvc["spec"].get("canary", [])
    }
    return found | {stable["name"]: max(stable["minReplicas"] - sum(found.values()), 1)}


@functools.cache
def _validator(kind: str) -> jsonschema.Draft202012Validator:
    schema = yaml.safe_load((CRDS / FILES[kind]).read_text())
    properties = {**schema["properties"], "metadata": METADATA}
    return jsonschema.Draft202012Validator(_closed({**schema, "properties": properties}))


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema:
        found["additionalProperties"] = False
    return found


def _refused(isvc: dict[str, Any]) -> Iterator[str]:
    stable, canaries = isvc["spec"]["predictor"], isvc["spec"].get("canary", [])
    if not re.fullmatch("[a-z]([-a-z0-9]*[a-z0-9])?", isvc["metadata"]["name"]):
        yield "name"
    if (
        canaries
        and isvc["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] != "Standard"
    ):
        yield "mode"
    everyone = [stable, *(one["predictor"] for one in canaries)]
    names = [one["name"] for one in everyone]
    if len(set(names)) < len(names) or not all(names):
        yield "names"
    if sum(one["trafficPercent"] for one in canaries) > 100:
        yield "sum"
    if any("maxReplicas" in one["predictor"] for one in canaries):
        yield "maxReplicas"
    if any(one["predictor"].get("minReplicas", 0) > stable["minReplicas"] for one in canaries):
        yield "minReplicas"
    if any("STORAGE_URI" not in environment(one) for one in everyone):
        yield "no model"


def environment(predictor: dict[str, Any]) -> dict[str, str]:
    """The environment of a predictor's container."""
    return {one["name"]: one["value"] for one in predictor["containers"][0]["env"]}
