"""What the trusted side makes of a check's report: the verdict by main's gates, and the warnings a reader needs."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelops import config
from modelops.contract import Contract
from modelops.evaluation import gates as gate_rules
from modelops.evaluation.decision import decide, verdict_from_numbers
from modelops.pointer import Pointer


def verdict(check: Mapping[str, Any], pointer: Pointer, files: list[str]) -> tuple[str, str]:
    """(state, sentence) by this checkout's gates.yaml and contract.yaml against the model in production now."""
    gates = gate_rules.parse(config.load(Path("gates.yaml"), "gates"))
    contract = Contract.load(Path("contract.yaml"))
    current = pointer.stable.sha256 if pointer.stable else None
    compared = (check.get("baseline") or {}).get("sha256")
    if compared != current:
        now = pointer.stable.model if pointer.stable else "nothing"
        return "blocked", (
            f"Blocked: {now} is in production now, and this check compared with another model. Run the check again."
        )
    state, sentence = verdict_from_numbers(
        check,
        gates,
        primary=contract.success.primary,
        risk=contract.success.risk,
        slices=contract.slices,
        production_sha256=current,
    )
    if "contract.yaml" in files and "the report cannot be right" in sentence:
        sentence += (
            " contract.yaml is changed here. Which metrics and slices are judged is said by the base branch's "
            "contract.yaml; to change that, somebody who may has to merge past this status."
        )
    return state, sentence


def resolved(check: Mapping[str, Any]) -> dict[str, Any]:
    """The report with the states of gates and slices recomputed, so that no forged state or sentence is shown."""
    shown = copy.deepcopy(dict(check))
    gates = gate_rules.parse(config.load(Path("gates.yaml"), "gates"))
    shown["gates"] = decide(shown["gates"], shown["slices"], gates, alpha=shown["alpha"])
    shown["turned_off"] = gates.turned_off
    return shown


def warnings(check: Mapping[str, Any] | None, files: list[str], state: str) -> list[str]:
    found = []
    if "gates.yaml" in files:
        found.append(
            "gates.yaml is changed here. This verdict is by the base branch's gates; the change counts once merged."
        )
    if any(f.startswith(("ci_scripts/", "modelops/", ".github/")) for f in files):
        found.append(
            "The code that measures or judges is changed here. Read that change before you trust these numbers."
        )
    if check is None or state not in ("pass", "blocked"):
        return found
    if any(f.startswith("data/") for f in files):
        found.append(
            "The data is changed here; both models were scored on this pull request's test rows."
        )
    if check.get("baseline") is None:
        found.append(
            "There is no baseline: nothing is in production, so limits and budgets alone decide."
        )
    known = set(found)
    return found + [
        w for w in check.get("warnings", []) if w not in known and "gates.yaml differs" not in w
    ]
