"""dvc.lock, read as data: in bounded time, without DVC, also one of a commit that nobody vouches for.

`stale` asks what `dvc status` asks, of the files as Git has them. A stage that dvc.yaml writes by a template or by
`foreach` is compared by what dvc.lock says of it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from gitops_model import strict_yaml
from gitops_model.delivery.git import Git
from gitops_model.errors import BadInput, CannotEvaluate, shorten

MOST_ENTRIES = 2000
_MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")
_FOREIGN = {"foreach", "do", "matrix"}


@dataclass(frozen=True, kw_only=True)
class Out:
    """A file or folder under DVC: its md5 (ending in `.dir` for a folder) and its size in bytes."""

    path: str
    md5: str
    size: int


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage as it ran: its command, the md5 of each dependency by path, parameters by file and name, outputs.

    What DVC knows by something else than an md5, such as a file on a server, is left out.
    """

    command: object
    deps: Mapping[str, str]
    params: Mapping[str, Mapping[str, object]]
    outs: Mapping[str, Out]


@dataclass(frozen=True, kw_only=True)
class Lock:
    """A dvc.lock: its stages by name."""

    stages: Mapping[str, Stage]

    @staticmethod
    def parse(text: str, *, name: str = "dvc.lock") -> Lock:
        """Raises BadInput when it is not one, or names more files than ours ever does."""
        mend = "Build it again: make train"
        try:
            stages = _mapping(_mapping(strict_yaml.read(text, name=name)).get("stages") or {})
            found = {str(key): _stage(_mapping(value)) for key, value in stages.items()}
        except BadInput as error:
            raise BadInput(f"{error.problems[0]} {mend}") from None
        except (LookupError, TypeError, ValueError):
            raise BadInput(f"{name} is not a lock file of DVC. {mend}") from None
        if sum(len(s.deps) + len(s.outs) for s in found.values()) > MOST_ENTRIES:
            raise BadInput(f"{name} names more files than {MOST_ENTRIES:,}.")
        return Lock(stages=found)

    @property
    def outs(self) -> dict[str, Out]:
        """Every output by path."""
        return {path: out for stage in self.stages.values() for path, out in stage.outs.items()}

    def out(self, path: str) -> Out:
        """The output `path` of any stage. Raises CannotEvaluate when there is none."""
        found = self.outs.get(path)
        if found is None:
            raise CannotEvaluate(
                f"dvc.lock does not hold {path}: it was not built. Run `make train` and commit dvc.lock."
            )
        return found


def load(git: Git, rev: str) -> Lock:
    """dvc.lock at `rev`. Raises CannotEvaluate when there is none, BadInput when it is not one."""
    text = git.text(rev, "dvc.lock")
    if text is None:
        raise CannotEvaluate(
            "this commit has no dvc.lock: nothing was trained yet. Run `make data train` and commit dvc.lock."
        )
    return Lock.parse(text)


def require_fresh(reasons: Sequence[str]) -> None:
    """Raises CannotEvaluate for reasons why dvc.lock is stale."""
    if reasons:
        raise CannotEvaluate(
            f"dvc.lock is stale ({'; '.join(reasons[:5])}): the candidate is not what this code and data build. Run "
            "`make train` and commit dvc.lock."
        )


def stale(git: Git, rev: str, lock: Lock) -> list[str]:
    """Why `lock` is not what the files of `rev` build: one sentence a stage, empty when it is.

    Raises CannotEvaluate for a dvc.yaml that cannot be read.
    """
    text = git.text(rev, "dvc.yaml")
    try:
        data = {} if text is None else _mapping(strict_yaml.read(text, name="dvc.yaml"))
        declared = {str(name): value for name, value in _mapping(data.get("stages") or {}).items()}
    except (BadInput, TypeError) as error:
        raise CannotEvaluate(f"dvc.yaml cannot be read: {error}") from None
    made = _trackers(git, rev) | {path: out.md5 for path, out in lock.outs.items()}
    found = [f"{name}: it never ran" for name in _plain(declared) if name not in lock.stages]
    for name, stage in lock.stages.items():
        reasons = [*_declared(declared.get(name), stage), *_changed(git, rev, stage, made)]
        if reasons:
            found.append(f"{name}: {', '.join(reasons[:5])}")
    return [shorten(sentence, 300) for sentence in found]


