"""The bugs of `mutations` in verdict and publication: each was shipped by somebody, and each must turn a test red."""

from __future__ import annotations

from dataclasses import dataclass

VERDICT = "tests/unit/evaluation/test_verdict.py"
REFUSALS = "tests/unit/evaluation/test_refusals.py"
RECHECK = "tests/unit/evaluation/test_recheck.py"
PUBLISH = "tests/integration/actions/test_publish.py"
HOSTILE = "tests/workflows/test_publish_hostile.py"
COURT = "tests/workflows/test_judge.py"


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """One bug: in `file` of the library, `old` becomes `new`; at least one of `tests` must fail."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def inside(file: str, name: str, old: str, new: str, *tests: str) -> Mutation:
    """A bug in `file` of the library."""
    return Mutation(name=name, file=f"src/gitops_model/{file}", old=old, new=new, tests=tests)


def _unit(name: str) -> str:
    return f"tests/unit/evaluation/test_{name}.py"


MEASURE = (
    inside(
        "evaluation/rows.py",
        "baseline replaced by the candidate",
        "else _scores(production, keys,",
        "else _scores(candidate, keys,",
        f"{VERDICT}::test_worse_is_blocked_and_the_sentence_says_by_how_much",
    ),
    inside(
        "evaluation/rows.py",
        "exception swallowed",
        "    return alignment.align(keys, [str(key) for key in answers.keys], scores, who=who)",
        "    try:\n"
        "        return alignment.align(keys, [str(key) for key in answers.keys], scores, who=who)\n"
        "    except CannotEvaluate:\n"
        "        return np.resize(scores, (len(keys), *scores.shape[1:]))",
        f"{REFUSALS}::test_rows_that_do_not_match_cannot_be_evaluated",
    ),
    inside(
        "evaluation/alignment.py",
        "rows aligned by order",
        "return scores[np.fromiter((place[key] for key in keys), dtype=np.intp, count=len(keys))]",
        "return scores",
        _unit("alignment"),
    ),
    inside(
        "evaluation/alignment.py",
        "leak not looked for",
        "if shared := set(train_keys).intersection(test_keys):",
        "if shared := set[str]():",
        _unit("alignment"),
    ),
    inside(
        "evaluation/verdict.py",
        "production that cannot answer is skipped",
        "compared = production is not None and not excused",
        "compared = production is not None and production.scores is not None and not excused",
        f"{VERDICT}::test_production_that_cannot_answer_blocks",
    ),
    inside(
        "evaluation/metrics.py",
        "direction of log loss flipped",
        '"log_loss", "log loss", "lower"',
        '"log_loss", "log loss", "higher"',
        _unit("metrics"),
    ),
    inside(
        "evaluation/metrics.py",
        "direction of MAE flipped",
        '_metric("mae", "MAE", "lower"',
        '_metric("mae", "MAE", "higher"',
        _unit("metrics"),
    ),
    inside(
        "evaluation/metrics.py",
        "direction of calibration error flipped",
        '"calibration error (ECE)", "lower"',
        '"calibration error (ECE)", "higher"',
        _unit("metrics"),
    ),
    inside(
        "evaluation/metrics.py",
        "undefined counts as zero",
        "return None if found is None else found.value",
        "return 0.0 if found is None else found.value",
        _unit("metrics"),
    ),
    inside(
        "evaluation/comparison.py",
        "unpaired resampling",
        "new, old = candidate.combine(first), production.combine(second)",
        "new, old = candidate.combine(first), production.combine(second[::-1])",
        _unit("comparison"),
    ),
    inside(
        "evaluation/comparison.py",
        "few rows of a class have an interval",
        "rare < MIN_CLASS_ROWS",
        "rare < MIN_CLASS_ROWS - 1",
        _unit("comparison"),
    ),
)

DECIDE = (
    inside(
        "evaluation/decision.py",
        "flag forced",
        "return State.BLOCKED if any(gate.blocks for gate in self.gates) else State.PASS",
        "return State.PASS",
        f"{VERDICT}::test_worse_is_blocked_and_the_sentence_says_by_how_much",
    ),
    inside(
        "evaluation/decision.py",
        "not measured counts as passed",
        "return state in (GateState.FAIL, GateState.NO_DATA)",
        "return state is GateState.FAIL",
        f"{VERDICT}::test_what_was_not_measured_blocks",
    ),
    inside(
        "evaluation/decision.py",
        "slices that nobody judged pass",
        "elif SliceState.NO_DATA in states or gate.metric is None:",
        "elif SliceState.NO_DATA in states:",
        f"{RECHECK}::test_a_gate_left_out_of_the_report_blocks",
    ),
    inside(
        "evaluation/limit.py",
        ">= for > (pass)",
        "sign * worst > sign * limit",
        "sign * worst >= sign * limit",
        _unit("limit"),
    ),
    inside(
        "evaluation/limit.py",
        "<= for < (fail)",
        "sign * best < sign * limit",
        "sign * best <= sign * limit",
        _unit("limit"),
    ),
    inside(
        "evaluation/limit.py",
        "point estimate instead of the bound",
        'worst, best = (lower, upper) if better == "higher" else (upper, lower)',
        "worst = best = value",
        _unit("limit"),
    ),
    inside(
        "evaluation/slices.py",
        "slice correction removed",
        "alpha / (len(p_values) - k)",
        "alpha",
        _unit("slices"),
    ),
    inside(
        "evaluation/ranks.py",
        "few rows of one class count as many",
        "above**2 / (len(high) - 1) + below**2 / (len(low) - 1)",
        "(above + below) ** 2 / (rows - 1)",
        _unit("oracles"),
    ),
    inside(
        "evaluation/trials.py",
        "an undecided gate that blocks is counted as passed",
        "elif any(each.blocks for each in chosen):",
        "elif not chosen:",
        _unit("trials"),
    ),
    inside(
        "evaluation/slices.py",
        "small slices judged like large ones",
        "if row.rows < min_rows or p_value(row) is None:",
        "if p_value(row) is None:",
        _unit("slices"),
    ),
    inside(
        "formats/gates.py",
        "gates off by default",
        "enabled: bool = True",
        "enabled: bool = False",
        VERDICT,
    ),
    inside(
        "formats/gates.py",
        "gates that are off not shown",
        "if not switch.enabled",
        "if switch.enabled and switch.reason",
        f"{VERDICT}::test_gates_that_are_off_are_named_first_and_do_not_block",
    ),
    inside(
        "formats/check.py",
        "a gate passes until somebody decides",
        "blocks: bool = True",
        "blocks: bool = False",
        "tests/unit/formats/test_check.py::test_a_gate_that_nobody_decided_blocks",
    ),
    inside(
        "evaluation/recheck.py",
        "impossible numbers believed",
        "if abs(expected - gain) > TOLERANCE * max(1.0, abs(expected)):",
        "if False:",
        RECHECK,
    ),
    inside(
        "evaluation/recheck.py",
        "slices left out",
        "        if found != total:",
        "        if found > total:",
        RECHECK,
    ),
)

TELL = (
    inside(
        "actions/recompute.py",
        "publish: forged state believed",
        "state=decided.state,",
        "state=check.state,",
        PUBLISH,
    ),
    inside(
        "actions/recompute.py",
        "publish: production that moved on goes unnoticed",
        "if compared != (stable.sha256 if stable else None):",
        "if False:",
        PUBLISH,
    ),
    inside(
        "actions/recompute.py",
        "publish: contradictions not looked for",
        "if found := contradictions(check, trusted):",
        "if found := list[str]():",
        PUBLISH,
    ),
    inside(
        "actions/publish.py",
        "publish: no report counts as success",
        'status.get(footing.state, "error")',
        'status.get(footing.state, "success")',
        PUBLISH,
    ),
    inside(
        "actions/publish.py",
        "publish: an older check speaks after the head moved on",
        'if newest["id"] != started["id"]:',
        "if False:",
        PUBLISH,
    ),
    inside(
        "actions/publish.py",
        "publish: what cannot be judged leaves no status",
        '        client.set_status(repository, sha, state="error", description=told, url=job.run_url)\n',
        "",
        PUBLISH,
    ),
    inside(
        "actions/publish.py",
        "publish: pending takes a verdict away",
        'if verdict.status == "pending" and runs.is_decided(repository, sha):',
        'if verdict.status == "none" and runs.is_decided(repository, sha):',
        PUBLISH,
    ),
    inside(
        "actions/runs.py",
        "publish: the pull request of another commit",
        '== (source, started["head_sha"])',
        "== (source, pull.head_sha)",
        PUBLISH,
    ),
    inside(
        "actions/publish.py",
        "publish: the check of another branch's pull request counts",
        "if others := runs.twins(repository, started):",
        "if others := list[int]():",
        PUBLISH,
    ),
    inside(
        "actions/runs.py",
        "publish: a run that a push started counts",
        ' or started["event"] not in EVENTS:',
        ":",
        PUBLISH,
    ),
)

ON_MAIN = (
    inside(
        "actions/runs.py",
        "judge: a verdict that any run keeps is the judge's",
        '    return (*_origin(run), run["event"]) == (JUDGE, repository.name, "workflow_run")\n',
        "    return True\n",
        f"{HOSTILE}::test_a_verdict_of_another_run_is_not_the_judges",
    ),
    inside(
        "actions/judge.py",
        "judge: a stale dvc.lock is judged",
        "        lock_file.require_fresh(lock_file.stale(git, sha, lock))\n",
        "",
        f"{COURT}::test_files_that_do_not_belong_together_are_not_evaluated",
    ),
    inside(
        "actions/judge.py",
        "judge: whatever the storage gives is judged",
        "        if target.stat().st_size > LARGEST or dvc.file_md5(target) != out.md5:\n",
        "        if False:\n",
        f"{COURT}::test_other_bytes_in_the_storage_are_refused",
    ),
    inside(
        "actions/judge.py",
        "judge: the candidate's contract need not be its commit's",
        "        _require_own(git, sha)\n",
        "",
        f"{COURT}::test_a_bundle_with_a_contract_of_its_own_is_not_evaluated",
    ),
    inside(
        "actions/judge.py",
        "judge: a description of other rows is believed",
        '        _require(FOLDER / "data.json", lock.out(DATA))\n',
        "",
        f"{COURT}::test_a_description_of_other_rows_is_refused",
    ),
    inside(
        "actions/runs.py",
        "judge: a merge queue is judged by main",
        '    return group[1] if started["event"] == "merge_group" and group else "HEAD"\n',
        '    return "HEAD"\n',
        f"{COURT}::test_a_merge_queue_is_judged_by_the_commit_below_its_group",
    ),
)

JUDGE = MEASURE + DECIDE + TELL + ON_MAIN
