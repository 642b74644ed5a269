"""How often the gates err: error rates of the verdict over many simulated pull requests.

Each test prints its figures (pytest -s). Bands allow for the simulation's own noise only where a rate is estimated;
rates that must stay below a bound are judged by their upper 95 % confidence bound (Clopper-Pearson).
"""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import signal, stats

from gitops_model.delivery import timing
from gitops_model.evaluation import calendar, intervals, latency, power, slices, verdict
from gitops_model.evaluation.columns import Context
from gitops_model.evaluation.comparison import compare
from gitops_model.evaluation.limit import against_limit
from gitops_model.evaluation.resampling import Resampler
from gitops_model.evaluation.rows import Rows
from tests.support import cases

pytestmark = pytest.mark.slow

BINARY = Context(problem="binary", costs={"false_positive": 1, "false_negative": 4})
REGRESSION = Context(problem="regression", costs={"under": 1, "over": 3})


def upper_bound(events, trials):
    return stats.binomtest(events, trials).proportion_ci(0.9, method="exact").high


def show(text):
    print(f"\n  {text}", end="")


def answers(labels, accuracy_change, generator, disagreement=0.08, accuracy=0.85):
    """Two models that are right with about `accuracy`, disagree on a share of rows, and differ by a true change.

    Returns (candidate, production) scores of 0 or 1. `accuracy_change` may differ by row.
    """
    n = len(labels)
    only_new = np.broadcast_to((disagreement + accuracy_change) / 2, n)
    only_old = np.broadcast_to((disagreement - accuracy_change) / 2, n)
    draw = generator.random(n)
    new_right = draw < accuracy - only_old
    old_right = (draw < accuracy - only_old - only_new) | (
        (draw >= accuracy - only_old) & (draw < accuracy)
    )
    new_right = draw < accuracy - only_old
    return (
        np.where(new_right, labels, 1 - labels),
        np.where(old_right, labels, 1 - labels),
    )


def test_the_simulated_models_are_what_they_say():
    generator = np.random.default_rng(0)
    labels = (generator.random(400_000) < 0.3).astype(float)
    new, old = answers(labels, -0.02, generator)
    assert np.mean(new == labels) - np.mean(old == labels) == pytest.approx(-0.02, abs=0.002)
    assert np.mean(new != old) == pytest.approx(0.08, abs=0.002)


# --- A/A: nothing changed, nothing should fail ------------------------------------------------------------------


def test_a_a_verdicts_of_500_pull_requests_with_20_slices():
    failed = undecided = 0
    depot = np.array([f"d{i:02d}" for i in np.arange(6000) % 20])
    kwargs = cases.inputs(rows=6000)
    kwargs["gates"] = cases.gates(
        limits={"accuracy": {"above": 0.7}},
        slices={"margin": 0.001, "min_rows": 100},
        risk={"rule": "not_worse", "margin": "30%"},
    )
    for i in range(500):
        generator = np.random.default_rng([1, i])
        labels = (generator.random(6000) < 0.3).astype(float)
        new, old = answers(labels, 0.0, generator)
        kwargs = kwargs | {
            "test": replace(
                kwargs["test"], labels=labels, slices={"depot": depot}, sha256=f"{i:064x}"
            ),
            "candidate": replace(kwargs["candidate"], scores=new),
            "production": replace(kwargs["production"], scores=old),
        }
        result = verdict.evaluate(**kwargs, brief=True)
        failed += any(gate.state == "fail" for gate in result.gates)
        undecided += any(gate.state == "inconclusive" for gate in result.gates)
        if i < 5:
            assert verdict.evaluate(**kwargs, brief=True) == result
    show(
        f"A/A, 500 PRs x 20 slices of 300: {failed} failed (upper bound "
        f"{upper_bound(failed, 500):.1%}), {undecided} inconclusive"
    )
    assert upper_bound(failed, 500) <= 0.05


