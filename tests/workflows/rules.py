"""Rulesets for the fake GitHub, as the API gives them."""

from __future__ import annotations

from typing import Any

GATE = "required_status_checks"
REVIEW = "pull_request"
QUEUE = "merge_queue"
ADMIN = {"actor_type": "RepositoryRole", "actor_id": 5, "bypass_mode": "always"}
DEPLOY_KEY = {"actor_type": "DeployKey", "actor_id": None, "bypass_mode": "always"}


def ruleset(
    *kinds: str, context: str = "model-gate", owners: bool = False, approvals: int = 1,
    bypass: dict[str, Any] | None = None, grouping: str = "ALLGREEN",
) -> dict[str, Any]:  # fmt: skip
    """An active ruleset for main with these kinds of rules."""
    parameters: dict[str, dict[str, Any]] = {
        REVIEW: {
            "require_code_owner_review": owners, "required_approving_review_count": approvals,
            "dismiss_stale_reviews_on_push": False, "require_last_push_approval": False,
            "required_review_thread_resolution": False,
        },
        GATE: {
            "required_status_checks": [{"context": context, "integration_id": 15368}],
            "strict_required_status_checks_policy": False,
        },
        QUEUE: {
            "check_response_timeout_minutes": 60, "grouping_strategy": grouping, "max_entries_to_build": 5,
            "max_entries_to_merge": 5, "merge_method": "SQUASH", "min_entries_to_merge": 1,
            "min_entries_to_merge_wait_minutes": 5,
        },
    }  # fmt: skip
    return {
        "id": 7, "name": "main", "target": "branch", "enforcement": "active",
        "conditions": {"ref_name": {"include": ["refs/heads/main"], "exclude": []}},
        "bypass_actors": [bypass] if bypass else [],
        "rules": [{"type": kind, "parameters": parameters[kind]} for kind in kinds],
    }  # fmt: skip
