"""May production.yaml go from one pointer to another? Everything that could make the deploy, or the way back, fail.

Used by `ship` before it writes the file, and by the gate of a pull request that changes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from gitops_model.delivery import fetch, releases, signatures
from gitops_model.delivery.desired import MAIN
from gitops_model.delivery.git import Git
from gitops_model.errors import BadArtifact, BadInput, Blocked, GitopsError, shorten
from gitops_model.formats.bundle import Bundle
from gitops_model.formats.pointer import Pointer, Ref


@dataclass(kw_only=True)
class Findings:
    """What stands against a change, and what people should know though it does not.

    `way_back`: what serves now was found restorable, so that a rollback from the new pointer can bring it back.
    """

    problems: list[GitopsError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    way_back: bool = False

    def error(self) -> GitopsError | None:
        """All problems as one error: BadArtifact if any is one, BadInput if all are, else Blocked; None if none."""
        if not self.problems:
            return None
        text = "\n".join(dict.fromkeys(str(problem) for problem in self.problems))
        artifact = next((p for p in self.problems if isinstance(p, BadArtifact)), None)
        if artifact is not None:
            return BadArtifact(text, reason=artifact.reason)
        if all(isinstance(problem, BadInput) for problem in self.problems):
            return BadInput(text.splitlines())
        return Blocked(text)


def examine(
    git: Git, current: Pointer, new: Pointer, *, accepted: str | None = None, offline: bool = False
) -> Findings:
    """Look at the change from `current` to `new`.

    `accepted` is the reason for which a release without passed gates is let through. `offline` asks neither origin
    nor any store of bundles on the network. A return to `current.previous` is a rollback: no tag, no gate, no contract
    and no freeze stands against it, only bytes that are nowhere to be found.
    """
    found = Findings()
    back = new.stable is not None and new.stable == current.previous
    moved = () if offline else _moved_tags(git, found)
    if current.freeze is not None and not back and _traffic(new) != _traffic(current):
        found.problems.append(
            Blocked(
                f"production is frozen: {shorten(current.freeze)}. Only a rollback may ship; lift it: "
                "make ship UNFREEZE=1"
            )
        )
    bundles: dict[Ref, Bundle | None] = {}

    def bundle(ref: Ref) -> Bundle | None:
        if ref not in bundles:
            bundles[ref] = _bundle(git, ref, found, offline=offline)
        return bundles[ref]

    for ref in _entering(current, new):
        if back and ref == new.stable:
            found.notes += [f"going back although {p}" for p in _tag(git, ref, moved)]
            bundles[ref] = _bundle(git, ref, found, offline=offline, known=True)
            continue
        if back and ref == new.previous:
            own = Findings(problems=list(_tag(git, ref, moved)))
            _bundle(git, ref, own, offline=offline)
            texts = dict.fromkeys(map(str, own.problems))
            found.notes += [f"no quick way further back: {text}" for text in texts]
            continue
        try:
            release = releases.verify(git, ref)
        except BadArtifact as error:
            found.problems.append(error)
            bundles[ref] = None
            continue
        found.problems += _history(git, release, moved)
        signed = signatures.of_tag(git, release.tag.object)
        if signed is not None and signed.by:
            found.notes.append(f"{ref.model} was signed by {signed.by}.")
        elif not releases.is_locked(git, release):
            found.notes.insert(
                0,
                f"the origin of {ref.model} is not proven: dvc.lock at its commit names another bundle, no data "
                f"storage holds this one, and {signed.problem if signed else 'releases are not signed here'}.",
            )
        if ref != new.previous:
            found.problems += _verdict(release, accepted, found)
        bundle(ref)
    if new.stable != current.stable:
        _leaving(git, current, back, found, offline=offline)
    for old, later, strict in _successions(current, new, back):
        before, after = bundle(old), bundle(later)
        if before is not None and after is not None:
            _contract(before, old, after, later, strict, found)
    return found


def _traffic(pointer: Pointer) -> tuple[object, ...]:
    return pointer.stable, pointer.canary, pointer.shadow


def _entering(current: Pointer, new: Pointer) -> list[Ref]:
    """Releases that get a role they do not have now; as `previous`, only one that had none at all."""
    canary = new.canary.ref if new.canary else None
    pairs = (
        (new.stable, current.stable),
        (canary, current.canary.ref if current.canary else None),
        (new.shadow, current.shadow),
    )
    found = [ref for ref, old in pairs if ref is not None and ref != old]
    if new.previous is not None and new.previous not in current.refs():
        found.append(new.previous)
    return list(dict.fromkeys(found))


def _successions(current: Pointer, new: Pointer, back: bool) -> Iterator[tuple[Ref, Ref, bool]]:
    """(old, new, strict) of each pair whose contracts must agree; not strict: a raised schema_version is enough."""
    if new.stable is None:
        return
    if current.stable is not None and current.stable != new.stable and not back:
        yield current.stable, new.stable, False
    # Beside stable there is no second set of callers that could follow a new contract.
    for beside in (new.canary.ref if new.canary else None, new.shadow):
        if beside is not None and beside in _entering(current, new):
            yield new.stable, beside, True


def _moved_tags(git: Git, found: Findings) -> tuple[str, ...]:
    if not git.has_origin():
        return ()
    fetched = git.fetch(branch=MAIN)
    if not fetched.reached:
        found.notes.append(
            f"origin cannot be reached, so its tags were not compared ({fetched.problem})."
        )
    return fetched.moved


def _tag(git: Git, ref: Ref, moved: tuple[str, ...]) -> Iterator[GitopsError]:
    """What is wrong with the tag of a release."""
    try:
        release = releases.promised(git, ref)
        yield from _history(git, release, moved)
        releases.require_origin(git, release)
    except BadArtifact as error:
        yield error


def _history(git: Git, release: releases.Release, moved: tuple[str, ...]) -> Iterator[GitopsError]:
    model, commit = release.tag.name, release.tag.commit
    if model in moved:
        yield BadArtifact(releases.moved(model))
    home = next(
        (ref for ref in (f"refs/remotes/origin/{MAIN}", f"refs/heads/{MAIN}") if git.commit(ref)),
        None,
    )
    if home is not None and not git.contains(ancestor=commit, rev=home):
        yield Blocked(
            f"{model} was made from commit {commit[:12]}, which is not on {MAIN}; merge it first."
        )


def _verdict(
    release: releases.Release, accepted: str | None, found: Findings
) -> Iterator[GitopsError]:
    model = release.tag.name
    if release.passed:
        return
    if accepted:
        found.notes.append(
            f"{model} ships although it {release.verdict} Accepted because: {shorten(accepted)}"
        )
        return
    yield Blocked(
        f"{model} {release.verdict} Ship another release, or take the responsibility: "
        f"make ship MODEL={model} ACCEPT='reason' (the gate of a pull request stays red all the same)"
    )


def _bundle(
    git: Git, ref: Ref, found: Findings, *, offline: bool, known: bool = False
) -> Bundle | None:
    """The bundle, or None and a finding. `known`: it served a moment ago, so its sha256 is enough to look for it."""
    release = None
    try:
        try:
            release = (releases.promised if known else releases.verify)(git, ref)
        except BadArtifact:
            if not known:
                raise
        md5 = release.record["artifact"]["md5"] if release else None
        got = fetch.find(ref, md5=md5, places=fetch.places(git), offline=offline)
        bundle = Bundle.open(got.data, sha256=ref.sha256, name=f"the bundle of {ref.model}")
        if release is not None and not known:
            releases.require_agreement(release, bundle)
        return bundle
    except BadArtifact as error:
        found.problems.append(error)
        return None


def _leaving(git: Git, current: Pointer, back: bool, found: Findings, *, offline: bool) -> None:
    """What is stable now is what a rollback brings back, so it must be restorable before something replaces it."""
    stable = current.stable
    if stable is None:
        found.notes.append(
            "this is the first release to ship; there is nothing to roll back to yet."
        )
        return
    own = Findings()
    _bundle(git, stable, own, offline=offline)
    found.way_back = not own.problems
    for problem in own.problems:
        if back:
            found.notes.append(f"going back from {stable.model}, which is itself lost: {problem}")
        else:
            found.problems.append(
                BadArtifact(f"a rollback could not bring {stable.model} back: {problem}")
            )


def _contract(
    before: Bundle, old: Ref, after: Bundle, new: Ref, strict: bool, found: Findings
) -> None:
    broken = releases.contract_break(
        old=before.contract, old_name=old.model, new=after.contract, new_name=new.model
    )
    if broken is None:
        return
    sentence, allowed = broken
    if allowed and not strict:
        found.notes.append(f"{sentence}.")
    else:
        found.problems.append(Blocked(f"{sentence}."))
