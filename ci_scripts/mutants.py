"""The bugs of `mutations`: each was shipped by somebody, and each must turn a test red."""

from __future__ import annotations

from dataclasses import dataclass

VERDICT = "tests/unit/evaluation/test_verdict.py"
RECHECK = "tests/unit/evaluation/test_recheck.py"
PUBLISH = "tests/integration/actions/test_publish.py"
POINTER = "tests/unit/formats/test_pointer.py"
SHIP = "tests/integration/delivery/test_ship.py"
ROLLBACK = "tests/integration/delivery/test_rollback.py"
DEPLOY = "tests/integration/delivery/test_deploy.py"
VERIFY = "tests/integration/delivery/test_verify.py"


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """One bug: in `file` of the library, `old` becomes `new`; at least one of `tests` must fail."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def _in(file: str, name: str, old: str, new: str, *tests: str) -> Mutation:
    return Mutation(name=name, file=f"src/gitops_model/{file}", old=old, new=new, tests=tests)


def _unit(name: str) -> str:
    return f"tests/unit/evaluation/test_{name}.py"


MEASURE = (
    _in(
        "evaluation/rows.py",
        "baseline replaced by the candidate",
        "else _scores(production, keys,",
        "else _scores(candidate, keys,",
        f"{VERDICT}::test_worse_is_blocked_and_the_sentence_says_by_how_much",
    ),
    _in(
        "evaluation/rows.py",
        "exception swallowed",
        "    return alignment.align(keys, [str(key) for key in answers.keys], scores, who=who)",
        "    try:\n"
        "        return alignment.align(keys, [str(key) for key in answers.keys], scores, who=who)\n"
        "    except CannotEvaluate:\n"
        "        return np.resize(scores, (len(keys), *scores.shape[1:]))",
        f"{VERDICT}::test_rows_that_do_not_match_cannot_be_evaluated",
    ),
    _in(
        "evaluation/alignment.py",
        "rows aligned by order",
        "return scores[np.fromiter((place[key] for key in keys), dtype=np.intp, count=len(keys))]",
        "return scores",
        _unit("alignment"),
    ),
    _in(
        "evaluation/alignment.py",
        "leak not looked for",
        "if shared := set(train_keys).intersection(test_keys):",
        "if shared := set[str]():",
        _unit("alignment"),
    ),
    _in(
        "evaluation/verdict.py",
        "production that cannot answer is skipped",
        "compared = production is not None and not excused",
        "compared = production is not None and production.scores is not None and not excused",
        f"{VERDICT}::test_production_that_cannot_answer_blocks",
    ),
    _in(
        "evaluation/metrics.py",
        "direction of log loss flipped",
        '"log_loss", "log loss", "lower"',
        '"log_loss", "log loss", "higher"',
        _unit("metrics"),
    ),
    _in(
        "evaluation/metrics.py",
        "direction of MAE flipped",
        '_metric("mae", "MAE", "lower"',
        '_metric("mae", "MAE", "higher"',
        _unit("metrics"),
    ),
    _in(
        "evaluation/metrics.py",
        "direction of calibration error flipped",
        '"calibration error (ECE)", "lower"',
        '"calibration error (ECE)", "higher"',
        _unit("metrics"),
    ),
    _in(
        "evaluation/metrics.py",
        "undefined counts as zero",
        "return None if found is None else found.value",
        "return 0.0 if found is None else found.value",
        _unit("metrics"),
    ),
    _in(
        "evaluation/comparison.py",
        "unpaired resampling",
        "new, old = candidate.combine(means[:, :width]), production.combine(means[:, width:])",
        "new = candidate.combine(means[:, :width])\n"
        "            old = production.combine(means[::-1, width:])",
        _unit("comparison"),
    ),
    _in(
        "evaluation/ledger.py",
        "error rate not shared out past the budget",
        "adjusted = alpha * budget / looks",
        "adjusted = alpha",
        _unit("ledger"),
    ),
)

DECIDE = (
    _in(
        "evaluation/decision.py",
        "flag forced",
        "return State.BLOCKED if any(gate.blocks for gate in self.gates) else State.PASS",
        "return State.PASS",
        f"{VERDICT}::test_worse_is_blocked_and_the_sentence_says_by_how_much",
    ),
    _in(
        "evaluation/decision.py",
        "not measured counts as passed",
        "return state in (GateState.FAIL, GateState.NO_DATA)",
        "return state is GateState.FAIL",
        f"{VERDICT}::test_what_was_not_measured_blocks",
    ),
    _in(
        "evaluation/decision.py",
        "slices that nobody judged pass",
        "elif SliceState.NO_DATA in states or gate.metric is None:",
        "elif SliceState.NO_DATA in states:",
        f"{RECHECK}::test_a_gate_left_out_of_the_report_blocks",
    ),
    _in(
        "evaluation/limit.py",
        ">= for > (pass)",
        "sign * worst > sign * limit",
        "sign * worst >= sign * limit",
        _unit("limit"),
    ),
    _in(
        "evaluation/limit.py",
        "<= for < (fail)",
        "sign * best < sign * limit",
        "sign * best <= sign * limit",
        _unit("limit"),
    ),
    _in(
        "evaluation/limit.py",
        "point estimate instead of the bound",
        'worst, best = (lower, upper) if better == "higher" else (upper, lower)',
        "worst = best = value",
        _unit("limit"),
    ),
    _in(
        "evaluation/slices.py",
        "slice correction removed",
        "alpha / (len(p_values) - k)",
        "alpha",
        _unit("slices"),
    ),
    _in(
        "evaluation/slices.py",
        "small slices judged like large ones",
        "if row.rows < min_rows or p_value(row) is None:",
        "if p_value(row) is None:",
        _unit("slices"),
    ),
    _in(
        "formats/gates.py",
        "gates off by default",
        "enabled: bool = True",
        "enabled: bool = False",
        VERDICT,
    ),
    _in(
        "formats/gates.py",
        "gates that are off not shown",
        "if not switch.enabled",
        "if switch.enabled and switch.reason",
        f"{VERDICT}::test_gates_that_are_off_are_named_first_and_do_not_block",
    ),
    _in(
        "formats/check.py",
        "a gate passes until somebody decides",
        "blocks: bool = True",
        "blocks: bool = False",
        "tests/unit/formats/test_check.py::test_a_gate_that_nobody_decided_blocks",
    ),
    _in(
        "evaluation/recheck.py",
        "impossible numbers believed",
        "if abs(expected - gain) > TOLERANCE * max(1.0, abs(expected)):",
        "if False:",
        RECHECK,
    ),
    _in(
        "evaluation/recheck.py",
        "slices left out",
        "        if found != total:",
        "        if found > total:",
        RECHECK,
    ),
)

TELL = (
    _in(
        "actions/recompute.py",
        "publish: forged state believed",
        "state=decided.state,",
        "state=check.state,",
        PUBLISH,
    ),
    _in(
        "actions/recompute.py",
        "publish: production that moved on goes unnoticed",
        "if compared != (stable.sha256 if stable else None):",
        "if False:",
        PUBLISH,
    ),
    _in(
        "actions/recompute.py",
        "publish: contradictions not looked for",
        "if found := contradictions(check, trusted):",
        "if found := list[str]():",
        PUBLISH,
    ),
    _in(
        "actions/publish.py",
        "publish: no report counts as success",
        'status.get(footing.state, "error")',
        'status.get(footing.state, "success")',
        PUBLISH,
    ),
    _in(
        "actions/publish.py",
        "publish: an older check speaks after the head moved on",
        'if newest["id"] != started["id"]:',
        "if False:",
        PUBLISH,
    ),
    _in(
        "actions/publish.py",
        "publish: pending takes a verdict away",
        'if verdict.status == "pending" and runs.is_decided(repository, sha):',
        'if verdict.status == "none" and runs.is_decided(repository, sha):',
        PUBLISH,
    ),
    _in(
        "actions/runs.py",
        "publish: the pull request of another commit",
        '== (source, started["head_sha"])',
        "== (source, pull.head_sha)",
        PUBLISH,
    ),
    _in(
        "actions/publish.py",
        "publish: the check of another branch's pull request counts",
        "if others := runs.twins(repository, started):",
        "if others := list[int]():",
        PUBLISH,
    ),
    _in(
        "actions/runs.py",
        "publish: a run that a push started counts",
        ' or started["event"] not in EVENTS:',
        ":",
        PUBLISH,
    ),
)

SERVE = (
    _in(
        "formats/pointer.py",
        "pointer: a switch forgets what was stable",
        "stable=new, previous=pointer.stable,",
        "stable=new, previous=pointer.previous,",
        POINTER,
    ),
    _in(
        "formats/pointer.py",
        "pointer: a canary keeps its percent on a switch",
        "canary=None, shadow=None, freeze=pointer.freeze",
        "canary=pointer.canary, shadow=None, freeze=pointer.freeze",
        POINTER,
    ),
    _in(
        "formats/pointer.py",
        "pointer: a switch lifts the freeze",
        "canary=None, shadow=None, freeze=pointer.freeze",
        "canary=None, shadow=None, freeze=None",
        POINTER,
    ),
    _in(
        "delivery/pointer_checks.py",
        "pointer: the gate ignores a freeze",
        "if current.freeze is not None and not back and",
        "if False and not back and",
        f"{SHIP}::test_a_freeze_lets_only_a_rollback_through",
    ),
    _in(
        "delivery/pointer_checks.py",
        "pointer: nobody looks whether the way back is there",
        "    if new.stable != current.stable:\n",
        "    if False:\n",
        SHIP,
    ),
    _in(
        "delivery/releases.py",
        "pointer: a tag is believed whatever its commit built",
        "    if is_locked(git, release) or dvc.default_remote(git.root) is None:\n",
        "    if True:\n",
        VERIFY,
    ),
    _in(
        "delivery/releases.py",
        "verify: the record need not agree with the bundle",
        "    found = agreement.differences(release.record, agreement.of_bundle(bundle))\n",
        "    found: list[str] = []\n",
        VERIFY,
    ),
    _in(
        "delivery/verify.py",
        "verify: the sums are not compared",
        "    if lines != wanted:\n",
        "    if False:\n",
        VERIFY,
    ),
    _in(
        "delivery/verify.py",
        "verify: the verdict is not compared",
        "    wrong = agreement.differences(made.record, agreement.of_verdict(check, sha256=sha256))\n",
        "    wrong: list[str] = []\n",
        VERIFY,
    ),
    _in(
        "delivery/pointer_checks.py",
        "pointer: a moved tag is believed",
        "    if model in moved:\n",
        "    if False:\n",
        SHIP,
    ),
    _in(
        "delivery/rollback.py",
        "rollback: forward to what was rolled back from",
        "            del line[places[-1] + 1 :]\n",
        "            line.append(step)\n",
        ROLLBACK,
    ),
    _in(
        "delivery/rollback.py",
        "rollback: to the oldest instead of the previous",
        "for step in reversed(line[:-1]))",
        "for step in line[:-1])",
        ROLLBACK,
    ),
    _in(
        "delivery/rollback.py",
        "rollback: gives a canary everything",
        "stable not in on_trial and ",
        "",
        f"{ROLLBACK}::test_a_rollback_never_gives_a_canary_everything",
    ),
    _in(
        "delivery/rollback.py",
        "rollback: lifts the freeze",
        "return replace(before, freeze=current.freeze),",
        "return replace(before, freeze=None),",
        ROLLBACK,
    ),
    _in(
        "delivery/deploy.py",
        "deploy: the pointer is written before the bundles are there",
        "    back = before.pointer.previous if before else None\n",
        "    store.write(pointer, commit=wanted.commit)\n"
        "    back = before.pointer.previous if before else None\n",
        DEPLOY,
    ),
    _in(
        "delivery/confirm.py",
        "deploy: what the service serves is not read back",
        "return all(live.get(role) == target[role]",
        "return any(True or live.get(role) == target[role]",
        DEPLOY,
    ),
    _in(
        "delivery/deploy.py",
        "deploy: a refused release stays in the store",
        "        raise _put_back(goal, stored, seen, error) from error\n",
        "        raise\n",
        DEPLOY,
    ),
    _in(
        "delivery/confirm.py",
        "deploy: golden answers are not compared",
        '        if not same(found, line["output"], tolerance=GOLDEN_TOLERANCE):\n',
        "        if False:\n",
        DEPLOY,
    ),
    _in(
        "delivery/deploy.py",
        "deploy: a broken contract goes through",
        "        elif found is not None:\n",
        "        elif False:\n",
        DEPLOY,
    ),
)

MUTATIONS = MEASURE + DECIDE + TELL + SERVE
