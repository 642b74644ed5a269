"""The bundle: same members, same bytes; and nothing is opened that was not verified."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_model.errors import BadArtifact
from gitops_model.files import sha256_bytes
from gitops_model.formats import bundle
from gitops_model.formats.bundle import Bundle
from tests.support.factories import make_bundle


@given(st.dictionaries(st.sampled_from(bundle.REQUIRED), st.binary(max_size=2000)), st.randoms())
def test_the_bytes_depend_on_names_and_contents_alone(
    members: dict[str, bytes], random: object
) -> None:
    items = list(members.items())
    random.shuffle(items)  # type: ignore[attr-defined]
    assert bundle.build(dict(items)) == bundle.build(members)


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

    monkeypatch.setattr(tarfile, "open", opened)
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


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadArtifact, match="absent.tar cannot be read") as caught:
        Bundle.read(tmp_path / "absent.tar", sha256="0" * 64)
    assert caught.value.reason == "missing"


def hostile(name: str, kind: bytes = tarfile.REGTYPE) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, "/etc/passwd"
        tar.addfile(info, io.BytesIO())
    return stream.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        hostile("../../etc/cron.d/x"),
        hostile("/etc/passwd"),
        hostile("manifest.json", tarfile.SYMTYPE),
        hostile("model.onnx", tarfile.LNKTYPE),
        hostile("manifest.json", tarfile.CHRTYPE),
        hostile("surprise.py"),
    ],
)
def test_members_that_do_not_belong_are_refused_even_with_the_right_sha256(data: bytes) -> None:
    with pytest.raises(BadArtifact, match="does not belong in a bundle"):
        Bundle.open(data, sha256=sha256_bytes(data), name="model.tar")


def test_a_member_that_stands_twice_is_refused() -> None:
    data, _ = make_bundle()
    stream = io.BytesIO(data)
    with tarfile.open(fileobj=stream, mode="a") as tar:
        tar.addfile(tarfile.TarInfo("manifest.json"), io.BytesIO())
    twice = stream.getvalue()
    with pytest.raises(BadArtifact, match=r"'manifest.json' does not belong"):
        Bundle.open(twice, sha256=sha256_bytes(twice), name="model.tar")


@pytest.mark.parametrize("member", bundle.REQUIRED)
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


def test_not_a_tar_at_all() -> None:
    with pytest.raises(BadArtifact, match="is not a tar file"):
        Bundle.open(b"GIF89a" * 200, sha256=sha256_bytes(b"GIF89a" * 200), name="model.tar")
