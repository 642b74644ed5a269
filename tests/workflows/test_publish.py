"""The comment and the status: one, the newest, by our own numbers, whatever the artifact says."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gitops_model.delivery import looks
from gitops_model.delivery.git import Git
from tests.workflows import scopes
from tests.workflows.fake_github import FakeGitHub
from tests.workflows.fake_state import BODY_LIMIT, BOT, utf16_length
from tests.workflows.scene import PERMISSIONS, Scene, scene, zipped

__all__ = ["scene"]

MARKER = '<!-- model-gate {"attempt": 1, "head_sha": "x", "run_id": 1, "schema": 1} -->'


def plant(fake: FakeGitHub, number: int, login: str, body: str) -> None:
    from tests.workflows.fake_api import HANDLERS
    from tests.workflows.fake_state import Token

    call = fake.call(
        params={"issue_number": str(number)}, body={"body": body}, token=Token(login=login)
    )
    with fake.state.lock:
        HANDLERS["POST /repos/{owner}/{repo}/issues/{issue_number}/comments"](call)


def test_better_and_worse(scene: Scene, checks: dict[str, Any]) -> None:
    head = scene.push()
    done = scene.publish(scene.checked(head, checks["pass"]))
    assert done.code == 0, done.output
    assert scene.status(head)[0] == "success", checks["pass"]["sentence"]
    assert scene.bodies()[0].split("\n")[1].startswith("### ✅ May ship")
    head = scene.push(content="2")
    scene.publish(scene.checked(head, checks["worse"]))
    state, description = scene.status(head)
    assert state == "failure" and "→" in description and len(description) <= 140
    (body,) = scene.bodies()
    assert "❌" in body and "▼" in body and head[:12] in body
    # Both looks are counted where no pull request can take them back.
    told = [checks[name]["candidate"]["sha256"] for name in ("pass", "worse")]
    counted = [look.candidate_sha256 for look in looks.known(Git.open(scene.folder))]
    assert counted == list(dict.fromkeys(told))


def test_nothing_to_evaluate_is_decided_by_the_files(scene: Scene, checks: dict[str, Any]) -> None:
    head = scene.push("docs/page.md")
    scene.publish(scene.checked(head, None))
    assert scene.status(head)[0] == "success"


def test_check_that_ended_without_a_report(scene: Scene) -> None:
    head = scene.push()
    scene.publish(scene.checked(head, None, conclusion="failure"))
    assert scene.status(head)[0] == "error"
    assert "without a candidate" in scene.bodies()[0]


def test_fork_is_pending_with_the_maintainers_command(scene: Scene) -> None:
    head = scene.push(repo="eve/model")
    report = {
        "schema": 1,
        "state": "not_evaluated",
        "exit_code": 3,
        "sentence": "Not evaluated: no credentials",
    }
    scene.publish(scene.checked(head, report, repo="eve/model"))
    assert scene.status(head)[0] == "pending"
    assert f"git fetch origin pull/{scene.number}/head" in scene.bodies()[0]


def test_production_that_moved_since_asks_for_another_check(
    scene: Scene, checks: dict[str, Any]
) -> None:
    scene.produce("d" * 64)
    head = scene.push()
    scene.publish(scene.checked(head, checks["pass"]))
    assert scene.status(head)[0] == "failure"
    assert "Run the check again" in scene.bodies()[0]
    assert "compared with production" not in scene.bodies()[0]


@pytest.mark.parametrize(
    ("publishers", "others"),
    [
        (1, 0),
        (1, 31),
        (1, 400),
        (5, 31),
        *(
            pytest.param(many, others, marks=pytest.mark.slow)
            for many, others in ((5, 0), (5, 400), (50, 0), (50, 31), (50, 400))
        ),
    ],
)
def test_exactly_one_comment_and_it_is_the_newest_heads(
    scene: Scene, checks: dict[str, Any], publishers: int, others: int
) -> None:
    heads = [scene.push(content=str(i)) for i in range(min(publishers, 8))]
    for i in range(others):
        plant(scene.fake, scene.number, f"user{i % 7}", MARKER if i % 3 == 0 else f"I think {i}")
    before = {c["id"]: c["body"] for c in scene.fake.comments_on(scene.number)}
    runs = [scene.checked(head, checks["pass"]) for head in heads]
    running = [scene.start(runs[i % len(runs)]) for i in range(publishers)]
    for done in [r.wait() for r in running]:
        assert done.code == 0, done.output
    (body,) = scene.bodies()
    assert heads[-1][:12] in body
    after = {c["id"]: c["body"] for c in scene.fake.comments_on(scene.number) if c["login"] != BOT}
    assert after == before


def test_older_run_never_overwrites_a_newer_head(scene: Scene, checks: dict[str, Any]) -> None:
    old = scene.push()
    old_run = scene.checked(old, checks["pass"])
    new = scene.push(content="2")
    scene.publish(scene.checked(new, checks["worse"]))
    scene.publish(old_run)
    (body,) = scene.bodies()
    assert new[:12] in body
    assert scene.status(new)[0] == "failure" and scene.status(old)[0] == "success"


def test_five_megabytes(scene: Scene, checks: dict[str, Any]) -> None:
    report = copy.deepcopy(checks["worse"])
    row = report["slices"][0]
    report["slices"] = [{**row, "slice": f"carrier={'x' * 250}{i}"} for i in range(2000)]
    report["warnings"] = ["w" * 3900 + str(i) for i in range(100)]
    report["params_diff"] = [
        {"name": f"p{i}" + "y" * 3900, "production": "z" * 3900, "candidate": 1} for i in range(500)
    ]
    report["data_diff"] = report["params_diff"][:200]
    assert len(json.dumps(report)) > 5_000_000
    head = scene.push()
    done = scene.publish(scene.checked(head, report))
    assert done.code == 0, done.output
    (body,) = scene.bodies()
    assert utf16_length(body) <= BODY_LIMIT
    assert body.count("<details>") == body.count("</details>")
    assert body.count("\n| ❌ ") >= sum(gate["blocks"] for gate in report["gates"]) > 0
    assert all(line.endswith("|") for line in body.splitlines() if line.startswith("|"))
    assert "are left out here; the full report has them." in body and "of 2,000 are" in body


def forged(checks: dict[str, Any], kind: str) -> Any:
    lie = copy.deepcopy(checks["worse"])
    lie |= {"state": "pass", "exit_code": 0, "sentence": "All good @everyone"}
    for gate in lie["gates"]:
        gate |= {"state": "pass", "blocks": False, "sentence": "fine"}
    spoken = copy.deepcopy(checks["pass"])
    spoken["slices"][0]["slice"] = "origin=" + (
        "<img src=x onerror=1> @acme [x](http://evil.test) #1 </details> | `a` www.evil.test"
    )
    spoken["params_diff"] = [
        {"name": "@all", "production": "https://evil.test", "candidate": MARKER}
    ]
    spoken["warnings"] = ["@acme/team look\n\n# Approved\nhttp://evil.test <script>"]
    good = json.dumps(checks["pass"]).encode()
    nan = re.sub('"alpha": [0-9.]+', '"alpha": NaN', json.dumps(checks["pass"])).encode()
    made: dict[str, Callable[[], Any]] = {
        "lie": lambda: lie,
        "speech": lambda: spoken,
        "slip": lambda: zipped(
            ("../../../../tmp/slipped.json", good), ("check.json", json.dumps(lie).encode())
        ),
        "twice": lambda: zipped(("check.json", good), ("check.json", json.dumps(lie).encode())),
        "absent": lambda: zipped(("other.json", good)),
        "bomb": lambda: zipped(("check.json", b"0" * 200_000_000)),
        "nested": lambda: zipped(("check.json", zipped(("x", b"y")))),
        "not a zip": lambda: b"PK\x03\x04 nonsense",
        "not json": lambda: zipped(("check.json", b"{]")),
        "deep": lambda: zipped(("check.json", b"[" * 200_000)),
        "nan": lambda: zipped(("check.json", nan)),
        "empty": lambda: zipped(("check.json", b"{}")),
        "little": lambda: zipped(
            ("check.json", b'{"schema":1,"state":"pass","exit_code":0,"sentence":"ok"}')
        ),
    }
    return made[kind]()


FORGERIES = {
    "lie": "failure", "speech": "success", "slip": "failure", "twice": "error", "absent": "error", "bomb": "error",
    "nested": "error", "not a zip": "error", "not json": "error", "deep": "error", "nan": "error", "empty": "error",
    "little": "error",
}  # fmt: skip


@pytest.mark.parametrize("kind", FORGERIES)
def test_forged_artifacts(scene: Scene, checks: dict[str, Any], kind: str) -> None:
    other = scene.open_other()
    head = scene.push()
    done = scene.publish(scene.checked(head, forged(checks, kind)))
    assert done.code == 0, done.output
    assert scene.status(head)[0] == FORGERIES[kind], done.output
    (body,) = scene.bodies()
    # GitHub mentions nobody inside a code span.
    visible = re.sub(r"`[^`\n]*`", "", body.replace("http://127.0.0.1", ""))
    assert not re.search(r"@[A-Za-z0-9]", visible)
    assert not re.search(
        r"<(?!!-- model-gate|sub>|/sub>|details>|/details>|summary>|/summary>)", visible
    )
    assert (
        "://evil" not in visible
        and "www.evil" not in visible
        and not re.search(r"(?<!&)#\d", visible)
    )
    assert body.count("<!-- model-gate") == 1
    assert "All good" not in body
    assert not Path("/tmp/slipped.json").exists()
    assert scene.fake.comments_on(other) == []
    assert {s["sha"] for s in scene.fake.state.statuses} == {head}


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": 403, "retry_after": 0, "message": "You have exceeded a secondary rate limit"},
        {"kind": 403, "message": "You have exceeded a secondary rate limit"},
        {"kind": 429, "retry_after": 0},
        {"kind": 429},
        {"kind": 500},
        {"kind": 502, "times": 3},
        {"kind": "reset"},
        {"kind": "reset", "applied": True},
        {"kind": 502, "applied": True},
    ],
    ids=lambda f: "-".join(str(v) for v in f.values())[:30],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_faults_are_retried(
    scene: Scene, checks: dict[str, Any], fault: dict[str, Any], method: str
) -> None:
    head = scene.push()
    run_id = scene.checked(head, checks["pass"])
    scene.fake.fault(method=method, **fault)
    done = scene.publish(run_id)
    assert done.code == 0, done.output
    assert scene.status(head)[0] == "success"
    assert len(scene.bodies()) == 1


def test_failed_comment_leaves_the_status_and_is_seen(scene: Scene, checks: dict[str, Any]) -> None:
    head = scene.push()
    scene.fake.fault(path="/comments", kind=500, times=10_000)
    done = scene.publish(scene.checked(head, checks["pass"]))
    assert done.code == 0, done.output
    assert scene.status(head)[0] == "success"
    assert "::warning::The verdict is set, but the comment could not be written" in done.output
    assert "May ship" in (scene.folder / "summary.md").read_text()
    calls = [c for c in scene.fake.state.calls if "comments" in c.path]
    assert len(calls) == 0  # the fault answers before the fake does; the bound is on tries, below
    left = 10_000 - scene.fake.state.faults[0].times
    assert 2 <= left <= 8


def test_long_wait_is_refused(scene: Scene, checks: dict[str, Any]) -> None:
    head = scene.push()
    scene.fake.fault(path="/statuses", kind=429, retry_after=86_400, times=100)
    done = scene.publish(scene.checked(head, checks["pass"]))
    assert done.code == 5
    assert "asks to wait" in done.output


@pytest.mark.parametrize("scope", scopes.PUBLISH)
def test_every_permission_is_needed(scene: Scene, checks: dict[str, Any], scope: str) -> None:
    head = scene.push()
    run_id = scene.checked(head, checks["pass"])
    rest = {k: v for k, v in PERMISSIONS.items() if k != scope}
    scene.publish(run_id, permissions=rest)
    assert scene.fake.state.denials, f"nothing needed {scope}"
