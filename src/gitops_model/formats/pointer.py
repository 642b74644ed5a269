"""production.yaml, the model pointer: which release answers, which one waits, which ones try.

Pure functions make the next pointer from the current one; writing and committing it is the commands' work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gitops_model import strict_yaml
from gitops_model.errors import BadInput

HEADER = """\
# yaml-language-server: $schema=.venv/schemas/production.schema.json
# The model pointer. Merging a change to this file deploys; reverting that commit rolls back.
# `make ship` writes it; `make rollback` reverts the last change. A pull request that changes it changes nothing else.
"""


@dataclass(frozen=True, kw_only=True)
class Ref:
    """A release: its id, and the sha256 of its bundle, which is its identity."""

    model: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Canary:
    """A release that answers `percent` of the requests (above 0, at most 100), chosen by hash of `key`."""

    model: str
    sha256: str
    percent: float
    key: str | None = None

    @property
    def ref(self) -> Ref:
        return Ref(model=self.model, sha256=self.sha256)


@dataclass(frozen=True, kw_only=True)
class Pointer:
    """Everything the router needs. `stable` is None only before the first release ships."""

    stable: Ref | None = None
    previous: Ref | None = None
    canary: Canary | None = None
    shadow: Ref | None = None
    freeze: str | None = None

    @staticmethod
    def parse(text: str, *, name: str = "production.yaml") -> Pointer:
        """Parse pointer text. Raises BadInput with every problem."""
        return Pointer.from_dict(strict_yaml.parse(text, kind="production", name=name), name=name)

    @staticmethod
    def load(path: Path) -> Pointer:
        """Read production.yaml. Raises BadInput with every problem."""
        return Pointer.from_dict(strict_yaml.load(path, "production"), name=str(path))

    @staticmethod
    def from_dict(data: Mapping[str, Any], *, name: str = "production.yaml") -> Pointer:
        """Build from a mapping that obeys the schema. Raises BadInput when its parts contradict each other."""

        def ref(value: Any) -> Ref | None:
            return Ref(**value) if value else None

        pointer = Pointer(
            stable=ref(data["stable"]),
            previous=ref(data["previous"]),
            canary=Canary(**data["canary"]) if data["canary"] else None,
            shadow=ref(data["shadow"]),
            freeze=data["freeze"],
        )
        problems = [f"{name}: {sentence}" for sentence in _contradictions(pointer)]
        if problems:
            raise BadInput(problems)
        return pointer

    def to_dict(self) -> dict[str, Any]:
        """A mapping that obeys the schema; the inverse of `from_dict`."""

        def ref(value: Ref | None) -> dict[str, Any] | None:
            return {"model": value.model, "sha256": value.sha256} if value else None

        canary = self.canary
        return {
            "stable": ref(self.stable),
            "previous": ref(self.previous),
            "canary": None
            if canary is None
            else {
                "model": canary.model,
                "sha256": canary.sha256,
                "percent": canary.percent,
                "key": canary.key,
            },
            "shadow": ref(self.shadow),
            "freeze": self.freeze,
        }

    def to_yaml(self) -> str:
        """The file's text: one line each, in a fixed order, so that a diff shows just what changed."""
        import yaml

        lines = []
        for key, value in self.to_dict().items():
            if value is None:
                lines.append(f"{key}: null\n")
            else:
                # None keeps a mapping of plain values on one line; a text on its own must not get braces as well.
                style = None if isinstance(value, dict) else False
                lines.append(
                    yaml.safe_dump(
                        {key: value},
                        default_flow_style=style,
                        sort_keys=False,
                        width=10_000,
                        allow_unicode=True,
                    )
                )
        return HEADER + "".join(lines)

    def refs(self) -> list[Ref]:
        """All releases named, stable first, without repetition."""
        found = [self.stable, self.previous, self.canary.ref if self.canary else None, self.shadow]
        return list(dict.fromkeys(ref for ref in found if ref is not None))


def _contradictions(pointer: Pointer) -> list[str]:
    found = []
    if pointer.stable is None and (pointer.previous or pointer.canary or pointer.shadow):
        found.append(
            "stable is empty; allowed only before the first release, when previous, canary and shadow are empty"
        )
    if pointer.stable and pointer.previous and pointer.stable.sha256 == pointer.previous.sha256:
        found.append(
            f"stable and previous are both {pointer.stable.model}; allowed: two different releases, or previous: null"
        )
    for word, other in (("canary", pointer.canary), ("shadow", pointer.shadow)):
        if other and pointer.stable and other.sha256 == pointer.stable.sha256:
            found.append(
                f"{word} is the stable release {other.model}; allowed: another release, or {word}: null"
            )
    by_model: dict[str, str] = {}
    for ref in pointer.refs():
        if by_model.setdefault(ref.model, ref.sha256) != ref.sha256:
            found.append(
                f"{ref.model} stands with two different sha256; an id belongs to one bundle for ever"
            )
    return found


def switch(pointer: Pointer, new: Ref) -> Pointer:
    """All traffic to `new`; what was stable becomes previous, kept loaded as the rollback target.

    A canary of `new` is thereby promoted; another canary or shadow ends. Switching to what is stable changes nothing.
    """
    if pointer.stable == new:
        return pointer
    return Pointer(
        stable=new, previous=pointer.stable, canary=None, shadow=None, freeze=pointer.freeze
    )


def with_canary(pointer: Pointer, new: Ref, *, percent: float, key: str | None) -> Pointer:
    """`percent` of the traffic to `new`; stable and previous stay."""
    shadow = None if pointer.shadow == new else pointer.shadow
    canary = Canary(model=new.model, sha256=new.sha256, percent=percent, key=key)
    return replace(pointer, canary=canary, shadow=shadow)


def with_shadow(pointer: Pointer, new: Ref) -> Pointer:
    """A copy of the traffic to `new`, whose answers nobody gets."""
    canary = None if pointer.canary and pointer.canary.ref == new else pointer.canary
    return replace(pointer, shadow=new, canary=canary)


def frozen(pointer: Pointer, reason: str | None) -> Pointer:
    """Set (or, with None, lift) the freeze: while it is set only a rollback may merge."""
    return replace(pointer, freeze=reason)
