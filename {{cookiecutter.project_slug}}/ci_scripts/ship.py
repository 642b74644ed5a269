"""`ship`: write production.yaml so that a release gets traffic. Merging that change deploys it.

Everything that could make the deploy or a later rollback fail is looked for first, and all of it is reported at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ci_scripts import fetch, pointer_file, releases
from ci_scripts.desired import MAIN
from ci_scripts.gitrepo import Git
from modelops import pointer as pointers
from modelops import record
from modelops.bundle import Bundle
from modelops.contract import Contract
from modelops.errors import BadArtifact, BadInput, Blocked, ExternalFailure, ModelOpsError
from modelops.pointer import Pointer, Ref

HELP = "point production.yaml at a release: all traffic, a canary's share, or a shadow copy"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "model", nargs="?", help="release id, e.g. flight-delay-v2 (default: the newest release)"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--canary",
        type=float,
        metavar="PERCENT",
        help="give it this share of the requests: above 0 to 100",
    )
    how.add_argument(
        "--shadow",
        action="store_true",
        help="give it a copy of the requests; its answers go nowhere",
    )
    how.add_argument(
        "--freeze",
        metavar="REASON",
        help="name no release, but let nothing except a rollback ship from now on",
    )
    how.add_argument("--unfreeze", action="store_true", help="lift the freeze")
    parser.add_argument(
        "--key", help="with --canary: the input or key whose value decides (default: keys.sticky)"
    )
    parser.add_argument(
        "--accept-unevaluated",
        metavar="REASON",
        help="ship although the record has no passed gates; the reason is committed",
    )
    parser.add_argument(
        "--commit", action="store_true", help="commit the change on the current branch"
    )
    parser.add_argument("--push", action="store_true", help="commit, and push the current branch")


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is asked for. `model` None means the newest release."""

    model: str | None = None
    percent: float | None = None
    key: str | None = None
    shadow: bool = False
    accepted: str | None = None


def run(args: argparse.Namespace) -> int:
    """Check, write, and say what happens next."""
    git = Git.open(Path.cwd())
    pointer_file.require_clean(git)
    current = Pointer.load(pointer_file.path(git))
    if args.freeze is not None or args.unfreeze:
        if args.model is not None:
            raise BadInput(
                "--freeze and --unfreeze take no release id; ship it by a change of its own."
            )
        if args.freeze is not None and not args.freeze.strip():
            raise BadInput(
                "--freeze is empty; give the reason in words. Example: --freeze 'incident 12'"
            )
        new = pointers.frozen(current, args.freeze)
        subject = "Freeze production" if args.freeze else "Lift the freeze of production"
        return _finish(git, args, current, new, subject, args.freeze or "")
    wish = _wish(args)
    ref, new, notes = plan(git, current, wish)
    for note in notes:
        print(f"ship: {note}")
    how = (
        f" as canary at {wish.percent:g} %" if wish.percent else " as shadow" if wish.shadow else ""
    )
    body = f"Shipped although not evaluated as passed: {wish.accepted}" if wish.accepted else ""
    return _finish(git, args, current, new, f"Ship {ref.model}{how}", body)


def _wish(args: argparse.Namespace) -> Wish:
    if args.canary is not None and not 0 < args.canary <= 100:
        raise BadInput(
            f"--canary is {args.canary:g}; allowed: a number above 0 and at most 100. Example: --canary 10"
        )
    if args.key is not None and args.canary is None:
        raise BadInput("--key says whom a canary sticks to, and is allowed with --canary only.")
    if args.accept_unevaluated is not None and not args.accept_unevaluated.strip():
        raise BadInput("--accept-unevaluated is empty; give the reason in words.")
    return Wish(
        model=args.model,
        percent=args.canary,
        key=args.key,
        shadow=args.shadow,
        accepted=args.accept_unevaluated,
    )


