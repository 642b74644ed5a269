"""The key of the storage in the environments `storage` and `production`, which take main only, under the runner."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workflows.world import World

SECRET = "DVC_CONFIG_LOCAL"
STEP = "        run: make ci-check\n"


def lock_away(town: World) -> None:
    """Move the key from the repository into the two environments."""
    names = ("storage", "production")
    key = town.runner.secrets.pop(SECRET)
    town.runner.environment_secrets = {name: {SECRET: key} for name in names}
    custom = {"protected_branches": False, "custom_branch_policies": True}
    town.fake.settings.environments = {name: {"deployment_branch_policy": custom} for name in names}
    town.fake.settings.environment_branches = {name: ["main"] for name in names}


def change_check(town: World, old: str, new: str) -> None:
    path = town.clone / ".github" / "workflows" / "check.yml"
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


@pytest.mark.slow
def test_the_key_reaches_what_runs_mains_code(served: World, trained: Callable[..., Path]) -> None:
    """The pull request's check asks for the key and gets nothing; judge, publish and release work with it."""
    lock_away(served)
    served.bring(trained(trees=60))
    asks = "        env:\n          KEY: ${{ secrets.DVC_CONFIG_LOCAL }}\n"
    change_check(served, STEP, f"{asks}        run: make ci-check && echo \"has '$KEY'\"\n")
    served.push("topic")
    number = served.open_pull("topic", "More trees")
    results = {result.workflow: result for result in served.settle()}
    assert results["check.yml"].said("has ''"), results["check.yml"].log[-3000:]
    (comment,) = served.fake.comments_on(number)
    assert "✅ May ship" in comment["body"], comment["body"]
    served.merge(number)
    (release,) = [r for r in served.settle() if r.workflow == "release.yml"]
    assert release.jobs == {"build": "success", "release": "success"}
    assert max(served.fake.state.releases.values(), key=lambda r: r["id"])["draft"] is False


@pytest.mark.parametrize("name", ["storage", "production"])
def test_a_pull_request_that_names_the_environment_does_not_start(served: World, name: str) -> None:
    lock_away(served)
    timeout = "    timeout-minutes: 60\n"
    change_check(served, timeout, f"{timeout}    environment: {name}\n")
    served.push("topic")
    served.open_pull("topic", "Give me the key")
    (event,) = [e for e in served.fake.take_events() if e.name == "pull_request"]
    result = served.run("check.yml", event)
    assert result.jobs == {"check": "failure"}
    assert result.said(f'refs/pull/1/merge" is not allowed to deploy to {name}'), result.log
