"""The bugs of `mutations` in metrics that gates.yaml declares: each must turn a test red."""

from __future__ import annotations

from ci_scripts.mutants import inside

EXPRESSION = "tests/unit/evaluation/test_expression.py"
CUSTOM = "tests/unit/evaluation/test_custom.py"
LINT = "tests/unit/evaluation/test_custom_lint.py"
CHANGES = "tests/unit/formats/test_gate_changes.py"

METRICS = (
    inside(
        "evaluation/expression.py",
        "custom metric: any part of Python is read",
        "    if not isinstance(node, _NODES):",
        "    if False:",
        EXPRESSION,
    ),
    inside(
        "evaluation/expression.py",
        "custom metric: any name is a column",
        "        if node.id in names:",
        "        if True:",
        EXPRESSION,
    ),
    inside(
        "evaluation/expression.py",
        "custom metric: any number is small enough",
        "    if not abs(value) <= LARGEST:",
        "    if False:",
        EXPRESSION,
    ),
    inside(
        "evaluation/expression.py",
        "custom metric: steps are not counted",
        "        if steps >= MOST_STEPS or depth > DEEPEST:",
        "        if depth > DEEPEST:",
        EXPRESSION,
    ),
    inside(
        "evaluation/expression.py",
        "custom metric: and is or",
        '    ast.And: ("and", np.logical_and),',
        '    ast.And: ("and", np.logical_or),',
        EXPRESSION,
    ),
    inside(
        "evaluation/custom.py",
        "custom metric: a ratio is the mean of its first part",
        "        return of_row.precision",
        "        return of_row.first",
        CUSTOM,
    ),
    inside(
        "evaluation/custom.py",
        "custom metric: a huge value counts",
        "    return table if (np.abs(table) <= expression.LARGEST).all() else nothing",
        "    return table",
        CUSTOM,
    ),
    inside(
        "evaluation/custom.py",
        "custom metric: density of a quantile forgotten",
        " * (above - below) / (high - low)",
        "",
        CUSTOM,
    ),
    inside(
        "evaluation/comparison.py",
        "custom metric: a quantile of few rows has an interval",
        "min(at, 1 - at) * len(labels) < MIN_TAIL_ROWS",
        "len(labels) < MIN_TAIL_ROWS",
        CUSTOM,
    ),
    inside(
        "evaluation/metrics.py",
        "custom metric: direction flipped",
        'higher_is_better=declared.better == "higher"',
        'higher_is_better=declared.better != "higher"',
        CUSTOM,
    ),
    inside(
        "evaluation/rows.py",
        "custom metric: columns in the order of the file",
        "np.asarray(test.numbers[name])[order]",
        "np.asarray(test.numbers[name])",
        CUSTOM,
    ),
    inside(
        "evaluation/rows.py",
        "custom metric: a slice has the columns of other rows",
        "{name: column[mask] for",
        "{name: column[: int(mask.sum())] for",
        CUSTOM,
    ),
    inside(
        "evaluation/decision.py",
        "custom metric: its margin is not demanded",
        "if metric.margin is not None or not metric.enabled",
        "if not metric.enabled",
        CUSTOM,
    ),
    inside(
        "evaluation/recheck.py",
        "custom metric: a forged gain is believed",
        "GateKind.PRIMARY | GateKind.RISK | GateKind.METRIC | GateKind.SLICE_PROOF",
        "GateKind.PRIMARY | GateKind.RISK | GateKind.SLICE_PROOF",
        CUSTOM,
    ),
    inside(
        "evaluation/custom_lint.py",
        "custom metric: not computed at lint",
        "    if not len(bad):",
        "    if True:",
        LINT,
    ),
    inside(
        "evaluation/custom_lint.py",
        "custom metric: the same for every model",
        "    if not read & set(answers):",
        "    if False:",
        LINT,
    ),
    inside(
        "formats/gate_changes.py",
        "custom metric: another expression is no change",
        "    if measure[0] != measure[1]:",
        "    if False:",
        CHANGES,
    ),
)
