"""The merge queue: each group is judged by what it stands on, and nothing merges by the status of another one."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.workflows import fake_queue
from tests.workflows.fake_api import ApiError
from tests.workflows.fake_github import FakeGitHub
from tests.workflows.fake_state import BOT
from tests.workflows.rules import GATE, QUEUE, ruleset
from tests.workflows.world import World


def opened(town: World, branch: str, change: Callable[[], object]) -> int:
    """A pull request that begins at main."""
    town.git("checkout", "-q", "-f", "-B", branch, "main")
    change()
    town.push(branch)
    return town.open_pull(branch, branch)


def passed(town: World, number: int) -> int:
    """Give it the status that it had to have before."""
    town.call(
        "POST /repos/{owner}/{repo}/statuses/{sha}", login=BOT,
        params={"sha": town.fake.pull(number)["head_sha"]}, body={"state": "success", "context": "model-gate"},
    )  # fmt: skip
    town.fake.take_events()
    return number


def advance(fake: FakeGitHub) -> list[int]:
    with fake.state.lock:
        return fake_queue.advance(fake.call())


def state(fake: FakeGitHub, group: dict[str, Any]) -> str:
    found = fake.latest_status(group["head_sha"])
    assert found is not None
    return str(found["state"])


def verdict(fake: FakeGitHub) -> dict[str, Any]:
    """What the judge handed over last."""
    newest = max(n for n, a in fake.state.artifacts.items() if a["name"].startswith("verdict-"))
    with zipfile.ZipFile(io.BytesIO(fake.state.artifact_bytes[newest])) as archive:
        loaded: dict[str, Any] = json.loads(archive.read("check.json"))
    return loaded


def write(town: World, path: str, text: str) -> Callable[[], object]:
    return lambda: (town.clone / path).write_text(text)


def former_pointer(town: World) -> str:
    path = "production.yaml"
    older = town.git("log", "-2", "--format=%H", "--", path).splitlines()[1]
    return town.git("show", f"{older}:{path}") + "\n"


@pytest.mark.slow
def test_two_groups_in_line(served: World, trained: Callable[..., Path]) -> None:
    """The model behind a Ship is compared with what that Ship puts into production."""
    fake = served.fake
    fake.settings.rulesets = [ruleset(GATE, QUEUE)]
    ship = opened(served, "ship", write(served, "production.yaml", former_pointer(served)))
    model = opened(served, "model", lambda: served.bring(trained(trees=29)))
    with pytest.raises(ApiError, match="model-gate"):
        served.enqueue(ship)
    passed(served, ship), passed(served, model)
    first, second = served.enqueue(ship), served.enqueue(model)
    main = fake.git.ref("refs/heads/main")
    assert first["base_sha"] == main and second["base_sha"] == first["head_sha"]
    assert second["head_ref"] == f"refs/heads/gh-readonly-queue/main/pr-{model}-{first['head_sha']}"
    assert {"head_sha", "head_ref", "base_sha", "base_ref", "head_commit"} == set(second)
    served.settle()
    assert verdict(fake)["baseline"]["model"] == "flight-delay-v1"
    assert [state(fake, group) for group in (first, second)] == ["success", "success"]
    assert advance(fake) == [ship, model] and fake.git.ref("refs/heads/main") == second["head_sha"]


@pytest.mark.slow
@pytest.mark.parametrize("grouping", ["ALLGREEN", "HEADGREEN"])
def test_what_stands_on_a_group_that_failed(
    served: World, trained: Callable[..., Path], grouping: str
) -> None:
    """Under HEADGREEN the last group's status would merge the ones below it too, so it speaks for all of them."""
    fake = served.fake
    fake.settings.rulesets = [ruleset(GATE, QUEUE, grouping=grouping)]
    worse = passed(served, opened(served, "worse", lambda: served.bring(trained(trees=1))))
    words = passed(served, opened(served, "words", write(served, "README.md", "words\n")))
    first, second = served.enqueue(worse), served.enqueue(words)
    served.settle()
    assert state(fake, first) == "failure"
    assert state(fake, second) == {"ALLGREEN": "success", "HEADGREEN": "failure"}[grouping]
    assert advance(fake) == []
    (again,) = fake.state.queue
    assert (again["number"], again["base_sha"]) == (words, fake.git.ref("refs/heads/main"))
    served.settle()
    assert advance(fake) == [words]
    assert fake.git.read("main", "README.md") == b"words\n"
