"""Signed releases: a tag signed by SSH, checked against the file `allowed_signers` of main. Offline, by Git itself.

A signature proves who made a release also where no data storage and no reviewed dvc.lock can.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from gitops_model.delivery.desired import MAIN
from gitops_model.delivery.git import Git

# The format of ssh-keygen(1), "ALLOWED SIGNERS": addresses, then a public key.
FILE = "allowed_signers"
_GOOD = re.compile(r'^Good "git" signature for (\S+) with ', re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Signed:
    """What a tag's signature says: `by` an address of allowed_signers, else None, and why not in `problem`."""

    by: str | None = None
    problem: str = ""


def allowed(git: Git) -> bytes | None:
    """The file allowed_signers of main, as far as this clone knows; None when the team signs nothing."""
    home = next((ref for ref in (f"origin/{MAIN}", MAIN) if git.commit(ref)), "HEAD")
    return git.read(home, FILE)


def of_tag(git: Git, tag: str) -> Signed | None:
    """Who signed this tag object, by main's allowed_signers; None when main has no such file."""
    signers = allowed(git)
    if signers is None:
        return None
    if not git.is_signed(tag):
        return Signed(problem="it is not signed")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE
        path.write_bytes(signers)
        good, said = git.verify_tag(tag, signers=path)
    found = _GOOD.search(said)
    if good and found:
        return Signed(by=found[1])
    return Signed(problem=f"its signature is by nobody in {FILE} of {MAIN}")
