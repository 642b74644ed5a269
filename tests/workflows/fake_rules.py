"""What holds a merge back on the fake GitHub: rulesets with their bypass list, and the older branch protection.

"Repository rule violations found" stands before what a ruleset refuses. The token of a workflow cannot be put on a
bypass list (aliasunder/vault-cortex#52); a deploy key can, and it pushes by Git only (pinceladasdaweb#997).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.workflows.bare_git import BareGit
from tests.workflows.fake_api import Call
from tests.workflows.fake_repo_routes import latest_statuses
from tests.workflows.fake_state import BOT, Settings, Token

ACTIONS_APP = 15368
ADMIN_ROLE = 5
MAIN = ("refs/heads/main", "~DEFAULT_BRANCH", "~ALL")
REVIEW = "At least 1 approving review is required by reviewers with write access."


def binding(settings: Settings, token: Token, *, api: bool) -> Iterator[dict[str, Any]]:
    """The rules for main that this caller cannot get around, by merge or (not `api`) by push.

    "Rulesets are available in public repositories with GitHub Free and GitHub Free for organizations, and in public and
    private repositories with GitHub Pro, GitHub Team, and GitHub Enterprise Cloud."
    (docs.github.com, "Available rules for rulesets")
    """
    if settings.private and settings.free_private_plan:
        return
    for ruleset in settings.rulesets:
        included = ((ruleset.get("conditions") or {}).get("ref_name") or {}).get("include", [])
        if ruleset.get("target") != "branch" or ruleset.get("enforcement") != "active":
            continue
        if not set(MAIN) & set(included):
            continue
        if any(_bypasses(actor, token, api=api) for actor in ruleset.get("bypass_actors", [])):
            continue
        yield from ruleset.get("rules", [])


def _bypasses(actor: dict[str, Any], token: Token, *, api: bool) -> bool:
    if token.is_job:
        return False
    if actor["actor_type"] == "DeployKey":
        return token.deploy_key and not api
    admin = actor["actor_type"] == "RepositoryRole" and actor["actor_id"] == ADMIN_ROLE
    return admin and not token.deploy_key and (api or actor["bypass_mode"] == "always")


def refusal(call: Call, pull: dict[str, Any], sha: str) -> str | None:
    """Why this caller may not merge, in GitHub's words; None when nothing stands against it."""
    settings, latest = call.state.settings, latest_statuses(call, sha)
    for context in settings.required_statuses:
        if latest.get(context, {}).get("state") != "success":
            return f'Required status check "{context}" is expected.'
    if settings.required_reviews and not pull.get("approved"):
        return REVIEW
    for rule in binding(settings, call.token, api=True):
        given = rule.get("parameters") or {}
        if rule["type"] == "pull_request":
            if given["required_approving_review_count"] and not pull.get("approved"):
                return f"Repository rule violations found\n\n{REVIEW}\n\n"
        elif rule["type"] == "required_status_checks":
            for check in given["required_status_checks"]:
                status = latest.get(check["context"], {})
                source = check.get("integration_id")
                known = source is None or (source, status.get("login")) == (ACTIONS_APP, BOT)
                if status.get("state") != "success" or not known:
                    name = check["context"]
                    return f'Repository rule violations found\n\nRequired status check "{name}" is expected.\n\n'
    return None


def stale_workflows(git: BareGit, token: Token, sha: str) -> bool:
    """Whether a workflow's token may not name this commit: its workflow files are those of no branch.

    For a push see hooks/update. With target_commitish GitHub answers 403 (vybestack/llxprt-code#3115).
    """

    def files(commit: str) -> str:
        return git.text("ls-tree", "-r", commit, "--", ".github/workflows/")

    branches = git.refs("refs/heads/").values()
    return token.is_job and all(files(f"{sha}^{{commit}}") != files(tip) for tip in branches)
