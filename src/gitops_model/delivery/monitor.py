"""`monitor`: does the service answer, and with the release that production.yaml names?

Without an address nothing can be asked, and that is said: a scheduled run that saw nothing must not look like one that
found nothing wrong.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from gitops_model.delivery import service
from gitops_model.errors import Blocked, ExternalFailure
from gitops_model.formats.pointer import Pointer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `monitor`."""
    parser.add_argument(
        "--url", help="address of the service (default: SERVICE_URL, else url in serving.yaml)"
    )


@dataclass(frozen=True, kw_only=True)
class Options:
    """`url`: address of the service (None: SERVICE_URL, else url in serving.yaml)."""

    url: str | None = None


def run(options: Options) -> int:
    """Exit 0 when the right model serves, or when there is nothing to look at; else 1 or 5."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    sentence = look(options.url or os.environ.get("SERVICE_URL", "").strip() or _configured())
    print(f"monitor: {sentence}")
    if summary:
        with Path(summary).open("a", encoding="utf-8") as handle:
            handle.write(sentence + "\n")
    return 0


def look(url: str | None) -> str:
    """What is served at `url`. Raises Blocked when it is another model than desired, ExternalFailure without answer."""
    stable = Pointer.load(Path("production.yaml")).stable
    if stable is None:
        return "production.yaml names no release yet, so there is nothing to ask for."
    if url is None:
        return (
            "Nothing was asked: the address of the service is not known. Set the repository variable SERVICE_URL, or "
            "`url` in serving.yaml."
        )
    state = service.status(url)
    if state is None:
        raise ExternalFailure(
            f"the service at {url} does not answer; {stable.model} should serve there."
        )
    live = (state["live"].get("stable") or {}).get("sha256")
    if live != stable.sha256:
        seen = (state["live"].get("stable") or {}).get("model", "no model")
        raise Blocked(
            f"{seen} serves at {url}, and production.yaml names {stable.model}: run the deploy workflow."
        )
    return f"{stable.model} serves at {url}, as production.yaml says."


def _configured() -> str | None:
    url = service.settings(Path()).get("url")
    return None if url is None else str(url)
