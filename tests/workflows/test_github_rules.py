"""GitHub's rules that decide what the workflows may do, each from both sides: what is let through, what is refused.

The sources stand where the fake enforces the rule. Tested elsewhere: pull requests by Actions in `test_fake_github`,
runs that wait for approval and the source of a status in `test_held_runs`, the merge queue in `test_merge_queue`,
linked artifacts in `test_linked`, and what the workflows make of each.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.workflows.act_runner import ActRunner, Result
from tests.workflows.bare_git import BareGit, put_workflow
from tests.workflows.fake_github import FakeGitHub
from tests.workflows.fake_state import Event, Token
from tests.workflows.rules import ADMIN, DEPLOY_KEY, REVIEW, ruleset
from tests.workflows.world import World

OWNER = "ghp_owner0123456789"
UPLOADS = """
name: probe
on: [push]
permissions: {}
jobs:
  build:
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    steps:
      - run: echo hi > file.txt
      - name: Keep it a day
        uses: actions/upload-artifact@3333333333333333333333333333333333333333 # v0
        with: {name: short, path: file.txt, retention-days: 1}
      - name: Keep it
        uses: actions/upload-artifact@3333333333333333333333333333333333333333 # v0
        with: {name: long, path: file.txt}
"""
KEYS = """
name: probe
on: [push]
permissions: {}
jobs:
  build:
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    steps:
      - env: {KEY: "${{ secrets.KEY }}"}
        run: echo "build has '$KEY'"
  judge:
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    environment: {name: storage, deployment: false}
    steps:
      - env: {KEY: "${{ secrets.KEY }}"}
        run: echo "judge has '$KEY'"
