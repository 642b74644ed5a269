"""Signed releases: by Git's own settings, checked against main's allowed_signers, and what is said without."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gitops_model.actions import release as release_job
from gitops_model.delivery import releases, signatures
from gitops_model.delivery.git import Git
from gitops_model.errors import ExternalFailure
from tests.support.world import Clone


def key(folder: Path, name: str) -> Path:
    path = folder / name
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)], check=True
    )
    return path


def allow(clone: Clone, signer: Path, *, who: str = "release") -> None:
    kind, public = signer.with_suffix(".pub").read_text().split()[:2]
    clone.write("allowed_signers", f'{who} namespaces="git" {kind} {public}\n')
    clone.git("add", "allowed_signers")
    clone.git("commit", "-q", "-m", "Say who signs")
    clone.push()


def release(clone: Clone) -> Git:
    clone.train(1)
    clone.push()
    done = clone.run("release")
    assert done.code == 0, done.err
    return Git.open(clone.root)


@pytest.fixture
def signer(clone: Clone, tmp_path: Path) -> Path:
    path = key(tmp_path, "release_key")
    release_job.sign(Git.open(clone.root), {"SIGNING_KEY": path.read_text()})
    return path


def test_a_signed_release_is_proven_whatever_dvc_lock_says(clone: Clone, signer: Path) -> None:
    allow(clone, signer)
    git = release(clone)
    made = releases.load(git, "flight-delay-v1")
    assert signatures.of_tag(git, made.tag.object) == signatures.Signed(by="release")
    done = clone.run("verify", "flight-delay-v1")
    assert done.code == 0 and "verify: yes the tag is signed by release" in done.out, done.out
    done = clone.run("ship", "flight-delay-v1")
    assert "flight-delay-v1 was signed by release." in done.out + done.err


def test_the_private_key_is_readable_by_nobody_else(clone: Clone, signer: Path) -> None:
    assert (clone.root / ".git" / "signing_key").stat().st_mode & 0o077 == 0


def test_a_signature_by_somebody_else_is_no_proof(
    clone: Clone, signer: Path, tmp_path: Path
) -> None:
    allow(clone, key(tmp_path, "other_key"))
    git = release(clone)
    made = releases.load(git, "flight-delay-v1")
    found = signatures.of_tag(git, made.tag.object)
    assert found == signatures.Signed(
        problem="its signature is by nobody in allowed_signers of main"
    )
    done = clone.run("verify", "flight-delay-v1")
    assert done.code == 4 and "its signature is by nobody in allowed_signers" in done.err


def test_a_changed_message_breaks_the_signature(clone: Clone, signer: Path) -> None:
    allow(clone, signer)
    git = release(clone)
    text = git.out("cat-file", "tag", releases.load(git, "flight-delay-v1").tag.object) + "\n"
    forged = git.out("mktag", stdin=text.replace("state: pass", "state: pasS").encode())
    assert text.count("state: pass") == 1
    found = signatures.of_tag(git, forged)
    assert found is not None and found.by is None


def test_an_unsigned_release_where_releases_are_signed(clone: Clone, tmp_path: Path) -> None:
    allow(clone, key(tmp_path, "release_key"))
    git = release(clone)
    assert signatures.of_tag(
        git, releases.load(git, "flight-delay-v1").tag.object
    ) == signatures.Signed(problem="it is not signed")
    assert clone.run("verify", "flight-delay-v1").code == 4


def test_without_allowed_signers_a_signature_is_named_and_proves_nothing(
    clone: Clone, signer: Path
) -> None:
    git = release(clone)
    assert signatures.of_tag(git, releases.load(git, "flight-delay-v1").tag.object) is None
    done = clone.run("verify", "flight-delay-v1")
    assert "verify: --  the tag's signature: main has no file allowed_signers" in done.out


def test_a_key_that_cannot_sign_ends_in_a_sentence(clone: Clone) -> None:
    git = Git.open(clone.root)
    release_job.sign(git, {"SIGNING_KEY": "no key"})
    with pytest.raises(ExternalFailure, match="the tag cannot be signed with user.signingKey"):
        git.make_tag_object(name="flight-delay-v1", commit=git.need("HEAD"), message="x\n", when=1)


def test_no_key_changes_no_setting(clone: Clone) -> None:
    git = Git.open(clone.root)
    before = (clone.root / ".git" / "config").read_text()
    release_job.sign(git, {"SIGNING_KEY": " "})
    assert (clone.root / ".git" / "config").read_text() == before
    assert not git.is_signed(
        git.make_tag_object(name="flight-delay-v1", commit=git.need("HEAD"), message="x\n", when=1)
    )