def guard(metric, ctx, data, columns, margin=1e-6):
    table = slices.compare_each(
        columns, data, ctx, metric=metric, alpha=0.05, relative=False, margin=0.05, seed=0
    )
    return [row.state for row in slices.guarded(table, margin=margin, min_rows=100, alpha=0.05)]


def equal_models(metric, generator, n):
    """Two models of equal quality whose errors are partly shared, and skewed for log loss and cost."""
    if metric in ("rmse", "mae"):
        labels = generator.normal(size=n)
        shared = generator.normal(size=n)
        scores = [labels + shared + 0.7 * generator.normal(size=n) for _ in range(2)]
        return REGRESSION, Rows(labels=labels, candidate=scores[0], production=scores[1])
    signal = 2 * generator.normal(size=n)
    labels = (generator.random(n) < 1 / (1 + np.exp(1 - signal))).astype(float)
    scores = [1 / (1 + np.exp(1 - signal - 0.7 * generator.normal(size=n))) for _ in range(2)]
    return BINARY, Rows(labels=labels, candidate=scores[0], production=scores[1])


@pytest.mark.parametrize(
    "metric", ["accuracy", "roc_auc", "pr_auc", "log_loss", "expected_cost", "rmse"]
)
def test_the_guard_keeps_its_family_wise_error_on_every_metric(metric):
    # The margin is next to nothing here, so that only Holm's correction stands between chance and a red verdict.
    trials, blocked = 1000, 0
    columns = {"depot": np.arange(6000) % 20}
    for i in range(trials):
        ctx, data = equal_models(metric, np.random.default_rng([2, i]), 6000)
        blocked += "fail" in guard(metric, ctx, data, columns)
    show(f"guard without margin, {metric}: {blocked / trials:.1%} blocked of {trials} equal pairs")
    assert upper_bound(blocked, trials) <= 0.065


def test_heavy_tails_do_not_make_the_guard_cry_wolf():
    # Squared errors of t(5) noise have no finite variance of their variance. There is no margin to hide behind.
    trials, blocked, columns = 1200, 0, {"depot": np.arange(6000) % 20}
    for i in range(trials):
        generator = np.random.default_rng([9, i])
        shared, first, second = generator.standard_t(5, size=(3, 6000))
        data = Rows(
            labels=np.zeros(6000), candidate=shared + 0.7 * first, production=shared + 0.7 * second
        )
        blocked += "fail" in guard("rmse", REGRESSION, data, columns)
    show(f"guard without margin, RMSE with t(5) errors: {blocked / trials:.1%} blocked")
    assert upper_bound(blocked, trials) <= 0.065


# --- size: exactly as bad as the margin allows ------------------------------------------------------------------


@pytest.mark.parametrize("rows", [100, 200, 500, 1000, 2000, 5000])
def test_size_of_accuracy(rows):
    margin, disagreement, trials = 0.05, 0.12, 20_000
    generator = np.random.default_rng(rows)
    only_new, only_old = (disagreement - margin) / 2, (disagreement + margin) / 2
    drawn = generator.multinomial(rows, [only_new, only_old, 1 - disagreement], size=trials)
    cached, passed = {}, 0
    for b, c, _ in drawn.tolist():
        if (b, c) not in cached:
            lower, upper = intervals.tango(b=b, c=c, n=rows, alpha=0.05)
            state = against_limit(
                value=(b - c) / rows, lower=lower, upper=upper, limit=-margin, better="higher"
            )
            cached[b, c] = state == "pass"
        passed += cached[b, c]
    show(f"size, accuracy, n={rows}: {passed / trials:.2%}")
    assert 0.035 <= passed / trials <= 0.06


