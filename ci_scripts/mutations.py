"""Break the verdict on purpose, once for each bug that a vendor ships: every break must turn a test red.

python -m ci_scripts.mutations [--only WORD]      exit 0: all were caught · 1: one survived · 2: a mutation is stale

Each mutation replaces one piece of source text, which must occur exactly once, in a copy of the generated repository's
Python code. The copy's own fast tests then run until the first failure. Text instead of operators, because each of
these bugs was shipped by somebody and is named.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

TEMPLATE = next(Path(__file__).parents[1].glob("*cookiecutter.project_slug*"))
EVALUATION = "modelops/evaluation"


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """One bug: in `file`, `old` becomes `new`; at least one of `tests` must fail."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def _in(module: str, name: str, old: str, new: str, *tests: str) -> Mutation:
    return Mutation(
        name=name,
        file=f"{EVALUATION}/{module}.py",
        old=old,
        new=new,
        tests=tuple(
            f"tests/evaluation/test_{test.replace('::', '.py::')}"
            if "::" in test
            else f"tests/evaluation/test_{test}.py"
            for test in tests
        ),
    )


MUTATIONS = (
    _in(
        "verdict",
        "baseline replaced by the candidate",
        'else scores(production, f"production ({production.model})"),',
        'else scores(candidate, "production"),',
        "verdict::test_worse_is_blocked_and_the_sentence_says_by_how_much",
    ),
    _in(
        "decision",
        "flag forced",
        'return "blocked" if any(entry["blocks"] for entry in entries) else "pass"',
        'return "pass"',
        "verdict::test_worse_is_blocked_and_the_sentence_says_by_how_much",
    ),
    _in(
        "decision",
        "forged state believed",
        "    state = overall(decided)\n",
        '    state = check["state"]\n',
        "decision",
    ),
    _in(
        "verdict",
        "exception swallowed",
        "        return alignment.align(keys, [str(key) for key in answers.keys], given, who=who)",
        "        try:\n"
        "            return alignment.align(keys, [str(key) for key in answers.keys], given, who=who)\n"
        "        except CannotEvaluate:\n"
        "            return np.resize(given, (len(keys), *given.shape[1:]))",
        "verdict::test_rows_that_do_not_match_cannot_be_evaluated",
    ),
    _in(
        "decision",
        "not measured counts as passed",
        'entry["blocks"] = entry["state"] in ("fail", "no_data") or (',
        'entry["blocks"] = entry["state"] == "fail" or (',
        "verdict::test_what_was_not_measured_blocks",
    ),
    _in(
        "gates", "gates off by default", "enabled: bool = True", "enabled: bool = False", "verdict"
    ),
    _in(
        "gates",
        "gates that are off not shown",
        "for n, s in named if not s.enabled]",
        "for n, s in named if s.enabled and s.reason]",
        "verdict::test_gates_that_are_off_are_named_first_and_do_not_block",
    ),
    _in(
        "judgement",
        ">= for > (pass)",
        "sign * worst > sign * limit",
        "sign * worst >= sign * limit",
        "decision",
    ),
    _in(
        "judgement",
        "<= for < (fail)",
        "sign * best < sign * limit",
        "sign * best <= sign * limit",
        "decision",
    ),
    _in(
        "judgement",
        "point estimate instead of the bound",
        'worst, best = (lower, upper) if better == "higher" else (upper, lower)',
        "worst = best = value",
        "decision",
    ),
    _in(
        "metrics",
        "direction of log loss flipped",
        '"log_loss", "log loss", "lower"',
        '"log_loss", "log loss", "higher"',
        "metrics",
    ),
    _in(
        "metrics",
        "direction of MAE flipped",
        '_metric("mae", "MAE", "lower"',
        '_metric("mae", "MAE", "higher"',
        "metrics",
    ),
    _in(
        "metrics",
        "direction of calibration error flipped",
        '"calibration error (ECE)", "lower"',
        '"calibration error (ECE)", "higher"',
        "metrics",
    ),
    _in(
        "slices",
        "slice correction removed",
        "alpha / (len(p_values) - k)",
        "alpha",
        "slices",
    ),
    _in(
        "slices",
        "small slices judged like large ones",
        'if numbers["rows"] < min_rows or p_value(numbers) is None:',
        "if p_value(numbers) is None:",
        "slices",
    ),
    _in(
        "alignment",
        "rows aligned by order",
        "return scores[np.fromiter((place[key] for key in keys), dtype=np.intp, count=len(keys))]",
        "return scores",
        "alignment",
    ),
    _in(
        "alignment",
        "leak not looked for",
        "if shared := set(train_keys).intersection(test_keys):",
        "if shared := set[str]():",
        "alignment",
    ),
    _in(
        "ledger",
        "error rate not shared out past the budget",
        "adjusted = alpha * budget / looks",
        "adjusted = alpha",
        "ledger",
    ),
    _in(
        "verdict",
        "production that cannot answer is skipped",
        "compared = production is not None and not absolute",
        "compared = production is not None and production.scores is not None and not absolute",
        "verdict::test_production_that_cannot_answer_blocks",
    ),
    _in(
        "metrics",
        "undefined counts as zero",
        "return None if found is None else found.value",
        "return 0.0 if found is None else found.value",
        "metrics",
    ),
    _in(
        "comparison",
        "unpaired resampling",
        "new, old = candidate.combine(means[:, :width]), production.combine(means[:, width:])",
        "new = candidate.combine(means[:, :width])\n"
        "            old = production.combine(means[::-1, width:])",
        "comparison",
    ),
)


