"""Deploy, revert and rollback on GitHub: the right pointer, no forgotten branch, no permission too many or too few."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.workflows import scopes
from tests.workflows.bare_git import BareGit
from tests.workflows.commands import Commands, Running
from tests.workflows.fake_state import BOT, Token
from tests.workflows.links import ready_branch
from tests.workflows.rules import ADMIN, DEPLOY_KEY, GATE, REVIEW, ruleset
from tests.workflows.site import Site, put, served_by_agent, with_canary


@pytest.fixture
def site(shipped: Path, commands: Commands, tmp_path: Path, bare: BareGit) -> Iterator[Site]:
    place = Site(shipped, commands, tmp_path / "site")
    with place.fake:
        yield place
        assert place.fake.state.violations == []


@pytest.fixture
def agent(site: Site) -> Iterator[dict[str, str]]:
    with served_by_agent(site) as env:
        yield env


def test_button_puts_the_previous_release_back(site: Site) -> None:
    done = site.rollback("scores are all alike @acme <b>")
    assert done.code == 0, done.output
    pointer = site.pointer()
    assert pointer["stable"]["model"] == site.v1 and "scores are all alike" in pointer["freeze"]
    (pull,) = site.fake.state.pulls.values()
    assert pull["merged_at"] and pull["login"] == BOT
    assert [p for _, p in site.git.changed(pull["head_sha"] + "^", pull["head_sha"])] == [
        "production.yaml"
    ]
    message = site.git.text("log", "-1", "--format=%B", "main")
    assert "Reason: scores are all alike" in message and "This reverts commit" in message
    (event,) = site.fake.take_events()
    assert event.name == "workflow_dispatch" and event.payload["workflow"].endswith("deploy.yml")
    (incident,) = site.fake.state.issues.values()
    assert incident["labels"] == ["incident"]
    for word in ("Time", "Model", "Symptoms", site.v2):
        assert word in incident["body"]
    assert "@acme" not in incident["body"] and "<b>" not in incident["body"]


def test_button_with_a_target(site: Site) -> None:
    assert site.rollback(TO=site.v1).code == 0
    assert site.pointer()["stable"]["model"] == site.v1


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        ({"TO": "flight-delay-v9"}, "is not a release"),
        ({"TO": "x; touch PWNED"}, "is not a model id"),
    ],
)
def test_button_refuses_what_is_no_release(site: Site, env: dict[str, str], sentence: str) -> None:
    done = site.rollback(**env)
    assert done.code in (2, 4) and sentence in done.output, done.output
    assert site.branches() == ["main"]


def test_button_goes_to_nothing_that_never_served(site: Site) -> None:
    first = site.git.text("rev-list", "--reverse", "main", "--", "production.yaml").split()[0]
    empty = (site.git.read(first, "production.yaml") or b"").decode()
    tree = site.git.text("rev-parse", "main^{tree}")
    site.git.update("refs/heads/main", site.git.commit_tree(tree, [], "Begin anew\n"))
    put(site.git, "production.yaml", empty)
    done = site.rollback(TO=site.v1)
    assert done.code == 1 and f"{site.v1} never served" in done.output, done.output
    assert site.branches() == ["main"]


def test_button_waits_until_github_knows_that_it_can_merge(site: Site) -> None:
    """GitHub's answer to a merge that follows too closely on the opening of the pull request, or on another merge."""
    site.fake.fault(
        method="PUT", path="/merge$", kind=405, times=3,
        message="Base branch was modified. Review and try the merge again.",
    )  # fmt: skip
    done = site.rollback()
    assert done.code == 0, done.output
    assert site.pointer()["stable"]["model"] == site.v1


def test_button_goes_back_although_the_tag_is_gone(site: Site) -> None:
    site.git.text("update-ref", "-d", f"refs/tags/{site.v1}")
    done = site.rollback()
    assert done.code == 0, done.output
    assert f"Going back although {site.v1} is not a release" in done.output
    assert site.pointer()["stable"]["model"] == site.v1


def test_button_and_revert_take_back_a_pointer_that_cannot_be_read(site: Site) -> None:
    good = site.git.read("main", "production.yaml") or b""
    put(site.git, "production.yaml", "stable: [\n")
    done = site.run("deploy.yml", "deploy")
    assert done.code == 2 and "is not valid YAML" in done.output
    assert "is not valid YAML" in site.summary()
    assert site.run("deploy.yml", "revert").code == 0
    (pull,) = site.fake.state.pulls.values()
    assert site.git.read(pull["head_sha"], "production.yaml") == good
    done = site.rollback("nobody can read it")
    assert done.code == 0, done.output
    assert site.pointer()["stable"]["model"] == site.v2


