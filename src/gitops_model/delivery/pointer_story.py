"""What a change of production.yaml means: in words, in numbers of the two releases' records, and in time.

All of it comes from Git. What Git cannot prove is left out, because people decide by it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from gitops_model.delivery import pointer_file, releases
from gitops_model.delivery.git import Git
from gitops_model.delivery.releases import POINTER, Release
from gitops_model.errors import GitopsError
from gitops_model.evaluation.metrics import CATALOGUE
from gitops_model.formats.contract import Contract
from gitops_model.formats.pointer import Pointer, Ref
from gitops_model.report.pointer_comment import Comparison, Delta

# Pointer commits that are looked at; a release that served through more of them has no known beginning.
DEEP = 200
SHOWN = 3
SAME = ("snapshot", "split", "timeframe", "rows")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A metric of the new release and its gain over the old one."""

    new: float
    gain: float

    @property
    def share(self) -> float:
        """The gain as a share of the value: what makes metrics of different units comparable."""
        return self.gain / (abs(self.new) or 1.0)


def is_rollback(current: Pointer, wanted: Pointer) -> bool:
    """Whether all traffic goes back to what served before."""
    return (
        wanted.stable is not None
        and wanted.stable != current.stable
        and wanted.stable == current.previous
    )


def change(current: Pointer, wanted: Pointer) -> str:
    """What the change does, from → to: `flight-delay-v11 → flight-delay-v12`."""
    said = [*_of_stable(current, wanted), *_of_trials(current, wanted)]
    if wanted.freeze != current.freeze:
        said.append(
            "the freeze is lifted"
            if wanted.freeze is None
            else f"freezes, because: {wanted.freeze}"
        )
    if not said and wanted.previous != current.previous:
        said.append(
            f"a rollback would return to {wanted.previous.model if wanted.previous else 'nothing'}"
        )
    return "; ".join(said) or "nothing changes"


def way_back(current: Pointer, wanted: Pointer) -> str:
    """What a rollback would return to after the change."""
    if wanted.stable == current.stable:
        return f"Reverting this change would return to: {pointer_file.describe(current)}."
    if wanted.previous is not None:
        return f"A rollback would return to {wanted.previous.model}."
    if current.stable is None:
        return "There is nothing to roll back to yet: this is the first release."
    return "It names no previous release, so none is kept loaded for a rollback."


def following(current: Pointer, wanted: Pointer, *, blocked: bool) -> str:
    """The command that comes next."""
    canary, stable = wanted.canary, wanted.stable
    if blocked:
        return "`make status` says what can be restored; `make ship` writes the file again."
    if canary is not None and canary != current.canary:
        return (
            f"merge to start it · `make ship MODEL={canary.model}` gives it all traffic later · "
            "`make rollback` takes it out"
        )
    if stable is not None and stable != current.stable and not is_rollback(current, wanted):
        return "merge to deploy it · `make status` shows what is live · `make rollback` goes back"
    return "merge to deploy it · `make status` shows what is live"


def served(git: Git, stable: Ref | None, *, at: str) -> str | None:
    """How long `stable` has served without a break, counted in days to `at`; None when Git does not say.

    `at` is when the check began and not now, so that every publisher of one check writes the same comment.
    """
    if stable is None:
        return None
    try:
        since = _since(git, stable)
        days = 0 if since is None else max(0, (datetime.fromisoformat(at) - since).days)
    except (GitopsError, TypeError, ValueError):
        return None
    if since is None:
        return None
    span = {0: "for less than a day", 1: "for 1 day"}.get(days, f"for {days} days")
    return f"{stable.model} has served {span}, since {since:%Y-%m-%d}."


def compare(git: Git, current: Pointer, wanted: Pointer, contract: Contract) -> Comparison | None:
    """The release that gets traffic against the one that has it; None without two records that hold numbers."""
    old, new = current.stable, _entering(current, wanted)
    if old is None or new is None:
        return None
    try:
        before, after = releases.promised(git, old), releases.promised(git, new)
    except GitopsError:
        return None
    found, measured = _measured(before, after)
    main = [m for m in (contract.success.primary, contract.success.risk) if m in found]
    main = list(dict.fromkeys(main))
    rest = sorted((m for m in found if m not in main), key=lambda m: (found[m].share, m))
    remarks = dict.fromkeys(main, "")
    for name in rest[: SHOWN - len(main)] if main else []:
        remarks[name] = "the largest loss" if found[name].gain < 0 else "the smallest gain"
    deltas = tuple(_delta(name, found[name], remark) for name, remark in remarks.items())
    if not deltas:
        return None
    return Comparison(old=old.model, new=new.model, deltas=deltas, measured=measured)


