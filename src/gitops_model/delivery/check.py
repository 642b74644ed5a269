"""`check`: may this candidate replace the model in production?"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitops_model import strict_yaml
from gitops_model.delivery import baseline
from gitops_model.errors import BadInput, CannotEvaluate, GitopsError
from gitops_model.files import canonical_json, write_atomic
from gitops_model.formats.contract import Contract
from gitops_model.formats.pointer import Pointer

FILES = ("params", "gates", "serving", "production")
REPORTS = Path("reports")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `check`."""
    parser.add_argument(
        "--lint",
        action="store_true",
        help="only check the YAML files, and that the gates can both pass and fail",
    )
    parser.add_argument(
        "--base",
        metavar="REF",
        help="the branch a merge would go to: its production.yaml names the model to beat, and its gates.yaml decides "
        "(default: origin/main, else main)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print reports/check.json instead of the sentences"
    )


@dataclass(frozen=True, kw_only=True)
class Options:
    """`base`: the branch a merge would go to (None: origin/main, else main). `lint`: look at the YAML files only."""

    lint: bool = False
    base: str | None = None
    json: bool = False


def run(options: Options) -> int:
    """Exit 0 may ship, 1 blocked, 2 a file is wrong, 3 could not be evaluated."""
    if options.lint:
        return lint()
    try:
        result = evaluate(base=options.base)
    except (CannotEvaluate, BadInput) as error:
        if isinstance(error, BadInput) and not _readable():
            raise
        result = _not_evaluated(error)
    write(result)
    if options.json:
        print(canonical_json(result), end="")
    else:
        _tell(result)
    code: int = result["exit_code"]
    return code


def lint() -> int:
    """Validate every YAML file, and refuse gates that could never pass or never fail. Exit 0 or 2."""
    problems: list[str] = []
    data: dict[str, Any] = {}
    for kind in FILES:
        try:
            data[kind] = strict_yaml.load(Path(f"{kind}.yaml"), kind)
        except BadInput as error:
            problems.extend(error.problems)
    try:
        contract = Contract.load(Path("contract.yaml"))
    except BadInput as error:
        raise BadInput([*error.problems, *problems]) from None
    if "production" in data:
        try:
            Pointer.from_dict(data["production"])
        except BadInput as error:
            problems.extend(error.problems)
    if "gates" in data:
        problems.extend(baseline.lint_gates(data["gates"], contract))
    if problems:
        raise BadInput(problems)
    print(f"check: {', '.join(f'{kind}.yaml' for kind in ('contract', *FILES))} are in order")
    return 0


def evaluate(*, base: str | None) -> dict[str, Any]:
    """The verdict as data. Raises CannotEvaluate when candidate and production cannot be compared."""
    # pandas and the runtimes take a second to import; `check --lint` in a pre-commit hook does without them.
    from gitops_model.delivery import candidate

    return candidate.judge(baseline.find(base))


def write(result: dict[str, Any]) -> None:
    """reports/check.json, check.md and check.html, from the same data."""
    from gitops_model.report import check_html, check_markdown

    strict_yaml.check(result, kind="check", name="reports/check.json")
    write_atomic(REPORTS / "check.json", canonical_json(result))
    write_atomic(REPORTS / "check.md", check_markdown.render(result))
    write_atomic(REPORTS / "check.html", check_html.render(result))


def _readable() -> bool:
    """True when the YAML files themselves are in order, so that a BadInput came from the base branch."""
    try:
        lint()
    except GitopsError:
        return False
    return True


def _not_evaluated(error: GitopsError) -> dict[str, Any]:
    from gitops_model.evaluation import verdict

    return verdict.not_evaluated(str(error))


def _tell(result: dict[str, Any]) -> None:
    for gate in result.get("turned_off", ()):
        print(f"check: OFF: {gate['gate']} is turned off: {gate['reason']}")
    for gate in result.get("gates", ()):
        mark = "blocks" if gate["blocks"] else gate["state"]
        print(f"check: {mark:<12} {gate['sentence']}")
    for warning in result.get("warnings", ()):
        print(f"check: note: {warning}")
    stream = sys.stdout if result["state"] == "pass" else sys.stderr
    print(f"check: {result['sentence']}", file=stream)
    print(
        "check: reports/check.html shows it; reports/check.md is what the pull request gets",
        file=stream,
    )
