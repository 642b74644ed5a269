"""GitHub's REST API for one repository: requests with bounded retries, and errors as sentences.

The only module that knows PyGithub. It is used because it retries GitHub's own way of saying "slow down" (403 and 429,
with or without Retry-After), is used by many, and needs nothing but `requests`. What it leaves open is bounded here: no
wait is longer than MAX_WAIT seconds, and writes are a second apart, as GitHub asks. Answers are the API's own JSON;
the modules for pull requests, issues and releases make types of them.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from gitops_model.actions.job import BOT, Job
from gitops_model.delivery import assets
from gitops_model.errors import ExternalFailure, shorten

STATUS = "model-gate"
API_VERSION = "2022-11-28"
ATTEMPTS = 5
MAX_WAIT = 180
TIMEOUT = 30
PAGE = 100
DESCRIPTION_LIMIT = 140


class Refused(ExternalFailure):
    """GitHub answered with an error: its HTTP `status`, and the `reason` in its own words."""

    def __init__(self, status: int, reason: str) -> None:
        self.status, self.reason = status, reason
        super().__init__(f"GitHub answered {status} {reason}.")


class Unreachable(ExternalFailure):
    """No answer from GitHub, after all attempts."""


class Repository:
    """One repository. Paths are those of the REST API below /repos/OWNER/NAME, such as "/pulls/7".

    Every method raises Refused or Unreachable; `calling` makes a whole sentence of both.
    """

    def __init__(self, job: Job) -> None:
        import github

        self.name = job.repository
        self._job = job
        self._requester = github.Github(
            auth=github.Auth.Token(job.token),
            base_url=job.api_url,
            timeout=TIMEOUT,
            per_page=PAGE,
            retry=_retry(job.pace),
            seconds_between_requests=job.pace / 4,
            seconds_between_writes=job.pace,
            lazy=True,
            api_version=API_VERSION,
        ).requester

    def get(self, path: str) -> Any:
        """The JSON at `path`; "" is the repository itself."""
        return self.send("GET", path)

    def find(self, path: str) -> Any:
        """Like `get`; None when there is nothing at `path`."""
        try:
            return self.get(path)
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def pages(self, path: str) -> Iterator[Any]:
        """Every item of the list at `path`, page by page."""
        mark, number = "&" if "?" in path else "?", 1
        while True:
            items = self.get(f"{path}{mark}per_page={PAGE}&page={number}")
            yield from items
            if len(items) < PAGE:
                return
            number += 1

    def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Ask with a body of JSON, and return the JSON answered (None when there is none)."""
        with _translated():
            return self._requester.requestJsonAndCheck(method, self._address(path), input=body)[1]

    def tell_owner(self, path: str, body: Mapping[str, object]) -> None:
        """Post to a path below /orgs/OWNER."""
        address = f"/orgs/{self.name.split('/')[0]}{path}"
        with _translated():
            self._requester.requestJsonAndCheck("POST", address, input=dict(body))

    def upload(self, address: str, name: str, content: bytes) -> Any:
        """Send a file to the upload address of a release."""
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(len(content))}
        with _translated():
            return self._requester.requestMemoryBlobAndCheck(
                "POST",
                address,
                parameters={"label": "", "name": name},
                headers=headers,
                file_like=io.BytesIO(content),
            )[1]

    def download(self, path: str, *, limit: int, what: str) -> bytes:
        """The bytes of a path that redirects to a signed address; at most `limit` in memory, else BadArtifact.

        The redirect is followed without our token, which the server behind it would refuse and must not see.
        """
        with _translated():
            status, headers, _ = self._requester.requestJson("GET", self._address(path))
            if status != 302:
                raise ExternalFailure(f"GitHub answered {status} instead of the address of {what}.")
            return assets.read(headers["location"], limit=limit, what=what)

    def login(self) -> str:
        """Who we are on GitHub: the person of the token, or the bot that a job's own token belongs to."""
        if self._job.in_actions:
            return BOT
        with _translated():
            return str(self._requester.requestJsonAndCheck("GET", "/user")[1]["login"])

    def host_keys(self) -> list[str]:
        """The public keys by which GitHub's servers prove over SSH that they are GitHub's."""
        with _translated():
            return list(
                self._requester.requestJsonAndCheck("GET", "/meta")[1].get("ssh_keys") or ()
            )

    def _address(self, path: str) -> str:
        return f"/repos/{self.name}{path}"


@contextmanager
def calling(doing: str) -> Iterator[None]:
    """Turn what GitHub refuses while `doing` something into one sentence with the way out."""
    try:
        yield
    except Refused as error:
        raise ExternalFailure(
            f"GitHub did not let us {doing}: {error.status} {error.reason}.{_advice(error)}"
        ) from error
    except Unreachable as error:
        raise ExternalFailure(
            f"GitHub could not be reached to {doing}: {error}. It was tried {ATTEMPTS + 1} times; "
            "run the command again."
        ) from error


def set_status(repository: Repository, sha: str, *, state: str, description: str, url: str) -> None:
    """Set the commit status STATUS; the description is cut to what GitHub takes."""
    body = {
        "state": state,
        "description": shorten(description, DESCRIPTION_LIMIT),
        "target_url": url,
        "context": STATUS,
    }
    with calling(f"set the status {STATUS} of {sha[:12]}"):
        repository.send("POST", f"/statuses/{sha}", body)


def _advice(error: Refused) -> str:
    if error.status == 401:
        return " The token is wrong or has expired: export GITHUB_TOKEN=$(gh auth token)"
    if error.status == 403 and "not accessible" in error.reason:
        return (
            " The job's permissions in the workflow file, or the token's scopes, do not cover this."
        )
    return ""


@contextmanager
def _translated() -> Iterator[None]:
    import github

    try:
        yield
    except github.GithubException as error:
        raise Refused(error.status, _reason(error.data, error.message)) from error
    except OSError as error:  # every error of requests is one
        raise Unreachable(type(error).__name__) from error


def _reason(data: Any, message: str | None) -> str:
    """GitHub's message, with the details that it puts in a list."""
    found = data if isinstance(data, dict) else {}
    details = [
        e.get("message") or f"{e.get('field', e.get('resource', ''))} {e.get('code', '')}".strip()
        for e in found.get("errors", [])
        if isinstance(e, dict)
    ]
    text = str(found.get("message") or message or "no reason given").rstrip(".")
    return text + (f" ({'; '.join(details)})" if details else "")


def _retry(pace: float) -> Any:
    from github.GithubRetry import GithubRetry

    class Bounded(GithubRetry):
        """Retries every method, because every write of ours may be repeated: see the callers."""

        def get_retry_after(self, response: Any) -> float | None:
            wait = super().get_retry_after(response)
            if wait is not None and wait > MAX_WAIT:
                raise ExternalFailure(
                    f"GitHub asks to wait {wait:.0f} seconds, more than the {MAX_WAIT} this command waits. "
                    "Run it again later."
                )
            return wait

    return Bounded(
        total=ATTEMPTS,
        backoff_factor=pace,
        backoff_max=30,
        status_forcelist=[429, 500, 502, 503, 504],
        allowed_methods=None,
        secondary_rate_wait=60 * pace,
        max_rate_limit_wait=MAX_WAIT,
    )
