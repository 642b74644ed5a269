"""`retrain`: bring in the newer data, train, check, and commit it on a branch of its own. It ships nothing.

Until the commit, whatever goes wrong leaves the branch, the files and the data as they were.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gitops_model.delivery import check, dvc, monitor, programs
from gitops_model.delivery.git import Git
from gitops_model.errors import BadInput, Blocked, ExternalFailure
from gitops_model.files import write_atomic
from gitops_model.formats.params import Params
from gitops_model.formats.watch import Watch

PARAMS = Path("params.yaml")
RAW = "data/raw"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `retrain`."""
    parser.add_argument(
        "--set",
        nargs="+",
        default=(),
        metavar="KEY=VALUE",
        help="settings of params.yaml to change first, e.g. data.last_month=2013-09",
    )
    parser.add_argument(
        "--branch", metavar="NAME", help="the branch to make (default: retrain-YYYY-MM-DD)"
    )
    parser.add_argument(
        "--push", action="store_true", help="push the data and the branch when the check passes"
    )


@dataclass(frozen=True, kw_only=True)
class Options:
    """`set`: settings such as `data.last_month=2013-09`. `branch` None: named by the day. `push`: data and branch."""

    set: Sequence[str] = ()
    branch: str | None = None
    push: bool = False


@dataclass(frozen=True, kw_only=True)
class Retrained:
    """A commit on `branch`. `code` is what `check` returned, `sentence` what it said."""

    branch: str
    commit: str
    code: int
    sentence: str


def run(options: Options) -> int:
    """Exit 0 when the candidate may be proposed or nothing changed, else the code of `check`."""
    git = Git.open(Path.cwd())
    start = git.branch() or git.need("HEAD")
    made = retrain(git, options)
    if made is None:
        return 0
    home = f"git switch {start} && dvc checkout"
    print(f"retrain: committed on {made.branch}. {made.sentence}")
    if made.code:
        print(f"  Nothing was pushed; reports/check.md says why. To go back: {home}")
        return made.code
    if options.push:
        push(git, made.branch)
        print(
            f"  Pushed. Open a pull request from {made.branch}; nothing ships before it is merged."
        )
    else:
        remote = "" if dvc.default_remote(git.root) is None else "dvc push && "
        print(f"  Next: {remote}git push -u origin {made.branch}, and open a pull request.")
        print(f"  To go back: {home}")
    return 0


def retrain(git: Git, options: Options) -> Retrained | None:
    """Make the branch and its commit; None, and everything as before, when data and settings are the same.

    Raises BadInput for settings that params.yaml does not have, Blocked where files have changes, ExternalFailure when
    fetching or training fails.
    """
    git.require_can_commit()
    if changed := git.changes():
        names = ", ".join(line[3:] for line in changed[:5])
        raise Blocked(
            f"files have changes that are not committed ({names}), and would be mixed with the retraining. Commit "
            "them, or put them away: git stash"
        )
    text = (git.root / PARAMS).read_text(encoding="utf-8")
    params, changes = with_settings(text, options.set)
    Params.parse(params, name=str(PARAMS))
    start = git.branch() or git.need("HEAD")
    branch = options.branch or _free_name(git)
    git.out("switch", "--quiet", "--create", branch)
    try:
        if params != text:
            write_atomic(git.root / PARAMS, params)
        _call(git.root, *programs.gitops_model(), "data")
        _call(git.root, *programs.dvc(), "add", "--quiet", RAW)
        if not git.changes():
            print(
                "retrain: the data and the settings are the same as before, so there is nothing to learn."
            )
            print(
                "  Where params.yaml says which data is fetched: make retrain SET=data.last_month=2013-09"
            )
            _go_back(git, start, branch)
            return None
        _call(git.root, *programs.dvc(), "repro")
        code = check.run(check.Options())
        sentence = _sentence(git.root)
        git.out("add", "--update")
        git.out("commit", "--quiet", "-F", "-", stdin=message(changes, sentence, _why()).encode())
    except BaseException:
        _go_back(git, start, branch)
        raise
    return Retrained(branch=branch, commit=git.need("HEAD"), code=code, sentence=sentence)


