"""params.yaml: the seed, which rows test the model, and what the team's own three functions read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gitops_model import strict_yaml
from gitops_model.formats.contract import Contract


@dataclass(frozen=True, kw_only=True)
class Split:
    """How rows become training and test rows.

    | by | test rows | size |
    |---|---|---|
    | time | the latest | `test_days` or `test_share` |
    | group | all rows of some groups (contract.yaml: keys.group) | `test_share` |
    | random | chosen by the seed, classes in equal shares | `test_share` |
    """

    by: Literal["time", "group", "random"]
    test_days: int | None = None
    test_share: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """As it stands in params.yaml and in a bundle's manifest."""
        size = {"test_days": self.test_days, "test_share": self.test_share}
        return {"by": self.by, **{key: value for key, value in size.items() if value is not None}}


@dataclass(frozen=True, kw_only=True)
class Params:
    """A validated params.yaml.

    `data` and `model` are the whole mappings under these keys, as the team wrote them. `trusted_types` are the types
    that skops may load besides its own.
    """

    seed: int
    split: Split
    max_refused: float
    data: Mapping[str, Any]
    model: Mapping[str, Any]
    runtime: Literal["onnx", "sklearn"]
    trusted_types: tuple[str, ...] = ()

    @staticmethod
    def load(path: Path) -> Params:
        """Read params.yaml. Raises BadInput with every problem of the file."""
        return _params(strict_yaml.load(path, "params"))

    @staticmethod
    def parse(text: str, *, name: str) -> Params:
        """Parse params text; `name` is what messages call the file. Raises BadInput with every problem."""
        return _params(strict_yaml.parse(text, kind="params", name=name))

    def contradictions(self, contract: Contract) -> list[str]:
        """What this file and contract.yaml disagree about, one sentence each; empty when nothing."""
        keys = contract.keys
        wanted = {"time": keys.time, "group": keys.group, "random": "any"}[self.split.by]
        if wanted is not None:
            return []
        return [
            f"data.split.by is {self.split.by}, but contract.yaml names no keys.{self.split.by}; name the column "
            "there, or split by random."
        ]


def _params(data: Mapping[str, Any]) -> Params:
    return Params(
        seed=data["seed"],
        split=Split(**data["data"]["split"]),
        max_refused=float(data["data"].get("max_refused", 0.0)),
        data=data["data"],
        model=data["model"],
        runtime=data["model"]["runtime"],
        trusted_types=tuple(data.get("trusted_types", ())),
    )
