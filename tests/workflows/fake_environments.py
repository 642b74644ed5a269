"""Which jobs get the secrets of an environment, on which plan and from which branches.

https://docs.github.com/en/actions/reference/workflows-and-actions/deployments-and-environments says that "environments,
environment secrets, and deployment branches" of private repositories need Pro, Team or Enterprise, and that on Free
"any configured protection rules or environment secrets will be ignored".
"""

from __future__ import annotations

from typing import Any

from tests.workflows import filters
from tests.workflows.fake_state import Settings


def refusal(settings: Settings, job: dict[str, Any], ref: str) -> str | None:
    """Why a job of `ref` does not start, in GitHub's words: its environment does not take that branch.

    The ref is the one that runs: of a pull request it is refs/pull/N/merge, of workflow_run the default branch
    (change log 2025-11-07, "actions pull_request_target and environment branch protections changes").
    """
    name = named(job)
    policy = (_environments(settings).get(name) or {}).get("deployment_branch_policy")
    if not name or policy is None:
        return None
    branch = ref.removeprefix("refs/heads/")
    if policy["protected_branches"]:
        # "If no branch protection rules are defined for any branch in the repository, then all branches can deploy."
        guarded = settings.required_statuses or settings.required_reviews
        allowed = not guarded or branch == "main"
    else:
        patterns = settings.environment_branches.get(name, [])
        allowed = any(filters.glob_matches(pattern, branch) for pattern in patterns)
    if allowed:
        return None
    return (
        f'Branch "{branch}" is not allowed to deploy to {name} due to environment protection rules.'
    )


def secrets(
    settings: Settings, kept: dict[str, dict[str, str]], job: dict[str, Any]
) -> dict[str, str]:
    """The secrets of the environment that the job names; `kept`: those of all environments."""
    if settings.private and settings.free_private_plan:
        return {}
    return kept.get(named(job), {})


def named(job: dict[str, Any]) -> str:
    found = job.get("environment") or ""
    return str(found["name"] if isinstance(found, dict) else found)


def _environments(settings: Settings) -> dict[str, dict[str, Any]]:
    return {} if settings.private and settings.free_private_plan else settings.environments
