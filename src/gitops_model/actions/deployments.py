"""A GitHub Deployment: what the page of the repository says is deployed where, and how it went."""

from __future__ import annotations

from typing import Any

from gitops_model.actions import client
from gitops_model.actions.client import Repository
from gitops_model.actions.job import Job
from gitops_model.errors import ExternalFailure, shorten
from gitops_model.formats.pointer import Ref

LOOKED_AT = 10
STOPPED = "the deployment was cancelled or ran out of time. Start it again: Actions → deploy → Run workflow."


class Deployment:
    """The Deployment of one commit. What cannot be recorded is said, and stops no deployment."""

    def __init__(
        self, repository: Repository, job: Job, *, commit: str, served: Ref, environment: str
    ) -> None:
        self._repository, self._job, self._environment = repository, job, environment
        answer = self._call(
            "POST",
            "/deployments",
            {
                "ref": commit,
                "environment": environment,
                "description": served.model,
                # The bytes: an id is a name, and what runs is known by its digest.
                "payload": {"digest": f"sha256:{served.sha256}"},
                "auto_merge": False,
                "required_contexts": [],
                "production_environment": environment == "production",
            },
        )
        self._id: int | None = None if answer is None else answer.get("id")

    def say(self, state: str, description: str) -> None:
        """Add a status: in_progress, success or failure."""
        if self._id is None:
            return
        body = {
            "state": state,
            "description": shorten(description, client.DESCRIPTION_LIMIT),
            "log_url": self._job.run_url,
        }
        self._call("POST", f"/deployments/{self._id}/statuses", body)
        if state == "success":
            self._retire_earlier()

    def _retire_earlier(self) -> None:
        """Call the deployments before this one inactive. GitHub does so by itself, but not for production."""
        query = f"/deployments?environment={self._environment}&per_page={LOOKED_AT}"
        for earlier in self._call("GET", query) or ():
            if earlier["id"] == self._id:
                continue
            path = f"/deployments/{earlier['id']}/statuses"
            last = next(iter(self._call("GET", path) or ()), {"state": "pending"})["state"]
            if last == "inactive":
                return
            if last not in ("failure", "error"):
                self._call("POST", path, {"state": "inactive", "log_url": self._job.run_url})

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        try:
            with client.calling("record the deployment"):
                return self._repository.send(method, path, body)
        except ExternalFailure as error:
            self._job.annotate(
                "warning", f"The deployment goes on without a record on GitHub. {error}"
            )
            return None


def conclude(repository: Repository, job: Job) -> None:
    """Call the Deployment that this run began and never ended a failure: its job was cancelled, or ran out of time."""
    with client.calling("look for the unfinished deployment"):
        for item in repository.get(f"/deployments?per_page={LOOKED_AT}"):
            path = f"/deployments/{item['id']}/statuses"
            last = next(iter(repository.get(path)), None)
            if last is None or (last["state"], last["log_url"]) != ("in_progress", job.run_url):
                continue
            body = {"state": "failure", "description": shorten(STOPPED, client.DESCRIPTION_LIMIT)}
            repository.send("POST", path, {**body, "log_url": job.run_url})
            job.summarise(f"### ❌ {item['description']} is not live\n\n{STOPPED}")
