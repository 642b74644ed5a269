"""The monitor's one question: opened once, kept up to date, closed after recovery, and never written elsewhere."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gitops_model.actions import question
from gitops_model.actions.client import Repository
from gitops_model.actions.job import Job
from gitops_model.errors import ExternalFailure
from gitops_model.formats.watch import Watch
from gitops_model.report.question import Asked, render
from tests.support.watches import LATE, TEMP, signal, watch
from tests.workflows import scopes
from tests.workflows.commands import Commands, Done
from tests.workflows.fake_api import HANDLERS
from tests.workflows.fake_github import FakeGitHub
from tests.workflows.fake_state import BOT, Event, Token
from tests.workflows.monitored import STUB, prepare
from tests.workflows.world import World

DECLARED = scopes.WORKFLOWS["monitor.yml"]["jobs"]["monitor"]["permissions"]
CLEAN = watch(signal(TEMP, "clean"), signal(LATE, "clean"))
ALARM = watch(signal(TEMP), signal(LATE, "clean"))


def repository(fake: FakeGitHub, **permissions: str) -> Repository:
    token = fake.job_token("monitor.yml/monitor", permissions or DECLARED)
    job = Job(repository=fake.full_name, token=token, api_url=fake.url, in_actions=True, pace=0)
    return Repository(job)


def settle(fake: FakeGitHub, found: Watch) -> str:
    return question.settle(repository(fake), found)


def said(fake: FakeGitHub, number: int = 1) -> list[str]:
    return [comment["body"] for comment in fake.comments_on(number)]


def by(fake: FakeGitHub, login: str, body: str) -> dict[str, Any]:
    """An issue that somebody opens, with our label."""
    handler = HANDLERS["POST /repos/{owner}/{repo}/issues"]
    wanted = {"title": "t", "body": body, "labels": [question.LABEL]}
    number = handler(fake.call(token=Token(login=login), body=wanted)).body["number"]
    return fake.state.issues[number]


def test_ten_alarming_runs_leave_one_issue(fake: FakeGitHub) -> None:
    for day in range(1, 11):
        sentence = settle(fake, replace(ALARM, made=f"2026-05-{day:02}T05:23:00Z"))
        assert "/issues/1" in sentence, sentence
    (issue,) = fake.state.issues.values()
    assert issue["login"] == BOT and issue["labels"] == ["monitor"] and issue["state"] == "open"
    assert issue["title"] == "Did the world change, or did our pipeline break? parcel-delay-v4"
    assert ", since 2026-05-01" in issue["body"] and 'until: "2026-06-09"' in issue["body"]
    assert said(fake) == []


def test_each_change_of_the_signals_has_one_comment(fake: FakeGitHub) -> None:
    both = watch(signal(TEMP), signal(LATE))
    calmer = watch(signal(TEMP, "watching"), signal(LATE, "clean"))
    for found in (ALARM, ALARM, both, both, calmer, calmer, ALARM, ALARM):
        settle(fake, found)
    assert said(fake) == [
        "Alarms now: `score late`.",
        "Does not alarm any more: `input temp`, `score late`.",
        "Alarms now: `input temp`.",
    ]
    (issue,) = fake.state.issues.values()
    assert issue["body"] == render(ALARM, Asked.about(ALARM, since="2026-05-06"))


def test_recovery_closes_it_with_one_comment(fake: FakeGitHub) -> None:
    settle(fake, ALARM)
    settle(fake, watch(signal(TEMP, "watching")))
    assert fake.state.issues[1]["state"] == "open"
    assert settle(fake, CLEAN).startswith("Recovered: ")
    for _ in range(3):
        assert settle(fake, CLEAN) == "No signal alarms, and no question is open."
    assert fake.state.issues[1]["state"] == "closed" and len(fake.state.issues) == 1
    assert said(fake)[-1] == question.RECOVERED and len(said(fake)) == 2


def test_alarm_after_recovery_opens_a_new_one_that_names_the_former(fake: FakeGitHub) -> None:
    for found in (ALARM, CLEAN, ALARM, ALARM):
        settle(fake, found)
    first, second = fake.state.issues.values()
    assert (first["state"], second["state"]) == ("closed", "open")
    assert f"It was asked before in #{first['number']}." in second["body"]


def test_no_question_without_an_alarm(fake: FakeGitHub) -> None:
    for found in (CLEAN, watch(), watch(signal(TEMP, "watching"))):
        assert settle(fake, found) == "No signal alarms, and no question is open."
    assert fake.state.issues == {}


def test_nothing_that_could_be_judged_is_no_recovery(fake: FakeGitHub) -> None:
    settle(fake, ALARM)
    for found in (watch(), watch(signal(TEMP, "withheld"))):
        settle(fake, found)
        assert fake.state.issues[1]["state"] == "open"


def test_a_log_that_ended_does_not_close_it(fake: FakeGitHub) -> None:
    """The way back can always be judged, and says nothing about the traffic."""
    works = signal("way back parcel-delay-v3", "clean")
    settle(fake, watch(signal(TEMP), works))
    for _ in range(3):
        settle(fake, watch(signal(TEMP, "withheld"), works))
        assert fake.state.issues[1]["state"] == "open"
    settle(fake, watch(signal(TEMP, "clean"), works))
    assert fake.state.issues[1]["state"] == "closed"


def test_an_acknowledgement_closes_it_and_its_end_asks_again(fake: FakeGitHub) -> None:
    expected = watch(signal(TEMP, "expected"), signal(LATE, "clean"))
    settle(fake, expected)
    assert fake.state.issues == {}
    settle(fake, ALARM)
    settle(fake, expected)
    assert fake.state.issues[1]["state"] == "closed"
    settle(fake, ALARM)
    assert "asked before in #1" in fake.state.issues[2]["body"]


@pytest.mark.parametrize("login", ["mallory", "acme", "dependabot[bot]"])
def test_an_issue_of_somebody_else_is_left_alone(fake: FakeGitHub, login: str) -> None:
    """Its label is real: "Only users with push access can set labels for new issues" (docs.github.com)."""
    theirs = by(fake, login, render(ALARM, Asked.about(ALARM)))
    before = dict(theirs)
    for found in (CLEAN, ALARM, CLEAN):
        settle(fake, found)
    assert theirs == before and said(fake, theirs["number"]) == []
    (ours,) = (issue for issue in fake.state.issues.values() if issue["login"] == BOT)
    assert ours["state"] == "closed" and "asked before" not in ours["body"]


def test_another_issue_of_the_bot_and_a_pull_request_are_left_alone(fake: FakeGitHub) -> None:
    incident = by(fake, BOT, f"words first\n{Asked.about(ALARM).marker()}")
    pull = {**incident, "number": 9, "body": render(ALARM, Asked.about(ALARM))}
    fake.state.pulls[9] = pull
    before, listed = dict(incident), dict(pull)
    for found in (ALARM, CLEAN):
        settle(fake, found)
    assert incident == before and pull == listed and len(fake.state.issues) == 2


def test_two_runs_at_once_leave_one_issue(fake: FakeGitHub) -> None:
    """The second one asks after the first has looked, and before it asks itself."""
    inner: list[str] = []

    def other(number: int, phase: str) -> None:
        if (number, phase) == (2, "before") and not inner:
            inner.append("")
            inner[0] = settle(fake, ALARM)

    fake.on_call = other
    outer = settle(fake, ALARM)
    first, second = fake.state.issues.values()
    assert (first["state"], second["state"]) == ("open", "closed")
    assert second["body"].endswith("It goes on in #1.")
    assert "/issues/1" in outer and "/issues/1" in inner[0]
    settle(fake, CLEAN)
    settle(fake, ALARM)
    assert "asked before in #1." in fake.state.issues[3]["body"]


def test_duplicates_that_a_dead_run_left_are_closed_by_the_next(fake: FakeGitHub) -> None:
    for _ in range(3):
        by(fake, BOT, render(ALARM, Asked.about(ALARM)))
    settle(fake, ALARM)
    assert [issue["state"] for issue in fake.state.issues.values()] == ["open", "closed", "closed"]


def test_hostile_names(fake: FakeGitHub) -> None:
    names = ("--> <b>", "@acme #1 GH-1", "a | `b`", "```\n## x", "\u202e🚚" * 200)
    found = watch(*map(signal, names))
    for _ in range(2):
        settle(fake, found)
    settle(fake, watch(*(signal(name, "watching") for name in names)))
    (issue,) = fake.state.issues.values()
    assert Asked.read(issue["body"]) is not None
    (comment,) = said(fake)
    assert "\n" not in comment and "@acme #1" in comment and "`@acme #1 GH-1`" in comment


def test_issues_that_are_switched_off(fake: FakeGitHub) -> None:
    fake.settings.issues_enabled = False
    assert settle(fake, ALARM).startswith("Issues are switched off in this repository")


def test_a_run_that_dies_after_it_wrote_says_nothing_twice(fake: FakeGitHub) -> None:
    settle(fake, watch(signal(LATE)))
    fake.fault(method="POST", path="/comments$", kind=422, message="gone")
    with pytest.raises(ExternalFailure):
        settle(fake, ALARM)
    settle(fake, ALARM)
    assert said(fake) == []


# -- the command, as the job runs it ----------------------------------------------------------------------------------


def ci_monitor(
    fake: FakeGitHub, commands: Commands, folder: Path, found: Watch | None, *, wrong: str = "",
    code: int = 1, without: str = "", **more: str,
) -> Done:  # fmt: skip
    (folder / "reports").mkdir(exist_ok=True)
    (folder / "summary.md").write_text("")
    if found is not None:
        (folder / "reports/monitor.json").write_text(json.dumps(found.to_dict()))
    granted = {name: level for name, level in DECLARED.items() if name != without}
    env = {
        "GITHUB_REPOSITORY": "acme/model", "GITHUB_API_URL": fake.url, "GITHUB_ACTIONS": "true",
        "GITHUB_API_PACE": "0", "GITHUB_TOKEN": fake.job_token("monitor.yml/monitor", granted),
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"), **more,
    }  # fmt: skip
    stub = STUB.format(wrong=wrong, code=code, words='["ci-monitor"]')
    return commands.start(cwd=folder, env=env, code=stub).wait()


def test_the_job_asks_and_stays_green(fake: FakeGitHub, commands: Commands, tmp_path: Path) -> None:
    done = ci_monitor(fake, commands, tmp_path, ALARM)
    assert done.code == 0, done.output
    assert "ci-monitor: 1 signal alarms: asked in " in done.output
    summary = (tmp_path / "summary.md").read_text()
    assert "### Did the world change" in summary and "1 signal alarms: asked in" in summary


def test_the_job_can_read_the_storage(fake: FakeGitHub, commands: Commands, tmp_path: Path) -> None:
    """Else no release could be fetched, and the way back would look lost."""
    secret = "[core]\n    remote = storage\n"
    (tmp_path / ".dvc").mkdir()
    done = ci_monitor(fake, commands, tmp_path, CLEAN, code=0, DVC_CONFIG_LOCAL=secret)
    assert done.code == 0, done.output
    written = tmp_path / ".dvc/config.local"
    assert written.read_text() == secret and written.stat().st_mode & 0o077 == 0


def test_the_job_has_what_a_rehearsal_needs() -> None:
    job = scopes.WORKFLOWS["monitor.yml"]["jobs"]["monitor"]
    # A part of the library loads no model, and a shallow clone has neither tags nor the history of the pointer.
    assert "PART" not in job.get("env", {})
    assert job["steps"][0]["with"]["fetch-depth"] == 0


def test_the_job_without_a_report(fake: FakeGitHub, commands: Commands, tmp_path: Path) -> None:
    done = ci_monitor(fake, commands, tmp_path, None, code=0)
    assert done.code == 0 and "there is no reports/monitor.json" in done.output, done.output
    assert fake.state.calls == []


def test_the_job_where_the_service_is_wrong_asks_all_the_same(
    fake: FakeGitHub, commands: Commands, tmp_path: Path
) -> None:
    done = ci_monitor(fake, commands, tmp_path, ALARM, wrong="another model serves")
    assert done.code == 1 and "ci-monitor: another model serves" in done.output, done.output
    assert len(fake.state.issues) == 1


def test_the_job_with_another_code_of_the_monitor(
    fake: FakeGitHub, commands: Commands, tmp_path: Path
) -> None:
    assert ci_monitor(fake, commands, tmp_path, CLEAN, code=5).code == 5


def test_the_job_with_a_report_that_cannot_be_read(
    fake: FakeGitHub, commands: Commands, tmp_path: Path
) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/monitor.json").write_text("{")
    done = ci_monitor(fake, commands, tmp_path, None, wrong="another model serves")
    assert done.code == 1 and "monitor.json is not valid JSON" in done.output, done.output


@pytest.mark.parametrize("scope", scopes.MONITOR)
def test_each_permission_is_needed_and_together_they_suffice(
    fake: FakeGitHub, commands: Commands, tmp_path: Path, scope: str
) -> None:
    done = ci_monitor(fake, commands, tmp_path, ALARM, without=scope)
    assert fake.state.denials, f"nothing needed {scope}"
    assert done.code == 5 and "did not let us ask the monitor's question" in done.output
    assert "The job's permissions in the workflow file" in done.output
    assert "### Did the world change" in (tmp_path / "summary.md").read_text()
    fake.state.denials.clear()
    for found in (ALARM, watch(signal(LATE)), CLEAN):
        assert ci_monitor(fake, commands, tmp_path, found).code == 0
    assert fake.state.denials == [] and fake.state.issues[1]["state"] == "closed"


def test_permission_to_read_issues_is_too_little(fake: FakeGitHub) -> None:
    with pytest.raises(ExternalFailure, match="permissions in the workflow file"):
        question.settle(repository(fake, contents="read", issues="read"), ALARM)
    assert len(fake.state.denials) == 1


# -- the workflow, through act ----------------------------------------------------------------------------------------


def test_the_workflow_asks_once_and_keeps_the_page(town: World, rendered: Path) -> None:
    reports = prepare(town, rendered, ALARM)
    event = Event(name="schedule", payload={}, actor="ada")
    for _ in range(2):
        result = town.run("monitor.yml", event)
        assert result.jobs == {"monitor": "success"}, result.log
        assert "### Did the world change" in result.summaries["monitor"]
        assert (result.artifacts["monitor"] / "monitor.html").read_text() == "<p>page</p>"
    (issue,) = town.fake.state.issues.values()
    assert issue["state"] == "open" and said(town.fake, issue["number"]) == []
    kept = next(iter(town.fake.state.artifacts.values()))
    assert kept["name"] == "monitor" and kept["expires_at"][:10] == "2026-01-12"
    (reports / "monitor.json").write_text(json.dumps(CLEAN.to_dict()))
    (reports / "monitor.html").unlink()
    town.push("main")
    town.fake.take_events()
    result = town.run("monitor.yml", event)
    assert result.jobs == {"monitor": "success"} and result.artifacts == {}, result.log
    assert issue["state"] == "closed" and town.fake.state.denials == []


def test_the_workflow_is_red_where_the_service_is_wrong(town: World, rendered: Path) -> None:
    prepare(town, rendered, ALARM, wrong="another model serves")
    result = town.run("monitor.yml", Event(name="schedule", payload={}, actor="ada"))
    assert result.jobs == {"monitor": "failure"}, result.log
    assert (
        result.failed_steps == ["Look at the service and the way back"]
        and "monitor" in result.artifacts
    )
    assert len(town.fake.state.issues) == 1


def test_the_workflow_asks_nothing_where_set_up_failed(town: World, rendered: Path) -> None:
    prepare(town, rendered, ALARM)
    workflow = scopes.WORKFLOWS["monitor.yml"]
    job = workflow["jobs"]["monitor"]
    checkout, ready, *rest = job["steps"]
    # The tools are there, so only the condition of the next step keeps it from asking.
    broken = {**job, "steps": [checkout, ready, {"name": "Set up", "run": "exit 1"}, *rest]}
    result = town.run(
        "monitor.yml", Event(name="schedule", payload={}, actor="ada"),
        workflow={**workflow, "jobs": {"monitor": broken}},
    )  # fmt: skip
    assert result.jobs == {"monitor": "failure"} and town.fake.state.issues == {}, result.log
