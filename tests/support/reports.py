"""check.json dicts for the tests of the reports: real verdicts over small made-up test sets, one for each situation."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

import numpy as np

from gitops_model.evaluation import verdict
from tests.support import cases

GOLDEN = Path(__file__).parents[1] / "unit" / "report" / "golden"
PROBLEMS = ("binary", "multiclass", "regression")
SITUATIONS = (
    "better",
    "equal",
    "worse_on_one_slice",
    "first_release",
    "not_evaluated",
    "turned_off",
)

# Every text a pull request can influence, in one: none of it may do anything in a comment or a page.
HOSTILE = (
    "@octocat #12 GH-34 acme/model#5 <img src=x onerror=alert(1)> <!-- model-gate --> | `code` ![p](http://a.b/c) "
    "[l](javascript:x) https://evil.example www.evil.example **b** ~~s~~ $x$ :tada: </details> "
    "&lt;b&gt; \u202e\u200d\ud800"
)


@functools.cache
def _made(situation: str, problem: str) -> dict[str, Any]:
    if situation == "not_evaluated":
        return verdict.not_evaluated(
            "the candidate's bundle build/model.tar is missing. Run `make train`, then commit dvc.lock.",
            hint="A maintainer can run: `make check`",
        )
    world = cases.world(problem, rows=1200, depots=6)
    base = world.scores(0.8, draw=1)
    scores = base if situation != "better" else world.scores(0.1, draw=1)
    if situation == "worse_on_one_slice":
        hurt = world.depot == "d01"
        scores = world.scores(0.2, draw=1)
        scores[hurt] = world.scores(4.0, draw=2)[hurt]
    given = cases.inputs(problem, of=world, candidate=scores, production=base, rows=1200)
    # A depot is split, so that every report has a slice that is too small to judge.
    depot = np.where(np.arange(1200) % 100 == 7, "corner", world.depot)
    given = cases.change(given, "test", slices={"depot": depot})
    given = cases.change(
        given,
        "facts",
        params_diff=[{"name": "model.depth", "production": 5, "candidate": 7}],
        data_diff=[
            {"name": "data.window.last_month", "production": "2024-02", "candidate": "2024-03"}
        ],
    )
    if situation == "first_release":
        given["production"] = None
        given = cases.change(given, "facts", params_diff=[], data_diff=[])
    if situation == "turned_off":
        reason = "The runner is being replaced until Friday."
        given["gates"] = cases.gates(problem, latency={"enabled": False, "reason": reason})
        given = cases.change(given, "facts", production_test_sha256="c" * 64)
    return verdict.evaluate(**given)


def make(situation: str, problem: str = "binary", **replaced: Any) -> dict[str, Any]:
    """A fresh check.json of the situation, with top-level keys replaced."""
    import copy

    return copy.deepcopy(_made(situation, problem)) | replaced


def hostile() -> dict[str, Any]:
    """A check.json in which every free text is hostile."""
    made = make("worse_on_one_slice")
    fixed = {"state", "exit_code", "schema", "alpha", "curves", "gates_digest", "metrics"}
    found = {key: value if key in fixed else _poisoned(value) for key, value in made.items()}
    found["turned_off"] = [{"gate": HOSTILE[:60], "reason": HOSTILE}]
    found["warnings"] = [HOSTILE]
    found["suspects"] = [{"slice": HOSTILE, "rows": 60, "effect": 0.4, "p_value": 0.01}]
    return found


def _poisoned(value: Any) -> Any:
    fixed = {"state", "id", "metric", "better", "unit", "sha256"}
    if isinstance(value, dict):
        return {key: item if key in fixed else _poisoned(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_poisoned(item) for item in value]
    return HOSTILE if isinstance(value, str) else value


def huge(rows: int = 2000) -> dict[str, Any]:
    """A check.json as large as the schema allows, several megabytes."""
    found: dict[str, Any] = hostile()
    found["slices"] = [
        found["slices"][i % 4] | {"slice": f"depot=d{i:05d} {HOSTILE}"} for i in range(rows)
    ]
    change = {"name": HOSTILE * 10, "production": HOSTILE * 10, "candidate": HOSTILE * 10}
    found["params_diff"] = [change] * 500
    found["data_diff"] = [change] * 500
    found["warnings"] = [f"{i} {HOSTILE * 15}" for i in range(100)]
    found["turned_off"] = [{"gate": HOSTILE[:60], "reason": HOSTILE[:300]}] * 40
    failing = next(gate for gate in found["gates"] if gate["blocks"])
    found["gates"] += [
        failing | {"id": f"prove:d={i} {HOSTILE}"[:200]} for i in range(60 - len(found["gates"]))
    ]
    return found


def check_golden(name: str, shown: str) -> None:
    """Compare with the golden file; UPDATE_GOLDEN=1 writes it instead."""
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(shown, encoding="utf-8")
    assert shown == path.read_text(encoding="utf-8"), (
        f"{name} differs; look at it, then run with UPDATE_GOLDEN=1"
    )
