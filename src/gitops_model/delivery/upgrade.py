"""`upgrade`: bring in a newer version of the template, and the library with it, on a branch of its own.

The template is generated twice with this repository's answers: as the version it was made from, and as the new one.
Git merges what changed between the two, so what the team changed stays. The old version is the merge's real base, and
what both sides changed is an ordinary conflict.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from gitops_model.delivery import template, trees
from gitops_model.delivery.git import Git
from gitops_model.delivery.template import Changes, Release, Template
from gitops_model.errors import BadInput, Blocked
from gitops_model.progress import waiting

# What `make wheel` writes: wheel and lock are never merged line by line, and stages.json goes with them.
LIBRARY = ("vendor/gitops_model-*.whl", template.LOCK)
STAGES = "stages.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `upgrade`."""
    parser.add_argument(
        "--to", metavar="VERSION", help="the template's version to go to (default: the newest)"
    )
    parser.add_argument(
        "--from",
        dest="base",
        metavar="VERSION",
        help="the version this repository is of (default: found by library.lock)",
    )


@dataclass(frozen=True, kw_only=True)
class Options:
    """`to` None: the newest release of the template. `base` None: the version that library.lock belongs to."""

    to: str | None = None
    base: str | None = None


@dataclass(frozen=True, kw_only=True)
class Upgrade:
    """A branch with the newer template, unfinished where there are `conflicts`; `undo` is the one command back.

    `restored`: the library here was not the one of `old`, and was put back first. `stages` will run again.
    """

    old: Release
    new: Release
    branch: str
    undo: str
    changed: int
    conflicts: tuple[str, ...]
    restored: bool
    stages: tuple[str, ...]
    changes: Changes


def run(options: Options) -> int:
    """Exit 0: the branch is there and its tests pass, or nothing is newer. 1: conflicts, or a test failed."""
    git = Git.open(Path.cwd())
    made = upgrade(git, options)
    if made is None:
        return 0
    print(text(made))
    if made.conflicts:
        return 1
    print("upgrade: now its tests: make test", flush=True)
    passed = subprocess.run(["make", "--no-print-directory", "test"], check=False).returncode == 0
    print(ending(made, passed=passed))
    return 0 if passed else 1


def upgrade(git: Git, options: Options) -> Upgrade | None:
    """Make the branch; None when there is nothing newer. Until the merge is known, nothing here is touched.

    Raises BadInput without a template, an answer or a version, Blocked where changes or files would be in the way.
    """
    git.require_can_commit()
    _require_clean(git)
    start = git.branch() or git.need("HEAD")
    origin = template.origin(git.root)
    lock = (git.root / template.LOCK).read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="upgrade-") as name:
        scratch = Path(name)
        source = Template.clone(origin, scratch)
        new = source.release(options.to)
        old = source.release(options.base) if options.base else source.made(lock)
        after = not old.tagged and source.git.contains(ancestor=new.commit, rev=old.commit)
        if new.key < old.key or (new.key == old.key and old.tagged) or after:
            _not_newer(old, new, wanted=options.to)
            return None
        branch = f"upgrade-{new.version}"
        _require_free(git, branch)
        print(
            f"upgrade: {origin.shown}, {old.version} -> {new.version}. Generating both runs the template's hooks, "
            "which is its owners' code."
        )
        if not old.tagged:
            print(
                f"upgrade: no release has this {template.LOCK}; {old.commit[:12]}, the newest commit of the template "
                "that has it, is taken for what this repository was made from."
            )
        with waiting("generating both versions"):
            baked = [
                trees.write(
                    git,
                    source.bake(release, origin, scratch / side),
                    index=scratch / f"index-{side}",
                )
                for side, release in (("old", old), ("new", new))
            ]
        changes = source.changes(old, new, origin.answers)
        message = f"Upgrade the template from {old.version} to {new.version}\n\n{origin.shown} {new.commit}\n"
        base = trees.commit(git, baked[0], f"Template {old.version}\n")
        theirs = trees.commit(git, baked[1], message, base)
        ours, restored = _with_its_library(git, base, index=scratch / "index-ours")
    stages = _stages(git, ours, theirs)
    sides = trees.commit(git, f"{ours}^{{tree}}", "ours\n", base), theirs
    merged = trees.merge(git, *sides)
    _require_no_file_in_the_way(git, merged.tree)
    if merged.conflicts:
        _land_unfinished(git, branch, ours=ours, theirs=theirs)
        undo = f"git checkout --force {start}"
    else:
        done = trees.commit(git, merged.tree, message, ours)
        _switch(git, branch, done)
        undo = f"git switch {'' if git.commit(f'refs/heads/{start}') else '--detach '}{start}"
    changed = len(git.out("diff-tree", "-r", "--name-only", ours, merged.tree).splitlines())
    return Upgrade(
        old=old,
        new=new,
        branch=branch,
        undo=undo,
        changed=changed,
        conflicts=merged.conflicts,
        restored=restored,
        stages=stages,
        changes=changes,
    )


