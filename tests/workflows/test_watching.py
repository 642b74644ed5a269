"""What the comment on a pull request says of the monitor, asked through the API, with the job's own permissions."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_model.actions import question
from gitops_model.actions.client import Repository
from gitops_model.actions.job import Job
from gitops_model.formats.watch import Watch
from tests.support.places import TEMPLATE
from tests.support.watches import LATE, TEMP, signal, watch
from tests.workflows import scopes
from tests.workflows.bare_git import BareGit, put_workflows
from tests.workflows.commands import Done
from tests.workflows.scene import CHECK, PERMISSIONS, Scene, scene

__all__ = ["scene"]

# `scene.checked` begins its checks on this day.
CHECKED = "2026-01-05"
OLD, LONG_AGO = "2026-01-01T05:23:00Z", "2025-10-01T00:00:00Z"


@pytest.fixture
def watched(scene: Scene, bare: BareGit) -> Scene:
    """A repository that has had the monitor's workflow for months."""
    monitor = (TEMPLATE / ".github/workflows/monitor.yml").read_text()
    put_workflows(bare, {"check.yml": CHECK, "monitor.yml": monitor})
    scene.fake.settings.workflows_since = LONG_AGO
    return scene


def ran(scene: Scene, at: str, *, conclusion: str = "success", branch: str = "main") -> None:
    number = 500 + len(scene.fake.state.runs)
    scene.fake.state.runs[number] = {
        "id": number, "name": "monitor", "event": "schedule", "head_sha": scene.fake.git.ref("refs/heads/main"),
        "head_branch": branch, "head_repository": "acme/model", "conclusion": conclusion, "run_attempt": 1,
        "workflow_file": "monitor.yml", "created_at": at, "updated_at": at, "actor": {"login": "ada"},
    }  # fmt: skip


def ask(scene: Scene, found: Watch) -> None:
    token = scene.fake.job_token(
        "monitor.yml/monitor", scopes.WORKFLOWS["monitor.yml"]["jobs"]["monitor"]["permissions"]
    )
    job = Job(repository="acme/model", token=token, api_url=scene.fake.url, in_actions=True, pace=0)
    question.settle(Repository(job), found)


def publish(scene: Scene, report: Any = None, **options: Any) -> tuple[Done, str]:
    """A pull request that passes; the comment on it."""
    path = "docs/page.md" if report is None else "dvc.lock"
    head = scene.push(path, content=str(scene.run_id))
    done = scene.publish(scene.checked(head, report), **options)
    assert done.code == 0, done.output
    assert scene.status(head)[0] == "success", done.output
    assert len(scene.bodies()) == 1, done.output
    return done, scene.bodies()[0]


def test_it_says_that_nobody_watches_and_changes_no_verdict(
    watched: Scene, checks: dict[str, Any]
) -> None:
    ran(watched, OLD)
    ran(watched, f"{CHECKED}T05:23:00Z", conclusion="failure")
    ran(watched, f"{CHECKED}T05:23:00Z", branch="topic")
    _, body = publish(watched, checks["pass"])
    *_, last = body.strip().splitlines()
    assert last.startswith("<sub>Nobody watches the model in production: [monitor](")
    assert "/acme/model/actions/workflows/monitor.yml) has not succeeded since 2026-01-01" in last
    assert body.split("\n")[1].startswith("### ✅ May ship")
    ran(watched, f"{CHECKED}T06:00:00Z")
    assert "Nobody watches" not in publish(watched, checks["pass"])[1]
    assert watched.fake.state.denials == []


def test_a_schedule_that_github_turned_off_is_said(watched: Scene) -> None:
    ran(watched, OLD)
    watched.fake.settings.workflow_states["monitor.yml"] = "disabled_inactivity"
    body = publish(watched)[1]
    assert "after 60 days without activity" in body and "gh workflow enable monitor.yml" in body
    watched.fake.settings.workflow_states["monitor.yml"] = "disabled_manually"
    assert "Nobody watches" not in publish(watched)[1]


def test_a_repository_that_is_young_or_has_no_release_is_not_nagged(watched: Scene) -> None:
    assert "has never succeeded" in publish(watched)[1]
    watched.fake.settings.workflows_since = f"{CHECKED}T01:00:00Z"
    assert "Nobody watches" not in publish(watched)[1]
    watched.fake.settings.workflows_since = LONG_AGO
    watched.produce(None)
    assert "Nobody watches" not in publish(watched)[1]


def test_an_open_question_is_linked_until_it_is_closed(watched: Scene) -> None:
    ran(watched, f"{CHECKED}T05:23:00Z")
    ask(watched, watch(signal(TEMP), signal("way back parcel-delay-v3"), signal(LATE, "clean")))
    (issue,) = watched.fake.state.issues.values()
    body = publish(watched)[1]
    assert "The monitor asks about the model in production, `input temp`, " in body
    assert f"`way back parcel-delay-v3`: [#{issue['number']}](" in body
    ask(watched, watch(signal(TEMP, "clean"), signal(LATE, "clean")))
    assert "The monitor asks" not in publish(watched)[1]


def test_an_issue_of_somebody_else_is_no_question(watched: Scene) -> None:
    ran(watched, f"{CHECKED}T05:23:00Z")
    ask(watched, watch(signal(TEMP)))
    for issue in watched.fake.state.issues.values():
        issue["login"] = "mallory"
    assert "The monitor asks" not in publish(watched)[1]


def test_issues_that_are_switched_off_are_no_trouble(watched: Scene) -> None:
    ran(watched, OLD)
    watched.fake.fault(path="/issues$", kind=410, message="Issues are disabled", times=9)
    done, body = publish(watched)
    assert "Nobody watches" in body and "is not known" not in done.output


@pytest.mark.parametrize("path", [r"/workflows/monitor\.yml$", r"/monitor\.yml/runs", "/issues$"])
@pytest.mark.parametrize("kind", [403, 422, 500, "reset"])
def test_what_github_does_not_answer_breaks_nothing(
    watched: Scene, path: str, kind: int | str
) -> None:
    ran(watched, OLD)
    watched.fake.fault(method="GET", path=path, kind=kind, times=10_000)
    done, body = publish(watched)
    assert "whether the monitor runs is not known" in done.output
    assert "Nobody watches" not in body and "<!-- model-gate" in body


def test_a_job_without_the_permission_says_nothing_of_it(watched: Scene) -> None:
    """As in a repository whose publish.yml is older than the library."""
    ran(watched, OLD)
    rest = {name: level for name, level in PERMISSIONS.items() if name != "issues"}
    done, body = publish(watched, permissions=rest)
    assert "is not known" in done.output and "Nobody watches" not in body