@pytest.mark.parametrize(("rows", "trials"), [(100, 6000), (500, 4000), (2000, 2500), (5000, 2000)])
def test_size_of_auc(rows, trials):
    # Binormal scores: AUC = Phi(shift / sqrt 2). The candidate's true AUC is exactly the margin below production's.
    margin, shift = 0.05, 1.2
    auc = stats.norm.cdf(shift / math.sqrt(2))
    worse = math.sqrt(2) * stats.norm.ppf(auc - margin)
    passed, resampler = 0, Resampler(rows, seed=0)
    for i in range(trials):
        generator = np.random.default_rng([3, rows, i])
        labels = np.zeros(rows)
        labels[: rows * 3 // 10] = 1
        shared = generator.normal(size=rows)
        own = generator.normal(size=(2, rows))
        old = shift * labels + math.sqrt(0.6) * shared + math.sqrt(0.4) * own[0]
        new = worse * labels + math.sqrt(0.6) * shared + math.sqrt(0.4) * own[1]
        data = Rows(labels=labels, candidate=new, production=old)
        passed += passes("roc_auc", data, BINARY, resampler, margin)
    show(f"size, AUC, n={rows}: {passed / trials:.2%} of {trials}")
    assert 0.035 <= passed / trials <= 0.06


@pytest.mark.parametrize(("rows", "trials"), [(100, 8000), (500, 4000), (2000, 1500), (5000, 1200)])
def test_size_of_rmse(rows, trials):
    # Normal errors; the candidate's true RMSE is exactly 10 % above production's, and so is the margin.
    margin, passed, resampler = 0.1, 0, Resampler(rows, seed=0)
    for i in range(trials):
        generator = np.random.default_rng([4, rows, i])
        shared, own = generator.normal(size=rows), generator.normal(size=(2, rows))
        old = math.sqrt(0.5) * (shared + own[0])
        new = 1.1 * math.sqrt(0.5) * (shared + own[1])
        data = Rows(labels=np.zeros(rows), candidate=new, production=old)
        passed += passes("rmse", data, REGRESSION, resampler, margin, relative=True)
    show(f"size, RMSE, n={rows}: {passed / trials:.2%} of {trials}")
    assert 0.035 <= passed / trials <= 0.06


def test_size_of_rmse_in_time_order_with_dependent_errors():
    # AR(1) errors with correlation .9: rows in time order must use blocks, or the gate passes far too often.
    margin, rows, trials = 0.1, 4000, 1000
    counts = {"blocks": 0, "rows": 0}
    for i in range(trials):
        generator = np.random.default_rng([5, i])
        noise = generator.normal(size=(3, rows + 200))
        wave = signal.lfilter([1], [1, -0.9], noise, axis=1)
        shared, first, second = wave[:, 200:] * math.sqrt(1 - 0.81)
        data = Rows(
            labels=np.zeros(rows),
            candidate=1.1 * math.sqrt(0.5) * (shared + first),
            production=math.sqrt(0.5) * (shared + second),
        )
        for kind, time in (("blocks", np.arange(rows)), ("rows", None)):
            found = compare(
                "rmse", data, REGRESSION, Resampler(rows, seed=0, time=time), alpha=0.05,
                relative=True, resample=False,
            )  # fmt: skip
            counts[kind] += found.lower > -margin
    blocks, rows_alone = counts["blocks"] / trials, counts["rows"] / trials
    show(f"size, RMSE, AR(1) 0.9: blocks {blocks:.1%}, as if rows stood alone {rows_alone:.1%}")
    assert 0.02 <= counts["blocks"] / trials <= 0.08
    assert counts["rows"] / trials > 0.1


@pytest.mark.parametrize(("effects", "most"), [("symmetric", 0.06), ("skewed", 0.065)])
def test_a_bound_holds_when_every_day_has_labels_of_its_own(effects, most):
    # The share of positives differs by day, and the two models err on different classes: the gain differs by day, too.
    # The old blocks, a fortieth of 28 days each, cut days into pieces that are not independent. Skewed day effects cost
    # the t interval of 28 days another half of a percent.
    days, per_day, trials = 28, 900, 6000
    day, rates = np.repeat(np.arange(days), per_day), np.array([[0.75, 0.9], [0.85, 0.86]])
    share = 0.5 if effects == "symmetric" else 0.3
    truth = share * (rates[0, 0] - rates[1, 0]) + (1 - share) * (rates[0, 1] - rates[1, 1])
    pieces = Resampler(len(day), seed=0, time=np.arange(len(day)))
    # That 40 equal blocks miss more needs fewer trials than that days do not.
    missed, compared = {"days": 0, "pieces": 0}, 1000
    for i in range(trials):
        generator = np.random.default_rng([10, i])
        positive = (
            1 / (1 + np.exp(-0.7 * generator.normal(size=days)))
            if effects == "symmetric"
            else generator.beta(6, 14, size=days)
        )
        labels = (generator.random(len(day)) < positive[day]).astype(float)
        draw = generator.random(len(day))
        new, old = (
            np.where(draw < np.where(labels == 1, *rate), labels, 1 - labels) for rate in rates
        )
        data = Rows(labels=labels, candidate=new, production=old)
        wrong, was_wrong = (np.abs(scores - labels) for scores in (new, old))
        block = calendar.blocks(day, np.column_stack([wrong, wrong - was_wrong]))
        for kind, resampler in (
            ("days", Resampler(len(day), seed=0, block=block)),
            *([("pieces", pieces)] if i < compared else []),
        ):
            found = compare("accuracy", data, BINARY, resampler, alpha=0.05, resample=False)
            missed[kind] += found.lower > truth
    low, high = stats.binomtest(missed["days"], trials).proportion_ci(0.9, method="exact")
    show(
        f"lower bound above the truth, {effects} effects of 28 days of 900 rows, {trials} trials: "
        f"{missed['days'] / trials:.1%} [{low:.1%}, {high:.1%}] with blocks of days, "
        f"{missed['pieces'] / compared:.1%} with 40 equal blocks"
    )
    assert high <= most
    assert missed["pieces"] / compared > 0.08


@pytest.mark.parametrize("metric", ["roc_auc", "log_loss"])
@pytest.mark.parametrize("largest", [0.6, 0.3, 1 / 34])
def test_a_bound_holds_when_one_group_holds_most_rows(metric, largest):
    # Each group shifts both models' scores by an amount of its own, so that the gain of a group is not the whole gain.
    # The models are drawn alike, so the true gain is 0. Equal groups are here to show what 34 of them cost anyway.
    groups, rows, trials, missed = 34, 3400, 5000, 0
    sizes = np.array([largest, *np.full(groups - 1, (1 - largest) / (groups - 1))])
    group = np.searchsorted(np.cumsum(sizes) * rows - 0.5, np.arange(rows))
    group = group.clip(max=groups - 1)
    resampler = Resampler(rows, seed=0, group=group)
    for i in range(trials):
        generator = np.random.default_rng([11, i])
        signal = generator.normal(size=rows)
        labels = (generator.random(rows) < 1 / (1 + np.exp(1 - 2 * signal))).astype(float)
        skill = 1 + 0.5 * generator.normal(size=(2, groups))[:, group]
        noise = generator.normal(size=(2, rows))
        new, old = 1 / (1 + np.exp(1 - skill * signal - 0.5 * noise))
        data = Rows(labels=labels, candidate=new, production=old)
        found = compare(metric, data, BINARY, resampler, alpha=0.05)
        missed += found.lower > 0
    low, high = stats.binomtest(missed, trials).proportion_ci(0.9, method="exact")
    show(
        f"lower bound above the truth, {metric}, 34 groups, one with {largest:.0%} of the rows: "
        f"{missed / trials:.1%} [{low:.1%}, {high:.1%}] of {trials}"
    )
    assert high <= (0.06 if largest > 0.1 else 0.065)


def passes(metric, data, ctx, resampler, margin, **options):
    found = compare(metric, data, ctx, resampler, alpha=0.05, **options)
    return (
        against_limit(
            value=found.gain, lower=found.lower, upper=found.upper, limit=-margin, better="higher"
        )
        == "pass"
    )


# --- power ------------------------------------------------------------------------------------------------------


def test_power_eight_points_lost_in_one_of_20_slices_of_500_rows():
    trials, caught, elsewhere = 400, 0, 0
    columns = {"depot": np.arange(10_000) % 20}
    hurt, names = columns["depot"] == 7, list(slices.members(columns))
    for i in range(trials):
        generator = np.random.default_rng([6, i])
        labels = (generator.random(10_000) < 0.3).astype(float)
        new, old = answers(labels, np.where(hurt, -0.08, 0.0), generator, disagreement=0.12)
        data = Rows(labels=labels, candidate=new, production=old)
        states = guard("accuracy", BINARY, data, columns, margin=0.03)
        failed = [name for name, state in zip(names, states, strict=True) if state == "fail"]
        caught += "depot=7" in failed
        elsewhere += failed not in ([], ["depot=7"])
    low = stats.binomtest(caught, trials).proportion_ci(0.9, method="exact").low
    show(
        f"power, -8 points in one of 20 slices of 500: {caught / trials:.1%} caught "
        f"(lower bound {low:.1%}), {elsewhere} of {trials} blamed a wrong slice"
    )
    assert caught / trials >= 0.95


def test_a_loss_that_a_report_says_it_sees_is_found_8_times_in_10():
    rows, trials, found = 3000, 1000, 0
    kwargs = cases.inputs(rows=rows)
    generator = np.random.default_rng([12, 0])
    labels = (generator.random(rows) < 0.3).astype(float)
    new, old = answers(labels, 0.0, generator, disagreement=0.12)
    kwargs = cases.change(kwargs, "test", labels=labels)
    kwargs = cases.change(cases.change(kwargs, "candidate", scores=new), "production", scores=old)
    check = verdict.evaluate(**kwargs)
    seen = power.sight(check).overall
    for i in range(trials):
        generator = np.random.default_rng([12, 1 + i])
        new, old = answers(labels, -seen, generator, disagreement=0.12)
        data = Rows(labels=labels, candidate=new, production=old)
        # The error of a first look, by which that report was judged, too.
        found += (
            compare("accuracy", data, BINARY, Resampler(rows, seed=0), alpha=check.alpha).upper < 0
        )
    low, high = stats.binomtest(found, trials).proportion_ci(0.9, method="exact")
    show(
        f"a loss of {seen:.4f}, which 3,000 rows see: found {found / trials:.1%} [{low:.1%}, {high:.1%}]"
    )
    assert 0.75 <= found / trials <= 0.85


def test_a_slice_to_prove_with_too_few_rows_is_hardly_ever_passed_when_it_lost():
    # 200 rows where the margin of 2 points needs 1,237: it may be undecided or fail, and pass at most at alpha.
    trials, states = 4000, []
    generator = np.random.default_rng(7)
    for b, c, _ in generator.multinomial(200, [0.03, 0.05, 0.92], size=trials).tolist():
        lower, upper = intervals.tango(b=b, c=c, n=200, alpha=0.05)
        states.append(
            against_limit(
                value=(b - c) / 200, lower=lower, upper=upper, limit=-0.02, better="higher"
            )
        )
    rates = {state: states.count(state) / trials for state in sorted(set(states))}
    show(f"prove, 200 rows at the margin: {rates}")
    assert rates["pass"] <= 0.06 and rates["inconclusive"] > 0.85


# --- latency ----------------------------------------------------------------------------------------------------


def test_latency_a_a_on_this_machine():
    vector = np.random.default_rng(8).normal(size=(60, 60))

    def predict():
        return float(np.tanh(vector @ vector).sum())

    trials, states = 300, []
    for i in range(trials):
        new, old = timing.interleaved(predict, predict, pairs=400, warmup=20)
        found = latency.summarise(new, old, alpha=0.05, seed=i)
        states.append(
            against_limit(
                value=found.ratio, lower=found.ratio_lower, upper=found.ratio_upper,
                limit=1.1, better="lower",
            )
        )  # fmt: skip
    rates = {state: states.count(state) / trials for state in sorted(set(states))}
    show(f"latency A/A, 10 % budget, {trials} comparisons: {rates}")
    assert 1 - rates.get("pass", 0) <= 0.01
