"""`simulate`: what thresholds do before anybody adopts them, by the judge's own code on made-up data.

`canary` is about `guard` in serving.yaml, `gates` about gates.yaml.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType

from gitops_model.delivery import simulate_canary, simulate_gates

KINDS: Mapping[str, tuple[ModuleType, str]] = {
    "gates": (simulate_gates, "how often gates.yaml lets equal and worse candidates pass"),
    "canary": (simulate_canary, "how soon the guard of a canary acts, and how often by chance"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command: a kind; all that follows belongs to its module."""
    kinds = "; ".join(f"{name}: {words}" for name, (_, words) in KINDS.items())
    parser.add_argument("what", choices=KINDS, help=kinds)
    parser.add_argument(
        "words", nargs=argparse.REMAINDER, metavar="...", help="its options: simulate gates --help"
    )


@dataclass(frozen=True, kw_only=True)
class Options:
    """`what`: one of KINDS. `words`: the options of that kind, as typed."""

    what: str
    words: list[str]


def run(options: Options) -> int:
    """Print the figures. Returns 0."""
    module, words = KINDS[options.what]
    parser = argparse.ArgumentParser(
        prog=f"gitops-model simulate {options.what}", description=words
    )
    module.add_arguments(parser)
    return int(module.run(module.Options(**vars(parser.parse_args(options.words)))))
