"""From the first push to the rollback button: every workflow, with real training, real Git and a real service."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.workflows.fake_state import BOT
from tests.workflows.world import World


def pointer(town: World) -> dict[str, object]:
    return yaml.safe_load(town.fake.git.read("main", "production.yaml") or b"")


def by_file(results: list, file: str):  # type: ignore[no-untyped-def,type-arg]
    return [r for r in results if r.workflow == file]


@pytest.mark.slow
def test_first_push_without_secrets_or_storage_is_green(
    town: World, trained: Callable[..., Path]
) -> None:
    town.adopt(trained(trees=8))
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
        "bom.cdx.json",
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


def propose(town: World, branch: str, source: Path, title: str) -> int:
    """A branch with another training's result, pushed to storage and GitHub, and its pull request."""
    town.git("checkout", "-q", "-B", branch, "main")
    town.bring(source)
    town.push(branch)
    return town.open_pull(branch, title)


def test_the_whole_story(served: World, trained: Callable[..., Path]) -> None:
    """Better, merged, released, shipped, live; worse, refused; the button, and the one before is live again."""
    town, fake = served, served.fake
    fake.settings.required_statuses = ["model-gate"]
    v2 = pointer(town)["stable"]["model"]  # type: ignore[index]

    number = propose(town, "better", trained(trees=29), "A tree less")
    town.settle()
    (comment,) = fake.comments_on(number)
    assert comment["login"] == BOT and "✅ May ship" in comment["body"] and "→" in comment["body"]
    assert f"compared with production {v2}, released 20" in comment["body"]
    assert fake.latest_status(fake.pull(number)["head_sha"])["state"] == "success"  # type: ignore[index]
    town.merge(number)
    town.settle()
    v3 = newest_release(town)
    assert v3 not in (v2, "")
    town.merge(open_pull_titled(town, f"Ship {v3}"))
    town.settle()
    assert pointer(town)["stable"]["model"] == v3  # type: ignore[index]
    assert deployed(town) == (v3, "success")

    number = propose(town, "worse", trained(trees=1), "Fewer trees")
    results = town.settle()
    assert by_file(results, "publish.yml")[0].jobs == {"judge": "success", "publish": "success"}
    status = fake.latest_status(fake.pull(number)["head_sha"])
    assert status is not None and status["state"] == "failure"
    (comment,) = fake.comments_on(number)
    assert "❌" in comment["body"] and "▼" in comment["body"]
    with pytest.raises(Exception, match="model-gate"):
        town.merge(number)

    town.dispatch("rollback.yml", reason="delays are predicted for every flight")
    results = town.settle()
    assert {"rollback.yml", "deploy.yml"} <= {r.workflow for r in results}
    after = pointer(town)
    assert after["stable"]["model"] == v2 and after["freeze"]  # type: ignore[index]
    assert deployed(town) == (v2, "success")
    (incident,) = fake.state.issues.values()
    assert "delays are predicted" in incident["body"] and v3 in incident["body"]


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
