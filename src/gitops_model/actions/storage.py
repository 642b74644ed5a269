"""The credentials of the data storage in a job: are they needed, are they there, and where DVC reads them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gitops_model.delivery import dvc
from gitops_model.files import write_private

CREDENTIALS = "DVC_CONFIG_LOCAL"
# Addresses that need no credentials: folders.
OPEN_REMOTES = ("/", ".", "file://")


def missing_credentials(root: Path, environ: Mapping[str, str]) -> str | None:
    """Why the data cannot be fetched here, or None."""
    remote = dvc.default_remote(root)
    if remote is None or environ.get(CREDENTIALS, "").strip():
        return None
    url = dvc.remote_url(root, remote) or ""
    if url.startswith(OPEN_REMOTES):
        return None
    return (
        f"the data lies in the DVC remote '{remote}', and this run holds no credentials for it. Store them as the "
        f"secret {CREDENTIALS}; `make doctor` says how."
    )


def write_credentials(root: Path, environ: Mapping[str, str]) -> None:
    """Put the secret where DVC looks for credentials, readable by nobody else, and never into Git."""
    text = environ.get(CREDENTIALS, "")
    if text.strip():
        write_private(root / ".dvc" / "config.local", text)