def main() -> int:
    """Run the mutations; print one line for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--only", default="", help="run the mutations whose name contains this word"
    )
    word = parser.parse_args().only
    chosen = [mutation for mutation in MUTATIONS if word in mutation.name]
    stale = [problem for mutation in MUTATIONS if (problem := _stale(mutation))]
    if stale or not chosen:
        print("\n".join(stale) or f"no mutation's name contains '{word}'", file=sys.stderr)
        return 2
    survived = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "repository"
        for part in ("modelops", "tests/evaluation", "tests/__init__.py", "pyproject.toml"):
            _copy(TEMPLATE / part, copy / part)
        tests = sorted({test for mutation in chosen for test in mutation.tests})
        if (code := _pytest(copy, tests)) != 0:
            print(
                f"the tests fail without any mutation (pytest ended with {code})", file=sys.stderr
            )
            return 2
        for mutation in chosen:
            start = time.monotonic()
            caught = _caught(mutation, copy)
            word = "caught" if caught else "SURVIVED"
            print(
                f"{word:9} {mutation.name} ({mutation.file}, {time.monotonic() - start:.1f} s)",
                flush=True,
            )
            if not caught:
                survived.append(mutation.name)
    print(f"{len(chosen) - len(survived)} of {len(chosen)} mutations caught")
    return 1 if survived else 0


def _stale(mutation: Mutation) -> str | None:
    count = (TEMPLATE / mutation.file).read_text(encoding="utf-8").count(mutation.old)
    if count == 1:
        return None
    return f"stale mutation '{mutation.name}': its text occurs {count} times in {mutation.file}; it must once"


def _caught(mutation: Mutation, copy: Path) -> bool:
    """True when a test fails. pytest's 1 is a failed test; anything else but 0 is no answer and raises."""
    path = copy / mutation.file
    original = path.read_text(encoding="utf-8")
    path.write_text(original.replace(mutation.old, mutation.new), encoding="utf-8")
    try:
        code = _pytest(copy, list(mutation.tests))
    finally:
        path.write_text(original, encoding="utf-8")
    if code not in (0, 1):
        raise RuntimeError(
            f"pytest ended with {code} under '{mutation.name}': the mutation does not even load"
        )
    return code == 1


def _pytest(copy: Path, tests: list[str]) -> int:
    # No bytecode: a mutation within the same second and of the same length would go unnoticed.
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", *tests]
    return subprocess.run(
        command, cwd=copy, env=environment, capture_output=True, check=False
    ).returncode


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


if __name__ == "__main__":
    sys.exit(main())