def push(git: Git, branch: str) -> None:
    """Push the data, then the branch. Raises ExternalFailure."""
    push_data(git, branch)
    problem = git.push(f"refs/heads/{branch}:refs/heads/{branch}")
    if problem:
        raise ExternalFailure(f"the commit is on {branch}, but cannot be pushed: {problem}")


def push_data(git: Git, branch: str) -> None:
    """`dvc push`, where there is a data storage. Raises ExternalFailure."""
    if dvc.default_remote(git.root) is not None:
        done = dvc.dvc(git.root, "push", doing="pushing data and model to the data storage")
        if done.returncode:
            raise ExternalFailure(
                f"`dvc push` failed: {dvc.said(done)}. It needs a key that may write. The commit is on {branch}; "
                "nothing was pushed."
            )


def with_settings(text: str, wanted: Sequence[str]) -> tuple[str, list[str]]:
    """The text of params.yaml with `key.key=value` changed, comments kept; and what changed, in words.

    Raises BadInput with every setting that cannot be made.
    """
    if not wanted:
        return text, []
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    found = yaml.load(text)
    problems, changes = [], []
    for setting in wanted:
        key, equals, value = setting.partition("=")
        try:
            if not equals:
                raise KeyError(key)
            holder, name = _holder(found, key.split("."))
            before, now = holder[name], yaml.load(value)
        except KeyError:
            problems.append(
                f"'{setting}' is no setting of params.yaml; allowed: key=value with a key that it has, such as "
                f"{_example(found)}"
            )
        except YAMLError:
            problems.append(f"'{setting}': the value cannot be read as YAML.")
        else:
            holder[name] = now
            changes.append(f"{key}: {before} -> {now}")
    if problems:
        raise BadInput(problems)
    stream = io.StringIO()
    yaml.dump(found, stream)
    return stream.getvalue(), changes


def _holder(found: Any, keys: Sequence[str]) -> tuple[MutableMapping[str, Any], str]:
    for key in keys[:-1]:
        if not isinstance(found, Mapping):
            raise KeyError(key)
        found = found[key]
    if not isinstance(found, MutableMapping) or keys[-1] not in found:
        raise KeyError(keys[-1])
    return found, keys[-1]


def _example(found: Any) -> str:
    data = found.get("data")
    names = [name for name, value in data.items() if not isinstance(value, Mapping)] if data else []
    return f"data.{names[-1]}={data[names[-1]]}" if names else "seed=14"


def message(changes: Sequence[str], sentence: str, why: str) -> str:
    """What the commit says, and the pull request after it."""
    lines = [why, *(f"Setting {change}" for change in changes), sentence]
    return "Retrain on newer data\n\n" + "\n".join(line for line in lines if line) + "\n"


def _why() -> str:
    report = monitor.REPORTS / "monitor.json"
    if not report.exists():
        return ""
    try:
        return Watch.load(report).retrain.why
    except BadInput:
        return ""


def _sentence(root: Path) -> str:
    return str(json.loads((root / check.REPORTS / "check.json").read_bytes())["sentence"])


def _free_name(git: Git) -> str:
    day = f"retrain-{datetime.now(UTC).date()}"
    names = [day, *(f"{day}-{number}" for number in range(2, 100))]
    return next(name for name in names if git.commit(f"refs/heads/{name}") is None)


def _go_back(git: Git, start: str, branch: str) -> None:
    """As it was: the branch that was checked out, its files, and the data that belongs to them."""
    detach = [] if git.commit(f"refs/heads/{start}") else ["--detach"]
    git.out("switch", "--quiet", "--discard-changes", *detach, start)
    git.out("branch", "--quiet", "-D", branch)
    done = dvc.dvc(git.root, "checkout", "--quiet", doing="putting the former data back")
    if done.returncode:
        print(f"retrain: the former data is not back: {dvc.said(done)}. Run: dvc pull")


def _call(root: Path, *words: str) -> None:
    done = subprocess.run(words, cwd=root, env=programs.environment(), check=False)
    if done.returncode:
        shown = " ".join(words[3:]).replace("gitops_model", "gitops-model")
        raise ExternalFailure(
            f"`{shown}` failed; the lines above say why. Everything is as it was before."
        )
