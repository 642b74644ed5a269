"""`simulate`: what thresholds do before anybody adopts them, by the judge's own code on made-up data.

`canary` is about `guard` in serving.yaml, `gates` about gates.yaml.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from types import ModuleType
from typing import TypeAlias

from gitops_model.delivery import simulate_canary, simulate_gates

KINDS: Mapping[str, tuple[ModuleType, str]] = {
    "gates": (simulate_gates, "how often gates.yaml lets equal and worse candidates pass"),
    "canary": (simulate_canary, "how soon the guard of a canary acts, and how often by chance"),
}
Chosen: TypeAlias = simulate_canary.Options | simulate_gates.Options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    kinds = parser.add_subparsers(dest="what", required=True)
    for name, (module, words) in KINDS.items():
        module.add_arguments(kinds.add_parser(name, help=words, description=words))


def Options(*, what: str, **values: object) -> Chosen:
    """The options of what is simulated."""
    found: Chosen = KINDS[what][0].Options(**values)
    return found


def run(options: Chosen) -> int:
    """Print the figures. Returns 0."""
    if isinstance(options, simulate_canary.Options):
        return simulate_canary.run(options)
    return simulate_gates.run(options)
