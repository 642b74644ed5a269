"""The store's layout and its pointer, as deploy writes and the service reads them."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from gitops_model.delivery.store import Store
from gitops_model.errors import BadArtifact, BadInput
from gitops_model.formats.pointer import Canary, Pointer, Ref
from gitops_model.formats.store import Layout, Stored

POINTER = Pointer(
    stable=Ref(model="x-v2", sha256="b" * 64),
    previous=Ref(model="x-v1", sha256="a" * 64),
    canary=Canary(model="x-v3", sha256="c" * 64, percent=5, key="tailnum"),
)
STORED = Stored(pointer=POINTER, commit="d" * 40, written_at="2026-01-01T00:00:00Z")


def test_a_pointer_reads_back_as_it_was_written() -> None:
    assert Stored.parse(STORED.to_json().encode(), name="pointer.json") == STORED


def test_the_service_reads_what_deploy_wrote(tmp_path: Path) -> None:
    store = Store(folder=tmp_path)
    stored = store.write(POINTER, commit="d" * 40)
    assert Layout(tmp_path).read() == stored == store.read()
    assert store.confirmed() is None
    store.confirm()
    assert store.confirmed() == stored


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 1}', "\x00", "[" * 5000])
def test_what_makes_no_sense_is_refused_by_the_service_and_replaced_by_deploy(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "pointer.json").write_text(text)
    with pytest.raises(BadArtifact) as caught:
        Layout(tmp_path).read()
    assert caught.value.reason == "pointer"
    assert Store(folder=tmp_path).read() is None


def test_a_pointer_of_megabytes_is_not_parsed() -> None:
    with pytest.raises(BadInput, match="has 200,000 bytes; allowed: 100,000"):
        Stored.parse(b" " * 200_000, name="pointer.json")


def test_a_failing_disk_is_not_a_missing_pointer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path) -> bytes:
        raise OSError(errno.EMFILE, "Too many open files", str(path))

    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(BadArtifact, match="cannot be read: Too many open files") as caught:
        Layout(tmp_path).read()
    assert caught.value.reason == "read"
