"""What `weigh` and `rehearse` share: each opens one bundle in a process of its own, named by file and sha256."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gitops_model.delivery import programs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of a command that opens a bundle."""
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


def words(command: str, options: Options) -> list[str]:
    """The command line that runs `command` on this bundle."""
    trust = [f"--trust={name}" for name in options.trust]
    return [*programs.gitops_model(), command, *trust, str(options.path), options.sha256]
