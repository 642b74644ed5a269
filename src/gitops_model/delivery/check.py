"""`check`: may this candidate replace the model in production?"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from gitops_model import strict_yaml
from gitops_model.delivery import baseline
from gitops_model.errors import BadInput, CannotEvaluate, GitopsError
from gitops_model.files import canonical_json, write_atomic
from gitops_model.formats.check import Check, GateState, NotEvaluated, Outcome, State
from gitops_model.formats.contract import Contract
from gitops_model.formats.gates import Gates
from gitops_model.formats.monitor import Settings as Watching
from gitops_model.formats.params import Params
from gitops_model.formats.pointer import Pointer

FILES = ("contract.yaml", "params.yaml", "gates.yaml", "serving.yaml", "production.yaml")
REPORTS = Path("reports")
# A repository of an earlier template has none, and is watched by the defaults.
MONITOR = Path("monitor.yaml")
UNDECIDED = "Undecided: "

T = TypeVar("T")


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
        outcome: Outcome = evaluate(base=options.base)
    except (CannotEvaluate, BadInput) as error:
        if isinstance(error, BadInput) and not _readable():
            raise
        outcome = not_evaluated(str(error))
    write(outcome)
    if options.json:
        print(canonical_json(outcome.to_json()), end="")
    else:
        _tell(outcome)
    return outcome.exit_code


def lint() -> int:
    """Validate every YAML file, and refuse gates that could never pass or never fail. Exit 0 or 2."""
    problems: list[str] = []

    def found(read: Callable[[], T]) -> T | None:
        try:
            return read()
        except BadInput as error:
            problems.extend(error.problems)
            return None

    contract = found(lambda: Contract.load(Path("contract.yaml")))
    params = found(lambda: Params.load(Path("params.yaml")))
    gates = found(lambda: Gates.load(Path("gates.yaml")))
    found(lambda: strict_yaml.load(Path("serving.yaml"), "serving"))
    found(lambda: Pointer.load(Path("production.yaml")))
    if MONITOR.exists():
        found(lambda: Watching.load(MONITOR))
    if params is not None and contract is not None:
        problems.extend(f"params.yaml: {problem}" for problem in params.contradictions(contract))
    if gates is not None and contract is not None:
        # It imports scipy, which every other file can be read without.
        from gitops_model.evaluation import lint as gates_lint

        problems.extend(gates_lint.lint(gates, contract))
    if problems:
        raise BadInput(problems)
    print(f"check: {', '.join(FILES)} are in order")
    return 0


def evaluate(*, base: str | None) -> Check:
    """The verdict with its sentences. Raises CannotEvaluate when candidate and production cannot be compared."""
    # pandas and the runtimes take a second to import; `check --lint` in a pre-commit hook does without them.
    from gitops_model.delivery import candidate

    return worded(candidate.compare(baseline.find(base)))


def worded(check: Check) -> Check:
    """The check with every sentence put in, and a warning for each gate that is undecided and does not block."""
    from gitops_model.report import sentences

    said = sentences.worded(check)
    own = [warning for warning in said.warnings if not warning.startswith(UNDECIDED)]
    undecided = [
        f"{UNDECIDED}{gate.sentence}"
        for gate in said.gates
        if gate.state is GateState.INCONCLUSIVE and not gate.blocks
    ]
    return replace(said, warnings=(*own, *undecided))


def not_evaluated(sentence: str) -> NotEvaluated:
    """A check that could not be made, and why."""
    return NotEvaluated(sentence=f"Not evaluated: {sentence}")


def write(outcome: Outcome) -> None:
    """reports/check.json, check.md and check.html, from the same values."""
    from gitops_model.report import check_html, check_markdown

    data = outcome.to_json()
    strict_yaml.check(data, kind="check", name="reports/check.json")
    write_atomic(REPORTS / "check.json", canonical_json(data))
    write_atomic(REPORTS / "check.md", check_markdown.render(outcome))
    write_atomic(REPORTS / "check.html", check_html.render(outcome))


def _readable() -> bool:
    """True when the YAML files themselves are in order, so that a BadInput came from the base branch."""
    try:
        lint()
    except GitopsError:
        return False
    return True


def _tell(outcome: Outcome) -> None:
    from gitops_model.report import line_words, sight_line

    if isinstance(outcome, Check):
        for off in outcome.turned_off:
            print(f"check: OFF: {off.gate} is turned off: {off.reason}")
        for gate in outcome.gates:
            mark = "blocks" if gate.blocks else gate.state
            print(f"check: {mark:<12} {gate.sentence}")
        if seen := sight_line.line(outcome):
            print(f"check: {seen}")
        if held := line_words.line(outcome):
            print(f"check: {held}")
        for warning in outcome.warnings:
            print(f"check: note: {warning}")
    stream = sys.stdout if outcome.state is State.PASS else sys.stderr
    print(f"check: {outcome.sentence}", file=stream)
    print(
        "check: reports/check.html shows it; reports/check.md is what the pull request gets",
        file=stream,
    )
    if outcome.state is State.PASS:
        print("check: next: commit and push it; once it is on main: make release")
