"""The runner itself: real checkouts with the job's token, artifacts, and no job that silently did not run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workflows import filters
from tests.workflows.act_runner import ActRunner
from tests.workflows.act_shim import HarnessError, shim
from tests.workflows.bare_git import BareGit, put_workflow
from tests.workflows.fake_github import FakeGitHub
from tests.workflows.fake_state import Event

PROBE = """
name: probe
on: [push]
permissions: {}
jobs:
  build:
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    permissions:
      contents: read
    outputs:
      answer: ${{ steps.say.outputs.answer }}
    concurrency: {group: x, queue: max}
    steps:
      - uses: actions/checkout@1111111111111111111111111111111111111111 # v0
        with: {fetch-depth: 0, persist-credentials: false}
      - uses: actions/checkout@1111111111111111111111111111111111111111 # v0
        with: {path: base, ref: main, persist-credentials: true}
      - uses: actions/setup-python@2222222222222222222222222222222222222222 # v0
      - id: say
        env: {TOKEN: "${{ github.token }}", TITLE: "${{ github.event.head_commit.message }}"}
        run: |
          cat README.md base/README.md
          git config --get http.extraheader && exit 1
          git -C base config --get http.extraheader
          test "$(git rev-parse HEAD)" = "$GITHUB_SHA"
          python -m pip install nothing
          echo "answer=42" >> "$GITHUB_OUTPUT"
          echo "# Summary" >> "$GITHUB_STEP_SUMMARY"
          mkdir out; echo hi > out/file.txt
          python -c 'import os, urllib.request as u
          r = u.Request(os.environ["GITHUB_API_URL"] + "/repos/acme/model/branches/main",
                        headers={"Authorization": "Bearer " + os.environ["TOKEN"]})
          print("api says", u.urlopen(r).status)'
      - uses: actions/upload-artifact@3333333333333333333333333333333333333333 # v0
        with: {name: report, path: out}
  after:
    needs: build
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    permissions: {}
    steps:
      - uses: actions/download-artifact@4444444444444444444444444444444444444444 # v0
        with: {name: report, path: in}
      - env: {ANSWER: "${{ needs.build.outputs.answer }}"}
        run: grep hi in/file.txt && test "$ANSWER" = 42
  odd:
    runs-on: windows-2025
    timeout-minutes: 5
    steps:
      - run: exit 0
"""


def push(sha: str) -> Event:
    return Event(name="push", payload={"ref": "refs/heads/main", "after": sha}, actor="ada")


def test_jobs_fetch_run_and_pass_files_on(fake: FakeGitHub, bare: BareGit, tmp_path: Path) -> None:
    sha = put_workflow(bare, PROBE)
    runner = ActRunner(fake, tmp_path)
    result = runner.run(
        "probe.yml", push(sha), commit=sha, ref="refs/heads/main", expect={"build", "after"}
    )
    assert result.jobs == {"build": "success", "after": "success"}, result.log
    assert result.summaries["build"] == "# Summary\n"
    assert result.outputs["build"]["answer"] == "42"
    assert result.said("api says 200")
    assert (result.artifacts["report"] / "file.txt").read_text() == "hi\n"
    assert [a["name"] for a in fake.state.artifacts.values()] == ["report"]
    assert fake.used_scopes("probe.yml/build") == {"contents:read"}


def test_job_that_did_not_run_is_an_error(fake: FakeGitHub, bare: BareGit, tmp_path: Path) -> None:
    sha = put_workflow(bare, PROBE)
    with pytest.raises(HarnessError, match="no result from"):
        ActRunner(fake, tmp_path).run("probe.yml", push(sha), commit=sha, ref="refs/heads/main")


def test_removing_the_permission_breaks_the_checkout(
    fake: FakeGitHub, bare: BareGit, tmp_path: Path
) -> None:
    sha = put_workflow(bare, PROBE)
    result = ActRunner(fake, tmp_path).run(
        "probe.yml", push(sha), commit=sha, ref="refs/heads/main", permissions={"build": {}},
        expect={"build"},
    )  # fmt: skip
    assert result.jobs["build"] == "failure"
    assert any("contents:read" in denial for denial in fake.state.denials)


def test_shim_touches_only_what_act_cannot_read() -> None:
    workflow = filters.load(PROBE)
    shimmed = shim(workflow)
    assert shimmed["jobs"]["build"]["concurrency"] == {"group": "x"}
    assert shimmed["jobs"]["build"]["steps"][3]["env"]["TOKEN"] == "${{ secrets.GHS_BUILD }}"
    shimmed["jobs"]["build"]["concurrency"] = workflow["jobs"]["build"]["concurrency"]
    shimmed["jobs"]["build"]["steps"][3]["env"] = workflow["jobs"]["build"]["steps"][3]["env"]
    assert shimmed == workflow


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("main", "main", True),
        ("release/*", "release/1", True),
        ("release/*", "release/1/2", False),
        ("release/**", "release/1/2", True),
        ("**.py", "a/b.py", True),
        ("*.md", "docs/a.md", False),
        ("**/*.md", "a.md", True),
        ("v[0-9]+", "v12", True),
    ],
)
def test_filter_patterns(pattern: str, value: str, expected: bool) -> None:
    assert filters.glob_matches(pattern, value) is expected


def test_filters_of_events() -> None:
    workflow = filters.load(
        "on:\n push: {branches: [main], paths: [production.yaml, '!docs/**']}\n"
        " pull_request: {branches: [main]}\n workflow_run: {workflows: [check], types: [completed]}\n"
        " workflow_dispatch:\njobs: {}\n"
    )
    starts = filters.starts
    assert starts(workflow, "push", ref="refs/heads/main", files=["production.yaml", "a"])
    assert not starts(workflow, "push", ref="refs/heads/main", files=["a"])
    assert not starts(workflow, "push", ref="refs/heads/topic", files=["production.yaml"])
    assert not starts(workflow, "push", ref="refs/tags/v1", files=["production.yaml"])
    assert starts(workflow, "pull_request", action="synchronize", ref="main")
    assert not starts(workflow, "pull_request", action="labeled", ref="main")
    assert starts(workflow, "workflow_run", action="completed", completed="check")
    assert not starts(workflow, "workflow_run", action="requested", completed="check")
    assert starts(workflow, "workflow_dispatch")
    assert not starts(workflow, "schedule")
