"""dvc.lock of a commit that nobody vouches for: read as data, in bounded time, without DVC and without its code.

`stale` asks what `dvc status` asks, of the files as Git has them. A stage that dvc.yaml writes by a template or by
`foreach` is compared by what dvc.lock says of it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from gitops_model import strict_yaml
from gitops_model.delivery.dvc import Out
from gitops_model.delivery.git import Git
from gitops_model.errors import BadInput, CannotEvaluate, shorten

MOST_ENTRIES = 2000
_MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")
_FOREIGN = {"foreach", "do", "matrix"}


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage as it ran: its command, the md5 of each dependency by path, parameters by file and name, outputs."""

    command: object
    deps: Mapping[str, str]
    params: Mapping[str, Mapping[str, object]]
    outs: Mapping[str, Out]


@dataclass(frozen=True, kw_only=True)
class Lock:
    """A dvc.lock: its `text`, its stages by name."""

    text: str
    stages: Mapping[str, Stage]

    def out(self, path: str) -> Out:
        """The output `path` of any stage. Raises CannotEvaluate when there is none."""
        for stage in self.stages.values():
            if path in stage.outs:
                return stage.outs[path]
        raise CannotEvaluate(
            f"dvc.lock does not hold {path}: it was not built. Run `make train` and commit dvc.lock."
        )


def load(git: Git, rev: str) -> Lock:
    """dvc.lock at `rev`. Raises CannotEvaluate when there is none, or it is not one."""
    text = _text(git, rev, "dvc.lock")
    if text is None:
        raise CannotEvaluate(
            "this commit has no dvc.lock: nothing was trained yet. Run `make data train` and commit dvc.lock."
        )
    try:
        stages = _mapping(_mapping(strict_yaml.read(text, name="dvc.lock"))["stages"])
        found = {str(name): _stage(_mapping(value)) for name, value in stages.items()}
    except BadInput as error:
        raise CannotEvaluate(f"{error.problems[0]} Build dvc.lock again: make train") from None
    except (LookupError, TypeError, ValueError):
        raise CannotEvaluate(
            "dvc.lock is not a lock file of DVC. Build it again: make train"
        ) from None
    if sum(len(s.deps) + len(s.outs) for s in found.values()) > MOST_ENTRIES:
        raise CannotEvaluate(f"dvc.lock names more than {MOST_ENTRIES:,} files.")
    return Lock(text=text, stages=found)


def stale(git: Git, rev: str, lock: Lock) -> list[str]:
    """Why `lock` is not what the files of `rev` build: one sentence a stage, empty when it is.

    Raises CannotEvaluate for a dvc.yaml that cannot be read.
    """
    text = _text(git, rev, "dvc.yaml")
    try:
        data = {} if text is None else _mapping(strict_yaml.read(text, name="dvc.yaml"))
        declared = {str(name): value for name, value in _mapping(data.get("stages") or {}).items()}
    except (BadInput, TypeError) as error:
        raise CannotEvaluate(f"dvc.yaml cannot be read: {error}") from None
    made = _trackers(git, rev)
    for stage in lock.stages.values():
        made |= {out.path: out.md5 for out in stage.outs.values()}
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
        text = _text(git, rev, file)
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
            data = _mapping(strict_yaml.read(_text(git, rev, path) or "", name=path))
            for out in data["outs"]:
                made[str(PurePosixPath(path).parent / str(out["path"]))] = str(out["md5"])
        except (BadInput, LookupError, TypeError):
            raise CannotEvaluate(
                f"{path} is not a file of DVC (a merge conflict?). Write it again: make data"
            ) from None
    return made


def _stage(data: Mapping[str, Any]) -> Stage:
    outs = [_mapping(out) for out in data.get("outs") or ()]
    return Stage(
        command=data["cmd"],
        deps={str(dep["path"]): _checked(dep.get("md5")) for dep in data.get("deps") or ()},
        params={str(file): _mapping(v) for file, v in _mapping(data.get("params") or {}).items()},
        outs={
            str(out["path"]): Out(
                path=str(out["path"]), md5=_checked(out["md5"]), size=int(out.get("size", 0))
            )
            for out in outs
        },
    )


def _checked(md5: object) -> str:
    """An md5 that may become part of an address. Raises ValueError."""
    text = str(md5)
    if not _MD5.fullmatch(text):
        raise ValueError("not an md5")
    return text


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError("not a mapping")
    return value


def _text(git: Git, rev: str, path: str) -> str | None:
    data = git.read(rev, path)
    return None if data is None else data.decode(errors="replace")
