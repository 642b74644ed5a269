"""`doctor` names what is missing and how to get it, also where the plan or the token does not let it look."""

from __future__ import annotations

import copy
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.workflows.bare_git import BareGit
from tests.workflows.commands import Commands, Done
from tests.workflows.fake_api import HANDLERS
from tests.workflows.fake_github import FakeGitHub
from tests.workflows.links import ready_branch
from tests.workflows.rules import DEPLOY_KEY, GATE, REVIEW, ruleset

PROTECTED = {
    "rulesets": [
        {
            "id": 1, "name": "main", "target": "branch", "enforcement": "active",
            "conditions": {"ref_name": {"include": ["refs/heads/main"], "exclude": []}},
            "bypass_actors": [DEPLOY_KEY],
            "rules": [
                {"type": "pull_request", "parameters": {
                    "require_code_owner_review": True, "required_approving_review_count": 1,
                    "dismiss_stale_reviews_on_push": False, "require_last_push_approval": False,
                    "required_review_thread_resolution": False}},
                {"type": "required_status_checks", "parameters": {
                    "required_status_checks": [{"context": "model-gate", "integration_id": 15368}],
                    "strict_required_status_checks_policy": False}},
            ],
        },
        {
            "id": 3, "name": "looks", "target": "branch", "enforcement": "active",
            "conditions": {"ref_name": {"include": ["refs/heads/gate-looks"], "exclude": []}},
            "rules": [{"type": "deletion"}, {"type": "non_fast_forward"}],
        },
        {
            "id": 2, "name": "releases", "target": "tag", "enforcement": "active",
            "conditions": {"ref_name": {"include": ["refs/tags/flight-delay-v*"], "exclude": []}},
            "rules": [{"type": "deletion"}, {"type": "update"}],
        },
    ],
    "environments": {name: {"deployment_branch_policy": {
        "protected_branches": False, "custom_branch_policies": True}} for name in ("production", "rollback")},
    "environment_branches": {"production": ["main"], "rollback": ["main"]},
}  # fmt: skip


@pytest.fixture
def consult(fake: FakeGitHub, commands: Commands, rendered: Path, tmp_path: Path, bare: BareGit):  # type: ignore[no-untyped-def]
    folder = tmp_path / "repo"
    shutil.copytree(rendered, folder, ignore=shutil.ignore_patterns("tests", "pipeline"))
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    owners = bare.text("hash-object", "-w", "--stdin", stdin=b"* @acme\n")
    main = bare.ref("refs/heads/main")
    tree = bare.text("mktree", stdin=f"100644 blob {owners}\tCODEOWNERS\n".encode())
    bare.update("refs/heads/main", bare.commit_tree(tree, [str(main)], "Own\n"))

    def ask(token: str = "ghp_owner0123456789") -> Done:
        env = {"GITHUB_TOKEN": token, "GITHUB_API_URL": fake.url, "GITHUB_API_PACE": "0"}
        return commands.run("doctor", "--repository", "acme/model", cwd=folder, env=env)

    ask.folder = folder  # type: ignore[attr-defined]
    return ask


def limit_environments(fake: FakeGitHub) -> None:
    fake.settings.environments = copy.deepcopy(PROTECTED["environments"])  # type: ignore[arg-type]
    fake.settings.environment_branches = copy.deepcopy(PROTECTED["environment_branches"])  # type: ignore[arg-type]


def states(done: Done) -> list[str]:
    return [line[8:21].strip() for line in done.output.splitlines() if line.startswith("doctor: ")][
        :-1
    ]


def test_everything_in_place(fake: FakeGitHub, consult) -> None:  # type: ignore[no-untyped-def]
    fake.settings.rulesets = PROTECTED["rulesets"]  # type: ignore[assignment]
    limit_environments(fake)
    fake.settings.environment_secrets = {"rollback": ["ROLLBACK_KEY"]}
    done = consult()
    assert set(states(done)) == {"ok"} and done.code == 0, done.output