"""
PROTECTED_ONLY = {"protected_branches": True, "custom_branch_policies": False}
CUSTOM = {"protected_branches": False, "custom_branch_policies": True}


def get(fake: FakeGitHub, path: str, token: str = OWNER) -> requests.Response:
    return requests.get(
        f"{fake.url}/repos/acme/model{path}", headers={"Authorization": f"Bearer {token}"},
        allow_redirects=False, timeout=5,
    )  # fmt: skip


def run(
    fake: FakeGitHub,
    bare: BareGit,
    folder: Path,
    workflow: str,
    *,
    branch: str = "main",
    **keys: str,
) -> Result:
    """A push to `branch`; `keys`: the secret KEY of each environment."""
    sha = put_workflow(bare, workflow)
    ref = f"refs/heads/{branch}"
    event = Event(name="push", payload={"ref": ref, "after": sha}, actor="ada")
    runner = ActRunner(fake, folder)
    runner.environment_secrets = {name: {"KEY": value} for name, value in keys.items()}
    return runner.run("probe.yml", event, commit=sha, ref=ref)


def listed(fake: FakeGitHub) -> dict[str, dict[str, Any]]:
    return {a["name"]: a for a in get(fake, "/actions/artifacts").json()["artifacts"]}


def test_artifacts_are_kept_as_long_as_they_say(
    fake: FakeGitHub, bare: BareGit, tmp_path: Path
) -> None:
    assert run(fake, bare, tmp_path, UPLOADS).conclusion == "success"
    fake.state.pass_days(2)
    found = listed(fake)
    assert {name: item["expired"] for name, item in found.items()} == {"short": True, "long": False}
    assert get(fake, f"/actions/artifacts/{found['short']['id']}/zip").status_code == 410
    assert get(fake, f"/actions/artifacts/{found['long']['id']}/zip").status_code == 302
    fake.state.pass_days(88)
    assert all(item["expired"] for item in listed(fake).values())


def test_repository_may_keep_artifacts_for_less_than_they_ask(fake: FakeGitHub) -> None:
    for longest, expired in ((90, False), (3, True)):
        fake.settings.artifact_retention_days = longest
        fake.state.add_artifact(1, str(longest), b"x", days=7)
        fake.state.pass_days(4)
        assert listed(fake)[str(longest)]["expired"] is expired


def test_full_storage_takes_no_artifact(fake: FakeGitHub, bare: BareGit, tmp_path: Path) -> None:
    # The size is not known when an upload begins: the first one may, and nothing after it.
    fake.settings.artifact_storage = 1
    result = run(fake, bare, tmp_path, UPLOADS)
    assert result.conclusion == "failure" and result.failed_steps == ["Keep it"], result.log
    assert "Artifact storage quota has been hit" in result.log and set(listed(fake)) == {"short"}


def test_storage_is_free_again_when_github_has_counted(
    fake: FakeGitHub, bare: BareGit, tmp_path: Path
) -> None:
    fake.settings.artifact_storage = 1000
    fake.state.add_artifact(1, "large", b"x" * 1000, days=1)
    fake.state.pass_days(2)
    assert run(fake, bare, tmp_path, UPLOADS).conclusion == "failure"
    fake.state.recalculate_usage()
    assert run(fake, bare, tmp_path, UPLOADS).conclusion == "success"


@pytest.mark.slow
def test_candidate_that_finds_no_room_is_said_on_the_pull_request(
    town: World, trained: Callable[..., Path]
) -> None:
    """Without a data storage the candidate goes to the judge through the storage of artifacts."""
    fake = town.fake
    town.adopt(trained(trees=8))
    town.push("main")
    town.git("checkout", "-q", "-B", "better", "main")
    town.take_over(trained(trees=29))
    town.push("better")
    fake.take_events()
    number = town.open_pull("better", "More trees")
    fake.settings.artifact_storage = 0
    town.settle(expect_failure=("check.yml",))
    (comment,) = fake.comments_on(number)
    assert "the storage of artifacts is full" in comment["body"], comment["body"]
    fake.settings.artifact_storage = 1_000_000
    town.pull_event(number, "reopened", "ada")
    town.settle()
    (comment,) = fake.comments_on(number)
    assert "✅" in comment["body"], comment["body"]


def test_secrets_of_an_environment_reach_the_jobs_that_name_it(
    fake: FakeGitHub, bare: BareGit, tmp_path: Path
) -> None:
    result = run(fake, bare, tmp_path, KEYS, storage="open sesame", other="never")
    assert result.said("judge has '***'") and result.said("build has ''"), result.log
    fake.settings.private = fake.settings.free_private_plan = True
    result = run(fake, bare, tmp_path, KEYS, storage="open sesame")
    assert result.said("judge has ''"), result.log


@pytest.mark.parametrize(
    ("policy", "patterns", "guarded", "topic"),
    [
        (None, [], True, "success"),
        (CUSTOM, ["main"], False, "failure"),
        (CUSTOM, ["main", "top*"], False, "success"),
        (PROTECTED_ONLY, [], True, "failure"),
        (PROTECTED_ONLY, [], False, "success"),
    ],
)
def test_environment_takes_the_branches_of_its_policy(
    fake: FakeGitHub, bare: BareGit, tmp_path: Path,
    policy: dict[str, bool] | None, patterns: list[str], guarded: bool, topic: str,
) -> None:  # fmt: skip
    """Protected branches only is no lock where no branch has the older protection."""
    fake.settings.environments = {"storage": {"deployment_branch_policy": policy}}
    fake.settings.environment_branches = {"storage": patterns}
    fake.settings.required_reviews = int(guarded)
    for branch, expected in (("main", "success"), ("topic", topic)):
        result = run(fake, bare, tmp_path, KEYS, branch=branch, storage="open sesame")
        assert result.jobs == {"build": "success", "judge": expected}, result.log
        assert result.said("judge has") is (expected == "success")
        assert result.said("not allowed to deploy to storage") is (expected == "failure")


def propose(fake: FakeGitHub, **files: str) -> int:
    """A pull request of ada's that changes these files at the top."""
    fake.git.update("refs/heads/topic", commit(fake, files))
    body = {"title": "Topic", "head": "topic", "base": "main"}
    made = requests.post(
        f"{fake.url}/repos/acme/model/pulls", json=body,
        headers={"Authorization": f"Bearer {fake.person('ada')}"}, timeout=5,
    )  # fmt: skip
    return int(made.json()["number"])


def commit(fake: FakeGitHub, files: dict[str, str]) -> str:
    """On top of main."""
    git = fake.git
    kept = [
        line
        for line in git.text("ls-tree", "main").splitlines()
        if line.split("\t")[1] not in files
    ]
    for name, content in files.items():
        blob = git.text("hash-object", "-w", "--stdin", stdin=content.encode())
        kept.append(f"100644 blob {blob}\t{name}")
    tree = git.text("mktree", stdin="\n".join([*kept, ""]).encode())
    return git.commit_tree(tree, [str(git.ref("refs/heads/main"))], "Change\n")


def merge(fake: FakeGitHub, number: int) -> str:
    """GitHub's answer."""
    done = requests.put(
        f"{fake.url}/repos/acme/model/pulls/{number}/merge", json={},
        headers={"Authorization": f"Bearer {fake.person('ada')}"}, timeout=5,
    )  # fmt: skip
    assert done.status_code in (200, 405), done.text
    return str(done.json()["message"])


