"""The bundle: one deterministic tar whose sha256 is the model's identity.

Same members, same bytes. A bundle is verified before it is opened, and its members are read from the very bytes
that were verified, never from files somebody could change in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitops_model import strict_json, strict_yaml
from gitops_model.errors import BadArtifact, BadInput, os_words
from gitops_model.files import sha256_bytes
from gitops_model.formats import archive
from gitops_model.formats.contract import Contract

MAX_BYTES = 2 * 1024**3
# Members that are read as text are bounded by what reading them may cost: about a second for the worst text.
MANIFEST_BYTES, CONTRACT_BYTES, GOLDEN_BYTES = 1_000_000, strict_yaml.MOST_CHARACTERS, 2_000_000
REQUIRED = {
    "MODEL_CARD.md": 4_000_000,
    "contract.yaml": CONTRACT_BYTES,
    "golden.jsonl": GOLDEN_BYTES,
    "manifest.json": MANIFEST_BYTES,
    "model.skops": MAX_BYTES,
    "reference.json": 32_000_000,
    "requirements-serving.txt": 4_000_000,
}
OPTIONAL = {"model.onnx": MAX_BYTES}
MAX_GOLDEN = 1000


def build(members: Mapping[str, bytes]) -> bytes:
    """Bundle bytes that depend on nothing but the names and contents of `members`."""
    return archive.pack(members)


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A verified bundle in memory."""

    sha256: str
    size: int
    manifest: Mapping[str, Any]
    contract: Contract
    golden: tuple[Mapping[str, Any], ...]
    members: Mapping[str, archive.Member]

    @staticmethod
    def read(path: Path, *, sha256: str) -> Bundle:
        """Read, verify, then open a bundle. Raises BadArtifact (reason missing, read, sha256, format or contract)."""
        try:
            size = path.stat().st_size
            if size > MAX_BYTES:
                raise BadArtifact(
                    f"{path} has {size:,} bytes; no bundle is larger than {MAX_BYTES:,}."
                )
            with path.open("rb") as stream:
                data = stream.read(size)
        except OSError as error:
            reason = "missing" if isinstance(error, FileNotFoundError) else "read"
            raise BadArtifact(
                f"{path} cannot be read ({os_words(error)}).", reason=reason
            ) from error
        return Bundle.open(data, sha256=sha256, name=str(path))

    @staticmethod
    def open(data: bytes, *, sha256: str, name: str) -> Bundle:
        """Verify and open bundle bytes; `name` is what messages call them. Raises BadArtifact."""
        found = sha256_bytes(data)
        if found != sha256:
            raise BadArtifact(
                f"{name} has the sha256 {found[:12]}…, but {sha256[:12]}… was promised: it is damaged, truncated "
                "or another file. Fetch it again.",
                reason="sha256",
            )
        members = _members(data, name)
        manifest = _manifest(bytes(members["manifest.json"]), name)
        golden = _golden(bytes(members["golden.jsonl"]), name)
        try:
            contract = Contract.parse(
                bytes(members["contract.yaml"]).decode(), name="contract.yaml"
            )
        except (UnicodeDecodeError, BadInput) as error:
            raise BadArtifact(f"{name}: {_first(error)}", reason="contract") from error
        return Bundle(
            sha256=sha256,
            size=len(data),
            manifest=manifest,
            contract=contract,
            golden=golden,
            members=members,
        )

    def member(self, name: str) -> bytes:
        """A copy of one member's bytes. Raises BadArtifact when the bundle has none of that name."""
        return bytes(self.view(name))

    def view(self, name: str) -> archive.Member:
        """One member, not copied when it is large. Raises BadArtifact when the bundle has none of that name."""
        try:
            return self.members[name]
        except KeyError:
            raise BadArtifact(f"bundle {self.sha256[:12]}… has no {name}.") from None


def _members(data: bytes, name: str) -> dict[str, archive.Member]:
    try:
        members = archive.unpack(data, limits=REQUIRED | OPTIONAL)
    except archive.NotAnArchive as error:
        raise BadArtifact(f"{name} is not a bundle: {error}.") from None
    missing = [member for member in REQUIRED if member not in members]
    if missing:
        raise BadArtifact(f"{name} lacks {', '.join(missing)}; build it again with `make train`.")
    return members


def _manifest(data: bytes, name: str) -> Mapping[str, Any]:
    try:
        found = strict_json.parse(data, name="manifest.json", most_bytes=MANIFEST_BYTES)
        strict_yaml.check(found, kind="manifest", name="manifest.json", newer=True)
    except BadInput as error:
        raise BadArtifact(f"{name}: {_first(error)}") from error
    manifest: Mapping[str, Any] = found
    return manifest


def _golden(data: bytes, name: str) -> tuple[Mapping[str, Any], ...]:
    lines = data.splitlines()
    if not 0 < len(lines) <= MAX_GOLDEN:
        raise BadArtifact(
            f"{name}: golden.jsonl has {len(lines):,} lines; allowed: 1 to {MAX_GOLDEN:,}. A model that cannot be "
            "checked is not served."
        )
    golden = []
    for number, line in enumerate(lines, start=1):
        where = f"golden.jsonl line {number}"
        try:
            found = strict_json.parse(line, name=where, most_bytes=GOLDEN_BYTES)
        except BadInput as error:
            raise BadArtifact(f"{name}: {_first(error)}") from error
        well_formed = isinstance(found, dict) and {"inputs", "score", "output"} <= found.keys()
        if not well_formed or not isinstance(found["inputs"], dict):
            raise BadArtifact(f"{name}: {where} lacks inputs, score or output.")
        golden.append(found)
    return tuple(golden)


def _first(error: Exception) -> str:
    """One sentence: the first problem, and how many more there are."""
    if not isinstance(error, BadInput):
        return f"contract.yaml is not UTF-8 text ({error})"
    more = len(error.problems) - 1
    sentence = " ".join(error.problems[0].split())
    return sentence + (f" ({more} more of this file.)" if more else "")
