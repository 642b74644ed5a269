"""Which release is the best so far, and what a candidate owes it."""

from dataclasses import replace

import pytest

from gitops_model.evaluation import ledger, recheck, verdict
from gitops_model.evaluation.anchor import Served, milestones
from gitops_model.evaluation.ledger import Look
from gitops_model.formats import agreement
from gitops_model.formats import check as check_format
from gitops_model.formats.check import GateKind, GateState
from gitops_model.formats.line import Line, Milestone
from gitops_model.report import check_html, check_markdown, line_words
from tests.support import cases

BEST = "c" * 64


def release(number, *, against=None, lower=None, gain=0.001):
    gates = {} if against is None else {"anchor": {"sha256": f"s{against}", "lower": lower}}
    return Served(
        model=f"parcel-delay-v{number}",
        sha256=f"s{number}",
        gates=gates,
        baseline={"deltas": {"accuracy": gain}},
    )


def bests(*served, since=None):
    found = milestones(served, metric="accuracy", since=since)
    return [place + 1 for place, each in enumerate(found) if each.best]


def test_only_a_release_that_was_shown_to_be_better_becomes_the_best():
    line = (
        release(1),
        release(2, against=1, lower=-0.001),
        release(3, against=1, lower=0.002),
        release(4, against=3, lower=0.0),
        release(5, against=1, lower=0.5),  # better than one that was the best before
        release(6, against=3, lower=None),
    )
    assert bests(*line) == [1, 3]
    assert [each.gain for each in milestones(line, metric="accuracy")] == [0.001] * 6
    assert milestones(line, metric="rmse")[0].gain is None


def test_a_person_may_begin_the_line_anew():
    line = (release(1), release(2, against=1, lower=-1.0), release(3, against=2, lower=0.1))
    assert bests(*line) == [1]
    assert bests(*line, since="parcel-delay-v2") == [2, 3]
    assert bests(*line, since="parcel-delay-v9") == [1]


def test_releases_that_nobody_compared_come_first_and_none_later_resets_the_line():
    old = (release(1), release(2), release(3, against=2, lower=-0.1))
    assert bests(*old) == [1, 2]
    assert bests(*old, release(4)) == [1, 2]


@pytest.mark.parametrize(
    "gates",
    [{"anchor": 7}, {"anchor": {}}, {"anchor": {"sha256": "s1", "lower": True}}, {"anchor": None}],
)
def test_a_record_that_makes_no_sense_moves_nothing(gates):
    odd = replace(release(3), gates=gates)
    assert bests(release(1), release(2, against=1, lower=-1.0), odd) == [1]


def held(noise, *, best_noise=0.3, production_noise=1.6, rows=6000, **gates):
    """A candidate, production and a better release before it, each as bad as its noise."""
    world = cases.world("binary", rows)
    kwargs = cases.inputs(
        of=world,
        candidate=world.scores(noise, draw=3),
        production=world.scores(production_noise, draw=3),
    )
    best = replace(
        kwargs["production"],
        model="parcel-delay-v1",
        sha256=BEST,
        scores=world.scores(best_noise, draw=3),
    )
    line = Line(
        best="parcel-delay-v1",
        sha256=BEST,
        releases=(
            Milestone(model="parcel-delay-v1", gain=None, best=True),
            Milestone(model="parcel-delay-v2", gain=-0.009, best=False),
            Milestone(model="parcel-delay-v3", gain=-0.008, best=False),
        ),
    )
    return kwargs | {"best": best, "line": line, "gates": cases.gates(**gates)}


def test_a_candidate_like_production_is_blocked_where_production_crept_too_far():
    found = cases.check(**held(1.6))
    primary, anchor = cases.gate(found, "primary"), cases.gate(found, "anchor")
    assert (primary.state, anchor.state) == (GateState.PASS, GateState.FAIL)
    assert anchor.blocks and anchor.limit == -0.04
    assert "against the best release so far fell from" in found.sentence
    assert cases.gate(cases.check(**held(0.32)), "anchor").state == GateState.PASS
    wider = cases.check(**held(1.6, anchor={"margin": 0.2}))
    assert cases.gate(wider, "anchor").state == GateState.PASS
    assert check_format.read(found.to_json()) == found


def test_the_best_release_in_production_and_a_gate_that_is_off_ask_for_nothing_more():
    same = held(1.6)
    same = same | {"best": same["production"], "line": replace(same["line"], sha256="b" * 64)}
    off = {"anchor": {"enabled": False, "reason": "a new line begins with v4"}}
    for kwargs in (same, held(1.6, **off) | {"best": None, "line": None}):
        assert cases.check(**kwargs).gate(GateKind.ANCHOR) is None
    assert "which is in production" in line_words.line(cases.check(**same))