def test_a_status_that_anybody_may_post_is_no_lock(fake: FakeGitHub, consult) -> None:  # type: ignore[no-untyped-def]
    fake.settings.rulesets = copy.deepcopy(PROTECTED["rulesets"])  # type: ignore[assignment]
    limit_environments(fake)
    fake.settings.environment_secrets = {"rollback": ["ROLLBACK_KEY"]}
    rules = fake.settings.rulesets[0]["rules"]
    (status,) = [rule for rule in rules if rule["type"] == "required_status_checks"]
    del status["parameters"]["required_status_checks"][0]["integration_id"]
    done = consult()
    assert states(done).count("missing") == 1, done.output
    assert "require the status model-gate from the source GitHub Actions" in done.output


def test_a_second_required_status_is_named(fake: FakeGitHub, consult) -> None:  # type: ignore[no-untyped-def]
    """It would come from runs that wait for an approval, and hold every Ship and rollback up."""
    fake.settings.rulesets = [ruleset(REVIEW, GATE), ruleset(GATE, context="test")]
    done = consult()
    assert "require model-gate only, without: test" in done.output
    fake.settings.rulesets.pop()
    assert "require model-gate only" not in consult().output


def test_fresh_repository_names_each_way_out(fake: FakeGitHub, consult) -> None:  # type: ignore[no-untyped-def]
    fake.settings.actions_may_create_prs = False
    fake.settings.immutable_releases = False
    done = consult()
    assert done.code == 1
    assert states(done).count("missing") == 8, done.output
    assert done.output.count("Click: http") + done.output.count("Command: ") == 8


def test_self_hosted_runners_of_a_public_repository(fake: FakeGitHub, consult) -> None:  # type: ignore[no-untyped-def]
    fake.settings.self_hosted_runners = ["serving-host"]
    done = consult()
    assert "its runners are: serving-host" in done.output and "DEPLOY=agent" in done.output
    fake.settings.private = True
    assert "serving-host" not in consult().output


def test_two_ways_for_the_button_to_end(fake: FakeGitHub, consult) -> None:  # type: ignore[no-untyped-def]
    said = "gh secret set ROLLBACK_KEY --env rollback"
    fake.settings.rulesets = [ruleset(REVIEW, GATE)]
    assert said in consult().output
    fake.settings.rulesets = [ruleset(REVIEW, GATE, bypass=DEPLOY_KEY)]
    assert said in consult().output
    fake.settings.environment_secrets = {"rollback": ["ROLLBACK_KEY"]}
    assert said not in consult().output
    # The other way: the review of owners only, and production.yaml has none.
    fake.settings.rulesets = [ruleset(REVIEW, GATE, owners=True, approvals=0)]
    assert said in consult().output
    (consult.folder / ".github" / "CODEOWNERS").write_text("/gates.yaml @acme\n")
    assert said not in consult().output


def test_advice_does_not_lock_a_lone_maintainer_out(fake: FakeGitHub, consult) -> None:  # type: ignore[no-untyped-def]
    fake.settings.rulesets = [ruleset(REVIEW, GATE, owners=True)]
    assert "You are the only one" not in consult().output
    fake.settings.maintainers = ["acme"]
    done = consult()
    assert "ask for 0 approvals and for no code owner until there are two" in done.output
    fake.settings.rulesets = [ruleset(GATE)]
    done = consult()
    assert "You are the only one" not in done.output
    assert "require a pull request, 0 approvals" in done.output
    assert "require review from code owners" not in done.output


def test_default_branch_of_another_name(fake: FakeGitHub, consult) -> None:  # type: ignore[no-untyped-def]
    """Nothing would run: the workflows, the commands and the rules speak of main."""
    fake.settings.default_branch = "trunk"
    done = consult()
    assert "no workflow looks at another" in done.output
    assert "gh api -X POST repos/acme/model/branches/trunk/rename -f new_name=main" in done.output


