"""Atomic writes and canonical text."""

import os
from pathlib import Path

import pytest

from gitops_model import files


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "pointer.json"
    files.write_atomic(target, "old")

    def no_space(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        files.write_atomic(target, "new")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_write_makes_missing_folders_and_readable_files(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b.txt"
    files.write_atomic(target, b"bytes")
    assert target.read_bytes() == b"bytes"
    assert target.stat().st_mode & 0o777 == 0o644


def test_both_digests_agree_with_the_published_one(tmp_path: Path) -> None:
    # FIPS 180-2, appendix B.1.
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    (tmp_path / "abc").write_bytes(b"abc")
    assert files.sha256_bytes(b"abc") == expected
    assert files.sha256_file(tmp_path / "abc") == expected


def test_canonical_json_is_the_same_for_equal_values_and_refuses_nan() -> None:
    assert files.canonical_json({"b": 1, "a": 2}) == files.canonical_json({"a": 2, "b": 1})
    with pytest.raises(ValueError, match="JSON"):
        files.canonical_json({"auc": float("nan")})


def test_temporaries_of_a_killed_write_are_removed_and_others_stay(tmp_path: Path) -> None:
    old, young, ordinary = tmp_path / ".x.tar.old", tmp_path / ".x.tar.young", tmp_path / "x.tar"
    for path in (old, young, ordinary):
        path.write_text("part")
    os.utime(old, (1000, 1000))
    os.utime(ordinary, (1000, 1000))
    files.remove_stale_temporaries(tmp_path, older_than=2000)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".x.tar.young", "x.tar"]