def _plain(declared: Mapping[str, Any]) -> Iterator[str]:
    """Stages that are one stage each."""
    for name, stage in declared.items():
        if isinstance(stage, Mapping) and not _FOREIGN & stage.keys():
            yield name


def _declared(declared: Any, stage: Stage) -> Iterator[str]:
    if not isinstance(declared, Mapping) or _FOREIGN & declared.keys() or "${" in str(declared):
        return
    if declared.get("cmd") != stage.command:
        yield "its command in dvc.yaml changed"
    deps = {str(path) for dep in declared.get("deps") or () for path in _names(dep)}
    if deps != set(stage.deps):
        yield "its dependencies in dvc.yaml changed"


def _changed(git: Git, rev: str, stage: Stage, made: Mapping[str, str]) -> Iterator[str]:
    for path, md5 in stage.deps.items():
        now = made.get(path)
        if now is None:
            content = git.read(rev, path)
            # A folder that Git holds has no content of its own.
            now = md5 if content is None and _is_folder(git, rev, path) else _md5(content)
        if now is None:
            yield f"{path} was removed"
        elif now != md5:
            yield f"{path} changed"
    for file, values in stage.params.items():
        text = git.text(rev, file)
        try:
            data = {} if text is None else strict_yaml.read(text, name=file)
        except BadInput:
            yield f"{file} cannot be read"
            continue
        yield from (
            f"{key} in {file} changed" for key, old in values.items() if _at(data, key) != old
        )


def _at(data: Any, key: str) -> object:
    """The value at a dotted name; None where there is none, as DVC records it."""
    for part in key.split("."):
        data = data.get(part) if isinstance(data, Mapping) else None
    return data


def _names(dep: Any) -> list[object]:
    return list(dep) if isinstance(dep, Mapping) else [dep]


def _md5(content: bytes | None) -> str | None:
    return None if content is None else hashlib.md5(content, usedforsecurity=False).hexdigest()


def _is_folder(git: Git, rev: str, path: str) -> bool:
    return git.ok("rev-parse", "--verify", "--quiet", f"{rev}:{path}^{{tree}}")


def _trackers(git: Git, rev: str) -> dict[str, str]:
    """md5 of what DVC tracks by .dvc files at `rev`, by path."""
    listed = git.out("ls-tree", "-r", "-z", "--name-only", rev).split("\0")
    paths = [path for path in listed if path.endswith(".dvc")][:MOST_ENTRIES]
    made = {}
    for path in paths:
        try:
            data = _mapping(strict_yaml.read(git.text(rev, path) or "", name=path))
            for out in data["outs"]:
                made[str(PurePosixPath(path).parent / str(out["path"]))] = str(out["md5"])
        except (BadInput, LookupError, TypeError):
            raise CannotEvaluate(
                f"{path} is not a file of DVC (a merge conflict?). Write it again: make data"
            ) from None
    return made


def _stage(data: Mapping[str, Any]) -> Stage:
    deps, outs = (
        [entry for item in data.get(key) or () if "md5" in (entry := _mapping(item))]
        for key in ("deps", "outs")
    )
    return Stage(
        command=data.get("cmd"),
        deps={str(dep["path"]): _md5_of(dep) for dep in deps},
        params={str(file): _mapping(v) for file, v in _mapping(data.get("params") or {}).items()},
        outs={
            str(out["path"]): Out(
                path=str(out["path"]), md5=_md5_of(out), size=int(out.get("size", 0))
            )
            for out in outs
        },
    )


def _md5_of(entry: Mapping[str, Any]) -> str:
    """An md5 that may become part of an address. Raises ValueError."""
    text = str(entry["md5"])
    if not _MD5.fullmatch(text):
        raise ValueError("not an md5")
    return text


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError("not a mapping")
    return value
