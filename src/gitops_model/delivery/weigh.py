"""`weigh`: load one bundle and answer its golden requests, then end: a process whose peak memory is the model's."""

from __future__ import annotations

import argparse
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


def run(args: argparse.Namespace) -> int:
    """Raises BadArtifact when the bundle cannot be loaded."""
    bundle = Bundle.read(args.path, sha256=args.sha256)
    model = load_model(bundle, trusted=args.trust)
    validate = bundle.contract.row_validator()
    for line in bundle.golden:
        model.predict(columns_of(bundle.contract, [validate(line["inputs"]).values]))
    return 0