def test_the_bounds_against_the_best_release_shrink_with_each_candidate_since():
    looks = [Look(test_sha256=str(i), candidate_sha256=str(i)) for i in range(9)]
    now = Look(test_sha256="9", candidate_sha256="9")
    rate = ledger.held(looks, now, best_sha256="4", alpha=0.05)
    assert rate == pytest.approx(0.05 / (5 * 6))
    assert ledger.held(looks, now, best_sha256="x", alpha=0.05) == pytest.approx(0.05 / (10 * 11))
    assert ledger.held(looks, looks[5], best_sha256="4", alpha=0.05) == pytest.approx(0.05 / 2)
    narrow = held(0.4)
    wide = cases.change(narrow, "facts", looks=looks)
    gates = [cases.gate(verdict.evaluate(**kwargs), "anchor") for kwargs in (narrow, wide)]
    assert gates[1].lower < gates[0].lower


TRUSTED = recheck.Trusted(
    gates=cases.gates(),
    primary="accuracy",
    risk="expected_cost",
    slices=("depot",),
    production_sha256="b" * 64,
    served=(BEST, "d" * 64, "b" * 64),
)


def test_a_report_without_the_best_release_is_no_report_where_there_is_one():
    kwargs = held(1.6)
    bare = cases.check(**kwargs | {"best": None, "line": None})
    assert recheck.contradictions(cases.check(**kwargs), TRUSTED) == []
    assert "best release" in recheck.contradictions(bare, TRUSTED)[0]
    stood_in = Line(best="parcel-delay-v3", sha256="b" * 64, note="v1 cannot be compared.")
    assert recheck.contradictions(replace(bare, line=stood_in), TRUSTED) == []
    for served in ((), ("b" * 64,)):
        assert recheck.contradictions(bare, replace(TRUSTED, served=served)) == []


@pytest.mark.parametrize("gate", [True, False])
@pytest.mark.parametrize(
    ("sha256", "note", "said"),
    [
        # Never served, or before the best one.
        ("e" * 64, "", "it takes model eeeeeeeeeeee for the best release so far"),
        ("e" * 64, "v1 cannot be compared.", "it takes model eeeeeeeeeeee for the best"),
        ("b" * 64, "", "it is held to model bbbbbbbbbbbb, and model cccccccccccc is the best"),
        ("d" * 64, "", "it is held to model dddddddddddd, and model cccccccccccc is the best"),
    ],
)
def test_what_a_report_takes_for_the_best_release_is_not_believed(gate, sha256, note, said):
    found = cases.check(**held(0.32))
    gates = found.gates if gate else tuple(g for g in found.gates if g.kind != GateKind.ANCHOR)
    line = Line(best="parcel-delay-v9", sha256=sha256, note=note)
    forged = replace(found, gates=gates, line=line)
    assert said in "; ".join(recheck.contradictions(forged, TRUSTED))
    # Nor is one where nothing served, or where production itself is the best.
    first = replace(TRUSTED, served=())
    assert "for the best release so far" in "; ".join(recheck.contradictions(forged, first))


def test_the_record_keeps_what_the_next_line_is_made_of():
    found = cases.check(**held(0.32))
    kept = agreement.of_verdict(found, sha256=found.candidate.sha256)["gates"]["anchor"]
    gate = cases.gate(found, "anchor")
    assert (kept["sha256"], kept["lower"]) == (BEST, gate.lower)
    alone = cases.check(**cases.inputs())
    assert "anchor" not in agreement.of_verdict(alone, sha256=alone.candidate.sha256)["gates"]


def test_every_report_shows_the_best_release_and_the_line():
    found = cases.check(**held(1.6))
    said = line_words.line(found)
    assert said.startswith("Best release so far parcel-delay-v1: accuracy -0.0")
    assert "(allowed: a loss below 0.04)" in said
    assert said.endswith("Releases: v1★ → v2 -0.0090 → v3 -0.0080 (★ was the best when it came).")
    for page in (check_markdown.render(found), check_html.render(found)):
        assert "Best release so far" in page and "against parcel-delay-v1, the best so far" in page
    assert "Releases so far" in check_html.render(found)
    noted = replace(found, line=replace(found.line, note="v0 cannot be compared on these rows"))
    assert "V0 cannot be compared" in line_words.line(noted)
