"""`ship`: write production.yaml so that a release gets traffic. Merging that change deploys it.

Everything that could make the deploy or a later rollback fail is looked for first, and all of it is reported at once.
"""

from __future__ import annotations

import argparse
import shlex
from dataclasses import dataclass
from pathlib import Path

from gitops_model.delivery import (
    canary,
    history,
    pointer_checks,
    pointer_file,
    releases,
    service,
)
from gitops_model.delivery.desired import MAIN
from gitops_model.delivery.git import Git
from gitops_model.delivery.pointer_checks import Findings
from gitops_model.errors import BadArtifact, BadInput, Blocked, ExternalFailure
from gitops_model.formats import pointer as pointers
from gitops_model.formats.contract import Contract
from gitops_model.formats.pointer import Pointer, Ref
from gitops_model.formats.serving import address

FREEZE_LIMIT = 500  # of the schema of production.yaml


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "model",
        nargs="?",
        help="release id, e.g. flight-delay-v2 (default: the newest that passed the gates)",
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
        help="give it a copy of the requests; nobody gets its answers, and `compare` says how they differ",
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
        help="ship although it did not pass the gates; the reason stands in the commit",
    )
    parser.add_argument(
        "--commit", action="store_true", help="commit the change on the current branch"
    )
    parser.add_argument("--push", action="store_true", help="commit, and push the current branch")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is asked for.

    `model`: a release id (None: the newest that passed the gates). `canary`: percent of the requests, with `key`, the
    column that decides. `accept_unevaluated`: why a release ships that did not pass. `freeze` is a reason, and it and
    `unfreeze` name no release. `push` commits, too.
    """

    model: str | None = None
    canary: float | None = None
    key: str | None = None
    shadow: bool = False
    freeze: str | None = None
    unfreeze: bool = False
    accept_unevaluated: str | None = None
    commit: bool = False
    push: bool = False


@dataclass(frozen=True, kw_only=True)
class Wish:
    """The release that is to get traffic. `model` None: the newest that passed; with `accepted`, the newest of all."""

    model: str | None = None
    percent: float | None = None
    key: str | None = None
    shadow: bool = False
    accepted: str | None = None


@dataclass(frozen=True, kw_only=True)
class Change:
    """A new pointer, and the commit message that belongs to it. `body` is "" or the reason."""

    pointer: Pointer
    subject: str
    body: str = ""

    @property
    def message(self) -> str:
        return f"{self.subject}\n\n{self.body}".strip() + "\n"

    @property
    def command(self) -> str:
        """What to type to commit it with this message."""
        texts = [self.subject, self.body] if self.body else [self.subject]
        words = "".join(f" -m {shlex.quote(text)}" for text in texts)
        return f"git commit{words} -- {releases.POINTER}"


def run(options: Options) -> int:
    """Check, write, and say what happens next."""
    _require_sense(options)
    git = Git.open(Path.cwd())
    pointer_file.require_readable(git)
    if options.commit or options.push:
        pointer_file.require_committable(git, push=options.push)
        pointer_file.require_alone(git)
    current = pointer_file.committed(git)
    if options.freeze is not None or options.unfreeze:
        change = _freeze(current, options.freeze)
    else:
        change = _ship(git, current, options)
    return _finish(git, options, current, change)


def _require_sense(options: Options) -> None:
    """Raises BadInput with every option that makes no sense."""
    problems = []
    if options.canary is not None and not 0 < options.canary <= 100:
        problems.append(
            f"--canary is {options.canary:g}; allowed: a number above 0 and at most 100. Example: --canary 10"
        )
    if options.key is not None and options.canary is None:
        problems.append("--key says whom a canary sticks to, and is allowed with --canary only.")
    if options.accept_unevaluated is not None and not options.accept_unevaluated.strip():
        problems.append("--accept-unevaluated is empty; give the reason in words.")
    if (options.freeze is not None or options.unfreeze) and options.model is not None:
        problems.append(
            "--freeze and --unfreeze take no release id; ship it by a change of its own."
        )
    if options.freeze is not None and not options.freeze.strip():
        problems.append(
            "--freeze is empty; give the reason in words. Example: --freeze 'incident 12'"
        )
    if options.freeze is not None and len(options.freeze) > FREEZE_LIMIT:
        problems.append(
            f"--freeze has {len(options.freeze):,} characters; allowed: at most {FREEZE_LIMIT}."
        )
    if problems:
        raise BadInput(problems)


def _freeze(current: Pointer, reason: str | None) -> Change:
    if reason is None:
        return Change(
            pointer=pointers.frozen(current, None), subject="Lift the freeze of production"
        )
    print(
        f"ship: note: a pull request that changes {releases.POINTER} and passed before the freeze can still be "
        "merged; close it."
    )
    return Change(
        pointer=pointers.frozen(current, reason), subject="Freeze production", body=reason
    )


def _ship(git: Git, current: Pointer, options: Options) -> Change:
    wish = Wish(
        model=options.model,
        percent=options.canary,
        key=options.key,
        shadow=options.shadow,
        accepted=options.accept_unevaluated,
    )
    ref, new, notes = plan(git, current, wish)
    for note in notes:
        print(f"ship: {note}")
    how = ""
    if wish.percent:
        how = f" as canary at {wish.percent:g} %"
    elif wish.shadow:
        how = " as shadow"
    said = []
    if wish.accepted:
        passed = releases.load(git, ref.model).passed
        word = "Reason" if passed else history.UNPASSED
        said.append(f"{word}: {wish.accepted.strip()}")
    promoted = current.canary is not None and ref == current.canary.ref and not how
    if promoted or (ref == current.shadow and not wish.shadow):
        said += _testimony(git, current, ref)
    return Change(pointer=new, subject=f"Ship {ref.model}{how}", body="\n\n".join(said))


def _testimony(git: Git, current: Pointer, tried: Ref) -> list[str]:
    """What the service found of the canary or shadow that is to have requests, for those who review the change."""
    url = address(service.settings(git.root)) if (git.root / "serving.yaml").exists() else None
    try:
        found = canary.testimony_at(url, current, tried)
    except ExternalFailure as error:
        print(f"ship: {error}")
        return []
    if found is None:
        print(
            f"ship: the service at {url} says nothing of {tried.model} yet, so the commit has no numbers of it. "
            "Was it deployed, and asked? See: make status"
        )
        return []
    print(f"ship: {found}")
    return [found]


def plan(git: Git, current: Pointer, wish: Wish) -> tuple[Ref, Pointer, list[str]]:
    """The release that is meant, the next pointer, and notes. Raises with every objection at once."""
    release, notes = _meant(git, wish)
    ref = release.ref
    found = Findings(notes=notes)
    new = _next(git, current, ref, wish, found)
    examined = pointer_checks.examine(git, current, new, accepted=wish.accepted)
    found.problems += examined.problems
    error = found.error()
    if error is not None:
        raise error
    return ref, new, found.notes + examined.notes


def _meant(git: Git, wish: Wish) -> tuple[releases.Release, list[str]]:
    """The release that is named, else the newest that passed the gates; and notes. Raises BadArtifact without any."""
    if wish.model is not None:
        return releases.load(git, wish.model), []
    task = Contract.load(git.root / "contract.yaml").task
    ids = list(reversed(releases.shas(git, task)))
    if not ids:
        raise BadArtifact(
            f"there is no release of {task} yet. Make one: make release", reason="missing"
        )
    newest = releases.load(git, ids[0])
    if wish.accepted or newest.passed:
        return newest, []
    for model in ids[1:]:
        release = releases.load(git, model)
        if release.passed:
            return release, [f"{newest.tag.name} is newer, but {newest.verdict}"]
    return newest, []  # which the checks refuse, and say why


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


def _finish(git: Git, options: Options, current: Pointer, change: Change) -> int:
    if change.pointer == current:
        print(
            f"ship: nothing to do, production.yaml already says: {pointer_file.describe(current)}."
        )
        if options.push:
            _push(git)
        return 0
    pointer_file.write(git, change.pointer.to_yaml())
    print(
        f"ship: production.yaml: {pointer_file.describe(current)} -> {pointer_file.describe(change.pointer)}"
    )
    if not (options.commit or options.push):
        print(f"  Next: commit this one file: {change.command}")
        print("  Then push it and open a pull request. Merging it deploys.")
        return 0
    commit = git.commit_file(releases.POINTER, change.message)
    print(f"  Committed as {commit[:12]} on {pointer_file.where_committed(git)}.")
    if options.push:
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
