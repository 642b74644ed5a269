"""What a required review means for the rollback button and for a lone maintainer. Data in, sentences out.

The token of a workflow cannot be let through a ruleset, and nobody can approve a pull request of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

from gitops_model.actions import deploy_key


@dataclass(frozen=True, kw_only=True)
class Review:
    """What main asks for: a number of `approvals`, and those of `owners` for what they own."""

    approvals: int
    owners: bool

    @staticmethod
    def parse(rules: Iterable[Mapping[str, Any]], classic: Mapping[str, Any] | None) -> Review:
        """From the API's JSON: rules of rulesets, and the older protection of the branch."""
        older = (classic or {}).get("required_pull_request_reviews")
        given = [rule.get("parameters") or {} for rule in rules if rule["type"] == "pull_request"]
        counts = [int(one.get("required_approving_review_count") or 0) for one in given]
        owners = [bool(one.get("require_code_owner_review")) for one in given]
        if older is not None:
            counts.append(int(older.get("required_approving_review_count") or 0))
            owners.append(bool(older.get("require_code_owner_reviews")))
        return Review(approvals=max(counts, default=0), owners=any(owners))


def is_lone(people: Iterable[Mapping[str, Any]]) -> bool:
    """Whether exactly one of these collaborators may write."""
    return sum(bool((one.get("permissions") or {}).get("push")) for one in people) == 1


def lets_keys_through(rulesets: Iterable[Mapping[str, Any]]) -> bool:
    """Whether every active ruleset over main has deploy keys on its bypass list."""
    active = [
        r
        for r in rulesets
        if (r["target"], r["enforcement"]) == ("branch", "active") and _is_of_main(r)
    ]
    return bool(active) and all(
        any(actor["actor_type"] == "DeployKey" for actor in ruleset.get("bypass_actors") or [])
        for ruleset in active
    )


def _is_of_main(ruleset: Mapping[str, Any]) -> bool:
    """True also where GitHub does not say which branches it is about."""
    included = ((ruleset.get("conditions") or {}).get("ref_name") or {}).get("include")
    every = ("~ALL", "~DEFAULT_BRANCH")
    return not included or any(p in every or fnmatch("refs/heads/main", p) for p in included)


def button_waits(review: Review, *, owned: bool) -> bool:
    """Whether a pull request that changes production.yaml alone needs somebody's approval."""
    return review.approvals > 0 or (review.owners and owned)


def two_ways(repository: str, settings: str) -> str:
    """How a rollback ends by itself all the same."""
    return (
        "Either a deploy key: ssh-keygen -t ed25519 -N '' -f key && gh repo deploy-key add key.pub --allow-write "
        f"--repo {repository} && gh secret set {deploy_key.SECRET} --env rollback --repo {repository} < key && rm key, "
        f"and click: {settings} (the rule for main; bypass list: Deploy keys). Or no review for production.yaml: set "
        "the required approvals to 0, keep the review of code owners, and take /production.yaml out of CODEOWNERS; "
        "model-gate still decides. Otherwise somebody approves each rollback."
    )
