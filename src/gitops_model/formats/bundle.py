"""The bundle: one deterministic tar whose sha256 is the model's identity.

Same members, same bytes. A bundle is verified before it is opened, and its members are read from the very bytes
that were verified, never from files somebody could change in between.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitops_model import strict_yaml
from gitops_model.errors import BadArtifact, BadInput
from gitops_model.files import sha256_bytes
from gitops_model.formats.contract import Contract

MAX_BYTES = 2 * 1024**3
REQUIRED = (
    "MODEL_CARD.md",
    "contract.yaml",
    "golden.jsonl",
    "manifest.json",
    "model.skops",
    "reference.json",
    "requirements-serving.txt",
)
OPTIONAL = ("model.onnx",)


def build(members: Mapping[str, bytes]) -> bytes:
    """Tar bytes that depend on nothing but names and contents: sorted, uncompressed, no time, no owner."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(members):
            info = tarfile.TarInfo(name)
            info.size = len(members[name])
            info.mode = 0o644
            tar.addfile(info, io.BytesIO(members[name]))
    return stream.getvalue()


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A verified bundle in memory."""

    sha256: str
    size: int
    manifest: Mapping[str, Any]
    contract: Contract
    golden: tuple[Mapping[str, Any], ...]
    members: Mapping[str, bytes]

    @staticmethod
    def read(path: Path, *, sha256: str) -> Bundle:
        """Read, verify, then open a bundle. Raises BadArtifact (reason missing, sha256, format or contract)."""
        try:
            if path.stat().st_size > MAX_BYTES:
                raise BadArtifact(
                    f"{path} is larger than {MAX_BYTES} bytes; no bundle is that large."
                )
            data = path.read_bytes()
        except OSError as error:
            raise BadArtifact(
                f"{path} cannot be read ({error.strerror}).", reason="missing"
            ) from None
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
        try:
            manifest = json.loads(members["manifest.json"])
            strict_yaml.check(manifest, kind="manifest", name="manifest.json")
            golden = tuple(json.loads(line) for line in members["golden.jsonl"].splitlines())
        except (ValueError, BadInput) as error:
            raise BadArtifact(f"{name}: {error}") from error
        try:
            contract = Contract.parse(members["contract.yaml"].decode(), name="contract.yaml")
        except (UnicodeDecodeError, BadInput) as error:
            raise BadArtifact(f"{name}: {error}", reason="contract") from error
        if not golden:
            raise BadArtifact(
                f"{name}: golden.jsonl is empty; a model that cannot be checked is not served."
            )
        return Bundle(
            sha256=sha256,
            size=len(data),
            manifest=manifest,
            contract=contract,
            golden=golden,
            members=members,
        )

    def member(self, name: str) -> bytes:
        """The bytes of one member. Raises BadArtifact when the bundle has none of that name."""
        try:
            return self.members[name]
        except KeyError:
            raise BadArtifact(f"bundle {self.sha256[:12]}… has no {name}.") from None


def _members(data: bytes, name: str) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
            for info in tar:
                if not info.isreg() or info.name in members or info.name not in REQUIRED + OPTIONAL:
                    raise BadArtifact(
                        f"{name}: the member '{info.name}' does not belong in a bundle."
                    )
                stream = tar.extractfile(info)
                members[info.name] = stream.read() if stream else b""
    except tarfile.TarError as error:
        raise BadArtifact(f"{name} is not a tar file ({error}).") from None
    missing = [member for member in REQUIRED if member not in members]
    if missing:
        raise BadArtifact(f"{name} lacks {', '.join(missing)}; build it again with `make train`.")
    return members
