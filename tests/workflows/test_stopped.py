"""A deployment that was cancelled or ran out of time ends like one that failed.

"The runner sends SIGINT, waits 7500 ms, sends SIGTERM, waits 2500 ms, then kills the process" (docs.github.com,
"Workflow cancellation reference"). A job that exceeds timeout-minutes is cancelled in the same way.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.places import TEMPLATE
from tests.workflows import filters
from tests.workflows.commands import Commands
from tests.workflows.site import Site

DEPLOY = filters.load((TEMPLATE / ".github/workflows/deploy.yml").read_text())
AGENT = {"DEPLOY": "agent", "SERVICE_URL": "http://127.0.0.1:9"}


@pytest.fixture
def site(shipped: Path, commands: Commands, tmp_path: Path) -> Iterator[Site]:
    place = Site(shipped, commands, tmp_path / "site")
    with place.fake:
        yield place
        assert place.fake.state.violations == []


def stop(site: Site, number: int) -> Any:
    """Begin a deployment that waits for an agent, and send it a signal once GitHub has its record."""
    running: list[Any] = []

    def hit(seen: int, at: str) -> None:
        call = site.fake.state.calls[-1] if site.fake.state.calls else None
        if at == "after" and running and call and call.path.endswith("/statuses"):
            pid = running.pop().pid
            signal_later(pid, number)

    site.fake.on_call = hit
    process = site.start("deploy.yml", "deploy", run_id=55, **AGENT)
    running.append(process)
    done = process.wait()
    site.fake.on_call = lambda seen, at: None
    return done


def signal_later(pid: int, number: int) -> None:
    """When the command has its answer and waits for the agent."""
    import threading

    threading.Timer(0.7, lambda: os.kill(pid, number)).start()


def state(site: Site) -> str:
    (history,) = site.fake.state.deployment_statuses.values()
    return str(history[-1]["state"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_cancelled_deployment_is_a_failed_one(site: Site, number: int) -> None:
    done = stop(site, number)
    assert done.code == 5 and "was cancelled or ran out of time" in done.output, done.output
    assert state(site) == "failure"
    assert f"### ❌ {site.v2} is not live" in site.summary()


def test_killed_deployment_is_ended_by_the_job_that_proposes_the_revert(site: Site) -> None:
    stop(site, signal.SIGKILL)
    assert state(site) == "in_progress"
    assert site.run("deploy.yml", "revert", run_id=55).code == 0
    assert state(site) == "failure"
    assert f"### ❌ {site.v2} is not live" in site.summary()
    (pull,) = site.fake.state.pulls.values()
    assert pull["title"].startswith("Revert")


def test_another_runs_deployment_is_left_alone(site: Site) -> None:
    stop(site, signal.SIGKILL)
    assert site.run("deploy.yml", "revert", run_id=56).code == 0
    assert state(site) == "in_progress"


def test_the_revert_is_proposed_after_a_cancel_too() -> None:
    """A condition without a status function has `success()` before it, and failure() is false after a cancel."""
    assert DEPLOY["jobs"]["revert"]["if"] == (
        "${{ always() && needs.deploy.result != 'success' && needs.deploy.result != 'skipped' }}"
    )
