"""Which branches' jobs an environment takes, and the commands that leave main alone. Data in, sentences out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

# The first one must be there; the others hold secrets where a team has put some.
NAMES = ("production", "rollback", "storage")
WITHOUT = (
    "Private repositories need a paid plan for environments; until then a key is a secret of the repository, which "
    "the workflows of every branch can read: let it do no more than read."
)


def open_to_others(
    environment: Mapping[str, Any], patterns: Iterable[str], *, protected: bool
) -> bool:
    """Whether jobs of other branches than main may use the environment, and read its secrets.

    `patterns`: its custom branch policies. `protected`: whether main has the older branch protection. GitHub's choice
    "protected branches only" asks for that one, and takes every branch where no branch has it.
    """
    policy = environment.get("deployment_branch_policy")
    if not policy:
        return True
    if policy.get("custom_branch_policies"):
        return set(patterns) != {"main"}
    return not protected


def commands(repository: str, names: Iterable[str]) -> str:
    """How to let these environments take main only, whatever they took before."""
    place = f"repos/{repository}/environments/$name"
    return (
        f"Command: for name in {' '.join(names)}; do gh api -X PUT {place} "
        "-F 'deployment_branch_policy[protected_branches]=false' "
        "-F 'deployment_branch_policy[custom_branch_policies]=true' && "
        f"gh api -X POST {place}/deployment-branch-policies -f name=main; done. "
        "Take other branches off the list where there are some."
    )
