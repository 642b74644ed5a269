"""The repository as the commands need it: a thin layer over the `git` executable, without a shell.

Nothing here asks for a password, waits for ever, or forces a push. What git says when it fails ends up in one
sentence of an ExternalFailure.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitops_model.errors import BadInput, Blocked, ExternalFailure, shorten
from gitops_model.progress import waiting

FETCH_SECONDS = 20.0
PUSH_SECONDS = 60.0
# Stops git from waiting on a line that went dead while the fetch was under way.
_DEAD_LINE = ("-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=10")
_CHATTER = (
    *("hint:", "To ", "From ", "error: failed to push some refs", "warning: redirecting"),
    *("Please make sure you have the correct access rights", "and the repository exists."),
)
_CLOBBERED = re.compile(
    r"^ ! \[rejected\] +(\S+) +-> +\S+ +\(would clobber existing tag\)$", re.MULTILINE
)


SIGNATURE = "-----BEGIN SSH SIGNATURE-----\n"


@dataclass(frozen=True, kw_only=True)
class Tag:
    """An annotated tag: `object` is the tag's own hash, `commit` what it points to.

    `when` it was made, in seconds, `by` whom: `Name <address>`. A signature is no part of the message.
    """

    name: str
    object: str
    commit: str
    when: int
    by: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What a fetch found out. `moved` are tags that origin has on another object than we do."""

    reached: bool
    problem: str = ""
    moved: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Git:
    """A working tree with its repository. All paths are relative to `root` and use forward slashes."""

    root: Path

    @staticmethod
    def open(folder: Path) -> Git:
        """The repository whose top is `folder`. Raises BadInput when it is not one."""
        git = Git(root=folder)
        done = git._run("rev-parse", "--show-prefix")
        if done.returncode != 0:
            raise BadInput(
                f"{folder} is not a git repository. Run `make setup`, or change to the repository's top."
            )
        if done.stdout.strip():
            raise BadInput(
                f"{folder} is not the top of its git repository; change there and run the command again."
            )
        return git

    def _run(
        self,
        *words: str,
        timeout: float | None = 60.0,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        settings = {
            **os.environ,
            "LC_ALL": "C",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": os.environ.get("GIT_ASKPASS", "true"),
            "GIT_SSH_COMMAND": os.environ.get(
                "GIT_SSH_COMMAND", "ssh -oBatchMode=yes -oConnectTimeout=5"
            ),
            **(env or {}),
        }
        try:
            return subprocess.run(
                ["git", *words],
                cwd=self.root,
                env=settings,
                input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None,
                capture_output=True,
                timeout=timeout,
                check=False,
            )
        except FileNotFoundError:
            raise ExternalFailure("git is not installed, or not on the PATH.") from None
        except subprocess.TimeoutExpired:
            raise ExternalFailure(
                f"`git {_verb(words)}` gave no answer within {timeout:g} s."
            ) from None

    def out(
        self,
        *words: str,
        timeout: float | None = 60.0,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
    ) -> str:
        """What a git command prints, without the final newline. Raises ExternalFailure with what git said."""
        done = self._run(*words, timeout=timeout, stdin=stdin, env=env)
        if done.returncode != 0:
            raise ExternalFailure(f"`git {_verb(words)}` failed: {_said(done)}")
        return done.stdout.decode(errors="replace").removesuffix("\n")

    def ok(self, *words: str) -> bool:
        """Whether a git command that answers by its exit code says yes. Raises ExternalFailure on other codes."""
        done = self._run(*words)
        if done.returncode > 1:
            raise ExternalFailure(f"`git {_verb(words)}` failed: {_said(done)}")
        return done.returncode == 0

    # Reading

    def commit(self, rev: str) -> str | None:
        """The full hash of the commit that `rev` (a branch, tag, or hash) leads to, or None."""
        done = self._run(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}"
        )
        return done.stdout.decode().strip() if done.returncode == 0 else None

    def need(self, rev: str) -> str:
        """Like `commit`. Raises BadInput when there is no such commit."""
        found = self.commit(rev)
        if found is None and rev == "HEAD":
            raise BadInput(
                "nothing is committed yet. Commit first: git add --all && git commit -m Start"
            )
        if found is None:
            raise BadInput(f"'{shorten(rev)}' is no commit, branch or tag of this repository.")
        return found

    def read(self, rev: str, path: str) -> bytes | None:
        """The bytes of `path` at `rev`, or None when it is not there."""
        done = self._run("cat-file", "blob", f"{rev}:{path}")
        return done.stdout if done.returncode == 0 else None

    def text(self, rev: str, path: str) -> str | None:
        """The same as text; bytes that are not UTF-8 are replaced, so that whoever reads it says what is wrong."""
        data = self.read(rev, path)
        return None if data is None else data.decode(errors="replace")

    def bring(self, commit: str) -> None:
        """Fetch a commit by its hash, unless it is here. Raises ExternalFailure."""
        if self.commit(commit) is None:
            self.out("fetch", "--quiet", "--no-tags", "origin", commit, timeout=FETCH_SECONDS)

    def contains(self, *, ancestor: str, rev: str) -> bool:
        """Whether `rev` has `ancestor` in its history, or is it."""
        return self.ok("merge-base", "--is-ancestor", ancestor, rev)

    def branch(self) -> str | None:
        """The branch that is checked out; None for a detached HEAD."""
        done = self._run("symbolic-ref", "--quiet", "--short", "HEAD")
        return done.stdout.decode().strip() if done.returncode == 0 else None

    def changes(self, *paths: str) -> list[str]:
        """Lines of `git status --porcelain` about `paths` (default: all), untracked files left out."""
        text = self.out(
            "--no-optional-locks", "status", "--porcelain", "--untracked-files=no", "--", *paths
        )
        return text.splitlines()

    def merge_tree(self, ours: str, theirs: str, *, rules: Sequence[str]) -> str:
        """Merge two commits in memory: the tree's hash, then the files in conflict, each ended by NUL."""
        words = (*rules, "merge-tree", "--write-tree", "--name-only", "--no-messages", "-z")
        done = self._run(*words, ours, theirs)
        if done.returncode not in (0, 1):
            raise ExternalFailure(
                f"`git merge-tree` failed: {_said(done)} It needs Git 2.38 or newer; this is {self.out('version')}."
            )
        return done.stdout.decode(errors="replace")

    def pointer_commits(self, rev: str, path: str, *, limit: int | None = None) -> list[str]:
        """First-parent commits of `rev` that changed `path`, newest first. A merge counts as one commit."""
        bound = [] if limit is None else [f"--max-count={limit}"]
        words = ("log", "--first-parent", "-m", "--format=%H", *bound, rev, "--", path)
        return list(dict.fromkeys(self.out(*words).split()))

    def identity(self) -> str:
        """`Name <address>` of who commits. Raises BadInput when git does not know."""
        # A commit needs an author, too, and a half-filled environment knows only one of the two.
        author = self._run("var", "GIT_AUTHOR_IDENT")
        done = self._run("var", "GIT_COMMITTER_IDENT")
        if done.returncode != 0 or author.returncode != 0:
            raise BadInput(
                "git does not know who you are. Run: git config --global user.name 'Your Name' && "
                "git config --global user.email you@example.com"
            )
        return done.stdout.decode(errors="replace").strip().rpartition(">")[0] + ">"

    def require_can_commit(self) -> None:
        """Raises BadInput without an identity, Blocked in a merge, in which no file can be committed alone."""
        self.identity()
        for name, words in (("MERGE_HEAD", "merge"), ("CHERRY_PICK_HEAD", "cherry-pick")):
            if self.commit(name) is not None:
                raise Blocked(
                    f"a {words} is not finished here, so no file can be committed alone. Finish it (git commit), or "
                    f"stop it (git {words} --abort), then run the command again."
                )

    # Tags

    def tags(self, pattern: str) -> list[Tag]:
        """Annotated tags whose name matches the glob `pattern`. Lightweight tags are no releases and are left out."""
        fields = (
            "objecttype refname:lstrip=2 objectname *objectname taggerdate:unix tagger contents"
        )
        form = "%00".join(f"%({field})" for field in fields.split()) + "%00%00"
        text = self.out("for-each-ref", f"--format={form}", f"refs/tags/{pattern}")
        found = []
        for entry in text.split("\0\0"):
            kind, _, rest = entry.lstrip("\n").partition("\0")
            if kind == "tag":
                name, own, commit, when, tagger, message = rest.split("\0")
                by = tagger.rpartition(">")[0] + ">"
                found.append(
                    Tag(
                        name=name,
                        object=own,
                        commit=commit,
                        when=int(when or 0),
                        by=by,
                        message=message.partition(SIGNATURE)[0],
                    )
                )
        return found

    def tag_names(self, pattern: str) -> list[str]:
        """Names of all tags that match, annotated or not."""
        return self.out(
            "for-each-ref", "--format=%(refname:lstrip=2)", f"refs/tags/{pattern}"
        ).split()

    def tag(self, name: str) -> Tag | None:
        """One annotated tag, or None."""
        return next((tag for tag in self.tags(name) if tag.name == name), None)

    def make_tag_object(self, *, name: str, commit: str, message: str, when: int) -> str:
        """Write an annotated tag of now, `when` in seconds, that no ref names yet, and return its hash.

        Until a ref names it, it is invisible and git will clean it up: so the release comes to be in one step, the
        creation of the ref. It is signed where Git's settings say so: tag.gpgSign, gpg.format ssh, user.signingKey.
        """
        tagger = f"{self.identity()} {when} +0000"
        text = f"object {commit}\ntype commit\ntag {name}\ntagger {tagger}\n\n{message}"
        return self.out("mktag", stdin=(text + self._signature(text)).encode())

    def _signature(self, text: str) -> str:
        settings = {
            name: self._run("config", "--get", name).stdout.decode(errors="replace").strip()
            for name in ("tag.gpgSign", "gpg.format", "user.signingKey")
        }
        if (settings["tag.gpgSign"].lower(), settings["gpg.format"]) != ("true", "ssh"):
            return ""
        key = os.path.expanduser(settings["user.signingKey"])
        try:
            done = subprocess.run(
                ["ssh-keygen", "-Y", "sign", "-n", "git", "-f", key],
                input=text.encode(),
                capture_output=True,
                timeout=60,
                check=False,
            )
        except FileNotFoundError:
            raise ExternalFailure(
                "ssh-keygen is not installed, and Git is set to sign tags. Install OpenSSH."
            ) from None
        if done.returncode != 0:
            raise ExternalFailure(
                f"the tag cannot be signed with user.signingKey ({key}): {_said(done)} "
                "See which key Git uses: git config user.signingKey"
            )
        return done.stdout.decode()

    def is_signed(self, tag: str) -> bool:
        """Whether a tag object ends with a signature by SSH."""
        return SIGNATURE in self.out("cat-file", "tag", tag)

    def verify_tag(self, tag: str, *, signers: Path) -> tuple[bool, str]:
        """Whether the signature of a tag object is by somebody in the file `signers`, and what Git says of it."""
        done = self._run("-c", f"gpg.ssh.allowedSignersFile={signers}", "verify-tag", tag)
        return done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")

    def create_ref(self, ref: str, target: str) -> bool:
        """Create `ref`, unless it exists; then False."""
        return self._run("update-ref", "--create-reflog", ref, target, "").returncode == 0

    # Origin

    def has_origin(self) -> bool:
        """Whether a remote called origin is configured."""
        return self.origin_url() is not None

    def origin_url(self) -> str | None:
        """The address of origin, or None."""
        done = self._run("config", "--get", "remote.origin.url")
        return done.stdout.decode().strip() or None if done.returncode == 0 else None

    def fetch(self, *, branch: str, timeout: float = FETCH_SECONDS) -> Fetched:
        """Bring origin's `branch` and tags here. Never raises for an origin that cannot be reached."""
        refs = (f"+refs/heads/{branch}:refs/remotes/origin/{branch}", "refs/tags/*:refs/tags/*")
        try:
            with waiting(f"asking origin for {branch} and the releases"):
                done = self._run(
                    *_DEAD_LINE, "fetch", "--no-write-fetch-head", "origin", *refs, timeout=timeout
                )
        except ExternalFailure as error:
            return Fetched(reached=False, problem=str(error))
        moved = tuple(_CLOBBERED.findall(done.stderr.decode(errors="replace")))
        if done.returncode != 0 and not moved:
            return Fetched(reached=False, problem=f"`git fetch` failed: {_said(done)}")
        return Fetched(reached=True, moved=moved)

    def remote_refs(self, *patterns: str, timeout: float = FETCH_SECONDS) -> dict[str, str]:
        """Refs of origin that match, by name, with their hashes (a tag's own object, not peeled)."""
        text = self.out(*_DEAD_LINE, "ls-remote", "--refs", "origin", *patterns, timeout=timeout)
        pairs = (line.split("\t", 1) for line in text.splitlines())
        return {name: target for target, name in pairs}

    def push(self, *refspecs: str, timeout: float = PUSH_SECONDS) -> str:
        """Push without force, all refs or none. Returns "" on success and what git said otherwise."""
        try:
            with waiting("pushing to origin"):
                done = self._run(
                    "push", "--atomic", "--no-follow-tags", "origin", *refspecs, timeout=timeout
                )
        except ExternalFailure as error:
            return str(error)
        return "" if done.returncode == 0 else _said(done)

    # Committing

    def commit_file(self, path: str, message: str, *, hooks: bool = True) -> str:
        """Commit the working tree's `path` and nothing else; what else is staged stays staged. Returns the hash."""
        self.identity()
        self.out("add", "--", path)  # `commit --only` does not know a file that was deleted before
        skip = [] if hooks else ["--no-verify"]
        self.out(
            "commit", "--quiet", *skip, "--only", "-F", "-", "--", path, stdin=message.encode()
        )
        return self.need("HEAD")

    def pick(self, commit: str, *, rules: Sequence[str]) -> None:
        """Apply what `commit` changed; a conflict stays in the files and the index, to be resolved."""
        done = self._run(*rules, "cherry-pick", commit)
        if self.commit("CHERRY_PICK_HEAD") is None and done.returncode:
            raise ExternalFailure(f"`git cherry-pick` failed: {_said(done)}")


def masked(text: str) -> str:
    """`text` without names and tokens in the addresses there: they must not reach a log.

    Up to the last @ of an address, since a password may have an @ or a / of its own.
    """
    return re.sub(r"://\S+@", "://***@", text)


def _verb(words: Sequence[str]) -> str:
    plain = [word for word in words if not word.startswith(("-", "http."))]
    return plain[0] if plain else "git"


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    """What matters of a failed command's output, in one line; of a push, the server's own words."""
    text = (done.stderr or done.stdout).decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if not line.startswith(_CHATTER)]
    shown = " · ".join([line for line in lines if line][:4])
    return masked(shown) or f"exit code {done.returncode}"