def plan(git: Git, current: Pointer, wish: Wish) -> tuple[Ref, Pointer, list[str]]:
    """The release that is meant, the next pointer, and notes. Raises with every objection at once.

    BadArtifact when a release or bundle is missing or not what was promised, otherwise Blocked.
    """
    notes: list[str] = []
    moved = _moved_tags(git, notes)
    release = releases.load(git, wish.model or newest(git))
    ref = release.ref
    problems: list[ModelOpsError] = []
    problems += _history_problems(git, release, moved)
    if current.freeze is not None and ref != current.previous:
        problems.append(
            Blocked(
                f"production is frozen: {current.freeze}. Only a rollback may ship; lift it with --unfreeze."
            )
        )
    problems += _verdict_problems(release.record, current, ref, wish, notes)
    bundle = _bundle(git, ref, release.record, problems)
    stable = _rollback_target(git, current, ref, problems, notes)
    if bundle is not None and stable is not None and ref != current.previous:
        found = releases.contract_break(
            old=stable.contract, old_name=_name(current), new=bundle.contract, new_name=ref.model
        )
        if found is not None and (found[1] and not (wish.percent or wish.shadow)):
            notes.append(f"{found[0]}.")
        elif found is not None:
            problems.append(Blocked(f"{found[0]}."))
    new = _next(current, ref, wish, bundle.contract if bundle else None, problems)
    if problems:
        raise _combined(problems)
    return ref, new, notes


def newest(git: Git) -> str:
    """The id of the newest release of the task in contract.yaml. Raises BadArtifact when there is none."""
    task = Contract.load(git.root / "contract.yaml").task
    known = releases.shas(git, task)
    if not known:
        raise BadArtifact(
            f"there is no release of {task} yet. Make one: make release", reason="missing"
        )
    return max(known, key=lambda model: record.parse_id(model).number)


def _moved_tags(git: Git, notes: list[str]) -> tuple[str, ...]:
    if not git.has_origin():
        return ()
    fetched = git.fetch(branch=MAIN)
    if not fetched.reached:
        notes.append(
            f"origin cannot be reached, so its tags were not compared ({fetched.problem})."
        )
    return fetched.moved


def _history_problems(
    git: Git, release: releases.Release, moved: tuple[str, ...]
) -> Iterator[ModelOpsError]:
    model = release.tag.name
    if model in moved:
        yield BadArtifact(
            f"tag {model} is another one on origin than in this clone: it was moved, and a release never moves."
        )
    home = (
        f"refs/remotes/origin/{MAIN}"
        if git.commit(f"refs/remotes/origin/{MAIN}")
        else f"refs/heads/{MAIN}"
    )
    if git.commit(home) and not git.contains(ancestor=release.tag.commit, rev=home):
        yield Blocked(
            f"{model} was made from commit {release.tag.commit[:12]}, which is not on {MAIN}: merge it first."
        )
    if release.record["code"]["commit"] != release.tag.commit:
        yield BadArtifact(
            f"tag {model} stands on another commit than its record says: it was moved."
        )


def _verdict_problems(
    facts: Mapping[str, Any], current: Pointer, ref: Ref, wish: Wish, notes: list[str]
) -> Iterator[ModelOpsError]:
    gates = facts["gates"]
    # The model that served before was judged when it first shipped; so was one that serves now.
    if gates.get("state") == "pass" or ref in (current.previous, current.stable):
        return
    sentence = str(gates.get("sentence") or "its record holds no verdict").rstrip(".")
    if wish.accepted:
        notes.append(
            f"{ref.model} ships without passed gates ({sentence}). Accepted because: {wish.accepted}"
        )
        return
    yield Blocked(
        f"{ref.model} did not pass the gates: {sentence}. Ship another release, or take the responsibility: "
        "--accept-unevaluated 'reason'"
    )


def _bundle(
    git: Git, ref: Ref, facts: Mapping[str, Any], problems: list[ModelOpsError]
) -> Bundle | None:
    try:
        found = fetch.find(ref, md5=facts["artifact"]["md5"], places=_places(git))
        return Bundle.open(found.data, sha256=ref.sha256, name=f"the bundle of {ref.model}")
    except BadArtifact as error:
        problems.append(error)
        return None


