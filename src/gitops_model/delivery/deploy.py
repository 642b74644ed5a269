"""`deploy`: make a store equal to production.yaml, and read back what the service makes of it.

Level-triggered: what counts is what the pointer says now, not how it came about. Running it twice, late, or after
a crash does the same. One step changes anything for a service: the replacement of pointer.json. Everything that can
be wrong is looked for before; if the service still refuses the release, the pointer it served last is put back.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gitops_model.delivery import (
    agent,
    assets,
    canary,
    confirm,
    fetch,
    log,
    releases,
    service,
    telling,
)
from gitops_model.delivery.confirm import StillLoading
from gitops_model.delivery.desired import Desired, pointer_at, resolve
from gitops_model.delivery.git import Git
from gitops_model.delivery.store import Store, Stored
from gitops_model.errors import BadArtifact, Blocked, ExternalFailure, GitopsError
from gitops_model.formats.bundle import Bundle
from gitops_model.formats.pointer import Pointer, Ref
from gitops_model.formats.serving import address

KEPT_VERSIONS = 5
# Longer than a release may take to load (`load` in serving.yaml), so that the service can say what is wrong with it.
CONFIRM_SECONDS = 90.0
BACK_SECONDS = 5.0
POLL_SECONDS = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "--store", type=Path, help="directory to fill (default: store in serving.yaml)"
    )
    parser.add_argument(
        "--ref", metavar="REV", help="deploy production.yaml of this commit, without asking origin"
    )
    parser.add_argument(
        "--url", help="where the service answers, seen from here (default: by serving.yaml)"
    )
    parser.add_argument("--watch", action="store_true", help="go on until SIGTERM, as main changes")
    parser.add_argument(
        "--confirm", action="store_true", help="fail when no service is running to confirm"
    )


@dataclass(frozen=True, kw_only=True)
class Options:
    """`store` (None: that of serving.yaml) is filled from the pointer at `ref` (None: origin's main).

    `url` (None: by serving.yaml) is where the service answers. `watch`: go on, as main changes. `confirm`: a service
    must be there to confirm.
    """

    store: Path | None = None
    ref: str | None = None
    url: str | None = None
    watch: bool = False
    confirm: bool = False


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where to deploy to, and how to see whether it worked.

    `url` None: the service's port is not fixed. `edited`: the file that says so has changes that are not committed.
    `required`: a service must be there to confirm, within `seconds`.
    """

    store: Store
    url: str | None
    edited: bool = False
    seconds: float = CONFIRM_SECONDS
    required: bool = False


def run(options: Options) -> int:
    """Deploy once, or go on for ever."""
    git = Git.open(Path.cwd())
    goal = target(git, store=options.store, url=options.url, required=options.confirm)
    if options.watch:
        every = service.settings(git.root).get("deploy", {}).get("poll_seconds", POLL_SECONDS)
        closer = log.Closer(git.root)
        herald = telling.herald(
            git.root, memory=goal.store.layout.told, url=goal.url, link=_link(git)
        )

        def look() -> agent.Wish:
            closer.look()
            wanted = resolve(git, ref=options.ref)
            if herald is not None:
                herald.look(wanted.pointer)
            return wish(goal, wanted)

        def once() -> None:
            problem: BadArtifact | StillLoading | None = None
            try:
                deploy(git, goal, ref=options.ref)
            except (BadArtifact, StillLoading) as error:
                problem = error
                raise
            finally:
                if herald is not None:
                    herald.deployed(problem)

        try:
            return agent.watch(look=look, deploy=once, every=every)
        finally:
            closer.stop()
            if herald is not None:
                herald.close()
    deploy(git, goal, ref=options.ref)
    if goal.url is not None:
        print(f"  Ask it: {goal.url}/docs    What serves, and the way back: make status")
    return 0


def target(
    git: Git, *, store: Path | None, url: str | None = None, required: bool = False
) -> Target:
    """The target that serving.yaml describes; `store` and `url` replace the file's. Raises BadInput."""
    settings = service.settings(git.root)
    return Target(
        store=Store(folder=store or git.root / settings.get("store", "store")),
        url=url or address(settings),
        edited=bool(git.changes("serving.yaml")),
        seconds=settings.get("deploy", {}).get("confirm_seconds", CONFIRM_SECONDS),
        required=required,
    )


def deploy(git: Git, goal: Target, *, ref: str | None = None) -> None:
    """Deploy what is desired once the store is ours. Raises GitopsError; then the served model keeps serving."""
    started = time.monotonic()
    with goal.store.locked():
        wanted = resolve(git, ref=ref)
        for note in wanted.notes:
            _say(note)
        before = goal.store.read()
        stored = prepare(git, goal.store, wanted, before)
        line = _confirm(goal, stored, before, started)
        print(line, flush=True)
        _collect(git, goal.store, stored)


def wish(goal: Target, wanted: Desired) -> agent.Wish:
    """What the agent has to know to decide whether to deploy."""
    stored = goal.store.read()
    done = (wanted.commit, wanted.pointer)
    in_store = stored is not None and (stored.commit, stored.pointer) == done
    removal = canary.removal_at(goal.url, wanted.pointer)
    notes = wanted.notes if removal is None else (*wanted.notes, removal)
    return wanted.commit, in_store, notes


def prepare(git: Git, store: Store, wanted: Desired, before: Stored | None) -> Stored:
    """Verify everything, fetch what is missing, replace the pointer. Raises before anything changed."""
    pointer = wanted.pointer
    if pointer.stable is None:
        serving = before.pointer.stable.model if before and before.pointer.stable else None
        raise Blocked(
            f"production.yaml at {wanted.commit[:12]} names no release"
            + (
                f"; {serving} keeps serving. To stop answering, stop the service."
                if serving
                else ". Ship one: make ship"
            )
        )
    back = before.pointer.previous if before else None
    problems: list[GitopsError] = []
    for ref in pointer.refs():
        try:
            for note in _provide(git, store, ref, wanted, known=ref == back):
                _say(note)
        except BadArtifact as error:
            if ref == pointer.previous:
                # A way back that is lost stops neither going forward nor going back.
                _say(f"no quick way back: {error}")
            else:
                problems.append(error)
    if problems:
        raise BadArtifact("\n".join(str(problem) for problem in problems), reason=_reason(problems))
    _check_callers(store, pointer, before)
    if before is not None and (before.pointer, before.commit) == (pointer, wanted.commit):
        return before
    return store.write(pointer, commit=wanted.commit)


def _provide(git: Git, store: Store, ref: Ref, wanted: Desired, *, known: bool) -> list[str]:
    """Have the bundle of `ref` in the store, and its release in order. Returns what should be said.

    `known` is the model that served before the present one. Its bytes, proven by their sha256, are here already, and a
    rollback to it must not fail over a tag.
    """
    notes = []
    release = None
    md5, size = None, None
    try:
        if ref.model in wanted.moved:
            raise BadArtifact(releases.moved(ref.model))
        release = releases.verify(git, ref)
        artifact = release.record["artifact"]
        md5, size = artifact["md5"], artifact["size"]
    except BadArtifact as error:
        here = fetch.Places(root=git.root, store=store.folder)
        if not known or fetch.nearby(ref, md5=None, places=here) != "the store":
            raise
        notes.append(f"going back although {error}")
    places = fetch.Places(root=git.root, store=store.folder, origin=git.origin_url())
    source = fetch.into_store(ref, md5=md5, size=size, places=places)
    if release is not None and not known:
        bundle = Bundle.read(fetch.bundle_path(store.folder, ref.sha256), sha256=ref.sha256)
        releases.require_agreement(release, bundle)
    if source != "the store":
        notes.append(f"{ref.model} fetched from {source}.")
    return notes


def _check_callers(store: Store, pointer: Pointer, before: Stored | None) -> None:
    """Refuse a contract that would break today's callers; going back to `previous` is always allowed."""
    problems = []
    for old, new in _successions(pointer, before):
        try:
            known = Bundle.read(fetch.bundle_path(store.folder, old.sha256), sha256=old.sha256)
        except BadArtifact:
            continue
        fresh = Bundle.read(fetch.bundle_path(store.folder, new.sha256), sha256=new.sha256)
        found = releases.contract_break(
            old=known.contract, old_name=old.model, new=fresh.contract, new_name=new.model
        )
        if found is not None and found[1]:
            _say(f"{found[0]}.")
        elif found is not None:
            problems.append(f"{found[0]}.")
    if problems:
        raise BadArtifact("\n".join(problems), reason="contract")


def _successions(pointer: Pointer, before: Stored | None) -> Iterator[tuple[Ref, Ref]]:
    """Pairs of releases whose callers are the same: the one they know, and the one that will answer them."""
    assert pointer.stable is not None
    current = before.pointer.stable if before else None
    going_back = before is not None and pointer.stable == before.pointer.previous
    if current is not None and current != pointer.stable and not going_back:
        yield current, pointer.stable
    if pointer.canary is not None:
        yield pointer.stable, pointer.canary.ref


def _confirm(goal: Target, stored: Stored, before: Stored | None, started: float) -> str:
    """Wait for the service and replay the golden requests; if either fails, put back what it served before."""
    stable = stored.pointer.stable
    assert stable is not None
    name = stable.model
    was = before.pointer.stable.model if before and before.pointer.stable else "nothing"
    change = f"was {was}" if was != name else "as before"
    if goal.url is None:
        return (
            f"stored: {name} ({change}). serving.yaml has port: 0, so no service could be asked whether it is live; "
            "set port, or url."
        )
    if service.status(goal.url) is None:
        absent = service.absent(goal.url, edited=goal.edited)
        if goal.required:
            raise ExternalFailure(f"the store is ready, but {absent}")
        return f"stored: {name} ({change}); {absent}"
    seen = goal.store.confirmed() or (before if before != stored else None)
    try:
        confirm.wait(goal.url, stored, seconds=goal.seconds)
        seconds = time.monotonic() - started
        compared = confirm.golden(goal.url, goal.store.folder, stable)
    except GitopsError as error:
        raise _put_back(goal, stored, seen, error) from error
    goal.store.confirm()
    trial = stored.pointer.canary
    share = f", canary {trial.model} at {trial.percent:g} %" if trial else ""
    shadow = f", shadow {stored.pointer.shadow.model}" if stored.pointer.shadow else ""
    return f"live: {name} ({change}) in {seconds:.2f} s{share}{shadow}, {compared} golden requests answered as recorded"


def _put_back(goal: Target, stored: Stored, seen: Stored | None, error: GitopsError) -> GitopsError:
    """The error to raise, after the store points again to `seen`, which was the last that a service served."""
    if seen is not None and seen.pointer == stored.pointer:
        error.add_note("The pointer stays as it is: it is the one that was last seen to be served.")
        return error
    restored = goal.store.restore(seen)
    if restored is None or restored.pointer.stable is None or goal.url is None:
        error.add_note("The store is as it was before: empty. Nothing is served.")
        return error
    name = restored.pointer.stable.model
    try:
        confirm.wait(goal.url, restored, seconds=BACK_SECONDS)
        words = f"The store points to {name} again, which serves"
    except GitopsError:
        words = (
            f"The store points to {name} again; whether it serves is not known: see `make status`"
        )
    wanted = stored.pointer.stable.model if stored.pointer.stable else "nothing"
    error.add_note(
        f"{words}. main still asks for {wanted}: go back there too with `make rollback`."
    )
    return error


def _collect(git: Git, store: Store, stored: Stored) -> None:
    """Delete bundles that neither the pointer nor its last versions name. Failing at this spoils nothing."""
    keep = list(stored.pointer.refs())
    confirmed = store.confirmed()
    if confirmed is not None:
        keep += confirmed.pointer.refs()
    try:
        for commit in git.pointer_commits(stored.commit, releases.POINTER, limit=KEPT_VERSIONS):
            keep += pointer_at(git, commit).refs()
        store.collect(keep)
    except (GitopsError, OSError):
        return


def _link(git: Git) -> str:
    """Where the pull request that takes a canary out of the pointer is to be had at once."""
    slug = assets.slug(git.origin_url())
    if slug is None:
        return ""
    page = f"https://github.com/{slug}/actions/workflows/monitor.yml"
    return f"The workflow monitor opens the pull request for it, at once by Run workflow at {page}."


def _reason(problems: list[GitopsError]) -> str:
    return problems[0].reason if isinstance(problems[0], BadArtifact) else "format"


def _say(sentence: str) -> None:
    print(f"deploy: {sentence}", flush=True)
