"""What DVC says of a storage that is not to be used, with the address and what to do."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gitops_model.delivery import dvc
from gitops_model.errors import ExternalFailure

# As DVC 3.67 with s3fs 2026.9 says it.
FORBIDDEN = "Forbidden: An error occurred (403) when calling the HeadObject operation: Forbidden"
NO_BUCKET = "failed to transfer 'ab12' - The specified bucket does not exist: An error occurred (NoSuchBucket)"
SILENT = 'Could not connect to the endpoint URL: "http://127.0.0.1:9/team"'
BROKEN = "Connection was closed before we received a valid response from endpoint URL"


def place(root: Path, url: str) -> Path:
    (root / ".dvc").mkdir()
    (root / ".dvc/config").write_text(
        f"[core]\n    remote = shelf\n['remote \"shelf\"']\n    url = {url}\n"
    )
    return root


def failing(patch: pytest.MonkeyPatch, said: str) -> None:
    done = subprocess.CompletedProcess(["dvc"], 255, "", f"ERROR: {said}\n\nHaving any troubles?\n")
    patch.setattr(dvc, "dvc", lambda *_words, **_options: done)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (f"unexpected error - {FORBIDDEN}", "refuses the credentials. Set AWS_ACCESS_KEY_ID and"),
        ("unexpected error - Unable to locate credentials", "refuses the credentials. Set AWS_"),
        (
            NO_BUCKET,
            "has no such bucket. Create it, or correct the address: dvc remote modify shelf url",
        ),
        (f"unexpected error - {SILENT}", "gives no answer. Where is it? AWS_ENDPOINT_URL, or: dvc"),
        (f"unexpected error - {BROKEN}", "gives no answer. Where is it? AWS_ENDPOINT_URL, or: dvc"),
    ],
)
def test_an_s3_storage_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, words: str
) -> None:
    failing(monkeypatch, said)
    root = place(tmp_path, "s3://team/dvc")
    wanted = f"the storage s3://team/dvc {words}"
    found = dvc.from_remote(root, remote="shelf", md5="ab12", target=root / "out")
    assert found.startswith(wanted) and "unexpected error" not in found and "\n" not in found
    with pytest.raises(ExternalFailure, match="`dvc push model.tar` failed: ") as caught:
        dvc.push_out(root, "model.tar", size=1, used=False)
    assert wanted in str(caught.value)
    with pytest.raises(ExternalFailure) as caught:
        dvc.pull_outs(root, ["model.tar"])
    assert wanted in str(caught.value)


def test_other_words_and_other_storages_are_as_dvc_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, FORBIDDEN)
    root = place(tmp_path, "gs://team/dvc")
    assert dvc.from_remote(root, remote="shelf", md5="ab12", target=root / "out") == FORBIDDEN
    (root / ".dvc/config").write_text((root / ".dvc/config").read_text().replace("gs:", "s3:"))
    failing(monkeypatch, "the cache is locked")
    found = dvc.from_remote(root, remote="shelf", md5="ab12", target=root / "out")
    assert found == "the cache is locked"
