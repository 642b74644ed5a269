"""The table of docs/gates.md keeps the bounds it is published for, and says what the gates do.

Rates that must stay below a bound are judged by the upper end of their exact 95 % interval (Clopper-Pearson).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from ci_scripts import operating
from ci_scripts.bake import bake, export
from ci_scripts.stage import Stage
from gitops_model.delivery import simulate_gates
from gitops_model.evaluation import made_up, metrics, slices, trials
from gitops_model.evaluation.made_up import Drawn, Pair
from gitops_model.evaluation.resampling import Resampler
from gitops_model.evaluation.rows import Rows
from gitops_model.evaluation.trials import Trials

ROWS = operating.committed()
FALSE_BLOCKS = 0.065


def key(setting: operating.Setting) -> tuple[str, str, str]:
    return setting.problem, f"{setting.rows:,}", setting.words


def upper(events: int, trials: int) -> float:
    return float(stats.binomtest(events, trials).proportion_ci(0.95, method="exact").high)


def test_the_table_has_every_setting_once() -> None:
    assert sorted(ROWS) == sorted(key(setting) for setting in operating.SETTINGS)


@pytest.mark.parametrize("name", ROWS, ids=" ".join)
def test_equal_candidates_fail_no_oftener_than_is_promised(name: tuple[str, str, str]) -> None:
    failed, count = map(int, ROWS[name][5].split(" of "))
    assert failed / count <= 0.05
    assert upper(failed, count) <= FALSE_BLOCKS


@pytest.mark.parametrize("name", [name for name in ROWS if ROWS[name][6] != "-"], ids=" ".join)
def test_candidates_at_the_margin_pass_no_oftener_than_is_promised(
    name: tuple[str, str, str],
) -> None:
    passed, count = map(int, ROWS[name][6].split(" of "))
    assert stats.binomtest(passed, count, 0.05, alternative="greater").pvalue > 0.01


# 16 of the 26 lines; the others would take as long again.
AGAIN = ("28 days", "200 groups", "40 slices", "1 % positives")


@pytest.mark.slow
@pytest.mark.parametrize(
    "setting",
    [each for each in operating.SETTINGS if each.rows <= 1000 or each.words in AGAIN],
    ids=lambda setting: " ".join(key(setting)),
)
def test_the_table_says_what_the_gates_do(setting: operating.Setting) -> None:
    assert operating.cells(setting, operating.measure(setting)) == ROWS[key(setting)]


@pytest.mark.slow
def test_the_page_says_what_the_guard_of_a_canary_does() -> None:
    assert f"```\n{operating.canary()}\n```" in operating.PAGE.read_text("utf-8")


@pytest.mark.slow
def test_bounds_without_a_width_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    (setting,) = (
        each for each in operating.SETTINGS if key(each) == ("regression", "5,000", "28 days")
    )
    monkeypatch.setattr(Resampler, "tail", lambda *_: 0.5)
    assert operating.cells(setting, operating.measure(setting)) != ROWS[key(setting)]


@pytest.mark.parametrize("problem", ["binary", "multiclass", "regression"])
def test_the_first_gates_decide_about_an_equal_candidate_on_61_days(problem: str) -> None:
    # A quick look at what is measured below on the example's rows: a margin too small for them leaves most undecided.
    days = operating.Setting(problem=problem, rows=25_000, unit="days", units=61, common=0.0005)
    found = trials.counts(operating.judged(days).run(4))
    assert (found.passed, found.undecided) == (4, 0)


# On the first day these rows judge the first release, too: whoever comes next is the second look, of which 150 test
# sets show a little less. Both figures stand in docs/looks.md.
@pytest.mark.slow
@pytest.mark.parametrize(("look", "at_least"), [(1, 0.9), (2, 0.85)])
@pytest.mark.parametrize("problem", ["binary", "multiclass", "regression"])
def test_an_equal_candidate_on_the_examples_test_rows_is_decided(
    problem: str, look: int, at_least: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the models of `make train` reach there.
    reached = {"binary": 0.7767, "multiclass": 0.6142, "regression": 31.9}[problem]
    stage = Stage(tmp_path, log=tmp_path / "log")
    answers = {"problem": problem, "project_slug": stage.repo.name}
    bake(export(tmp_path / "template"), tmp_path, answers)
    stage.run("gitops-model", "data", cwd=stage.repo)
    stage.run("gitops-model", "prepare", cwd=stage.repo)
    monkeypatch.chdir(stage.repo)
    contract, gates = operating.files(problem)
    pair = Pair(
        ctx=metrics.context(contract), ground=simulate_gates.prepared_ground(contract, gates), skill=1.0,
        alike=simulate_gates.Options().alike, common=simulate_gates.Options().common,
    )  # fmt: skip
    skilled = pair.reaching(contract.success.primary, reached)
    assert skilled is not None and len(pair.ground.labels) > 20_000
    judged = Trials(pair=skilled, contract=contract, gates=gates, look=look)
    found = trials.counts(judged.run(150))
    print(f"\n  equal candidates on the example's rows, {problem}, look {look}: {found}", end="")
    assert stats.binomtest(found.passed + found.failed, 150).proportion_ci(0.95).low >= at_least


# The row in docs/gates.md is within these bounds.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("alike", "least", "most"), [(0.5, 0.4, 0.8), (0.8, 0.9, 1), (0.9, 0.95, 1), (0.95, 0.97, 1)]
)
def test_eight_points_of_auc_lost_in_a_slice_of_500_rows_are_caught_between_similar_models(
    alike: float, least: float, most: float
) -> None:
    contract, _ = operating.files("binary")
    ctx, caught, count = metrics.context(contract), 0, 400
    ground = made_up.ground("binary", rows=60_000, positives=0.25)
    pair = Pair(ctx=ctx, ground=ground, skill=1.1, alike=alike, common=0.0)
    skill = pair.at("roc_auc", -0.08, relative=False)
    assert skill is not None
    place = np.arange(10_000) // 500
    for number in range(count):
        generator = np.random.default_rng([21, number])
        rows = generator.integers(60_000, size=10_000)
        labels = ground.labels[rows]
        old, new = pair.noise(generator, Drawn(rows=rows, place=None))
        skills = np.where(place == 7, skill, pair.skill)
        table = slices.compare_each(
            {"depot": place},
            Rows(
                labels=labels,
                candidate=pair.scores(labels, new, skills),
                production=pair.scores(labels, old, pair.skill),
            ),
            ctx, metric="roc_auc", alpha=0.05, relative=False, margin=0.03, seed=0,
        )  # fmt: skip
        judged = slices.guarded(table, margin=0.03, min_rows=300, alpha=0.05)
        caught += any(row.slice == "depot=7" and row.state == "fail" for row in judged)
    print(
        f"\n  -8 points of AUC in one of 20 slices of 500, {alike:.0%}: {caught} of {count}", end=""
    )
    found = stats.binomtest(caught, count).proportion_ci(0.95)
    assert least <= found.low and found.high <= most
