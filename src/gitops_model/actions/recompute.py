"""What the trusted side makes of a check's report: the verdict by main's gates, and the warnings a reader needs."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gitops_model import strict_yaml
from gitops_model.delivery import changes
from gitops_model.evaluation.decision import decide, verdict_from_numbers
from gitops_model.formats import gates as gate_rules
from gitops_model.formats.contract import Contract
from gitops_model.formats.pointer import Pointer

OWN_WARNINGS = 5
# Said here too, from what the trusted side knows.
KNOWN = ("Undecided: ", "Nothing is in production: ")


def verdict(check: Mapping[str, Any], pointer: Pointer, files: list[str]) -> tuple[str, str]:
    """(state, sentence) by this checkout's gates.yaml and contract.yaml against the model in production now."""
    gates = gate_rules.parse(strict_yaml.load(Path("gates.yaml"), "gates"))
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
    """The report with states and names recomputed, so that no forged state, sentence or name is shown."""
    shown = copy.deepcopy(dict(check))
    if baseline := shown["baseline"]:
        stable = Pointer.load(Path("production.yaml")).stable
        same = stable is not None and stable.sha256 == baseline["sha256"]
        baseline["model"] = stable.model if stable is not None and same else None
    gates = gate_rules.parse(strict_yaml.load(Path("gates.yaml"), "gates"))
    shown["gates"] = decide(shown["gates"], shown["slices"], gates, alpha=shown["alpha"])
    shown["turned_off"] = gates.turned_off
    return shown


def warnings(check: Mapping[str, Any] | None, files: list[str], state: str) -> list[str]:
    """What a reader must know before the numbers. The report's own warnings come last, few, and as its own."""
    found = []
    if any(map(changes.measures, files)):
        found.append(
            "What measures or judges is changed here: library, requirements, Makefile or workflows. Read that change "
            "before you trust these numbers."
        )
    if "gates.yaml" in files:
        found.append(
            "gates.yaml is changed here. This verdict is by the base branch's gates; the change counts once merged."
        )
    if check is None or state not in ("pass", "blocked"):
        return found
    if any(f.startswith("data/") for f in files):
        found.append(
            "The data is changed here; both models were scored on this pull request's test rows."
        )
    if check.get("baseline") is None:
        found.append(
            "There is no baseline: this check compared with no model, so limits and budgets alone decide."
        )
    if "contract.yaml" in files:
        found.append(
            "contract.yaml is changed here, and the numbers were measured by it: costs, threshold, groups and slices."
        )
    undecided = [
        f"Undecided: {gate['sentence']}"
        for gate in resolved(check)["gates"]
        if gate["state"] == "inconclusive" and not gate["blocks"]
    ]
    own = [
        w for w in check["warnings"] if not w.startswith(KNOWN) and "gates.yaml differs" not in w
    ]
    return found + undecided + [f"The check says: {w}" for w in own[:OWN_WARNINGS]]
