"""`history`: every deployment and rollback, from Git alone: the commits of main that changed production.yaml."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from gitops_model.delivery import pointer_file, pointer_story
from gitops_model.delivery.desired import resolve
from gitops_model.delivery.git import Git
from gitops_model.delivery.releases import POINTER
from gitops_model.errors import BadInput, shorten
from gitops_model.formats.pointer import Pointer, Ref

SHOWN = 50

Kind = Literal["deploy", "rollback", "other", "unreadable"]
# What `ship` writes before the reason of a release that ships without a pass.
UNPASSED = "Shipped although it did not pass the gates"
_REASON = re.compile(rf"^(?:Reason|{UNPASSED}): (.*)$", re.MULTILINE)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "--last", metavar="N", help=f"how many changes to show, newest first (default: {SHOWN})"
    )
    parser.add_argument(
        "--ref", metavar="REV", help="the commit whose history is told, without asking origin"
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


@dataclass(frozen=True, kw_only=True)
class Options:
    """`last`: how many changes, as typed (None: SHOWN). `ref`: whose history (None: that of origin's main)."""

    last: str | None = None
    ref: str | None = None
    json: bool = False


@dataclass(frozen=True, kw_only=True)
class Landing:
    """A commit of main: `when` it came there (UTC), `by` which author, with which message."""

    commit: str
    when: str
    by: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Event:
    """A change of production.yaml that landed on main at `when` (UTC), by the author of its commit there.

    `deploy`: another release gets traffic, or a copy of it. `rollback`: all traffic goes back to what served earlier,
    or a canary ends. `other`: a freeze, the end of a shadow. `unreadable`: the file made no sense, so what served
    stayed. `stable` is what served after it.
    """

    kind: Kind
    when: str
    by: str
    commit: str
    said: str
    reason: str
    stable: Ref | None


def run(options: Options) -> int:
    """Print the history, newest first."""
    git = Git.open(Path.cwd())
    last = _count(options.last)
    found = events(git, resolve(git, ref=options.ref).commit)
    shown = list(reversed(found))[:last]
    if options.json:
        print(json.dumps([asdict(event) for event in shown], indent=2))
        return 0
    print(text(shown))
    if len(found) > last:
        print(f"{len(found) - last} earlier changes are not shown: make history LAST={len(found)}")
    if is_shallow(git):
        print("This clone lacks older commits. Fetch them: git fetch --unshallow")
    return 0


def _count(typed: str | None) -> int:
    if typed is None:
        return SHOWN
    if not typed.isdecimal() or not 0 < int(typed) < 1_000_000:
        raise BadInput(
            f"LAST is '{shorten(typed)}'; allowed: a whole number above 0. Example: make history LAST=20"
        )
    return int(typed)


def events(git: Git, rev: str) -> list[Event]:
    """Every change of production.yaml that is told by the first parents of `rev`, oldest first."""
    found: list[Event] = []
    current = Pointer()
    line: list[Ref] = []
    for commit in reversed(git.pointer_commits(rev, POINTER)):
        pointer = pointer_file.standing(git, commit)
        wanted = pointer or current
        kind = _kind(current, pointer, line)
        if wanted.stable is not None and wanted.stable != current.stable:
            line = line[: line.index(wanted.stable)] if kind == "rollback" else line
            line.append(wanted.stable)
        if pointer != current:  # a comment, or the file that the template came with
            found.append(_event(git, commit, kind, current, pointer))
        current = wanted
    return found


def since(git: Git, rev: str, stable: Ref) -> Landing | None:
    """The change from which on `stable` has served until `rev`; None when the history does not say.

    Nothing older than the release before it is read, so a long history costs no more than a short one.
    """
    first = None
    for commit in git.pointer_commits(rev, POINTER):
        pointer = pointer_file.standing(git, commit)
        if pointer is None:  # what served stayed
            continue
        if pointer.stable != stable:
            break
        first = commit
    return None if first is None else _landing(git, first)


def is_shallow(git: Git) -> bool:
    """Whether this clone lacks older commits, so its history may begin too late."""
    return git.out("rev-parse", "--is-shallow-repository") != "false"


def _kind(current: Pointer, wanted: Pointer | None, line: Sequence[Ref]) -> Kind:
    """`line`: what led to the current release, without what was rolled back from; so a second shipping is none."""
    if wanted is None:
        return "unreadable"
    if wanted.stable != current.stable:
        return "rollback" if wanted.stable is None or wanted.stable in line else "deploy"
    if current.canary is not None and wanted.canary is None:
        return "rollback"
    tried = (wanted.canary, wanted.shadow or current.shadow)
    return "other" if tried == (current.canary, current.shadow) else "deploy"


def _event(git: Git, commit: str, kind: Kind, current: Pointer, wanted: Pointer | None) -> Event:
    landing = _landing(git, commit)
    reason = _REASON.search(landing.message)
    return Event(
        kind=kind,
        when=landing.when,
        by=landing.by,
        commit=commit,
        said="the file cannot be read, so what served stayed"
        if wanted is None
        else pointer_story.change(current, wanted),
        reason=reason[1].strip() if reason else "",
        stable=(wanted or current).stable,
    )


def _landing(git: Git, commit: str) -> Landing:
    form = "--format=%ct%x00%an%x00%B"
    when, by, message = git.out("show", "--no-patch", form, commit).split("\0", 2)
    day = f"{datetime.fromtimestamp(int(when), UTC):%Y-%m-%d %H:%M}"
    return Landing(commit=commit, when=day, by=by, message=message)


def text(shown: Sequence[Event]) -> str:
    """The table for people."""
    if not shown:
        return "Nothing was deployed yet: production.yaml has no history here."
    lines = [f"{'when (UTC)':<18}{'what':<12}{'by':<18}{'commit':<14}change"]
    for event in shown:
        said = event.said + (f" (reason: {shorten(event.reason, 120)})" if event.reason else "")
        lines.append(
            f"{event.when:<18}{event.kind:<12}{shorten(event.by, 16):<18}{event.commit[:12]:<14}{said}"
        )
    return "\n".join(lines)
