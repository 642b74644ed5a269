"""What the trusted side makes of a check's report: the verdict by main's gates, and the warnings a reader needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gitops_model.delivery.baseline import Baseline
from gitops_model.delivery.check import UNDECIDED, worded
from gitops_model.delivery.served import Past
from gitops_model.evaluation import decision
from gitops_model.evaluation.recheck import Trusted, contradictions
from gitops_model.formats.check import BaselineModel, Check, State
from gitops_model.formats.gates import Gates
from gitops_model.formats.pointer import Pointer

OWN_WARNINGS = 5
# Said here too, from what the trusted side knows.
KNOWN = (UNDECIDED, "Nothing is in production: ", "contract.yaml differs ", "gates.yaml differs ")


@dataclass(frozen=True, kw_only=True)
class Recomputed:
    """The check as we decide it. `possible`: nothing shows that its numbers are made up."""

    check: Check
    possible: bool = True


def recompute(check: Check, rules: Baseline, files: Sequence[str], *, past: Past) -> Recomputed:
    """The check by the base's gates.yaml and contract.yaml, against the model in production there.

    Its states, sentences and names are our own, so that nothing forged is shown. `past`: the releases that served.
    """
    pointer, gates, contract = rules.pointer, rules.gates, rules.contract
    stable = pointer.stable
    shown = _redecided(replace(check, line=past.told(check.line)), gates, pointer)
    compared = check.baseline.sha256 if check.baseline else None
    if compared != (stable.sha256 if stable else None):
        now = stable.model if stable else "nothing"
        return Recomputed(
            check=_blocked(
                shown,
                f"{now} is in production now, and this check compared with another model. Run the check again.",
            )
        )
    trusted = Trusted(
        gates=gates,
        primary=contract.success.primary,
        risk=contract.success.risk,
        slices=contract.slices,
        production_sha256=compared,
        served=past.from_best,
    )
    if found := contradictions(check, trusted):
        sentence = f"the report cannot be right, because {'; '.join(found)}."
        if "contract.yaml" in files:
            sentence += (
                " contract.yaml is changed here. Which metrics and slices are judged is said by the base branch's "
                "contract.yaml; to change that, somebody who may has to merge past this status."
            )
        return Recomputed(check=_blocked(shown, sentence), possible=False)
    return Recomputed(check=shown)


def warnings(check: Check | None, files: Sequence[str]) -> list[str]:
    """What a reader must know before the numbers; `check` is a recomputed one, or None without numbers.

    The judge's own warnings come last, and are few.
    """
    said = []
    if "gates.yaml" in files:
        said.append(
            "gates.yaml is changed here. This verdict is by the base branch's gates; the change counts once merged."
        )
    if check is None:
        return said
    if check.baseline is None:
        said.append(
            "There is no baseline: this check compared with no model, so limits and budgets alone decide."
        )
    if "contract.yaml" in files:
        said.append(
            "contract.yaml is changed here. Label, groups, slices, costs and threshold are the base branch's in this "
            "verdict; the change counts once merged."
        )
    undecided = [warning for warning in check.warnings if warning.startswith(UNDECIDED)]
    own = [warning for warning in check.warnings if not warning.startswith(KNOWN)]
    return [*said, *undecided, *own[:OWN_WARNINGS]]


def _redecided(check: Check, gates: Gates, pointer: Pointer) -> Check:
    """The check with states, names and sentences of ours, decided from its numbers."""
    decided = decision.decide(check.gates, check.slices, gates)
    return worded(
        replace(
            check,
            state=decided.state,
            gates=decided.gates,
            slices=decided.slices,
            baseline=_named(check.baseline, pointer),
            turned_off=gates.turned_off,
        )
    )


def _named(baseline: BaselineModel | None, pointer: Pointer) -> BaselineModel | None:
    if baseline is None:
        return None
    stable = pointer.stable
    same = stable is not None and stable.sha256 == baseline.sha256
    return replace(baseline, model=stable.model if stable is not None and same else None)


def _blocked(check: Check, why: str) -> Check:
    return replace(check, state=State.BLOCKED, sentence=f"Blocked: {why}")
