"""What holds a merge back on the fake GitHub: rulesets with their bypass list, and the older branch protection.

"Repository rule violations found" stands before what a ruleset refuses. The token of a workflow cannot be put on a
bypass list (aliasunder/vault-cortex#52); a deploy key can, and it pushes by Git only (pinceladasdaweb#997).
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any

from tests.workflows.bare_git import BareGit
from tests.workflows.fake_api import Call
from tests.workflows.fake_repo_routes import latest_statuses
from tests.workflows.fake_state import BOT, Settings, Token

ACTIONS_APP = 15368
ADMIN_ROLE = 5
MAIN = ("refs/heads/main", "~DEFAULT_BRANCH", "~ALL")
OWNERS = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
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
    if settings.required_reviews and not _approved(pull):
        return REVIEW
    if settings.codeowner_review and (owner := waits_for(call, pull, sha)):
        return f"Waiting on code owner review from {owner}."
    for rule in binding(settings, call.token, api=True):
        given = rule.get("parameters") or {}
        if rule["type"] == "pull_request":
            if given["required_approving_review_count"] and not _approved(pull):
                return f"Repository rule violations found\n\n{REVIEW}\n\n"
            # In the words that radicle-dev/radicle-explorer#649 quotes.
            if given["require_code_owner_review"] and (owner := waits_for(call, pull, sha)):
                why = f"Waiting on code owner review from {owner}."
                return f"Repository rule violations found\n\n{why}\n\n"
        elif rule["type"] == "required_status_checks":
            for check in given["required_status_checks"]:
                status = latest.get(check["context"], {})
                source = check.get("integration_id")
                known = source is None or (source, status.get("login")) == (ACTIONS_APP, BOT)
                if status.get("state") != "success" or not known:
                    name = check["context"]
                    return f'Repository rule violations found\n\nRequired status check "{name}" is expected.\n\n'
    return None


def _approved(pull: dict[str, Any]) -> bool:
    return bool(_reviewers(pull))


def _reviewers(pull: dict[str, Any]) -> set[str]:
    """Who approved: "Pull request authors cannot approve their own pull requests"."""
    return set(pull.get("approved_by", ())) - {pull["login"]}


def waits_for(call: Call, pull: dict[str, Any], sha: str) -> str | None:
    """An owner of a changed file none of whose owners has approved, by the base branch's CODEOWNERS.

    https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners:
    "the last matching pattern takes the most precedence"; a pattern without an owner leaves its files to nobody; "an
    approval from any of the code owners will be sufficient". It is asked for with 0 required approvals, too.
    """
    text = next((t for place in OWNERS if (t := call.git.read(pull["base"], place))), b"").decode()
    for _, path in call.git.changed(pull["base"], sha):
        names: list[str] = []
        for line in text.splitlines():
            pattern, *owners = line.split("#")[0].split() or [""]
            if pattern and _owns(pattern, path):
                names = [owner.removeprefix("@") for owner in owners]
        if names and not _reviewers(pull) & set(names):
            return names[0]
    return None


def _owns(pattern: str, path: str) -> bool:
    parts = path.split("/")
    plain = pattern.strip("/")
    if "/" not in pattern.rstrip("/"):
        return any(fnmatch(part, plain) for part in parts)
    above = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
    return any(fnmatch(name, plain) for name in (above[:-1] if pattern.endswith("/") else above))


def stale_workflows(git: BareGit, token: Token, sha: str) -> bool:
    """Whether a workflow's token may not name this commit: its workflow files are those of no branch.

    For a push see hooks/update. With target_commitish GitHub answers 403 (vybestack/llxprt-code#3115).
    """

    def files(commit: str) -> str:
        return git.text("ls-tree", "-r", commit, "--", ".github/workflows/")

    branches = git.refs("refs/heads/").values()
    return token.is_job and all(files(f"{sha}^{{commit}}") != files(tip) for tip in branches)