def test_button_that_cannot_start_the_deployment_says_how_far_it_came(site: Site) -> None:
    site.fake.fault(method="POST", path="/dispatches$", kind=422, message="disabled workflow")
    done = site.rollback()
    assert done.code == 5 and site.pointer()["stable"]["model"] == site.v1
    assert "main is rolled back by #1, but its deployment is not started" in done.output
    said = "its deployment is not started: GitHub did not let us start deploy.yml"
    assert said in site.summary()
    (incident,) = site.fake.state.issues.values()
    assert said in incident["body"]


def test_button_that_cannot_begin_says_what_to_do(site: Site) -> None:
    done = site.rollback(without="pull-requests")
    assert done.code == 5 and "Nothing was rolled back. By hand, now: make rollback" in done.output


def test_incident_that_cannot_be_opened_undoes_nothing(site: Site) -> None:
    done = site.rollback(without="issues")
    assert done.code == 0, done.output
    assert "::warning::" in done.output and "the deployment is started" in site.summary()
    site.fake.state.denials.clear()


def test_button_where_actions_may_not_open_pull_requests(site: Site) -> None:
    site.fake.settings.actions_may_create_prs = False
    done = site.rollback()
    assert done.code == 1
    branch = ready_branch(site.fake, done.output)
    assert site.branches() == ["main", branch] and site.pointer()["stable"]["model"] == site.v2
    assert "nothing is rolled back yet" in done.output and "make rollback" in done.output
    (incident,) = site.fake.state.issues.values()
    assert ready_branch(site.fake, incident["body"]) == branch
    assert site.fake.take_events() == []


def test_button_where_a_review_is_required(site: Site) -> None:
    site.fake.settings.rulesets = [ruleset(REVIEW, GATE, bypass=ADMIN)]
    done = site.rollback()
    assert done.code == 1 and "Merge it by hand" in done.output, done.output
    (pull,) = site.fake.state.pulls.values()
    assert pull["state"] == "open" and site.pointer()["stable"]["model"] == site.v2
    assert f"/pull/{pull['number']}/files → Review changes → Approve" in done.output
    assert "the secret ROLLBACK_KEY is not set" in done.output
    assert site.fake.latest_status(pull["head_sha"])["state"] == "success"  # type: ignore[index]


@pytest.mark.parametrize("owned", [True, False])
def test_button_where_owners_review(site: Site, owned: bool) -> None:
    """With 0 approvals and the review of owners, a rollback waits only where production.yaml has an owner."""
    text = (site.git.read("main", ".github/CODEOWNERS") or b"").decode()
    assert "/production.yaml " in text
    if not owned:
        lines = [line for line in text.splitlines() if not line.startswith("/production.yaml ")]
        put(site.git, ".github/CODEOWNERS", "\n".join(lines))
    site.fake.settings.rulesets = [ruleset(REVIEW, GATE, owners=True, approvals=0)]
    done = site.rollback()
    assert done.code == int(owned), done.output
    assert ("Waiting on code owner review" in done.output) is owned
    assert site.pointer()["stable"]["model"] == (site.v2 if owned else site.v1)


@pytest.mark.parametrize("listed", [True, False])
def test_button_with_a_deploy_key(site: Site, listed: bool) -> None:
    """The key ends it where the bypass list names deploy keys; elsewhere it helps as little as the token."""
    bypass = DEPLOY_KEY if listed else ADMIN
    site.fake.settings.rulesets = [ruleset(REVIEW, GATE, bypass=bypass)]
    site.fake.state.tokens["key"] = Token(login="deploy-key", deploy_key=True)
    through = site.fake.url.replace("http://", "http://key:key@")
    env = {
        "ROLLBACK_KEY": "-----BEGIN KEY-----", "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{through}/.insteadOf", "GIT_CONFIG_VALUE_0": "git@127.0.0.1:",
    }  # fmt: skip
    done = site.rollback(**env)
    (pull,) = site.fake.state.pulls.values()
    assert done.code == (0 if listed else 1), done.output
    assert (pull["merged_at"] is not None) is listed
    assert site.pointer()["stable"]["model"] == (site.v1 if listed else site.v2)
    assert [e.name for e in site.fake.take_events()] == (["push"] if listed else [])


def test_button_where_issues_are_switched_off(site: Site) -> None:
    site.fake.settings.issues_enabled = False
    done = site.rollback()
    assert done.code == 0, done.output
    assert "::warning::Issues are switched off" in done.output


