"""The releases that a rollback would bring back, and a rehearsal of each: fetched, verified, loaded, asked.

Nothing is deployed. What can be fetched and answers today may be gone tomorrow, so the monitor tries it every day.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gitops_model import progress
from gitops_model.delivery import dvc, fetch, rehearsal, releases, rollback, service
from gitops_model.delivery.git import Git
from gitops_model.delivery.steps import served_line
from gitops_model.errors import BadArtifact, GitopsError
from gitops_model.formats.pointer import Pointer, Ref
from gitops_model.formats.watch import Signal
from gitops_model.monitoring import way_back
from gitops_model.monitoring.way_back import Rehearsed


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What a rollback would bring back, nearest first, and what Git does not say about it."""

    refs: tuple[Ref, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Before:
    """The release that served before another one: None where there was none, or where it is not `known`."""

    ref: Ref | None = None
    known: bool = True


def look(git: Git, pointer: Pointer) -> tuple[list[Signal], tuple[str, ...]]:
    """The signals of the way back, and notes. Raises nothing that a rehearsal may meet."""
    wanted = targets(git, pointer)
    storage = _has_storage(git)
    return [
        way_back.signal(rehearse(git, ref), storage=storage) for ref in wanted.refs
    ], wanted.notes


def targets(git: Git, pointer: Pointer) -> Targets:
    """`previous`, or what a rollback would find without it, and the release that served before that one."""
    back = pointer.previous or rollback.way_back(git, "HEAD")
    if back is None or back == pointer.stable:
        return Targets(notes=("There is no way back yet: no other release served before.",))
    try:
        whole = git.out("rev-parse", "--is-shallow-repository") == "false"
        line = [step.pointer for step in served_line(git)]
    except GitopsError:
        whole, line = False, []
    earlier = before(back, line, whole=whole)
    if earlier.ref is not None and earlier.ref != pointer.stable:
        return Targets(refs=(back, earlier.ref))
    if earlier.known:
        return Targets(refs=(back,))
    more = "" if whole else " This clone lacks the older commits: `git fetch --unshallow`."
    return Targets(
        refs=(back,),
        notes=(
            f"Which release served before {back.model} is not known: the history of production.yaml does not say "
            f"it, so no second way back was rehearsed.{more}",
        ),
    )


def before(back: Ref, served: Sequence[Pointer], *, whole: bool) -> Before:
    """What served before `back`, by the pointers that led to today, oldest first. `whole`: none is missing.

    A squash leaves out pointers, and then what stands before `back` may not be what served before it.
    """
    places = [place for place, one in enumerate(served) if one.stable == back]
    if not places:
        return Before(known=False)
    named = served[places[-1]].previous
    if named is not None:
        return Before(ref=named)
    others = [one.stable for one in served[: places[0]] if one.stable not in (None, back)]
    return Before(ref=others[-1]) if others else Before(known=whole)


def rehearse(git: Git, ref: Ref) -> Rehearsed:
    """Fetch, verify, load and ask one release."""
    try:
        md5, size = _record(git, ref)
        found = fetch.find(ref, md5=md5, size=size, places=fetch.places(git))
    except BadArtifact as error:
        kind: way_back.Kind = "absent" if error.reason == "missing" else "wrong"
        return Rehearsed(ref=ref, kind=kind, said=str(error), tried=_tried(error, kind))
    except GitopsError as error:
        return Rehearsed(ref=ref, kind="absent", said=str(error))
    source = found.source
    try:
        trusted = tuple(service.settings(git.root).get("trusted_types", ()))
        with tempfile.TemporaryDirectory() as folder, progress.waiting(f"rehearsing {ref.model}"):
            path = Path(folder) / "model.tar"
            path.write_bytes(found.data)
            del found
            rehearsal.of_bundle(path, sha256=ref.sha256, trusted=trusted)
    except BadArtifact as error:
        return Rehearsed(ref=ref, kind="refused", said=str(error))
    except (GitopsError, OSError) as error:
        return Rehearsed(ref=ref, kind="untried", said=str(error))
    return Rehearsed(ref=ref, kind="works", said=source)


def _record(git: Git, ref: Ref) -> tuple[str | None, int | None]:
    """DVC's name of the bundle, and its size. Raises BadArtifact for a record that contradicts the pointer."""
    try:
        artifact = releases.verify(git, ref).record["artifact"]
    except BadArtifact as error:
        if error.reason != "missing":
            raise
        # A serving host may lack the tag, and has the bytes in its store; their sha256 is what counts.
        return None, None
    return artifact["md5"], artifact["size"]


def _tried(error: BadArtifact, kind: way_back.Kind) -> tuple[str, ...]:
    """The sources that `fetch` tried, the most telling one last; empty when it is another error."""
    parts = str(error).partition("Tried: ")[2].rstrip(".").split("; ")
    if parts == [""]:
        return ()
    damaged = [one for one in parts if fetch.OTHER in one and not one.startswith(dvc.BUNDLE)]
    return tuple(sorted(parts, key=lambda one: kind == "wrong" and one in damaged))


def _has_storage(git: Git) -> bool:
    try:
        return dvc.default_remote(git.root) is not None
    except GitopsError:
        return False