def test_environments_are_for_main_only(fake: FakeGitHub, consult) -> None:  # type: ignore[no-untyped-def]
    said = "environments/$name/deployment-branch-policies -f name=main"
    limit_environments(fake)
    assert said not in consult().output
    fake.settings.environment_branches["rollback"] = ["main", "topic"]
    done = consult()
    assert said in done.output and "for name in rollback; do" in done.output
    # GitHub's choice "protected branches only" takes every branch where no branch has the older protection.
    only = {"protected_branches": True, "custom_branch_policies": False}
    limit_environments(fake)
    fake.settings.environments["production"] = {"deployment_branch_policy": only}
    assert "for name in production; do" in consult().output
    fake.settings.required_reviews = 1
    assert said not in consult().output
    # The first job that names an environment makes it, without a limit.
    fake.settings.environments["storage"] = {"deployment_branch_policy": None}
    assert "for name in storage; do" in consult().output


def test_free_private_plan(fake: FakeGitHub, consult) -> None:  # type: ignore[no-untyped-def]
    fake.settings.private = fake.settings.free_private_plan = True
    done = consult()
    assert states(done).count("not offered") == 6, done.output
    assert "paid plan" in done.output and "let it do no more than read" in done.output


def test_token_that_may_not_look(fake: FakeGitHub, consult) -> None:  # type: ignore[no-untyped-def]
    done = consult(fake.job_token("doctor", {"contents": "read"}))
    assert "unknown" in states(done), done.output
    assert "Traceback" not in done.output


def test_storage_without_credentials(fake: FakeGitHub, consult) -> None:  # type: ignore[no-untyped-def]
    config = consult.folder / ".dvc" / "config"
    config.write_text("[core]\n    remote = s\n['remote \"s\"']\n    url = s3://bucket/x\n")
    assert "gh secret set DVC_CONFIG_LOCAL" in consult().output
    fake.settings.secrets = ["DVC_CONFIG_LOCAL"]
    assert "gh secret set" not in consult().output


def test_wrong_owner_lines(fake: FakeGitHub, consult) -> None:  # type: ignore[no-untyped-def]
    fake.settings.codeowners_errors = [
        {
            "line": 1,
            "column": 1,
            "kind": "Unknown owner",
            "message": "Unknown owner on line 1",
            "path": "CODEOWNERS",
        }
    ]
    assert "GitHub says: Unknown owner" in consult().output
    (consult.folder / ".github" / "CODEOWNERS").write_text("/production.yaml @acme\n")
    assert "without an owner: gates.yaml" in consult().output


def test_proposals_that_nobody_opened(fake: FakeGitHub, consult, bare: BareGit) -> None:  # type: ignore[no-untyped-def]
    """Open, closed and outdated proposals are left alone; of the rest, each gets its link."""
    write_pointer(bare, "main", "stable: null\n")
    for name in ("waits", "opened", "closed"):
        write_pointer(bare, f"ship/{name}", f"stable: {name}\n")
    for name in ("opened", "closed"):
        body = {"title": name, "head": f"ship/{name}", "base": "main"}
        with fake.state.lock:
            HANDLERS["POST /repos/{owner}/{repo}/pulls"](fake.call(body=body))
    fake.pull(2)["state"] = "closed"
    done = consult()
    assert done.output.count("quick_pull=1") == 1, done.output
    assert ready_branch(fake, done.output) == "ship/waits"
    write_pointer(bare, "main", "stable: other\n")
    assert "quick_pull=1" not in consult().output


def write_pointer(bare: BareGit, branch: str, text: str) -> None:
    """Commit production.yaml on `branch`, which begins at main."""
    tip = bare.ref(f"refs/heads/{branch}") or bare.ref("refs/heads/main")
    blob = bare.text("hash-object", "-w", "--stdin", stdin=text.encode())
    lines = [
        line
        for line in bare.text("ls-tree", str(tip)).splitlines()
        if not line.endswith("\tproduction.yaml")
    ]
    tree = bare.text(
        "mktree", stdin="\n".join([*lines, f"100644 blob {blob}\tproduction.yaml", ""]).encode()
    )
    bare.update(f"refs/heads/{branch}", bare.commit_tree(tree, [str(tip)], f"Point {branch}\n"))
