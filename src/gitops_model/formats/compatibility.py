"""What a new contract breaks for the callers of an old one: one rule for `check`, `ship` and the service."""

from __future__ import annotations

from dataclasses import dataclass

from gitops_model.formats.contract import Contract
from gitops_model.formats.inputs import Input, number_words


@dataclass(frozen=True, kw_only=True)
class Change:
    """From one contract to another: why callers would be refused or misled, and whether schema_version says so.

    A broken promise is allowed when the new contract announces it by a higher schema_version.
    """

    broken: tuple[str, ...]
    old_version: int
    new_version: int

    @property
    def announced(self) -> bool:
        return self.new_version > self.old_version

    @property
    def allowed(self) -> bool:
        return not self.broken or self.announced

    @property
    def why(self) -> str:
        """What breaks, in one line."""
        return "; ".join(self.broken)


def change(old: Contract, new: Contract) -> Change:
    """Compare two contracts as a caller that obeys `old` would notice it."""
    return Change(
        broken=tuple(incompatibilities(old, new)),
        old_version=old.schema_version,
        new_version=new.schema_version,
    )


def incompatibilities(old: Contract, new: Contract) -> list[str]:
    """Why a caller that obeys `old` could be refused or misled by `new`: one sentence each, empty when none.

    A new input is harmless when it may be missing; a wider range is harmless, a narrower one is not.
    """
    found: list[str] = []
    if old.task != new.task:
        found.append(f"the task changed from {old.task} to {new.task}")
    if old.problem != new.problem:
        found.append(f"the problem changed from {old.problem} to {new.problem}")
    for name in old.inputs.keys() - new.inputs.keys():
        found.append(f"the input {name} was removed, and callers that send it would be refused")
    for name in new.inputs.keys() - old.inputs.keys():
        if new.inputs[name].missing == "reject":
            found.append(f"the input {name} is new and required, and callers do not send it yet")
    for name in old.inputs.keys() & new.inputs.keys():
        found.extend(_narrowed(old.inputs[name], new.inputs[name]))
    if old.output.name != new.output.name:
        found.append(f"the output was renamed from {old.output.name} to {new.output.name}")
    if old.output.classes != new.output.classes:
        found.append("the output's classes changed")
    if old.output.unit != new.output.unit:
        found.append(f"the output's unit changed from {old.output.unit} to {new.output.unit}")
    return sorted(found)


def _narrowed(old: Input, new: Input) -> list[str]:
    name = old.name
    if old.type != new.type and (old.type, new.type) != ("integer", "number"):
        return [f"the input {name} changed from {old.type} to {new.type}"]
    found = []
    if old.missing == "impute" and new.missing == "reject":
        found.append(f"the input {name} may no longer be missing")
    if old.unit != new.unit:
        found.append(f"the unit of {name} changed from {old.unit} to {new.unit}")
    if new.min is not None and (old.min is None or new.min > old.min):
        found.append(f"the minimum of {name} rose from {_bound(old.min)} to {_bound(new.min)}")
    if new.max is not None and (old.max is None or new.max < old.max):
        found.append(f"the maximum of {name} fell from {_bound(old.max)} to {_bound(new.max)}")
    if new.closed:
        gone = sorted(set(old.values or ()) - set(new.values or ()))
        if not old.closed:
            found.append(f"unlisted values of {name} are no longer accepted")
        elif gone:
            more = f" and {len(gone) - 10} more" if len(gone) > 10 else ""
            found.append(f"{name} no longer accepts {', '.join(gone[:10])}{more}")
    return found


def _bound(value: float | None) -> str:
    return "none" if value is None else number_words(value)
