"""Calling the team's Python in pipeline/, and watching what it reads.

A mistake in it becomes one sentence that names file, line and function; the whole traceback is left in
build/traceback.txt.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import inspect
import os
import sys
import traceback
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import yaml

from gitops_model.errors import BadInput, GitopsError, os_words
from gitops_model.files import write_atomic
from gitops_model.pipeline import stages

FOLDER = Path("pipeline")
TRACEBACK = Path("build/traceback.txt")
SHOWN = 40


def file_of(stage: str) -> Path:
    """Where the code of an ejected stage stands."""
    return FOLDER / f"{stage}_stage.py"


def call(module: str, function: str, *args: Any, wanted: str = "", **options: Any) -> Any:
    """What `function` of pipeline/<module>.py returns; `wanted` is how its definition must look.

    Raises BadInput when it is not there, takes other arguments, or raises.
    """
    path = FOLDER / f"{module}.py"
    found = _function(path, module, function, wanted)
    try:
        given = inspect.signature(found).bind(*args, **options).arguments
    except (TypeError, ValueError) as error:
        raise BadInput(
            f"{path}: {function} takes other arguments ({error}); allowed: {wanted}."
        ) from None
    try:
        with _Watch():
            return found(*args, **options)
    except GitopsError:
        raise
    except (Exception, SystemExit) as error:
        raise _mistake(path, function, error, given) from error


def _function(path: Path, module: str, function: str, wanted: str) -> Callable[..., Any]:
    if not path.is_file():
        raise BadInput(f"{path} is missing. Restore it: git checkout -- {path}")
    try:
        with _Watch():
            found = getattr(_import(module), function, None)
    except GitopsError:
        raise
    except (Exception, SystemExit) as error:
        raise _mistake(path, None, error, {}) from error
    if not callable(found):
        raise BadInput(f"{path} has no function {function}; add it: {wanted}.")
    checked: Callable[..., Any] = found
    return checked


def _import(module: str) -> types.ModuleType:
    # The package is made here rather than found: the repository's root never gets onto the import path, so no file of
    # it can stand in for a library.
    if "pipeline" not in sys.modules:
        package = types.ModuleType("pipeline")
        package.__path__ = [str(FOLDER.resolve())]
        sys.modules["pipeline"] = package
    return importlib.import_module(f"pipeline.{module}")


# What the code depends on.


class _Watch:
    """While it is entered, notes files that Python opens for reading."""

    opened: ClassVar[set[str]] = set()
    _on = False
    _hooked = False

    def __enter__(self) -> None:
        if not _Watch._hooked:
            sys.addaudithook(_Watch._hook)
            _Watch._hooked = True
        _Watch._on = True

    def __exit__(self, *error: object) -> None:
        _Watch._on = False

    @staticmethod
    def _hook(event: str, args: tuple[Any, ...]) -> None:
        if _Watch._on and event == "open" and isinstance(args[0], (str, bytes, os.PathLike)):
            path, mode, flags = args
            reads = (
                mode[:1] == "r" if isinstance(mode, str) else flags & os.O_ACCMODE == os.O_RDONLY
            )
            if reads:
                _Watch.opened.add(os.path.abspath(os.fsdecode(path)))


def require_declared(stage: str) -> None:
    """Raises BadInput when the team's code read something that the stage in dvc.yaml does not name.

    An ejected stage reads its parameters, and what it wrote, itself; elsewhere the library does that.
    DVC runs a stage again when what it names has changed. A file or a part of the library that it does not name would
    change the model unseen, and this clone would build another one than a fresh clone.
    """
    pipeline = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]
    deps = [str(dep) for dep in pipeline[stage].get("deps", ())]
    ejected = file_of(stage).as_posix() in deps
    known = [*deps, *_own(pipeline[stage])] if ejected else deps
    code = _imported()
    if missing := sorted(name for name in code | _read() if not _named(name, known)):
        what = ", ".join(missing)
        also = " and of package" if stage != "package" and any(m in code for m in missing) else ""
        raise BadInput(
            f"dvc.yaml: the stage {stage} uses {what} without naming {_them(missing)}, so a change there would go "
            f"unseen; add {_them(missing)} to the deps of {stage}{also}."
        )
    _require_library(stage, pipeline[stage], code)


def _require_library(stage: str, described: dict[str, Any], code: set[str]) -> None:
    """The parts of the library that the team's code imports must be in a version that the stage depends on."""
    listed = {stage}
    for entry in described.get("params", ()):
        if isinstance(entry, dict):
            listed.update(
                name for name in entry.get(str(stages.FILE)) or () if name in stages.STAGES
            )
    covered = {path for name in listed for path in stages.files(name)}
    for name in sorted(code):
        used = stages.reached(ast.parse(Path(name).read_bytes()))
        if beyond := sorted(set(used) - covered):
            others = [
                other for other in stages.STAGES if set(used) <= covered | set(stages.files(other))
            ]
            way = (
                f"list {others[0]}, too, under stages.json in its params"
                if others
                else "allowed: what `from gitops_model import …` offers"
            )
            raise BadInput(
                f"{name} imports {beyond[0]} of the library, which takes no part in the stage {stage}, so a new "
                f"library would not run the stage again; {way}."
            )


