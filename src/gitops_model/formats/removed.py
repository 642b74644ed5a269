"""removed.json in the store: the canaries that a service took out, so that none of them comes back by itself.

Services write it and read it again when it changes; `forgive`, or an editor, takes an entry out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gitops_model import strict_json
from gitops_model.errors import BadInput
from gitops_model.files import canonical_json, write_atomic

MOST_BYTES = 1_000_000
# Of a year of bad canaries; the oldest is forgotten first.
MOST = 200


@dataclass(frozen=True, kw_only=True)
class Removal:
    """A canary that was taken out: when, compared with which stable release, and on what evidence."""

    model: str
    sha256: str
    stable: str
    at: str
    reason: str

    def sentence(self) -> str:
        """Why this canary is not routed, and what to do."""
        return (
            f"canary {self.model} was taken out at {self.at[:19]}Z, compared with {self.stable}: {self.reason}. Take "
            f'it out of production.yaml, too: make rollback REASON="canary {self.model} was taken out". To try the '
            f"same release again: make forgive MODEL={self.model}"
        )


Removals = Mapping[str, Removal]


def read(path: Path) -> dict[str, Removal]:
    """The removals by sha256; none when there is no such file. Raises BadInput, or OSError."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    found = strict_json.parse(data, name=path.name, most_bytes=MOST_BYTES)
    entries = found.get("removed") if isinstance(found, dict) and found.get("schema") == 1 else None
    if not isinstance(entries, list):
        raise BadInput(f"{path.name} is not a list of removed canaries of schema 1.")
    removals = [_entry(entry, path.name) for entry in entries]
    return {one.sha256: one for one in removals}


def add(path: Path, new: Iterable[Removal]) -> dict[str, Removal]:
    """Write `new` to what stands there, and return all. A file that cannot be understood is replaced."""
    try:
        known = read(path)
    except BadInput:
        known = {}
    return write(path, known | {one.sha256: one for one in new})


def write(path: Path, removals: Removals) -> dict[str, Removal]:
    """Replace the file in one step."""
    kept = sorted(removals.values(), key=lambda one: one.at)[-MOST:]
    write_atomic(path, canonical_json({"schema": 1, "removed": [asdict(one) for one in kept]}))
    return {one.sha256: one for one in kept}


def _entry(entry: Any, name: str) -> Removal:
    fields = ("model", "sha256", "stable", "at", "reason")
    if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in fields):
        raise BadInput(f"{name} has an entry without {', '.join(fields)}.")
    return Removal(**{key: entry[key] for key in fields})
