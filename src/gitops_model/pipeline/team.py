"""The team's functions: pipeline/source.py (fetch, load), features.py (build), train.py (fit).

Called by `data`, `prepare` and `train`, and by nothing that judges, serves or deploys. A mistake in them becomes one
sentence that names file, line and function; the whole traceback is left in build/traceback.txt.
"""

from __future__ import annotations

import importlib
import sys
import traceback
import types
from pathlib import Path
from typing import Any

import yaml

from gitops_model.errors import BadInput, GitopsError
from gitops_model.files import write_atomic

FOLDER = Path("pipeline")
TRACEBACK = Path("build/traceback.txt")


def call(module: str, function: str, *args: Any, **options: Any) -> Any:
    """What pipeline/<module>.py's `function` returns. Raises BadInput when it is not there or raises."""
    path = FOLDER / f"{module}.py"
    if not path.is_file():
        raise BadInput(f"{path} is missing. Restore it: git checkout -- {path}")
    try:
        found = getattr(_import(module), function, None)
    except Exception as error:
        raise _mistake(path, "cannot be imported", error) from error
    if not callable(found):
        raise BadInput(f"{path} has no function {function}. Restore it: git checkout -- {path}")
    try:
        return found(*args, **options)
    except GitopsError:
        raise
    except Exception as error:
        raise _mistake(path, f"{function} raised an error", error) from error


def require_declared(stage: str) -> None:
    """Raises BadInput when the team's code imported a file that the stage's `deps` in dvc.yaml do not name.

    DVC runs a stage again when a file it names has changed. One that it does not know of would change the model unseen.
    """
    root = Path().resolve()
    deps = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"][stage]["deps"]
    used = {
        Path(file).relative_to(root).as_posix()
        for module in list(sys.modules.values())
        if (file := getattr(module, "__file__", None)) and Path(file).is_relative_to(root / FOLDER)
    }
    if missing := sorted(name for name in used if not _named(name, deps)):
        raise BadInput(
            f"dvc.yaml: the stage {stage} uses {', '.join(missing)}, which its deps do not name; add "
            f"{'it' if len(missing) == 1 else 'them'} there, or a change would go unseen."
        )


def _named(name: str, deps: list[str]) -> bool:
    return any(name == dep or name.startswith(dep.rstrip("/") + "/") for dep in deps)


def _import(module: str) -> types.ModuleType:
    # The package is made here rather than found: the repository's root never gets onto the import path, so no file of
    # it can stand in for a library.
    if "pipeline" not in sys.modules:
        package = types.ModuleType("pipeline")
        package.__path__ = [str(FOLDER.resolve())]
        sys.modules["pipeline"] = package
    return importlib.import_module(f"pipeline.{module}")


def _mistake(path: Path, what: str, error: Exception) -> BadInput:
    write_atomic(TRACEBACK, "".join(traceback.format_exception(error)))
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if Path(f.filename).is_relative_to(FOLDER.resolve())]
    line = error.lineno if isinstance(error, SyntaxError) else own[-1].lineno if own else None
    file = Path(own[-1].filename).relative_to(Path().resolve()) if own else path
    code = f" in `{own[-1].line}`" if own and own[-1].line else ""
    words = str(error).splitlines()[0][:200] if str(error) else "no message"
    hint = ""
    if isinstance(error, ModuleNotFoundError):
        hint = " Put what is missing into requirements.in, then: make lock setup."
    elif isinstance(error, KeyError):
        hint = " Is it a column that the table does not have?"
    where = f"{file}, line {line}" if line else str(file)
    return BadInput(
        f"{where}: {what}{code}: {type(error).__name__}: {words}.{hint} The whole traceback is in {TRACEBACK}."
    )
