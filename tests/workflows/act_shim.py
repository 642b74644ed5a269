"""Workflows as `act` takes them: without the keys its older schema rejects, and with a token and secrets per job."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

SHIMMED = {"queue", "cache-mode", "deployment", "artifact-metadata"}


class HarnessError(Exception):
    """The run does not prove what it should: a job is missing, or the shim changed too much."""


def shim(workflow: dict[str, Any]) -> dict[str, Any]:
    """The workflow without what `act`'s older schema rejects, and with one token and secrets of its own per job.

    Only the keys in SHIMMED, `$/` paths, the two spellings of the job's token and the names of secrets change;
    `_assert_small` proves it.
    """
    result: dict[str, Any] = _mapped(workflow, _local, without=SHIMMED)
    for job, spec in result["jobs"].items():
        result["jobs"][job] = _mapped(spec, partial(_of_its_own, job=job))
    _assert_small(workflow, result, "")
    return result


def secret_name(job: str) -> str:
    return "GHS_" + re.sub(r"[^A-Z0-9]", "_", job.upper())


def of_job(job: str, name: str = "") -> str:
    """The name under which one job sees a secret: `act` would show it to all of them."""
    return f"OF_{re.sub(r'[^A-Z0-9]', '', job.upper())}_{name}"


def _mapped(node: Any, change: Callable[[str], str], *, without: Collection[str] = ()) -> Any:
    """The same tree with every text changed, and without these keys."""
    if isinstance(node, dict):
        kept = {key: value for key, value in node.items() if key not in without}
        return {key: _mapped(value, change, without=without) for key, value in kept.items()}
    if isinstance(node, list):
        return [_mapped(item, change, without=without) for item in node]
    return change(node) if isinstance(node, str) else node


def _of_its_own(text: str, job: str) -> str:
    """A text with the token and the secrets of one job."""
    text = re.sub(r"\bsecrets\.(?!GITHUB_TOKEN\b)", f"secrets.{of_job(job)}", text)
    return re.sub(r"\b(github\.token|secrets\.GITHUB_TOKEN)\b", f"secrets.{secret_name(job)}", text)


def _local(text: str) -> str:
    return f"./{text[2:]}" if text.startswith("$/") else text


def _assert_small(before: Any, after: Any, path: str) -> None:
    if isinstance(before, dict) and isinstance(after, dict):
        if set(before) - set(after) - SHIMMED or set(after) - set(before):
            raise HarnessError(f"the shim changed {path}: {sorted(set(before) ^ set(after))}")
        for key in after:
            _assert_small(before[key], after[key], f"{path}/{key}")
    elif isinstance(before, list) and isinstance(after, list):
        if len(before) != len(after):
            raise HarnessError(f"the shim changed the length of {path}")
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            _assert_small(old, new, f"{path}/{index}")
    elif before != after:
        same_token = re.sub(r"secrets\.GHS_\w+", "github.token", str(after))
        same_token = re.sub(r"secrets\.OF_[A-Z0-9]+_", "secrets.", same_token)
        if same_token != str(before).replace("secrets.GITHUB_TOKEN", "github.token") and not str(
            before
        ).startswith("$/"):
            raise HarnessError(f"the shim changed {path}")
