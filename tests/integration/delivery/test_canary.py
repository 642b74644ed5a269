"""What the commands say of a canary that is judged, and of one that was taken out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gitops_model.delivery import canary, deploy, desired, status
from gitops_model.delivery.git import Git
from gitops_model.errors import ExternalFailure
from gitops_model.formats import removed
from gitops_model.formats.pointer import Canary, Pointer, Ref
from gitops_model.formats.removed import Removal
from gitops_model.formats.store import Layout
from gitops_model.serving.guard import Judge
from tests.support.world import Clone, served
from tests.unit.serving.test_guard import QUICK, Stage

FAILING = "requests that fail: 0 %"
REASON = "requests that fail: 5.1 % of 236, at stable 0 % of 2,141"


def _take_out(clone: Clone) -> None:
    """What the service writes when the canary of the pointer is bad."""
    sha256 = clone.stored["pointer"]["canary"]["sha256"]
    one = Removal(
        model="flight-delay-v2",
        sha256=sha256,
        stable="flight-delay-v1",
        at="2026-01-01T00:00:00.000Z",
        reason=REASON,
    )
    removed.add(Layout(clone.store).removed, [one])


def test_a_canary_that_was_taken_out(
    two: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(two, tmp_path) as server:
        two.ok("deploy")
        two.ship("--canary", "50")
        early = two.ok("ship", "flight-delay-v2").out
        assert (
            f"the service at http://127.0.0.1:{server.port} says nothing of flight-delay-v2 yet"
            in early
        )
        assert "cannot be asked" not in early
        two.git("checkout", "-q", "--", "production.yaml")
        two.ok("deploy")
        said = two.ok("status").out
        assert "note: canary flight-delay-v2 is judged for 0" in said and "not yet" in said
        # Whoever promotes it now says in the commit what is known.
        promoted = two.ok("ship", "flight-delay-v2")
        words = "As a canary beside flight-delay-v1, after 0"
        assert words in promoted.out and f"minutes: not yet. {FAILING} of 0" in promoted.out
        two.git("checkout", "-q", "--", "production.yaml")
        _take_out(two)
        server.until(lambda state: bool(state["errors"]))

        said = two.run("status")
        assert said.code == 1
        assert "differ in canary: canary flight-delay-v2 was taken out at 2026-01-01T" in said.out
        assert f"compared with flight-delay-v1: {REASON}" in said.out
        assert (
            "make rollback REASON=" in said.out and "make forgive MODEL=flight-delay-v2" in said.out
        )
        # The agent says it, and a deploy of the same pointer does not bring it back.
        monkeypatch.chdir(two.root)
        git = Git.open(two.root)
        wish = deploy.wish(deploy.target(git, store=None), desired.resolve(git))
        assert REASON in wish[2][-1]
        again = two.run("deploy")
        assert again.code == 4 and REASON in again.err
        assert server.status()["live"]["canary"] is None

        # Back by a revert of the commit: all is well, and its memory stays.
        two.ok("rollback", "--push")
        two.ok("deploy")
        assert "All is well" in two.ok("status").out
        assert two.stored["pointer"]["canary"] is None

        # Shipped once more it is refused until it is forgiven.
        two.ship("flight-delay-v2", "--canary", "50")
        refused = two.run("deploy")
        assert refused.code == 4 and REASON in refused.err
        wrong = two.run("forgive", "flight-delay-v9")
        assert wrong.code == 2 and "allowed: flight-delay-v2" in wrong.err
        assert REASON in two.ok("forgive", "flight-delay-v2").out
        two.ok("deploy")
        server.until(lambda state: state["in_sync"] and state["canary"] is not None)
        none = two.run("forgive", "flight-delay-v2")
        assert none.code == 2 and "none was taken out" in none.err


def test_a_shadow_says_how_it_did_to_whoever_promotes_it(two: Clone, tmp_path: Path) -> None:
    with served(two, tmp_path) as server:
        two.ok("deploy")
        two.ship("flight-delay-v2", "--shadow")
        two.ok("deploy")
        server.until(lambda state: state["shadow"] is not None)
        early = two.ok("ship", "flight-delay-v2").out
        assert "says nothing of flight-delay-v2 yet" in early
        two.git("checkout", "-q", "--", "production.yaml")
        for _ in range(40):
            assert server.predict().status == 200
        server.until(lambda state: sum(state["shadow"]["rows"].values()) == 40)
        for options in ((), ("--canary", "10")):
            said = two.ok("ship", "flight-delay-v2", *options)
            assert "As a shadow beside flight-delay-v1: agrees on " in said.out
            assert " of 40 rows that both answered; its score less the answered one is " in said.out
            two.git("checkout", "-q", "--", "production.yaml")
        # A pull request shows what stands in the commit.
        two.ok("ship", "flight-delay-v2", "--commit")
        assert "As a shadow beside" in two.git("log", "-1", "--format=%b")


SHADOW: dict[str, Any] = {
    "model": "m-v3",
    "sha256": "d" * 64,
    "rows": {"same": 90, "other": 10, "refused": 2, "failed": 1, "uncomparable": 0},
    "agreement": 0.9,
    "difference": {"mean_signed": -0.0125, "p95": 0.04},
    "cost_bounds": [-1.0, 2.0],
    "latency_ms": {"p50": 0.41234, "p95": 1.5},
    "dropped_rows": {"queue": 5, "down": 0, "lost": 0},
}


def test_the_words_of_a_shadow() -> None:
    tried = Ref(model="m-v3", sha256="d" * 64)
    pointer = replace(POINTER, shadow=tried)
    state = {"shadow": SHADOW, "live": {"stable": {"model": "m-v1"}}}
    assert canary.testimony(state, pointer, tried) == (
        "As a shadow beside m-v1: agrees on 90.00 % of 100 rows that both answered; its score less the answered one is "
        "-0.0125 in the mean; without sign 95 % lie within 0.04; other rows: refused 2, failed 1; cost of 1,000 rows "
        "-10 to +20, whatever the labels say; 0.412 ms a request (p50), 1.5 ms (p95); 5 rows were not copied."
    )
    of_two = canary.testimony(state | {"workers": {"serving": 2}}, pointer, tried) or ""
    assert of_two.startswith("As a shadow beside m-v1 (in one of 2 workers): agrees")
    none: dict[str, Any] = {"rows": dict.fromkeys(SHADOW["rows"], 0), "agreement": None}
    for silent in (None, SHADOW | {"sha256": "e" * 64}, SHADOW | none):
        assert canary.testimony(state | {"shadow": silent}, pointer, tried) is None


def _state(judge: Judge, now: float, **more: Any) -> dict[str, Any]:
    found = {"model": "m-v2", "sha256": "c" * 64, "stable": "m-v1", "acts": True, "proposal": None}
    return {"canary": json.loads(json.dumps(found | judge.to_dict(now) | more))}


POINTER = Pointer(
    stable=Ref(model="m-v1", sha256="a" * 64),
    canary=Canary(model="m-v2", sha256="c" * 64, percent=10),
)
TRIED = Ref(model="m-v2", sha256="c" * 64)


def test_the_words_of_each_verdict() -> None:
    stage = Stage()
    (said,) = canary.notes(_state(stage.judge, stage.now), POINTER)
    assert said == (
        "canary m-v2 is judged for 0 minutes: not yet, 0 of 1 minutes have passed; 0 of 100 requests were compared."
    )
    stage.until("ok", {}, {})
    assert canary.notes(_state(stage.judge, stage.now, proposal="Ship it"), POINTER) == (
        "Ship it.",
    )
    stage.until("bad", {}, {"status": 500})
    (said,) = canary.notes(_state(stage.judge, stage.now), POINTER)
    assert "is worse than m-v1 (requests that fail" in said and "act: false" in said


def test_what_is_said_of_a_canary_that_is_promoted() -> None:
    stage = Stage()
    stage.until("ok", {}, {})
    said = canary.testimony(_state(stage.judge, stage.now), POINTER, TRIED) or ""
    assert said.startswith("As a canary beside m-v1, after ")
    assert " minutes: ok. requests that fail: 0 % of " in said
    removal = {"sha256": "c" * 64, "reason": REASON}
    assert canary.testimony({"removed": [removal]}, POINTER, TRIED) == (
        f"The service took it out as a canary: {REASON}."
    )
    other = {"canary": None, "removed": [{"sha256": "d" * 64, "reason": "x"}]}
    assert canary.testimony(other, POINTER, TRIED) is None
    assert canary.testimony(None, POINTER, TRIED) is None
    for url in (None, "http://127.0.0.1:9"):
        with pytest.raises(ExternalFailure, match="cannot be asked"):
            canary.testimony_at(url, POINTER, TRIED)


def test_a_service_that_knows_nothing_of_canaries_is_no_trouble() -> None:
    assert canary.notes({}, POINTER) == () and canary.removal({}, POINTER) is None
    assert canary.removal(None, POINTER) is None
    other = {"removed": [{"sha256": "d" * 64, "sentence": "x"}], "canary": None}
    assert canary.removal(other, POINTER) is None and canary.notes(other, POINTER) == ()


def test_the_promotion_that_is_proposed_names_its_numbers() -> None:
    assert QUICK.act
    stage = Stage()
    stage.until("ok", {}, {})
    text = stage.judge.evidence()
    assert "requests that fail: 0 % of" in text and "answers that are slow: 0 % of" in text


def test_status_says_when_workers_are_missing() -> None:
    known = {"wanted": 2, "serving": 1, "said": "worker 1 (pid 7) was ended by SIGKILL."}
    assert status.missing_workers({"workers": known}) == (
        "1 of 2 workers of the service serve. The last to end: worker 1 (pid 7) was ended by SIGKILL.",
    )
    assert status.missing_workers({"workers": known | {"serving": 2}}) == ()
    assert status.missing_workers({}) == ()


def test_status_says_what_is_wrong_with_a_cluster() -> None:
    assert status.troubled_cluster({"ray": {"problem": "the head does not answer."}}) == (
        "the head does not answer.",
    )
    assert status.troubled_cluster({"ray": {"problem": None}}) == ()
    assert status.troubled_cluster({}) == ()


def test_status_does_not_call_well_what_is_not_whole() -> None:
    report = status.Report(
        commit="c" * 40,
        desired="flight-delay-v1",
        stored="flight-delay-v1",
        live="flight-delay-v1",
        freeze=None,
        serving=None,
        lines=(),
        notes=("the monitor never ran.",),
        troubles=(),
        problems=(),
    )
    assert status.text(report).endswith("\nAll is well: what is desired is live.")
    said = status.text(replace(report, troubles=("1 of 2 workers of the service serve.",)))
    assert said.endswith(
        "\nnote: the monitor never ran.\nnote: 1 of 2 workers of the service serve.\n"
        "What is desired is live, but the service is not whole: see the note above."
    )
