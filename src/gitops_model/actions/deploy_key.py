"""Push to main with a deploy key: what a ruleset can let through, unlike the token of a workflow.

The key is a secret of the environment `rollback`, and only the rollback button reads it. A push with it starts
workflows, so the deployment needs no start of its own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from gitops_model.actions import client
from gitops_model.actions.client import Repository
from gitops_model.actions.job import Job, variables
from gitops_model.delivery.desired import MAIN
from gitops_model.delivery.git import Git
from gitops_model.errors import ExternalFailure
from gitops_model.files import write_private

SECRET = "ROLLBACK_KEY"  # noqa: S105  its name


def push(
    git: Git, repository: Repository, job: Job, commit: str, environ: Mapping[str, str]
) -> str:
    """Make `commit` the head of main. Returns "" on success, else why not."""
    key = environ.get(SECRET, "").strip()
    if not key:
        return f"the secret {SECRET} is not set"
    host = urlsplit(job.server_url).hostname
    address = f"git@{host}:{job.repository}.git"
    with client.calling("read the keys of its SSH servers"):
        keys = repository.host_keys()
    with tempfile.TemporaryDirectory() as folder:
        hosts = Path(folder) / "known_hosts"
        hosts.write_text("".join(f"{host} {line}\n" for line in keys), encoding="utf-8")
        path = Path(folder) / "key"
        write_private(path, key)
        ssh = (
            f"ssh -i {path} -oIdentitiesOnly=yes -oBatchMode=yes -oConnectTimeout=10 "
            f"-oStrictHostKeyChecking=yes -oUserKnownHostsFile={hosts}"
        )
        try:
            with variables({"GIT_SSH_COMMAND": ssh}):
                git.out("push", "--quiet", address, f"{commit}:refs/heads/{MAIN}")
        except ExternalFailure as error:
            return str(error).rstrip(".")
    return ""
