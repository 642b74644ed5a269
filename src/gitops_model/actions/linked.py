"""The page "Linked artifacts" of an organisation: which bundle, by its digest, is deployed where.

Organisations have it on any plan; a person's account has none.
"""

from __future__ import annotations

from gitops_model.actions import client
from gitops_model.actions.client import Repository
from gitops_model.errors import ExternalFailure
from gitops_model.formats.pointer import Ref


def record(repository: Repository, served: Ref, *, environment: str) -> None:
    """Say that `served` is deployed. What GitHub does not take is a line of output, and stops no deployment.

    The record belongs to the repository and is moved from release to release, so the one before needs no end.
    """
    owner, name = repository.name.split("/")
    body = {
        "name": served.model,
        "digest": f"sha256:{served.sha256}",
        "status": "deployed",
        "logical_environment": environment,
        "deployment_name": name,
        "github_repository": name,
    }
    try:
        with client.calling(f"record {served.model} among the linked artifacts of {owner}"):
            kind = repository.get("")["owner"]["type"]
            if kind == "Organization":
                repository.tell_owner("/artifacts/metadata/deployment-record", body)
    except ExternalFailure as error:
        print(f"ci-deploy: the deployment stands, without a linked artifact. {error}")