def test_only_squash_only_rebase(site: Site) -> None:
    site.fake.settings.allow_squash_merge = site.fake.settings.allow_merge_commit = False
    assert site.rollback().code == 0
    assert site.pointer()["stable"]["model"] == site.v1


def test_button_killed_anywhere_goes_back_once(
    shipped: Path, commands: Commands, tmp_path: Path
) -> None:
    first = Site(shipped, commands, tmp_path / "first")
    with first.fake:
        assert first.rollback(run_id=1).code == 0
        numbers = [
            c.number for c in first.fake.state.calls
            if "receive-pack" in c.operation or (not c.operation.startswith("git") and c.method != "GET")
        ]  # fmt: skip
    assert len(numbers) >= 6
    for number in numbers:
        site = Site(shipped, commands, tmp_path / str(number))
        with site.fake:
            running: list[Running] = []

            def kill(
                seen: int, at: str, number: int = number, running: list[Running] = running
            ) -> None:
                if (seen, at) == (number, "after") and running:
                    running.pop().kill()

            site.fake.on_call = kill
            site.fake.reset_calls()
            process = site.start("rollback.yml", "rollback", REASON="wrong", run_id=1)
            running.append(process)
            process.wait()
            assert not running, f"call {number} never came"
            site.fake.on_call = lambda seen, at: None
            done = site.rollback(run_id=1)
            assert done.code == 0, f"after call {number}: {done.output}"
            assert site.pointer()["stable"]["model"] == site.v1
            assert len(site.fake.state.pulls) == 1
            (incident,) = site.fake.state.issues.values()
            assert f"Incident: {site.v2} rolled back" in incident["title"]
            assert site.fake.take_events()[-1].name == "workflow_dispatch"
            assert site.fake.state.violations == []


def test_rehearsal_deploys_what_main_says_and_records_it(site: Site) -> None:
    done = site.run("deploy.yml", "deploy")
    assert done.code == 0, done.output
    (record,) = site.fake.state.deployments.values()
    assert record["payload"] == {"digest": f"sha256:{site.pointer()['stable']['sha256']}"}
    assert record["environment"] == "rehearsal" and record["sha"] == site.git.ref("refs/heads/main")
    states = [s["state"] for s in site.fake.state.deployment_statuses[record["id"]]]
    assert states == ["in_progress", "success"]
    assert "Rehearsed" in site.summary()


def test_unknown_way_of_deploying(site: Site) -> None:
    done = site.run("deploy.yml", "deploy", DEPLOY="kubernetes")
    assert done.code == 2 and "runner, agent, rehearsal" in done.output


@pytest.mark.parametrize("store", ["", "store", "inside"])
def test_store_that_checkout_would_delete(site: Site, store: str) -> None:
    if store == "inside":
        store = str(site.folder / f"checkout-{site.runs + 1}" / "store")
    done = site.run("deploy.yml", "deploy", DEPLOY="runner", STORE=store)
    assert done.code == 2, done.output
    assert "gh variable set STORE --body /var/lib/models/store" in done.output
    assert "DEPLOY_VENV" not in done.output
    (history,) = site.fake.state.deployment_statuses.values()
    assert history[-1]["state"] == "failure"


def test_failed_deployment_is_recorded_and_a_revert_is_proposed(site: Site) -> None:
    # The bundle of v2 is damaged everywhere.
    sha256 = site.pointer()["stable"]["sha256"]
    text = (site.git.read("main", "production.yaml") or b"").decode()
    broken = text.replace(sha256, "fe" * 32)
    put(site.git, "production.yaml", broken)
    done = site.run("deploy.yml", "deploy")
    assert done.code == 4, done.output
    (record,) = site.fake.state.deployments.values()
    assert site.fake.state.deployment_statuses[record["id"]][-1]["state"] == "failure"
    done = site.run("deploy.yml", "revert")
    assert done.code == 0, done.output
    (pull,) = site.fake.state.pulls.values()
    assert pull["title"].startswith("Revert") and pull["state"] == "open"
    proposed = yaml.safe_load(site.git.read(pull["head_sha"], "production.yaml") or b"")
    assert proposed["stable"]["sha256"] == sha256


def test_main_that_moved_on_is_not_proposed_to_be_reverted(site: Site) -> None:
    """What failed was taken back or mended while its deployment was tried: the newest has a deployment of its own."""
    good = (site.git.read("main", "production.yaml") or b"").decode()
    failed = put(site.git, "production.yaml", good.replace(site.v2, "flight-delay-v99"))
    put(site.git, "production.yaml", good)
    assert site.run("deploy.yml", "revert", FAILED=failed).code == 0
    assert site.fake.state.pulls == {} and site.branches() == ["main"]
    assert "main asks for something else by now" in site.summary()


