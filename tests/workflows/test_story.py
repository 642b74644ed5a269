"""From the first push to the rollback button: every workflow, with real training, real Git and a real service."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from fake_state import BOT
from world import World


def pointer(town: World) -> dict[str, object]:
    return yaml.safe_load(town.fake.git.read("main", "production.yaml") or b"")


def by_file(results: list, file: str):  # type: ignore[no-untyped-def,type-arg]
    return [r for r in results if r.workflow == file]


def test_first_push_without_secrets_or_storage_is_green(
    town: World, trained: Callable[..., Path]
) -> None:
    town.adopt(trained(trees=20))
    shutil.rmtree(town.clone / "build", ignore_errors=True)
    town.git("config", "core.hooksPath", "/dev/null")
    subprocess.run(["git", "checkout", "-q", "--", "."], cwd=town.clone, check=False)
    town.push("main")
    results = town.settle()
    assert {r.workflow for r in results} == {"release.yml", "deploy.yml"}
    (release,) = by_file(results, "release.yml")
    assert release.jobs == {"build": "success", "release": "success"}
    (published,) = [r for r in town.fake.state.releases.values() if not r["draft"]]
    names = {a["name"] for a in published["assets"]}
    assert names == {
        "model.tar",
        "MODEL_CARD.md",
        "SHA256SUMS",
        "check.json",
        "check.md",
        "check.html",
    }
    (ship,) = town.fake.state.pulls.values()
    assert ship["title"] == f"Ship {published['tag_name']}" and ship["login"] == BOT
    assert town.fake.latest_status(ship["head_sha"])["state"] == "success"  # type: ignore[index]
    assert [p for _, p in town.fake.git.changed("main", ship["head_sha"])] == ["production.yaml"]


@pytest.mark.slow
def test_without_storage_bundles_come_from_the_releases(
    town: World, trained: Callable[..., Path]
) -> None:
    """Private, no DVC remote, no secret: CI trains, and production is fetched from its GitHub Release."""
    town.fake.settings.private = True
    town.adopt(trained(trees=8))
    town.push("main")
    town.settle()
    model = newest_release(town)
    town.merge(open_pull_titled(town, f"Ship {model}"))
    town.settle()
    assert deployed(town) == (model, "success")
    town.git("checkout", "-q", "-B", "better", "main")
    town.take_over(trained(trees=30))
    town.push("better")
    number = town.open_pull("better", "More trees")
    town.settle()
    (comment,) = town.fake.comments_on(number)
    assert "✅ May ship" in comment["body"] and model in comment["body"]


def remote(town: World) -> None:
    """A DVC remote in a folder, as a team with a mounted disk has it."""
    town.dvc("remote", "add", "-q", "-f", "-d", "store", str(town.folder / "dvc-remote"))


def propose(town: World, branch: str, source: Path, title: str) -> int:
    """A branch with another training's result, pushed to storage and GitHub, and its pull request."""
    town.git("checkout", "-q", "-B", branch, "main")
    town.take_over(source)
    town.dvc("push", "-q")
    town.push(branch)
    return town.open_pull(branch, title)


def test_the_whole_story(town: World, trained: Callable[..., Path]) -> None:
    fake = town.fake
    fake.settings.required_statuses = ["model-gate"]
    plain, better, worse = trained(trees=8), trained(trees=30), trained(trees=1)
    town.adopt(plain)
    remote(town)
    town.dvc("push", "-q")
    town.push("main")
    town.settle()
    v1 = newest_release(town)
    town.merge(open_pull_titled(town, f"Ship {v1}"))
    town.settle()
    assert pointer(town)["stable"]["model"] == v1  # type: ignore[index]
    assert deployed(town) == (v1, "success")

    number = propose(town, "better", better, "More trees")
    town.settle()
    (comment,) = fake.comments_on(number)
    assert comment["login"] == BOT and "✅ May ship" in comment["body"] and "→" in comment["body"]
    assert v1 in comment["body"]
    assert fake.latest_status(fake.pull(number)["head_sha"])["state"] == "success"  # type: ignore[index]
    town.merge(number)
    town.settle()
    v2 = newest_release(town)
    assert v2 != v1
    town.merge(open_pull_titled(town, f"Ship {v2}"))
    town.settle()
    assert pointer(town)["stable"]["model"] == v2  # type: ignore[index]
    assert deployed(town) == (v2, "success")

    number = propose(town, "worse", worse, "Fewer trees")
    results = town.settle(expect_failure=("check.yml",))
    assert by_file(results, "check.yml")[0].jobs["check"] == "failure"
    status = fake.latest_status(fake.pull(number)["head_sha"])
    assert status is not None and status["state"] == "failure"
    (comment,) = fake.comments_on(number)
    assert "❌" in comment["body"] and "| ▼ -" in comment["body"]
    with pytest.raises(Exception, match="model-gate"):
        town.merge(number)

    town.dispatch("rollback.yml", reason="delays are predicted for every flight")
    results = town.settle()
    assert {"rollback.yml", "deploy.yml"} <= {r.workflow for r in results}
    after = pointer(town)
    assert after["stable"]["model"] == v1 and after["freeze"]  # type: ignore[index]
    assert deployed(town) == (v1, "success")
    (incident,) = fake.state.issues.values()
    assert "delays are predicted" in incident["body"] and v2 in incident["body"]
    assert [r.seconds for r in town.results] and sum(r.seconds for r in town.results) < 600
    for result in town.results:
        print(f"{result.workflow:14} {result.seconds:5.1f} s {result.jobs}")


def newest_release(town: World) -> str:
    return str(max(town.fake.state.releases.values(), key=lambda r: r["id"])["tag_name"])


def open_pull_titled(town: World, title: str) -> int:
    (number,) = [
        n for n, p in town.fake.state.pulls.items() if p["state"] == "open" and p["title"] == title
    ]
    return number


def deployed(town: World) -> tuple[str, str]:
    """(release, state) of the newest GitHub Deployment."""
    item = max(town.fake.state.deployments.values(), key=lambda d: d["id"])
    return item["description"], town.fake.state.deployment_statuses[item["id"]][-1]["state"]
