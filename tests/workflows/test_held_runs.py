"""Pull requests that a workflow's token opened: their runs wait for approval, and nobody has to give it.

GitHub's rule since June 2026; see `hold_runs` and `fake_rules`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.workflows.commands import Commands
from tests.workflows.fake_api import HANDLERS, ApiError
from tests.workflows.fake_github import FakeGitHub
from tests.workflows.fake_state import BOT, Token
from tests.workflows.rules import ADMIN, GATE, ruleset
from tests.workflows.scene import Scene, scene
from tests.workflows.site import Site

__all__ = ["scene"]
BOT_TOKEN = Token(login=BOT, permissions={"pull_requests": "write", "contents": "write"}, job="x")


@pytest.fixture
def site(shipped: Path, commands: Commands, tmp_path: Path) -> Iterator[Site]:
    place = Site(shipped, commands, tmp_path / "site")
    with place.fake:
        yield place
        assert place.fake.state.violations == []


def call(fake: FakeGitHub, key: str, token: Token, **fields: Any) -> Any:
    with fake.state.lock:
        return HANDLERS[key](fake.call(token=token, **fields)).body


def merge(fake: FakeGitHub, number: int) -> None:
    key = "PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge"
    call(fake, key, Token(login="ada"), params={"pull_number": str(number)})


def held(fake: FakeGitHub) -> list[dict[str, Any]]:
    return [r for r in fake.state.runs.values() if r["conclusion"] == "action_required"]


def test_only_the_tokens_pull_requests_are_held(fake: FakeGitHub, scene: Scene) -> None:
    scene.push()
    assert held(fake) == []
    tip = fake.git.ref("refs/heads/topic")
    fake.git.update("refs/heads/ship/x", str(tip))
    body = {"title": "Ship x", "head": "ship/x", "base": "main"}
    call(fake, "POST /repos/{owner}/{repo}/pulls", BOT_TOKEN, body=body)
    (run,) = held(fake)
    assert run["head_sha"] == tip and run["workflow_file"] == "check.yml"


def test_the_status_that_is_set_by_hand_is_enough_to_merge(site: Site) -> None:
    """A required job of the workflow `check` never reports without an approval; `model-gate` is there at once."""
    site.fake.settings.rulesets = [ruleset(GATE)]
    assert site.run("deploy.yml", "revert").code == 0
    ((number, pull),) = site.fake.state.pulls.items()
    assert {r["head_sha"] for r in held(site.fake)} == {pull["head_sha"]}
    site.fake.settings.rulesets = [ruleset(GATE), ruleset(GATE, context="check")]
    with pytest.raises(ApiError, match='"check" is expected'):
        merge(site.fake, number)
    site.fake.settings.rulesets = [ruleset(GATE)]
    merge(site.fake, number)
    assert site.pointer()["stable"]["model"] == site.v1


def test_the_status_counts_from_github_actions_only(site: Site) -> None:
    site.fake.settings.rulesets = [ruleset(GATE)]
    assert site.run("deploy.yml", "revert").code == 0
    ((number, _),) = site.fake.state.pulls.items()
    site.fake.state.statuses[-1]["login"] = "mallory"
    with pytest.raises(ApiError, match="model-gate"):
        merge(site.fake, number)
    site.fake.settings.rulesets = [ruleset(GATE, bypass=ADMIN)]
    merge(site.fake, number)


def test_button_needs_nobody_to_approve_runs(site: Site) -> None:
    site.fake.settings.rulesets = [ruleset(GATE)]
    done = site.rollback()
    assert done.code == 0 and held(site.fake), done.output


@pytest.mark.parametrize("decided", ["success", "failure"])
def test_publish_of_a_held_run_takes_nothing_away(scene: Scene, decided: str) -> None:
    head = scene.push()
    body = {"state": decided, "context": "model-gate", "description": "decided before"}
    key = "POST /repos/{owner}/{repo}/statuses/{sha}"
    call(scene.fake, key, BOT_TOKEN, params={"sha": head}, body=body)
    done = scene.publish(scene.checked(head, None, conclusion="action_required", actor=BOT))
    assert done.code == 0 and "was decided by another check and stays" in done.output
    assert scene.status(head) == (decided, "decided before")