def _rollback_target(
    git: Git, current: Pointer, ref: Ref, problems: list[ModelOpsError], notes: list[str]
) -> Bundle | None:
    """What is stable now is what a rollback brings back: it must be restorable before something replaces it."""
    stable = current.stable
    if stable is None:
        notes.append("this is the first release to ship; there is nothing to roll back to yet.")
        return None
    try:
        facts = releases.verify(git, stable).record
        return _bundle(git, stable, facts, problems)
    except BadArtifact as error:
        if ref == current.previous:
            notes.append(f"going back from {stable.model}, which is itself not in order: {error}")
            return None
        problems.append(BadArtifact(f"a rollback could not bring {stable.model} back: {error}"))
        return None


def _next(
    current: Pointer, ref: Ref, wish: Wish, contract: Contract | None, problems: list[ModelOpsError]
) -> Pointer:
    if wish.percent is None and not wish.shadow:
        return pointers.switch(current, ref)
    word = "shadow" if wish.shadow else "canary"
    if current.stable is None:
        problems.append(
            Blocked(
                f"a {word} stands beside a stable release, and there is none yet. Ship it without --{word}."
            )
        )
        return current
    if ref.sha256 == current.stable.sha256:
        problems.append(
            Blocked(f"{ref.model} is the stable release already; a {word} must be another one.")
        )
        return current
    if wish.shadow:
        return pointers.with_shadow(current, ref)
    assert wish.percent is not None
    key = wish.key if wish.key is not None else (contract.keys.sticky if contract else None)
    if (
        contract is not None
        and key is not None
        and key not in {*contract.inputs, *contract.columns}
    ):
        allowed = ", ".join([*contract.columns, *contract.inputs])
        problems.append(
            BadInput(f"--key is '{key}'; allowed: a key or input of the contract: {allowed}.")
        )
    whole = int(wish.percent) if wish.percent == int(wish.percent) else wish.percent
    return pointers.with_canary(current, ref, percent=whole, key=key)


def _combined(problems: list[ModelOpsError]) -> ModelOpsError:
    text = "\n".join(str(problem) for problem in problems)
    worst = next((p for p in problems if isinstance(p, BadArtifact)), None)
    if worst is not None:
        return BadArtifact(text, reason=worst.reason)
    inputs = [str(problem) for problem in problems if isinstance(problem, BadInput)]
    return BadInput(text.splitlines()) if len(inputs) == len(problems) else Blocked(text)


def _places(git: Git) -> fetch.Places:
    store = git.root / "store"
    return fetch.Places(
        root=git.root, store=store if store.is_dir() else None, origin=git.origin_url()
    )


def _name(current: Pointer) -> str:
    return current.stable.model if current.stable else "nothing"


def _finish(
    git: Git, args: argparse.Namespace, current: Pointer, new: Pointer, subject: str, body: str
) -> int:
    if new == current:
        print(
            f"ship: nothing to do, production.yaml already says: {pointer_file.describe(current)}."
        )
        return 0
    pointer_file.write(git, new.to_yaml())
    print(
        f"ship: production.yaml: {pointer_file.describe(current)} -> {pointer_file.describe(new)}"
    )
    if not (args.commit or args.push):
        print(
            f"  Next: commit this one file ('{subject}') and open a pull request. Merging it deploys."
        )
        return 0
    others = [
        line for line in git.changes() if line[0] not in " ?" and line[3:] != releases.POINTER
    ]
    if others:
        raise Blocked(
            f"other files are staged ({', '.join(line[3:] for line in others[:5])}), and a pointer change stands alone. "
            "production.yaml is written; commit or unstage the rest, then: git commit production.yaml"
        )
    commit = git.commit_file(releases.POINTER, f"{subject}\n\n{body}".strip() + "\n")
    print(f"  Committed as {commit[:12]} on {git.branch() or 'a detached HEAD'}.")
    if args.push:
        try:
            pointer_file.push(git)
        except ExternalFailure as error:
            error.add_note("Nothing is deployed yet.")
            raise
        print("  Pushed.")
    print(
        f"  Next: once it is on {MAIN}, `make deploy` (or the agent, or the deploy workflow) makes it live."
    )
    return 0
