"""The fake GitHub behaves as documented, seen through the client library the generated repository uses."""

from __future__ import annotations

import subprocess
from pathlib import Path

import github
import pytest
import requests

from tests.workflows.bare_git import BareGit
from tests.workflows.fake_github import FakeGitHub


def client(fake: FakeGitHub, token: str = "ghp_owner0123456789") -> github.Github:
    return github.Github(
        auth=github.Auth.Token(token),
        base_url=fake.url,
        retry=None,
        seconds_between_writes=0,
        seconds_between_requests=0,
        lazy=True,
    )


def commit_on(bare: BareGit, branch: str, path: str, content: str) -> str:
    tip = bare.ref(f"refs/heads/{branch}") or bare.ref("refs/heads/main")
    assert tip is not None
    blob = bare.text("hash-object", "-w", "--stdin", stdin=content.encode())
    lines = [
        line for line in bare.text("ls-tree", tip).splitlines() if not line.endswith("\t" + path)
    ]
    tree = bare.text(
        "mktree", stdin="\n".join([*lines, f"100644 blob {blob}\t{path}", ""]).encode()
    )
    sha = bare.commit_tree(tree, [tip], f"Change {path}\n")
    bare.update(f"refs/heads/{branch}", sha)
    return sha


def test_pull_request_life(fake: FakeGitHub, bare: BareGit) -> None:
    head = commit_on(bare, "topic", "a.txt", "a")
    repo = client(fake).get_repo("acme/model")
    pull = repo.create_pull(base="main", head="topic", title="Add a", body="why")
    assert [f.filename for f in pull.get_files()] == ["a.txt"]
    assert pull.head.sha == head
    assert [p.number for p in repo.get_commit(head).get_pulls()] == [pull.number]
    repo.get_commit(head).create_status("success", description="fine", context="model-gate")
    assert repo.get_commit(head).get_combined_status().state == "success"
    comment = pull.create_issue_comment("hello")
    comment.edit("hello again")
    assert [c.body for c in pull.get_issue_comments()] == ["hello again"]
    merged = pull.merge(merge_method="squash", sha=head)
    assert merged.merged
    assert bare.read("main", "a.txt") == b"a"
    assert [e.name for e in fake.take_events()] == ["pull_request", "push"]


def test_job_token_raises_no_events_and_obeys_its_permissions(
    fake: FakeGitHub, bare: BareGit
) -> None:
    commit_on(bare, "topic", "a.txt", "a")
    reader = client(fake, fake.job_token("check", {"contents": "read"})).get_repo("acme/model")
    with pytest.raises(github.GithubException, match="Resource not accessible"):
        reader.create_pull(base="main", head="topic", title="no")
    assert fake.state.denials
    token = fake.job_token("ship", {"contents": "write", "pull-requests": "write"})
    writer = client(fake, token).get_repo("acme/model")
    pull = writer.create_pull(base="main", head="topic", title="yes", body="")
    pull.merge()
    assert fake.take_events() == []
    fork = fake.job_token("ship", {"contents": "write"}, fork=True)
    with pytest.raises(github.GithubException, match="Resource not accessible"):
        client(fake, fork).get_repo("acme/model").create_git_ref("refs/heads/x", pull.head.sha)


def test_setting_that_keeps_actions_from_opening_pull_requests(
    fake: FakeGitHub, bare: BareGit
) -> None:
    commit_on(bare, "topic", "a.txt", "a")
    fake.settings.actions_may_create_prs = False
    bot = client(fake, fake.job_token("ship", {"pull-requests": "write"})).get_repo("acme/model")
    with pytest.raises(github.GithubException) as caught:
        bot.create_pull(base="main", head="topic", title="x")
    assert caught.value.status == 403
    client(fake).get_repo("acme/model").create_pull(base="main", head="topic", title="x")


def test_limits_of_bodies_and_descriptions(fake: FakeGitHub, bare: BareGit) -> None:
    repo = client(fake).get_repo("acme/model")
    issue = repo.create_issue("title")
    issue.create_comment("x" * 65_536)
    with pytest.raises(github.GithubException, match="65536"):
        issue.create_comment("x" * 65_537)
    head = bare.ref("refs/heads/main")
    assert head is not None
    with pytest.raises(github.GithubException, match="140"):
        repo.get_commit(head).create_status("success", description="x" * 141)
    fake.settings.issues_enabled = False
    with pytest.raises(github.GithubException) as caught:
        repo.create_issue("title")
    assert caught.value.status == 410


def test_pagination(fake: FakeGitHub) -> None:
    repo = client(fake).get_repo("acme/model")
    issue = repo.create_issue("title")
    for number in range(65):
        issue.create_comment(str(number))
    assert [c.body for c in issue.get_comments()] == [str(n) for n in range(65)]


