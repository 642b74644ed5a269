"""The ledger of looks at test sets: lines of JSON in the branch `gate-looks` of origin, to which all only add.

`check` counts its look before it shows a number, here and, where origin can be reached, there. Nothing of a pull
request is asked: what was squashed, deleted or never committed counts all the same. Without origin the count of this
clone is a preview; the next `check` that reaches origin hands it in.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeGuard

from gitops_model.delivery.git import Git
from gitops_model.errors import CannotEvaluate, ExternalFailure
from gitops_model.evaluation import sketch
from gitops_model.evaluation.ledger import Look

BRANCH = "gate-looks"
FILE = "looks.jsonl"
SHARED = f"refs/remotes/origin/{BRANCH}"
# A ref of this clone alone, shared by its worktrees.
OWN = "refs/gitops-model/looks"
ROUNDS = 4
# What git says when somebody else's push came first; any other refusal will not change by itself.
QUICKER = ("fetch first", "non-fast-forward", "cannot lock ref", "failed to update ref")
# How often other checks of this clone may be quicker.
RACES = 20
SECONDS = 5.0
# A line of a new test set has 3,300 bytes: ten thousand of them are 33 MB.
MOST_BYTES = 50_000_000
_SHA = 64


def known(git: Git) -> list[Look]:
    """All looks this clone knows of, oldest first: those of origin as last fetched, then its own."""
    return parse([*_lines(git, SHARED), *_lines(git, OWN)])


def share(git: Git, more: Iterable[Look]) -> str:
    """Add looks to the ledger, here and at origin. Returns "" or why origin did not take them.

    Others may add at the same time: then theirs come first, and ours are added to what is there by then.
    """
    _keep(git, list(more))
    if not git.has_origin():
        return ""
    problem = ""
    for _ in range(ROUNDS):
        problem = _update(git)
        ours = _lines(git, OWN)
        # A look that is there already needs no push, so most repeated checks only read.
        if problem or not _missing(git, ours):
            return problem
        if git.commit(SHARED) is not None and not _lines(git, SHARED):
            return f"its branch {BRANCH} holds something else than looks; rename it"
        target = _commit(git, [*_lines(git, SHARED), *ours], parent=git.commit(SHARED))
        problem = git.push(f"{target}:refs/heads/{BRANCH}", timeout=SECONDS)
        if not problem:
            git.out("update-ref", SHARED, target)
            return ""
        if not any(words in problem for words in QUICKER):
            return problem
    return problem


def parse(lines: Iterable[str]) -> list[Look]:
    """The looks in lines of the ledger, each once, in order; a line that is none is passed over."""
    found: dict[tuple[str, str], Look] = {}
    sketches: dict[str, str] = {}
    for look in filter(None, map(_look, lines)):
        found.setdefault((look.test_sha256, look.candidate_sha256), look)
        # It stands in one line of its test set, mostly the first.
        if look.sketch:
            sketches.setdefault(look.test_sha256, look.sketch)
    return [replace(look, sketch=sketches.get(look.test_sha256, "")) for look in found.values()]


def _update(git: Git) -> str:
    """Bring origin's ledger here. A ledger that is not there yet is no problem."""
    try:
        if not git.remote_refs(f"refs/heads/{BRANCH}", timeout=SECONDS):
            return ""
        git.out(
            *("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "origin"),
            f"+refs/heads/{BRANCH}:{SHARED}",
            timeout=SECONDS,
        )
    except ExternalFailure as error:
        return str(error)
    return ""


def _missing(git: Git, ours: Iterable[str]) -> bool:
    there = {(look.test_sha256, look.candidate_sha256) for look in parse(_lines(git, SHARED))}
    return any((look.test_sha256, look.candidate_sha256) not in there for look in parse(ours))


def _lines(git: Git, ref: str) -> list[str]:
    if not git.ok("rev-parse", "--verify", "--quiet", f"{ref}:{FILE}"):
        return []
    size = int(git.out("cat-file", "-s", f"{ref}:{FILE}"))
    if size > MOST_BYTES:
        raise CannotEvaluate(
            f"the ledger of looks (branch {BRANCH}) has {size:,} bytes; allowed: {MOST_BYTES:,}. To begin a new one, "
            "in which every test set begins anew, keep the old one: "
            f"`git push origin {SHARED}:refs/heads/{BRANCH}-old :refs/heads/{BRANCH}`. Then, in every clone: "
            f"`git update-ref -d {SHARED}; git update-ref -d {OWN}`"
        )
    return (git.text(ref, FILE) or "").splitlines()


def _keep(git: Git, more: Sequence[Look]) -> None:
    """Add to the looks of this clone. Other checks here, or in its worktrees, may do so at the same time."""
    for left in reversed(range(RACES)):
        old = git.commit(OWN)
        known = [] if old is None else _lines(git, old)
        made = _commit(git, [*known, *map(_line, more)])
        try:
            # Refused where the ref is no longer `old`; "" is where there is none.
            git.out("update-ref", OWN, made, old or "")
            return
        except ExternalFailure:
            if not left:
                raise


def _commit(git: Git, lines: Iterable[str], *, parent: str | None = None) -> str:
    """Write a commit with these looks, and return its hash."""
    text = "".join(f"{line}\n" for line in _written(parse(lines)))
    blob = git.out("hash-object", "-w", "--stdin", stdin=text.encode())
    tree = git.out("mktree", stdin=f"100644 blob {blob}\t{FILE}\n".encode())
    who = ("-c", "user.name=gitops-model", "-c", "user.email=gitops-model@localhost")
    onto = () if parent is None else ("-p", parent)
    return git.out(*who, "commit-tree", *onto, "-m", "Looks at test sets", tree)


def _written(looks: Iterable[Look]) -> list[str]:
    seen: set[str] = set()
    lines = []
    for look in looks:
        lines.append(_line(look, sketched=look.test_sha256 not in seen))
        seen.add(look.test_sha256)
    return lines


def _line(look: Look, *, sketched: bool = True) -> str:
    data = {"test": look.test_sha256, "candidate": look.candidate_sha256}
    if sketched and look.sketch:
        data["sketch"] = look.sketch
    return json.dumps(data, separators=(",", ":"))


def _look(line: str) -> Look | None:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict):
        return None
    test, candidate, rows = data.get("test"), data.get("candidate"), data.get("sketch", "")
    if not (_is_sha(test) and _is_sha(candidate) and sketch.is_sketch(rows)):
        return None
    return Look(test_sha256=test, candidate_sha256=candidate, sketch=rows)


def _is_sha(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) == _SHA and set(value) <= set("0123456789abcdef")