def _of_stable(current: Pointer, wanted: Pointer) -> list[str]:
    old, new = current.stable, wanted.stable
    if old == new:
        return []
    if new is None:
        return [f"{old.model if old else 'nothing'} → no release"]
    return [f"{old.model} → {new.model}" if old else f"{new.model} is the first release to serve"]


def _of_trials(current: Pointer, wanted: Pointer) -> list[str]:
    said = []
    old, new = current.canary, wanted.canary
    if new is not None and new != old:
        before = f", {old.percent:g} % until now" if old is not None and old.ref == new.ref else ""
        said.append(f"{new.model} gets {new.percent:g} % of the traffic{before}")
    elif old is not None and new is None and old.ref != wanted.stable:
        said.append(f"the canary {old.model} ends")
    if wanted.shadow is not None and wanted.shadow != current.shadow:
        said.append(f"{wanted.shadow.model} sees a copy of the traffic and answers nobody")
    elif current.shadow is not None and wanted.shadow is None and current.shadow != wanted.stable:
        said.append(f"the shadow {current.shadow.model} ends")
    return said


def _entering(current: Pointer, wanted: Pointer) -> Ref | None:
    canary = wanted.canary.ref if wanted.canary else None
    if wanted.stable != current.stable:
        return wanted.stable
    if canary is not None and wanted.canary != current.canary:
        return canary
    return wanted.shadow if wanted.shadow != current.shadow else None


def _since(git: Git, stable: Ref) -> datetime | None:
    if git.out("rev-parse", "--is-shallow-repository") != "false":
        return None
    commits = git.pointer_commits("HEAD", POINTER, limit=DEEP)
    first = None
    for commit in commits:
        pointer = pointer_file.standing(git, commit)
        if pointer is None or pointer.stable != stable:
            break
        first = commit
    else:
        if len(commits) == DEEP:
            return None
    if first is None:
        return None
    return datetime.fromtimestamp(int(git.out("show", "-s", "--format=%ct", first)), UTC)


def _measured(before: Release, after: Release) -> tuple[dict[str, Measured], str]:
    """Metrics of `after` with their gain over `before`, and on which rows, in a sentence."""
    old, new = _numbers(before.record["metrics"]), _numbers(after.record["metrics"])
    name = after.tag.name
    gains = _judged(after, against=before)
    if gains is None and (undone := _judged(before, against=after)) is not None:
        name = before.tag.name
        gains = {metric: -gain for metric, gain in undone.items()}
        # The gains hold on the rows of the release that was judged, so the other one's value follows from its.
        new = {m: old[m] + CATALOGUE[m].sign * gains[m] for m in gains if m in old}
    if gains is not None:
        found = {m: Measured(new=new[m], gain=gains[m]) for m in gains if m in new}
        return found, f"On the same test rows, when {name} was judged."
    shared = [metric for metric in new if metric in old]
    found = {m: Measured(new=new[m], gain=CATALOGUE[m].sign * (new[m] - old[m])) for m in shared}
    same = all(before.record["data"].get(k) == after.record["data"].get(k) for k in SAME)
    return found, "On the same test rows." if same else "Each on its own test rows."


def _judged(release: Release, *, against: Release) -> dict[str, float] | None:
    """The gains of the check before `release` was made, when that check compared it with `against`."""
    baseline = release.record["baseline"]
    if not isinstance(baseline, Mapping) or baseline.get("sha256") != against.record["sha256"]:
        return None
    return _numbers(baseline.get("deltas")) or None


def _numbers(values: object) -> dict[str, float]:
    """The metrics of the catalogue among `values` that are numbers; a record may hold anything."""
    if not isinstance(values, Mapping):
        return {}
    return {
        name: float(value)
        for name, value in values.items()
        if name in CATALOGUE
        and isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
    }


def _delta(name: str, found: Measured, remark: str) -> Delta:
    old = found.new - CATALOGUE[name].sign * found.gain
    return Delta(metric=name, old=old, new=found.new, gain=found.gain, remark=remark)
