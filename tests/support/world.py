"""A small world for the commands: a bare origin, clones of it, real bundles, and dvc.lock written by hand.

DVC itself takes a second a call and does not run here; the end-to-end tests have it.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from gitops_model.cli import main
from gitops_model.delivery.dvc import BUNDLE, cached, file_md5
from gitops_model.formats.pointer import Pointer
from tests.support.factories import contract_dict, make_bundle

CHECK: dict[str, Any] = {
    "problem": "binary",
    "alpha": 0.05,
    "baseline": None,
    "curves": {"candidate": None, "production": None},
    "gates_digest": "3" * 64,
    "latency": None,
    "schema_comparison": {
        "version": 1,
        "production_version": None,
        "version_raised": False,
        "problems": [],
    },
    "test_set": {
        "sha256": "2" * 64,
        "rows": 20,
        "units": 20,
        "unit": "rows",
        "window": None,
        "changed": False,
        "looks": 1,
        "budget": 20,
        "luck": 0.0,
    },
    **{key: [] for key in ("data_diff", "gates", "metrics", "params_diff", "slices", "suspects")},
    **{key: [] for key in ("turned_off", "warnings")},
}
IGNORED = "build/\nstore/\n.dvc/cache/\nreports/\n"


@dataclass(frozen=True)
class Done:
    """What a command did: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


class Clone:
    """A working tree, and the commands run in it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def store(self) -> Path:
        return self.root / "store"

    def point(self, pointer: Pointer) -> None:
        """Write production.yaml by hand, and merge it past every check."""
        self.write("production.yaml", pointer.to_yaml())
        self.commit("By hand", "production.yaml")
        self.push()

    def git(self, *words: str, check: bool = True) -> str:
        done = subprocess.run(
            ["git", *words], cwd=self.root, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0 or not check, f"git {words}: {done.stderr}"
        return done.stdout.strip()

    def run(self, *words: str) -> Done:
        """Run a command as the command line would, in this process."""
        out, err = io.StringIO(), io.StringIO()
        with (
            contextlib.chdir(self.root),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                code = main(words)
            except SystemExit as end:
                code = int(end.code or 0)
        return Done(code, out.getvalue(), err.getvalue())

    def ok(self, *words: str) -> Done:
        done = self.run(*words)
        assert done.code == 0, f"{words} -> {done.code}\n{done.text}"
        return done

    def write(self, path: str, text: str | bytes) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode() if isinstance(text, str) else text)

    def commit(self, message: str, *paths: str) -> str:
        self.git("add", "--", *paths)
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")

    def train(self, seed: int, *, state: str | None = "pass", **options: Any) -> str:
        """Put a bundle into build/, cache and dvc.lock, with a verdict about it; commit. Returns its sha256."""
        data, sha256 = make_bundle(seed=seed, **options)
        self.write(BUNDLE, data)
        md5 = file_md5(self.root / BUNDLE)
        place = cached(self.root, md5)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        out = {"path": BUNDLE, "hash": "md5", "md5": md5, "size": len(data)}
        lock = {"schema": "2.0", "stages": {"package": {"cmd": "true", "outs": [out]}}}
        self.write("dvc.lock", yaml.safe_dump(lock, sort_keys=False))
        if state is not None:
            self.verdict(sha256, state)
        self.commit(f"Train {seed}", "dvc.lock")
        return sha256

    def verdict(self, sha256: str, state: str) -> None:
        """Write reports/check.json about a bundle."""
        words = {"pass": "May ship: it is better.", "blocked": "Blocked: it is worse."}[state]
        candidate = {"model": None, "sha256": sha256, "size_bytes": 1, "memory_mb": None}
        code = {"pass": 0, "blocked": 1}[state]
        check = {"schema": 1, "state": state, "exit_code": code, "sentence": words}
        self.write("reports/check.json", json.dumps({**CHECK, **check, "candidate": candidate}))

    def release(self, seed: int, **options: Any) -> str:
        """Train, push, release; returns the id."""
        self.train(seed, **options)
        self.push()
        return str(json.loads(self.ok("release", "--json").out)["model"])

    def ship(self, *words: str) -> Done:
        """Ship, commit, and push to main, as a merged pull request would."""
        done = self.ok("ship", *words, "--commit")
        self.push()
        return done

    def push(self) -> None:
        if self.git("remote"):
            self.git("push", "-q", "origin", "HEAD:main")
            self.git("fetch", "-q", "origin")

    @property
    def pointer(self) -> Pointer:
        return Pointer.load(self.root / "production.yaml")

    @property
    def stored(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.store / "pointer.json").read_text())
        return found

    def stable(self) -> str | None:
        """The model the store points to."""
        return (
            None
            if self.stored["pointer"]["stable"] is None
            else self.stored["pointer"]["stable"]["model"]
        )


@dataclass
class World:
    """An origin and the clones made of it."""

    folder: Path
    clones: list[Clone] = field(default_factory=list)

    @property
    def origin(self) -> Path:
        return self.folder / "origin.git"

    @staticmethod
    def create(folder: Path, *, url: str | None = None) -> World:
        world = World(folder)
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", world.origin], check=True)
        clone = world.clone()
        clone.git("checkout", "-q", "-b", "main")
        clone.write("production.yaml", Pointer().to_yaml())
        clone.write("contract.yaml", yaml.safe_dump(contract_dict(), sort_keys=False))
        serving: dict[str, Any] = {"host": "127.0.0.1", "port": 0, "store": "store"}
        if url is not None:
            serving["url"] = url
        clone.write("serving.yaml", yaml.safe_dump(serving))
        clone.write(".gitignore", IGNORED)
        clone.commit("Start", ".")
        clone.push()
        return world

    def clone(self) -> Clone:
        root = self.folder / f"clone{len(self.clones)}"
        subprocess.run(["git", "clone", "-q", self.origin, root], check=True, capture_output=True)
        made = Clone(root)
        self.clones.append(made)
        return made

    def copy(self, folder: Path) -> World:
        """The same world elsewhere, for a test that will change it."""
        shutil.copytree(self.folder, folder, symlinks=True)
        made = World(folder, [Clone(folder / clone.root.name) for clone in self.clones])
        for clone in made.clones:
            clone.git("remote", "set-url", "origin", str(made.origin))
        return made

    def hide_origin(self) -> None:
        """Make origin unreachable."""
        self.origin.rename(self.folder / "hidden.git")

    def at_origin(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=self.origin, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()


@contextlib.contextmanager
def served(clone: Clone, folder: Path, **options: Any) -> Iterator[Any]:
    """A real service on the clone's store; the clone's serving.yaml (not committed) says where it answers.

    `options` are further settings of the service.
    """
    from tests.support.server import Server

    clone.store.mkdir(exist_ok=True)
    server = Server(clone.store, folder, **options).start()
    settings = {"host": "127.0.0.1", "port": 0, "store": "store"}
    settings |= {"url": f"http://127.0.0.1:{server.port}", "deploy": {"confirm_seconds": 10}}
    clone.write("serving.yaml", yaml.safe_dump(settings))
    try:
        yield server
    finally:
        if server.process is not None and server.process.poll() is None:
            server.kill()
