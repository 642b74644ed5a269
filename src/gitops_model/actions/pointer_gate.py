"""The gate of a pull request that changes production.yaml: may traffic move to what it names?

Runs on the trusted side. Of the pull request it reads one file, as data, and judges it by the releases that are there.
"""

from __future__ import annotations

import base64
from pathlib import Path

from gitops_model.actions import client
from gitops_model.actions.client import Repository
from gitops_model.actions.job import Job
from gitops_model.delivery import changes, pointer_checks, pointer_file
from gitops_model.delivery.git import Git
from gitops_model.errors import BadInput
from gitops_model.formats.pointer import Pointer

SIZE_LIMIT = 100_000


def judge(
    repository: Repository, job: Job, sha: str, *, files: list[str], current: Pointer
) -> tuple[str, str, str | None]:
    """(state, sentence, hint) for production.yaml at commit `sha`; `current` is what main says."""
    others = [name for name in files if name != changes.POINTER]
    if others:
        return (
            "blocked",
            f"Blocked: a pull request that changes {changes.POINTER} changes nothing else, so that its revert is "
            f"clean; this one also changes {', '.join(others[:5])}.",
            None,
        )
    try:
        wanted = Pointer.parse(read(repository, sha), name=changes.POINTER)
    except BadInput as error:
        return "blocked", f"Blocked: {' '.join(error.problems[:5])}", None
    with job.git_access():
        found = pointer_checks.examine(Git.open(Path()), current, wanted)
    change = f"{pointer_file.describe(current)} → {pointer_file.describe(wanted)}"
    if found.problems:
        return "blocked", f"Blocked: {change}: {' '.join(str(p) for p in found.problems[:5])}", None
    notes = " ".join(found.notes[:5])
    looked = "Releases, bundles and the way back" if found.way_back else "Releases and bundles"
    return "pass", f"May ship: {change}. {looked} were verified. {notes}".strip(), None


def read(repository: Repository, sha: str) -> str:
    """production.yaml at `sha`. Raises BadInput when it is gone, too large or not text."""
    with client.calling(f"read {changes.POINTER} at {sha[:12]}"):
        data = repository.find(f"/contents/{changes.POINTER}?ref={sha}")
    if data is None:
        raise BadInput(f"{changes.POINTER} is deleted here; nothing could be deployed without it.")
    # A folder of that name is answered as a list.
    if not isinstance(data, dict) or data.get("type") != "file" or data.get("size", 0) > SIZE_LIMIT:
        raise BadInput(f"{changes.POINTER} is no ordinary file of less than {SIZE_LIMIT:,} bytes.")
    try:
        return base64.b64decode(data["content"]).decode("utf-8")
    except ValueError as error:
        raise BadInput(f"{changes.POINTER} is not UTF-8 text ({error}).") from None
