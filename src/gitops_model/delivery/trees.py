"""Three trees of files into one, by Git's own merge, before anything in the working tree is touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gitops_model.delivery.git import Git

# A file that the template adds stands where the template says: Makefile and README name it there.
RULES = ("-c", "merge.renames=true", "-c", "merge.directoryRenames=false")


@dataclass(frozen=True, kw_only=True)
class Merged:
    """The merged files as a tree; where both sides changed the same lines, `conflicts` names the files."""

    tree: str
    conflicts: tuple[str, ...]


def write(git: Git, folder: Path, *, index: Path) -> str:
    """The files below `folder` as a tree in the repository, under the rules of their own .gitattributes."""
    at = ("-C", str(folder), f"--git-dir={git.out('rev-parse', '--absolute-git-dir')}")
    env = {"GIT_INDEX_FILE": str(index)}
    git.out(*at, "--work-tree=.", "add", "--all", "--force", ".", env=env)
    return git.out("write-tree", env=env)


def replaced(git: Git, tree: str, *, source: str, paths: Sequence[str], index: Path) -> str:
    """`tree` with `paths` (globs) as they are in `source`: what is not there is removed."""
    env = {"GIT_INDEX_FILE": str(index)}
    git.out("read-tree", tree, env=env)
    for listed in git.out("ls-files", "-z", "--", *paths, env=env).split("\0"):
        if listed:
            git.out("update-index", "--force-remove", "--", listed, env=env)
    other = {"GIT_INDEX_FILE": f"{index}.source"}
    git.out("read-tree", source, env=other)
    wanted = git.out("ls-files", "--stage", "-z", "--", *paths, env=other)
    git.out("update-index", "-z", "--index-info", stdin=wanted.encode(), env=env)
    return git.out("write-tree", env=env)


def commit(git: Git, tree: str, message: str, *parents: str) -> str:
    """A commit that no branch names yet."""
    words = [word for parent in parents for word in ("-p", parent)]
    return git.out("commit-tree", tree, *words, "-F", "-", stdin=message.encode())


def merge(git: Git, ours: str, theirs: str) -> Merged:
    """Merge two commits by their common ancestor, in memory. Raises ExternalFailure where Git cannot."""
    text = git.merge_tree(ours, theirs, rules=RULES)
    tree, *names = text.split("\0")
    return Merged(tree=tree, conflicts=tuple(dict.fromkeys(name for name in names if name)))


def added(git: Git, old: str, new: str) -> list[str]:
    """Files of `new` that `old` does not have."""
    words = ("diff-tree", "-r", "-z", "--name-only", "--no-renames", "--diff-filter=A", old, new)
    return [name for name in git.out(*words).split("\0") if name]
