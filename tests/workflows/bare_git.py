"""Git plumbing on the bare repository behind the fake GitHub: objects, refs, merges, diffs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

IDENTITY = {
    "GIT_AUTHOR_NAME": "GitHub",
    "GIT_AUTHOR_EMAIL": "noreply@github.test",
    "GIT_COMMITTER_NAME": "GitHub",
    "GIT_COMMITTER_EMAIL": "noreply@github.test",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


class GitError(Exception):
    """A git command failed."""


class BareGit:
    """One bare repository, addressed by path."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(
        self, *args: str, stdin: bytes | None = None, env: dict[str, str] | None = None
    ) -> bytes:
        done = subprocess.run(
            ["git", "--git-dir", str(self.path), *args],
            input=stdin,
            capture_output=True,
            env={"PATH": os.environ["PATH"], "HOME": str(self.path), **IDENTITY, **(env or {})},
            check=False,
        )
        if done.returncode:
            raise GitError(f"git {' '.join(args)}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout

    def text(
        self, *args: str, stdin: bytes | None = None, env: dict[str, str] | None = None
    ) -> str:
        return self.run(*args, stdin=stdin, env=env).decode().strip()

    def resolve(self, name: str) -> str | None:
        """The commit a branch, tag or sha names, or None."""
        for candidate in (name, f"refs/heads/{name}", f"refs/tags/{name}"):
            try:
                return self.text("rev-parse", "--verify", "--quiet", candidate + "^{commit}")
            except GitError:
                continue
        return None

    def ref(self, full_name: str) -> str | None:
        """The object a full ref name points at (a tag object stays a tag object), or None."""
        try:
            return self.text("rev-parse", "--verify", "--quiet", full_name)
        except GitError:
            return None

    def refs(self, prefix: str = "refs/") -> dict[str, str]:
        lines = self.text("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        return {n: s for n, s in (line.split() for line in lines) if n.startswith(prefix)}

    def kind(self, sha: str) -> str | None:
        try:
            return self.text("cat-file", "-t", sha)
        except GitError:
            return None

    def update(self, ref: str, sha: str, old: str | None = None) -> None:
        self.run("update-ref", ref, sha, *([old] if old is not None else []))

    def delete(self, ref: str) -> None:
        self.run("update-ref", "-d", ref)

    def is_ancestor(self, older: str, newer: str) -> bool:
        try:
            self.run("merge-base", "--is-ancestor", older, newer)
        except GitError:
            return False
        return True

    def changed(self, base: str, head: str) -> list[tuple[str, str]]:
        """(status letter, path) of every file that differs between the merge base and `head`."""
        raw = self.run("diff", "--name-status", "--no-renames", "-z", f"{base}...{head}").decode()
        parts = raw.split("\0")[:-1]
        return list(zip(parts[::2], parts[1::2], strict=True))

    def changed_between(self, before: str, after: str) -> list[str]:
        """Paths that differ between two commits, as a push event's path filter sees them."""
        raw = self.run("diff", "--name-only", "--no-renames", "-z", before, after).decode()
        return raw.split("\0")[:-1]

    def commits(self, base: str, head: str) -> list[str]:
        return self.text("rev-list", "--reverse", f"{base}..{head}").split()

    def read(self, commit: str, path: str) -> bytes | None:
        try:
            return self.run("cat-file", "blob", f"{commit}:{path}")
        except GitError:
            return None

    def commit_tree(
        self, tree: str, parents: list[str], message: str, env: dict[str, str] | None = None
    ) -> str:
        flags = [flag for parent in parents for flag in ("-p", parent)]
        return self.text("commit-tree", tree, *flags, "-F", "-", stdin=message.encode(), env=env)

    def merge(self, base: str, head: str, how: str, title: str) -> str | None:
        """Merge `head` into `base` as `merge`, `squash` or `rebase`; the new commit, or None on a conflict."""
        if how == "rebase":
            tip = base
            for commit in self.commits(self.text("merge-base", base, head), head):
                tree = self._merge_tree(tip, commit, self.text("rev-parse", f"{commit}^"))
                if tree is None:
                    return None
                tip = self.commit_tree(tree, [tip], self.text("log", "-1", "--format=%B", commit))
            return tip
        tree = self._merge_tree(base, head, None)
        if tree is None:
            return None
        return self.commit_tree(tree, [base, head] if how == "merge" else [base], title)

    def _merge_tree(self, ours: str, theirs: str, base: str | None) -> str | None:
        if base is not None and self.text("rev-parse", f"{base}^{{tree}}") == self.text(
            "rev-parse", f"{ours}^{{tree}}"
        ):
            return self.text("rev-parse", f"{theirs}^{{tree}}")
        try:
            return self.text("merge-tree", "--write-tree", ours, theirs).splitlines()[0]
        except GitError:
            return None


def put_workflow(bare: BareGit, text: str, name: str = "probe.yml") -> str:
    """Commit a workflow file, and no other, to main; returns the commit."""
    return put_workflows(bare, {name: text})


def put_workflows(bare: BareGit, files: Mapping[str, str]) -> str:
    """Commit these workflow files, and no others, to main; returns the commit."""
    tip = bare.ref("refs/heads/main")
    assert tip is not None
    listed = [
        f"100644 blob {bare.text('hash-object', '-w', '--stdin', stdin=text.encode())}\t{name}\n"
        for name, text in files.items()
    ]
    workflows = bare.text("mktree", stdin="".join(listed).encode())
    folder = bare.text("mktree", stdin=f"040000 tree {workflows}\tworkflows\n".encode())
    lines = [
        line for line in bare.text("ls-tree", tip).splitlines() if not line.endswith("\t.github")
    ]
    lines.append(f"040000 tree {folder}\t.github")
    tree = bare.text("mktree", stdin="\n".join([*lines, ""]).encode())
    sha = bare.commit_tree(tree, [tip], "Add a workflow\n")
    bare.update("refs/heads/main", sha)
    return sha