def test_revert_where_actions_may_not_open_pull_requests(site: Site) -> None:
    site.fake.settings.actions_may_create_prs = False
    assert site.run("deploy.yml", "revert").code == 0
    (issue,) = site.fake.state.issues.values()
    branch = ready_branch(site.fake, issue["body"])
    assert site.branches() == ["main", branch] and branch == ready_branch(site.fake, site.summary())


REMOVED = "canary flight-delay-v2 was taken out: requests that fail: 5.1 % of 236, <b>@all</b>"


def test_canary_that_was_taken_out_is_proposed_to_leave_the_pointer(site: Site) -> None:
    commit, sha256 = with_canary(site)
    for _ in range(2):
        done = site.run("monitor.yml", "revert", REMOVED=REMOVED, FAILED=commit)
        assert done.code == 0, done.output
    assert site.fake.state.denials == []
    pull, issue = site.fake.state.pulls.values(), site.fake.state.issues.values()
    (issue,) = [
        one for one in issue if "pull_request" not in one and "Canary taken out" in one["title"]
    ]
    (pull,) = pull
    assert pull["title"].startswith("Revert") and pull["state"] == "open"
    assert (
        yaml.safe_load(site.git.read(pull["head_sha"], "production.yaml") or b"")["canary"] is None
    )
    for text in (pull["body"], issue["body"]):
        assert "5.1 % of 236" in text and "<b>" not in text
    assert f"canary {sha256}" in issue["body"] and f"/pull/{pull['number']}" in issue["body"]


def test_canary_that_left_the_pointer_meanwhile_is_not_proposed_about(site: Site) -> None:
    good = (site.git.read("main", "production.yaml") or b"").decode()
    commit, _ = with_canary(site)
    put(site.git, "production.yaml", good)
    for failed in (commit, ""):
        assert site.run("monitor.yml", "revert", REMOVED=REMOVED, FAILED=failed).code == 0
    assert site.fake.state.pulls == {} and site.fake.state.issues == {}


def test_three_merges_in_a_moment_end_with_what_main_says(site: Site) -> None:
    """Deploys that began for older pointers deploy the newest all the same: each reads main when it runs."""
    store = site.folder / "store"
    newest = site.git.read("main", "production.yaml") or b""
    older = site.git.text("rev-list", "main", "--", "production.yaml").split()[1]
    text = (site.git.read(older, "production.yaml") or b"").decode()
    heads = [
        put(site.git, "production.yaml", text),
        put(site.git, "production.yaml", text + "# again\n"),
    ]
    heads.append(put(site.git, "production.yaml", newest.decode()))
    assert site.git.ref("refs/heads/main") == heads[-1]
    written: list[str] = []
    for _ in heads:
        checkout = site.checkout()
        env = {
            "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"http.{site.fake.url}/.extraheader",
            "GIT_CONFIG_VALUE_0": "Authorization: Bearer ghp_owner0123456789",
        }  # fmt: skip
        done = site.commands.run("deploy", "--store", str(store), cwd=checkout, env=env)
        assert done.code == 0, done.output
        written.append(json.loads((store / "pointer.json").read_text())["commit"])
    assert set(written) == {heads[-1]}
    assert json.loads((store / "pointer.json").read_text())["pointer"]["stable"]["model"] == site.v2


@pytest.mark.parametrize(("file", "job", "scope"), scopes.BUTTONS)
def test_each_permission_is_needed_and_together_they_suffice(
    site: Site, agent: dict[str, str], file: str, job: str, scope: str
) -> None:
    env = {"REASON": "wrong"} if job == "rollback" else {}
    if scope == "artifact-metadata":
        # Only an organisation has linked artifacts, and only what serves is one.
        site.fake.settings.organization = True
        env = agent
    if file == "monitor.yml":
        with_canary(site)
        env = {"REMOVED": REMOVED}
    # Issues are the way out where pull requests may not be opened.
    if job == "revert" and scope == "issues":
        site.fake.settings.actions_may_create_prs = False
    site.run(file, job, without=scope, **env)
    assert site.fake.state.denials, f"nothing needed {scope}"
    site.fake.state.denials.clear()
    site.fake.state.issues.clear()
    done = site.run(file, job, **env)
    assert site.fake.state.denials == [], done.output
