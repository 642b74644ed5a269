"""Bundles as tests take them apart: a good one with its members, and what opening one says."""

from __future__ import annotations

import functools

from gitops_model.errors import BadArtifact
from gitops_model.files import sha256_bytes
from gitops_model.formats import archive, bundle
from gitops_model.formats.bundle import Bundle
from tests.support.factories import make_bundle

Members = dict[str, bytes]


def refusal(data: bytes) -> str | None:
    """The sentence of the refusal; None when it was opened. Anything but BadArtifact is raised."""
    try:
        Bundle.open(data, sha256=sha256_bytes(data), name="model.tar")
    except BadArtifact as error:
        sentence = str(error)
        assert "\n" not in sentence
        assert 20 < len(sentence) < 1500, sentence
        return sentence
    return None


@functools.cache
def good() -> tuple[bytes, Members]:
    data, _ = make_bundle()
    return data, archive.unpack(data, limits=bundle.REQUIRED | bundle.OPTIONAL)
