"""`forgive`: let a canary that the service took out be tried again. It is judged anew."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from gitops_model.delivery import service
from gitops_model.errors import BadInput, ExternalFailure, os_words
from gitops_model.formats import removed
from gitops_model.formats.store import Layout


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("model", help="the release's id, or its sha256")
    parser.add_argument("--store", type=Path, help="the store (default: store in serving.yaml)")


@dataclass(frozen=True, kw_only=True)
class Options:
    """`model`: a release id or a sha256. `store` None: that of serving.yaml."""

    model: str
    store: Path | None = None


def run(options: Options) -> int:
    """Take the release out of removed.json. Returns 0. Raises BadInput when it does not stand there."""
    folder = options.store or Path(service.settings(Path()).get("store", "store"))
    path = Layout(folder).removed
    try:
        known = removed.read(path)
        forgiven = [one for one in known.values() if options.model in (one.model, one.sha256)]
        if not forgiven:
            names = ", ".join(one.model for one in known.values()) or "none was taken out"
            raise BadInput(f"{options.model} is no canary that was taken out; allowed: {names}.")
        kept = {sha256: one for sha256, one in known.items() if one not in forgiven}
        removed.write(path, kept)
    except OSError as error:
        raise ExternalFailure(f"{path} cannot be changed: {os_words(error)}.") from error
    for one in forgiven:
        print(f"forgive: {one.model} was taken out at {one.at[:19]}Z: {one.reason}.")
    print(
        "forgive: forgotten. Where production.yaml names it as canary, it is routed and judged anew."
    )
    return 0
