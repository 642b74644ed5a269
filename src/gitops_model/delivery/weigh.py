"""`weigh`: load one bundle and answer its golden requests, then end: a process whose peak memory is the model's."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gitops_model.formats.bundle import Bundle
from gitops_model.runtime.models import columns_of, load_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `weigh`."""
    parser.add_argument(
        "--trust", action="append", default=[], metavar="TYPE", help="a type that skops may load"
    )
    parser.add_argument("path", type=Path, help="the bundle")
    parser.add_argument("sha256", help="what its bytes must hash to")


@dataclass(frozen=True, kw_only=True)
class Options:
    """The file of a bundle, the sha256 its bytes must have, and the types that skops may load besides its own."""

    path: Path
    sha256: str
    trust: Sequence[str] = ()


def run(options: Options) -> int:
    """Raises BadArtifact when the bundle cannot be loaded."""
    bundle = Bundle.read(options.path, sha256=options.sha256)
    model = load_model(bundle, trusted=options.trust)
    validate = bundle.contract.row_validator()
    for line in bundle.golden:
        model.predict(columns_of(bundle.contract, [validate(line["inputs"]).values]))
    return 0
