"""What of a release record follows from the bundle, and what from the verdict: a record that says else is forged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from gitops_model.files import sha256_bytes
from gitops_model.formats.bundle import Bundle
from gitops_model.formats.check import Check, GateKind, Outcome

UNJUDGED = {
    "state": "not_evaluated",
    "sentence": "Not evaluated: no report of `make check` about this bundle was there when it was released.",
}


# Fields of a record that also hold what the bundle does not determine: path and md5, and the commit.
PARTIAL = frozenset({"artifact", "code"})


def of_bundle(bundle: Bundle) -> Mapping[str, Any]:
    """The fields of a record that its bundle determines, in the record's order; of those in PARTIAL, the parts."""
    manifest = bundle.manifest
    return {
        "sha256": bundle.sha256,
        "artifact": {"size": bundle.size},
        "code": {"sources_sha256": manifest["code"]["sources_sha256"]},
        "library": manifest["library"],
        "data": {key: value for key, value in manifest["data"].items() if key != "test_sha256"},
        "contract": {
            "schema_version": manifest["schema_version"],
            "sha256": sha256_bytes(bundle.member("contract.yaml")),
        },
        "params": manifest["params"],
        "seed": manifest["seed"],
        "environment": manifest["environment"],
        "metrics": manifest["metrics"],
    }


def of_verdict(outcome: Outcome | None, *, sha256: str) -> Mapping[str, Any]:
    """The fields `gates` and `baseline` of the bundle `sha256`; a verdict about another bundle counts as none."""
    if not isinstance(outcome, Check) or outcome.candidate.sha256 != sha256:
        return {"gates": dict(UNJUDGED), "baseline": None}
    off = [asdict(gate) for gate in outcome.turned_off]
    deltas = {row.metric: row.delta for row in outcome.metrics if row.delta is not None}
    return {
        "gates": {
            "state": outcome.state.value,
            "sentence": outcome.sentence,
            **({"turned_off": off} if off else {}),
            **({"anchor": _anchor(outcome)} if outcome.line else {}),
        },
        "baseline": outcome.baseline and {**asdict(outcome.baseline), "deltas": deltas},
    }


def _anchor(check: Check) -> Mapping[str, Any]:
    """The best release that it was judged against, with the bounds of its gain; see `evaluation.anchor`.

    Where that was production, the primary gate compared them.
    """
    line, gate = check.line, check.gate(GateKind.ANCHOR) or check.gate(GateKind.PRIMARY)
    assert line is not None
    known = {} if gate is None else {"delta": gate.delta, "lower": gate.lower, "upper": gate.upper}
    return {"model": line.best, "sha256": line.sha256, **known}


def differences(record: Mapping[str, Any], promised: Mapping[str, Any]) -> list[str]:
    """Fields of `record` that are not as `promised`: paths such as `contract.sha256`, in order."""
    found: list[str] = []
    for key, value in promised.items():
        theirs = record.get(key)
        if key in PARTIAL and isinstance(theirs, Mapping):
            found += [f"{key}.{part}" for part in value if theirs.get(part) != value[part]]
        elif theirs != value:
            found.append(key)
    return found