@pytest.mark.parametrize(
    ("changed", "approved_by", "waits_for"),
    [
        ({"gates.yaml": "x"}, (), "bob"),
        ({"gates.yaml": "x"}, ("eve",), "bob"),
        ({"gates.yaml": "x"}, ("bob",), None),
        ({"gates.yaml": "x"}, ("team",), None),
        # Nobody approves a pull request of their own.
        ({"params.yaml": "x"}, ("ada",), "ada"),
        ({"params.yaml": "x"}, ("bob",), "ada"),
        # The last line that matches counts, also one that names nobody.
        ({"README.md": "x"}, (), None),
        ({"README.md": "x", "gates.yaml": "x"}, (), "bob"),
        # What decides is main's file.
        ({"CODEOWNERS": "", "gates.yaml": "x"}, (), "bob"),
    ],
)
def test_owners_approve_what_they_own(
    fake: FakeGitHub, changed: dict[str, str], approved_by: tuple[str, ...], waits_for: str | None
) -> None:
    owned = "*.yaml @ada\n*.md @bob\n/gates.yaml @bob @team\nREADME.md\n"
    fake.git.update("refs/heads/main", commit(fake, {"CODEOWNERS": owned}))
    fake.settings.rulesets = [ruleset(REVIEW, owners=True, approvals=0)]
    number = propose(fake, **changed)
    fake.pull(number)["approved_by"] = approved_by
    said = merge(fake, number)
    if waits_for is None:
        assert said == "Pull Request successfully merged"
        return
    assert f"Waiting on code owner review from {waits_for}." in said
    fake.settings.rulesets = [ruleset(REVIEW, owners=False, approvals=0)]
    assert merge(fake, number) == "Pull Request successfully merged"


def push(fake: FakeGitHub, token: str, refs: str) -> bool:
    """Whether GitHub takes a push of commits that it has already."""
    address = fake.url.replace("http://", f"http://x-access-token:{token}@")
    done = subprocess.run(
        ["git", "push", "-q", f"{address}/acme/model.git", refs], cwd=fake.git.path,
        capture_output=True, check=False,
    )  # fmt: skip
    return done.returncode == 0


def test_tag_push_asks_for_the_workflow_files_of_a_branch(fake: FakeGitHub, bare: BareGit) -> None:
    before = put_workflow(bare, UPLOADS)
    tip = put_workflow(bare, KEYS)
    job = fake.job_token("release", {"contents": "write"})
    assert push(fake, job, f"{tip}:refs/tags/m-v2")
    assert not push(fake, job, f"{before}:refs/tags/m-v1")
    assert push(fake, fake.person("ada"), f"{before}:refs/tags/m-v1")
    assert not push(fake, fake.job_token("check", {"contents": "read"}), f"{tip}:refs/tags/m-v3")


@pytest.mark.parametrize("immutable", [True, False])
def test_releases_are_immutable_where_the_repository_says_so(
    fake: FakeGitHub, immutable: bool
) -> None:
    fake.settings.immutable_releases = immutable
    header = {"Authorization": f"Bearer {OWNER}"}
    api = f"{fake.url}/repos/acme/model"

    def create() -> requests.Response:
        body = {"tag_name": "m-v1", "name": "m-v1"}
        return requests.post(f"{api}/releases", json=body, headers=header, timeout=5)

    number = create().json()["id"]
    added = requests.post(
        f"{api}/releases/{number}/assets?name=late", data=b"x", timeout=5,
        headers={**header, "Content-Type": "application/octet-stream"},
    )  # fmt: skip
    assert added.status_code == (422 if immutable else 201)
    note = requests.patch(
        f"{api}/releases/{number}", json={"body": "note"}, headers=header, timeout=5
    )
    assert note.status_code == 200
    tag = f"{api}/git/refs/tags/m-v1"
    assert requests.delete(tag, headers=header, timeout=5).status_code == (
        422 if immutable else 204
    )
    requests.delete(f"{api}/releases/{number}", headers=header, timeout=5)
    assert create().status_code == (422 if immutable else 201)


@pytest.mark.parametrize(
    ("bypass", "person", "key", "merges"),
    [
        (None, False, False, False),
        (ADMIN, True, False, True),
        # "For pull requests only": no push goes past the rule.
        ({**ADMIN, "bypass_mode": "pull_request"}, False, False, True),
        (DEPLOY_KEY, False, True, False),
    ],
)
def test_who_gets_past_a_rule(
    fake: FakeGitHub, bypass: dict[str, Any] | None, person: bool, key: bool, merges: bool
) -> None:
    """A workflow's token never does: it cannot be put on the list."""
    fake.state.tokens["key"] = Token(login="deploy-key", deploy_key=True)
    fake.settings.rulesets = [ruleset(REVIEW, bypass=bypass)]
    job = fake.job_token("rollback", {"contents": "write"})
    number = propose(fake, **{"a.txt": "x"})
    for token, lets in ((job, False), (fake.person("ada"), person), ("key", key)):
        main = str(fake.git.ref("refs/heads/main"))
        assert push(fake, token, "topic:main") is lets
        fake.git.update("refs/heads/main", main)
    fake.pull(number)["state"] = "open"
    assert (merge(fake, number) == "Pull Request successfully merged") is merges
