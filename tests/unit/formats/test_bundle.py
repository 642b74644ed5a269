"""The bundle: same members, same bytes; and nothing is opened that was not verified."""

from __future__ import annotations

import errno
import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_model.errors import BadArtifact
from gitops_model.formats import archive, bundle
from gitops_model.formats.bundle import Bundle
from tests.support.factories import make_bundle


@given(
    st.dictionaries(st.sampled_from(sorted(bundle.REQUIRED)), st.binary(max_size=2000)),
    st.randoms(),
)
def test_the_bytes_depend_on_names_and_contents_alone(
    members: dict[str, bytes], random: object
) -> None:
    items = list(members.items())
    random.shuffle(items)  # type: ignore[attr-defined]
    assert bundle.build(dict(items)) == bundle.build(members)


@given(
    st.dictionaries(st.sampled_from(sorted(bundle.REQUIRED)), st.binary(max_size=2000)),
    st.integers(0, 11_000),
)
def test_the_bytes_are_those_tarfile_writes(members: dict[str, bytes], size: int) -> None:
    """Bundles of earlier releases were written by tarfile, and stay readable."""
    members = members | {"model.onnx": bytes(size)}
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(members):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(members[name]), 0o644
            tar.addfile(info, io.BytesIO(members[name]))
    assert bundle.build(members) == stream.getvalue()
    limits = bundle.REQUIRED | bundle.OPTIONAL
    assert archive.unpack(stream.getvalue(), limits=limits) == members


def test_any_tar_program_can_read_a_bundle() -> None:
    members = {"manifest.json": b"{}", "model.onnx": bytes(513)}
    with tarfile.open(fileobj=io.BytesIO(bundle.build(members))) as tar:
        found = {info.name: tar.extractfile(info).read() for info in tar}  # type: ignore[union-attr]
    assert found == members


def test_a_bundle_reads_back_what_was_put_in(tmp_path: Path) -> None:
    data, sha256 = make_bundle()
    (tmp_path / "model.tar").write_bytes(data)
    found = Bundle.read(tmp_path / "model.tar", sha256=sha256)
    assert found.sha256 == sha256
    assert found.size == len(data)
    assert found.contract.task == "flight-delay"
    assert found.member("MODEL_CARD.md") == b"# A model for tests\n"


@pytest.mark.parametrize("place", [0, 600, 5000, -1])
def test_one_changed_byte_is_noticed_before_anything_is_opened(
    place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, sha256 = make_bundle()
    damaged = bytearray(data)
    damaged[place] ^= 1

    def opened(*_: object, **__: object) -> None:
        raise AssertionError("opened before it was verified")

    monkeypatch.setattr(archive, "unpack", opened)
    with pytest.raises(
        BadArtifact, match="was promised: it is damaged, truncated or another file"
    ) as caught:
        Bundle.open(bytes(damaged), sha256=sha256, name="model.tar")
    assert caught.value.reason == "sha256"


def test_a_truncated_bundle_is_refused() -> None:
    data, sha256 = make_bundle()
    with pytest.raises(BadArtifact) as caught:
        Bundle.open(data[: len(data) // 2], sha256=sha256, name="model.tar")
    assert caught.value.reason == "sha256"


def test_a_failing_disk_is_not_a_missing_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, sha256 = make_bundle()
    (tmp_path / "model.tar").write_bytes(data)

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(BadArtifact, match="Too many open files") as caught:
        Bundle.read(tmp_path / "model.tar", sha256=sha256)
    assert caught.value.reason == "read"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadArtifact, match="absent.tar cannot be read") as caught:
        Bundle.read(tmp_path / "absent.tar", sha256="0" * 64)
    assert caught.value.reason == "missing"


@pytest.mark.parametrize("member", sorted(bundle.REQUIRED))
def test_a_missing_member_is_named(member: str) -> None:
    data, sha256 = make_bundle(members={member: None})
    with pytest.raises(BadArtifact, match=f"lacks {member}; build it again with `make train`"):
        Bundle.open(data, sha256=sha256, name="model.tar")


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"manifest.json": b"{"}, "format"),
        ({"manifest.json": b"{}"}, "format"),
        ({"contract.yaml": b"task: X"}, "contract"),
        ({"golden.jsonl": b""}, "format"),
        ({"golden.jsonl": b"{not json}\n"}, "format"),
    ],
)
def test_a_member_that_makes_no_sense_is_refused_with_its_reason(
    members: dict[str, bytes], reason: str
) -> None:
    data, sha256 = make_bundle(members=members)
    with pytest.raises(BadArtifact) as caught:
        Bundle.open(data, sha256=sha256, name="model.tar")
    assert caught.value.reason == reason