def test_release_is_immutable_once_published(
    fake: FakeGitHub, bare: BareGit, tmp_path: Path
) -> None:
    repo = client(fake).get_repo("acme/model")
    draft = repo.create_git_release("m-v1", "m-v1", "note", draft=True, target_commitish="main")
    bundle = tmp_path / "model.tar"
    bundle.write_bytes(b"bytes")
    asset = draft.upload_asset(str(bundle))
    with pytest.raises(github.GithubException, match="already_exists"):
        draft.upload_asset(str(bundle))
    with pytest.raises(github.UnknownObjectException):
        repo.get_release("m-v1")
    assert bare.ref("refs/tags/m-v1") is None
    draft.update_release("m-v1", "note", draft=False)
    assert repo.get_release("m-v1").get_assets()[0].name == "model.tar"
    assert bare.ref("refs/tags/m-v1") is not None
    with pytest.raises(github.GithubException, match="immutable"):
        draft.upload_asset(str(bundle), name="late")
    with pytest.raises(github.GithubException):
        asset.delete_asset()
    got = requests.get(asset.browser_download_url, timeout=5)
    assert got.content == b"bytes"


def test_annotated_tag_and_commit_through_the_api(fake: FakeGitHub, bare: BareGit) -> None:
    repo = client(fake).get_repo("acme/model")
    base = repo.get_git_commit(repo.get_branch("main").commit.sha)
    element = github.InputGitTreeElement("production.yaml", "100644", "blob", content="stable: x\n")
    tree = repo.create_git_tree([element], base.tree)
    commit = repo.create_git_commit("Ship x", tree, [base])
    repo.create_git_ref("refs/heads/ship", commit.sha)
    tag = repo.create_git_tag("m-v1", "record: 1\n", commit.sha, "commit")
    repo.create_git_ref("refs/tags/m-v1", tag.sha)
    with pytest.raises(github.GithubException, match="already exists"):
        repo.create_git_ref("refs/tags/m-v1", tag.sha)
    assert bare.text("cat-file", "tag", "m-v1").endswith("record: 1")
    assert bare.read("ship", "production.yaml") == b"stable: x\n"


def test_deployments_conflict_on_failing_statuses(fake: FakeGitHub, bare: BareGit) -> None:
    repo = client(fake).get_repo("acme/model")
    main = bare.ref("refs/heads/main")
    assert main is not None
    repo.get_commit(main).create_status("failure", context="x")
    with pytest.raises(github.GithubException) as caught:
        repo.create_deployment("main", auto_merge=False)
    assert caught.value.status == 409
    for environment, former in (("staging", "inactive"), ("production", "success")):
        first, second = (
            repo.create_deployment(
                "main", auto_merge=False, required_contexts=[], environment=environment
            )
            for _ in range(2)
        )
        first.create_status("success")
        second.create_status("success")
        assert first.get_statuses()[0].state == former


def test_git_over_http_needs_the_same_permissions(fake: FakeGitHub, tmp_path: Path) -> None:
    def clone(token: str, name: str) -> subprocess.CompletedProcess[bytes]:
        url = fake.url.replace("http://", f"http://x-access-token:{token}@") + "/acme/model.git"
        return subprocess.run(
            ["git", "clone", "-q", url, str(tmp_path / name)], capture_output=True, check=False
        )

    assert clone(fake.job_token("none", {}), "a").returncode != 0
    assert clone(fake.job_token("check", {"contents": "read"}), "b").returncode == 0
    work = tmp_path / "b"
    subprocess.run(["git", "commit", "-q", "--allow-empty", "-m", "x"], cwd=work, check=True)
    assert (
        subprocess.run(["git", "push", "-q"], cwd=work, capture_output=True, check=False).returncode
        != 0
    )
    assert clone("ghp_owner0123456789", "c").returncode == 0
    subprocess.run(
        ["git", "commit", "-q", "--allow-empty", "-m", "x"], cwd=tmp_path / "c", check=True
    )
    subprocess.run(["git", "push", "-q"], cwd=tmp_path / "c", check=True)
    assert [e.name for e in fake.take_events()] == ["push"]


def test_plan_limits(fake: FakeGitHub) -> None:
    fake.settings.free_private_plan = True
    branch = client(fake).get_repo("acme/model").get_branch("main")
    with pytest.raises(github.GithubException, match="Upgrade"):
        branch.get_protection()


def test_requests_that_github_does_not_describe_are_found(bare: BareGit) -> None:
    with FakeGitHub(bare.path) as fake:
        header = {"Authorization": "Bearer ghp_owner0123456789"}
        main = bare.ref("refs/heads/main")
        url = f"{fake.url}/repos/acme/model/statuses/{main}"
        assert (
            requests.post(url, json={"state": "passed"}, headers=header, timeout=5).status_code
            == 422
        )
        assert (
            requests.post(
                url, json={"state": "success", "colour": 1}, headers=header, timeout=5
            ).status_code
            == 422
        )
        assert (
            requests.get(
                f"{fake.url}/repos/acme/model/nothing", headers=header, timeout=5
            ).status_code
            == 404
        )
        assert len(fake.state.violations) == 3


def test_faults(fake: FakeGitHub) -> None:
    repo = client(fake).get_repo("acme/model")
    fake.fault(method="POST", path="/issues$", kind=502)
    with pytest.raises(github.GithubException):
        repo.create_issue("a")
    fake.fault(method="POST", path="/issues$", kind="reset", applied=True)
    with pytest.raises(requests.ConnectionError):
        repo.create_issue("b")
    assert [i["title"] for i in fake.state.issues.values()] == ["b"]
