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
        f"{CUSTOM}::test_the_numbers_are_numpys",
    ),
    inside(
        "evaluation/custom.py",
        "custom metric: a huge value counts",
        "    return table if (np.abs(table) <= expression.LARGEST).all() else nothing",
        "    return table",
        f"{CUSTOM}::test_one_row_without_a_number_is_no_data_and_blocks",
    ),
    inside(
        "evaluation/comparison.py",
        "custom metric: a quantile has the interval of its influences",
        '    if name == "roc_auc" or not resample:',
        '    if name == "roc_auc" or not resample or candidate.of is not None:',
        f"{CUSTOM}::test_equal_quantiles_are_missed_at_most_at_the_declared_rate",
    ),
    inside(
        "evaluation/custom.py",
        "custom metric: density of a quantile forgotten",
        " * (above - below) / (high - low)",
        "",
        f"{CUSTOM}::test_the_influence_of_a_quantile_gives_its_standard_error",
    ),
    inside(
        "evaluation/comparison.py",
        "custom metric: a quantile of few rows has an interval",
        "min(at, 1 - at) * len(labels) < MIN_TAIL_ROWS",
        "len(labels) < MIN_TAIL_ROWS",
        f"{CUSTOM}::test_a_quantile_of_few_rows_has_no_interval_and_says_so",
    ),
    inside(
        "evaluation/metrics.py",
        "custom metric: direction flipped",
        'higher_is_better=declared.better == "higher"',
        'higher_is_better=declared.better != "higher"',
        f"{CUSTOM}::test_the_other_direction_is_a_gain",
    ),
    inside(
        "evaluation/rows.py",
        "custom metric: columns in the order of the file",
        "np.asarray(test.numbers[name])[order]",
        "np.asarray(test.numbers[name])",
        f"{CUSTOM}::test_the_order_of_rows_changes_nothing",
    ),
    inside(
        "evaluation/rows.py",
        "custom metric: a slice has the columns of other rows",
        "{name: column[mask] for",
        "{name: column[: int(mask.sum())] for",
        f"{CUSTOM}::test_sums_over_slices_add_up_and_a_weighted_ratio_is_numpys_average",
    ),
    inside(
        "evaluation/decision.py",
        "custom metric: its margin is not demanded",
        "if metric.margin is not None or not metric.enabled",
        "if not metric.enabled",
        f"{CUSTOM}::test_with_a_margin_it_is_a_gate_and_without_it_is_shown",
    ),
    inside(
        "evaluation/recheck.py",
        "custom metric: a forged gain is believed",
        "            | GateKind.METRIC\n            | GateKind.ANCHOR\n",
        "            | GateKind.ANCHOR\n",
        f"{CUSTOM}::test_whoever_reads_a_report_again_finds_a_wrong_gain",
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
    inside(
        "evaluation/rows.py",
        "custom metric: resamples of rows serve groups, too",
        "known = (metric.name, resampler)",
        "known = (metric.name, None)",
        "tests/unit/evaluation/test_comparison.py::test_resamples_are_drawn_once_for_each_way_of_drawing",
    ),
)
