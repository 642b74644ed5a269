"""Small breaks of what is monitored: each must turn a test red."""

from __future__ import annotations

from ci_scripts.mutants import inside

SHIFT = "tests/unit/monitoring/test_shift.py"
RECORDS = "tests/unit/monitoring/test_records.py"
COMMAND = "tests/integration/delivery/test_monitor.py"
WORKFLOW = "tests/workflows/test_retrain.py"
HISTORY = "tests/unit/serving/test_history.py"

MONITOR = (
    inside(
        "monitoring/shift.py",
        "monitor: a significant change is a shift, however small",
        "size >= rule.smallest and chance < alpha",
        "chance < alpha",
        f"{SHIFT}::test_a_shift_too_small_to_matter_is_not_seen_in_any_number_of_rows",
    ),
    inside(
        "monitoring/shift.py",
        "monitor: a large change is a shift, however few rows",
        "size >= rule.smallest and chance < alpha",
        "size >= rule.smallest",
        f"{SHIFT}::test_without_a_shift_nothing_is_seen",
    ),
    inside(
        "monitoring/shift.py",
        "monitor: days are taken to be alike",
        "chance < alpha and moved.excess > 1",
        "chance < alpha",
        f"{SHIFT}::test_weather_like_yesterdays_is_no_shift_and_another_season_is",
    ),
    inside(
        "monitoring/quality.py",
        "monitor: rows without a label are forgotten",
        " + one.bare.get(card.where, 0) for one in rows)",
        " for one in rows)",
        "tests/unit/monitoring/test_quality.py::test_rows_without_a_label_are_counted_and_not_kept",
    ),
    inside(
        "monitoring/windows.py",
        "monitor: one window is enough for an alarm",
        "    if sum(recent) >= settings.alarm:\n",
        "    if sum(recent) >= 1:\n",
        f"{COMMAND}::test_a_shift_in_two_days_is_watched_and_asks_nothing",
    ),
    inside(
        "monitoring/signals.py",
        "monitor: what was expected once is expected for ever",
        "            if today <= entry.until:\n",
        "            if True:\n",
        f"{COMMAND}::test_an_expected_shift_asks_nothing_until_its_day_has_passed",
    ),
    inside(
        "monitoring/traffic.py",
        "monitor: golden and replayed rows are traffic",
        "    return table.filter(pc.invert(apart)) if pc.any(apart).as_py() else table\n",
        "    return table\n",
        f"{RECORDS}::test_what_nobody_asked_is_no_traffic",
    ),
    inside(
        "monitoring/traffic.py",
        "monitor: the fallback is a score of the model",
        '        held = held.filter(pc.fill_null(pc.not_equal(held.column("route"), FALLBACK), True))\n',
        "",
        f"{RECORDS}::test_the_fallback_counts_as_traffic_and_not_as_a_score",
    ),
    inside(
        "monitoring/records.py",
        "monitor: a broken record is lost without a word",
        '            broken.add(f"{name}: line {number}")\n',
        "",
        f"{RECORDS}::test_a_broken_record_is_lost_alone_counted_and_named",
    ),
    inside(
        "monitoring/signals.py",
        "monitor: a fault is learnt by a new model",
        '    faults = [s.name for s in alarms if s.moved == "missing" or s.kind == "fallback"]\n',
        "    faults: list[str] = []\n",
        "tests/unit/monitoring/test_signals.py::test_the_evidence_says_whether_to_retrain",
    ),
    inside(
        "actions/question.py",
        "retrain: begun again by every run",
        "asked is None or asked.retrained:\n",
        "asked is None:\n",
        f"{WORKFLOW}::test_a_retraining_begins_once_a_question",
    ),
    inside(
        "actions/propose.py",
        "retrain: whatever training wrote is pushed",
        "    if others:\n",
        "    if False:\n",
        f"{WORKFLOW}::test_a_commit_that_changes_more_is_not_pushed",
    ),
    inside(
        "actions/propose.py",
        "retrain: the commit may stand anywhere",
        '    if parents != [git.need("HEAD")]:\n',
        "    if False:\n",
        f"{WORKFLOW}::test_a_commit_on_another_main_is_not_pushed",
    ),
    inside(
        "actions/propose.py",
        "retrain: links are pushed",
        '    if not modes <= {"100644", "000000"}:\n',
        "    if False:\n",
        f"{WORKFLOW}::test_a_link_is_not_pushed",
    ),
    inside(
        "serving/page.py",
        "page: names are not escaped",
        "from html import escape\n",
        "from builtins import str as escape\n",
        "tests/unit/serving/test_page.py::test_every_name_from_outside_is_escaped",
    ),
    inside(
        "serving/history.py",
        "page: refusals count as failures",
        "        if status >= 500:\n",
        "        if status >= 400:\n",
        f"{HISTORY}::test_kinds_of_ends",
    ),
)