def _own(described: Mapping[str, Any]) -> Iterator[str]:
    """Files that hold the parameters of a stage in dvc.yaml, and those it writes; dvc.yaml says which they are."""
    yield from ("dvc.yaml", "params.yaml")
    for kind in ("params", "outs", "metrics", "plots"):
        for entry in described.get(kind, ()):
            if isinstance(entry, dict):
                yield from map(str, entry)
            elif kind != "params":
                yield str(entry)


def _imported() -> set[str]:
    """The team's modules that are imported, as paths from the root."""
    root = Path().resolve()
    return {
        Path(file).relative_to(root).as_posix()
        for module in list(sys.modules.values())
        if (file := getattr(module, "__file__", None)) and Path(file).is_relative_to(root / FOLDER)
    }


def _read() -> set[str]:
    """Files of the repository that the team's code opened, as paths from the root; caches and settings aside."""
    root = Path().resolve()
    found = set()
    for name in _Watch.opened:
        path = Path(name)
        if not path.is_relative_to(root) or path.is_relative_to(sys.prefix) or not path.is_file():
            continue
        inside = path.relative_to(root)
        hidden = any(part.startswith(".") or part == "__pycache__" for part in inside.parts)
        if not hidden and "site-packages" not in inside.parts:
            found.add(inside.as_posix())
    return found


def _named(name: str, deps: list[str]) -> bool:
    return any(name == dep or name.startswith(dep.rstrip("/") + "/") for dep in deps)


def _them(names: list[str]) -> str:
    return "it" if len(names) == 1 else "them"


# Mistakes, in words.


def _mistake(
    path: Path, function: str | None, error: BaseException, given: Mapping[str, Any]
) -> BadInput:
    write_atomic(TRACEBACK, "".join(traceback.format_exception(error)))
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(FOLDER.resolve())
    ]
    line, code = (own[-1].lineno, own[-1].line) if own else (None, None)
    file = Path(own[-1].filename).relative_to(Path().resolve()) if own else path
    if isinstance(error, SyntaxError) and error.filename:
        line, code = error.lineno, (error.text or "").strip()
        if Path(error.filename).is_relative_to(FOLDER.resolve()):
            file = Path(error.filename).relative_to(Path().resolve())
    where = f"{file}, line {line}" if line else str(file)
    at = f", at `{code}`" if code else ""
    return BadInput(
        f"{where}: {_what(function, error)}{at}.{_hint(error, given)} The whole traceback is in {TRACEBACK}."
    )


def _what(function: str | None, error: BaseException) -> str:
    words = os_words(error) if isinstance(error, OSError) else str(error).strip()
    said = type(error).__name__ + (f": {words.splitlines()[0][:200].rstrip('.')}" if words else "")
    if isinstance(error, SyntaxError):
        return f"this is not valid Python ({error.msg})"
    if isinstance(error, SystemExit):
        return f"{function or 'the file'} ended the program with sys.exit"
    return f"{function} raised {said}" if function else f"the file cannot be imported ({said})"


def _hint(error: BaseException, given: Mapping[str, Any]) -> str:
    if isinstance(error, SystemExit):
        return " Let it return, or raise an error."
    if isinstance(error, ModuleNotFoundError):
        return " Put what is missing into requirements.in, then run: make lock setup."
    if isinstance(error, pd.errors.EmptyDataError | pd.errors.ParserError):
        return " Read it with `read_csv` of gitops_model, which names the file."
    if isinstance(error, KeyError) and error.args:
        return _places(str(error.args[0]), given)
    return ""


def _places(asked: str, given: Mapping[str, Any]) -> str:
    """Where a missing name may have been looked for, and what stands there instead."""
    # pandas says "['a'] not in index" for a list of columns.
    asked = asked.partition("]")[0].strip("[']")
    names = {
        f"The table `{name}` has the columns"
        if isinstance(value, pd.DataFrame)
        else f"`{name}` has": [str(key) for key in value][:SHOWN]
        for name, value in given.items()
        if isinstance(value, pd.DataFrame | dict)
    }
    for place, known in names.items():
        if near := difflib.get_close_matches(asked, known, n=1):
            return f" {place} {', '.join(known)}. Did you mean '{near[0]}'?"
    return "".join(f" {place} {', '.join(known)}." for place, known in names.items() if known)
