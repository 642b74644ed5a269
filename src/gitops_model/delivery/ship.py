"""`ship`: write production.yaml so that a release gets traffic. Merging that change deploys it.

Everything that could make the deploy or a later rollback fail is looked for first, and all of it is reported at once.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from gitops_model.delivery import pointer_checks, pointer_file, releases
from gitops_model.delivery.desired import MAIN
from gitops_model.delivery.git import Git
from gitops_model.delivery.pointer_checks import Findings
from gitops_model.errors import BadArtifact, BadInput, Blocked, ExternalFailure
from gitops_model.formats import pointer as pointers
from gitops_model.formats import record
from gitops_model.formats.contract import Contract
from gitops_model.formats.pointer import Pointer, Ref


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
    if args.commit or args.push:
        pointer_file.require_alone(git)
    current = pointer_file.committed(git)
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
        if args.freeze:
            print(
                f"ship: mind: a pull request that changes {releases.POINTER} and was found good before the freeze can "
                "still be merged; close it."
            )
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
    """The release that is meant, the next pointer, and notes. Raises with every objection at once."""
    release = releases.load(git, wish.model or newest(git))
    ref = release.ref
    found = Findings()
    new = _next(git, current, ref, wish, found)
    examined = pointer_checks.examine(git, current, new, accepted=wish.accepted)
    found.problems += examined.problems
    error = found.error()
    if error is not None:
        raise error
    return ref, new, examined.notes


def newest(git: Git) -> str:
    """The id of the newest release of the task in contract.yaml. Raises BadArtifact when there is none."""
    task = Contract.load(git.root / "contract.yaml").task
    known = releases.shas(git, task)
    if not known:
        raise BadArtifact(
            f"there is no release of {task} yet. Make one: make release", reason="missing"
        )
    return max(known, key=lambda model: record.parse_id(model).number)


def _next(git: Git, current: Pointer, ref: Ref, wish: Wish, found: Findings) -> Pointer:
    """The pointer that is wished for; the current one, and a finding, where it makes no sense."""
    if wish.percent is None and not wish.shadow:
        return pointers.switch(current, ref)
    word = "shadow" if wish.shadow else "canary"
    if current.stable is None:
        found.problems.append(
            Blocked(
                f"a {word} stands beside a stable release, and there is none yet. Ship it without --{word}."
            )
        )
        return current
    if ref.sha256 == current.stable.sha256:
        found.problems.append(
            Blocked(f"{ref.model} is the stable release already; a {word} must be another one.")
        )
        return current
    if wish.shadow:
        return pointers.with_shadow(current, ref)
    assert wish.percent is not None
    contract = Contract.load(git.root / "contract.yaml")
    key = wish.key if wish.key is not None else contract.keys.sticky
    names = [*contract.columns, *contract.inputs]
    if key is not None and key not in names:
        found.problems.append(
            BadInput(
                f"--key is '{key}'; allowed: a key or input of the contract: {', '.join(names)}."
            )
        )
    whole = int(wish.percent) if wish.percent == int(wish.percent) else wish.percent
    return pointers.with_canary(current, ref, percent=whole, key=key)


def _finish(
    git: Git, args: argparse.Namespace, current: Pointer, new: Pointer, subject: str, body: str
) -> int:
    if new == current:
        print(
            f"ship: nothing to do, production.yaml already says: {pointer_file.describe(current)}."
        )
        if args.push:
            _push(git)
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
    commit = git.commit_file(releases.POINTER, f"{subject}\n\n{body}".strip() + "\n")
    print(f"  Committed as {commit[:12]} on {git.branch() or 'a detached HEAD'}.")
    if args.push:
        _push(git)
    print(
        f"  Next: once it is on {MAIN}, `make deploy` (or the agent, or the deploy workflow) makes it live."
    )
    return 0


def _push(git: Git) -> None:
    try:
        pointer_file.push(git)
    except ExternalFailure as error:
        error.add_note("Nothing is deployed yet.")
        raise
    print("  Pushed.")
