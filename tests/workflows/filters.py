"""Which workflows an event starts, read from the parsed YAML, because `act` honours no filter at all.

Covers what GitHub documents for `on:`: event names as string, list or map; `types` with their defaults;
`branches`, `tags`, `paths` with their `-ignore` forms and `!` patterns; `workflow_run.workflows`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

DEFAULT_TYPES = {
    "pull_request": ["opened", "synchronize", "reopened"],
    "merge_group": ["checks_requested"],
}


class WorkflowLoader(yaml.SafeLoader):
    """YAML 1.2 booleans, so that the key `on` stays a word."""


WorkflowLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
WorkflowLoader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf")
)


def load(text: str | bytes) -> dict[str, Any]:
    """A workflow file as plain data."""
    parsed = yaml.load(text, Loader=WorkflowLoader)  # noqa: S506 - derives from SafeLoader
    assert isinstance(parsed, dict)
    return parsed


def load_all(folder: Path) -> dict[str, dict[str, Any]]:
    return {path.name: load(path.read_text()) for path in sorted(folder.glob("*.yml"))}


def triggers(workflow: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """`on:` in its map form."""
    on = workflow["on"]
    if isinstance(on, str):
        return {on: {}}
    if isinstance(on, list):
        return {name: {} for name in on}
    return {name: (spec if isinstance(spec, dict) else {}) for name, spec in on.items()}


def glob_matches(pattern: str, value: str) -> bool:
    """GitHub's filter patterns: `*` stays within a segment, `**` does not, `?` and `+` repeat what is before."""
    text = ""
    index = 0
    while index < len(pattern):
        char = pattern[index]
        if pattern.startswith("**/", index):
            text, index = text + "(?:.*/)?", index + 3
        elif pattern.startswith("**", index):
            text, index = text + ".*", index + 2
        elif char == "*":
            text, index = text + "[^/]*", index + 1
        elif char == "[" and "]" in pattern[index:]:
            end = pattern.index("]", index) + 1
            text, index = text + pattern[index:end], end
        elif char in "?+":
            text, index = text + char, index + 1
        else:
            text, index = text + re.escape(char), index + 1
    return re.fullmatch(text, value) is not None


def included(patterns: list[str], value: str) -> bool:
    """The last pattern that matches decides; `!` excludes."""
    result = False
    for pattern in patterns:
        if glob_matches(pattern.removeprefix("!"), value):
            result = not pattern.startswith("!")
    return result


def _branch_passes(spec: dict[str, Any], key: str, value: str) -> bool:
    if key in spec:
        return included(spec[key], value)
    if f"{key}-ignore" in spec:
        return not any(glob_matches(p, value) for p in spec[f"{key}-ignore"])
    return True


def _paths_pass(spec: dict[str, Any], files: list[str]) -> bool:
    if "paths" in spec:
        return any(included(spec["paths"], path) for path in files)
    if "paths-ignore" in spec:
        return not files or not all(
            any(glob_matches(p, f) for p in spec["paths-ignore"]) for f in files
        )
    return True


def starts(
    workflow: dict[str, Any], event: str, *, action: str = "", ref: str = "", files: list[str] | None = None,
    completed: str = "",
) -> bool:  # fmt: skip
    """Whether `event` starts this workflow.

    `ref`: the pushed ref, or the base branch of a pull request. `files`: what changed. `completed`: the name
    of the workflow whose run a `workflow_run` event reports.
    """
    spec = triggers(workflow).get(event)
    if spec is None:
        return False
    types = spec.get("types", DEFAULT_TYPES.get(event))
    if types and action and action not in ([types] if isinstance(types, str) else types):
        return False
    if event == "push":
        if ref.startswith("refs/tags/"):
            only_branches = ("branches" in spec or "branches-ignore" in spec) and "tags" not in spec
            return not only_branches and _branch_passes(
                spec, "tags", ref.removeprefix("refs/tags/")
            )
        if ("tags" in spec or "tags-ignore" in spec) and "branches" not in spec:
            return False
        branch = ref.removeprefix("refs/heads/")
        return _branch_passes(spec, "branches", branch) and _paths_pass(spec, files or [])
    if event in ("pull_request", "pull_request_target", "merge_group"):
        return _branch_passes(spec, "branches", ref.removeprefix("refs/heads/")) and _paths_pass(
            spec, files or []
        )
    if event == "workflow_run":
        return completed in spec.get("workflows", []) and _branch_passes(spec, "branches", ref)
    return True


def started(workflows: dict[str, dict[str, Any]], event: str, **facts: Any) -> set[str]:
    """The file names of all workflows that `event` starts."""
    return {name for name, workflow in workflows.items() if starts(workflow, event, **facts)}


def steps(workflow: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """(job id, step) of every step."""
    return [(job, step) for job, spec in workflow["jobs"].items() for step in spec.get("steps", [])]


def pins(workflow: dict[str, Any]) -> list[str]:
    """Every `uses:` of the workflow, of steps and of reusable workflows; or of an action of the repository."""
    if "runs" in workflow:
        return [step["uses"] for step in workflow["runs"]["steps"] if "uses" in step]
    used = [step["uses"] for _, step in steps(workflow) if "uses" in step]
    return used + [spec["uses"] for spec in workflow["jobs"].values() if "uses" in spec]