def text(made: Upgrade) -> str:
    """What came in, what concerns this project, and what to do about conflicts."""
    lines = [
        f"upgrade: {made.branch} has the template's changes from {made.old.version} to {made.new.version}: "
        f"{_files(made.changed)}."
    ]
    if made.restored:
        lines.append(
            f"  The library here was not the one of {made.old.version}; the branch's first commit puts that one back."
        )
    if made.stages:
        lines.append(f"  `make train` runs these stages again: {', '.join(made.stages)}.")
    if made.changes.lines:
        lines += ["  What changed for this project:", *(f"    {s}" for s in made.changes.lines)]
    if made.changes.others:
        lines.append(f"  {made.changes.others} more items concern other answers than yours.")
    if made.conflicts:
        lines += [
            f"upgrade: here and in the template the same lines changed, in {_files(len(made.conflicts))}:",
            *(f"  {name}" for name in made.conflicts),
            "  Resolve them; `git status` lists what is left. Then: git add --update && git commit --no-edit && make "
            "test",
        ]
        if any(_is_resolved_anew(name) for name in made.conflicts):
            lines.append(
                "  A requirements*.txt is made, not written: git checkout --theirs requirements*.txt && make lock"
            )
        lines.append(f"  To undo all of it: {made.undo}")
    return "\n".join(lines)


def ending(made: Upgrade, *, passed: bool) -> str:
    """The last lines: how the tests went, what comes next, and the way back."""
    said = "passed" if passed else "failed; the lines above say why. Mend it on this branch"
    again = "make train check, commit dvc.lock, then " if made.stages else ""
    return (
        f"upgrade: the tests {said}.\n"
        f"  Next: {again}git push -u origin {made.branch}, and open a pull request: main's library judges it.\n"
        f"  To undo it: {made.undo}"
    )


def _require_clean(git: Git) -> None:
    if changed := git.changes():
        names = ", ".join(line[3:] for line in changed[:5])
        raise Blocked(
            f"files have changes that are not committed ({names}), and would be mixed with the upgrade. Commit them, "
            "or put them away: git stash"
        )


def _not_newer(old: Release, new: Release, *, wanted: str | None) -> None:
    if wanted is None or new.key >= old.key:
        of = old.version if old.tagged else f"{old.commit[:12]}, which came after {new.version}"
        print(f"upgrade: this repository is of {of}; the template has nothing newer.")
        return
    raise BadInput(
        f"TO is {new.version}, but this repository is of {old.version} already. An upgrade that was merged is undone "
        "by reverting its merge: git revert -m 1 COMMIT"
    )


def _require_free(git: Git, branch: str) -> None:
    """A branch that an upgrade before this one left without a commit of its own is removed."""
    there = git.commit(f"refs/heads/{branch}")
    if there is None:
        return
    if git.branch() == branch or not git.contains(ancestor=there, rev="HEAD"):
        raise Blocked(
            f"the branch {branch} has work of an earlier upgrade. Go on there (git switch {branch}), or drop it: git "
            f"branch -D {branch}"
        )
    git.out("branch", "--quiet", "-D", branch)


def _with_its_library(git: Git, base: str, *, index: Path) -> tuple[str, bool]:
    """HEAD, or a commit upon it that puts back the library of `base` where somebody changed it by hand.

    A wheel cannot be merged, so it never takes part in a conflict: it is the template's.
    """
    head = git.need("HEAD")
    before = git.out("rev-parse", f"{head}^{{tree}}")
    if trees.replaced(git, before, source=base, paths=LIBRARY, index=index) == before:
        return head, False
    tree = trees.replaced(git, before, source=base, paths=(*LIBRARY, STAGES), index=index)
    return trees.commit(git, tree, "Put back the library that the template came with\n", head), True


def _stages(git: Git, ours: str, theirs: str) -> tuple[str, ...]:
    """Stages of the pipeline whose version changes."""
    try:
        before, after = (json.loads(git.text(commit, STAGES) or "{}") for commit in (ours, theirs))
        return tuple(stage for stage in after if before.get(stage) != after[stage])
    except (ValueError, AttributeError, TypeError):
        return ()


def _require_no_file_in_the_way(git: Git, tree: str) -> None:
    """Git overwrites files that are ignored, so they are looked for first."""
    names = [name for name in trees.added(git, "HEAD", tree) if (git.root / name).exists()]
    if names:
        raise Blocked(
            f"these files are not in Git, and the upgrade brings others of the same name: {', '.join(names[:5])}. "
            "Commit or move them, then run it again."
        )


def _switch(git: Git, branch: str, commit: str) -> None:
    git.out("switch", "--quiet", "--no-overwrite-ignore", "--create", branch, commit)


def _land_unfinished(git: Git, branch: str, *, ours: str, theirs: str) -> None:
    """The conflict as people know it: markers in the files, three sides in the index, `git status` says what to do."""
    _switch(git, branch, ours)
    git.pick(theirs, rules=trees.RULES)


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _is_resolved_anew(name: str) -> bool:
    return name.startswith("requirements") and name.endswith(".txt")
