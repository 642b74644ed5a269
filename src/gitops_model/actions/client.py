"""GitHub through PyGithub: the run's environment, a client with bounded retries, errors as sentences.

PyGithub, because it is the client that retries GitHub's own way of saying "slow down" (403 and 429 with or without
Retry-After), is used by many, and needs nothing but `requests`. What it leaves open is bounded here: no wait is
longer than MAX_WAIT seconds, and writes are a second apart, as GitHub asks.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitops_model.errors import BadArtifact, BadInput, ExternalFailure, GitopsError

if TYPE_CHECKING:
    from github.Repository import Repository

STATUS = "model-gate"
BOT = "github-actions[bot]"
API_VERSION = "2022-11-28"
ATTEMPTS = 5
MAX_WAIT = 180
TIMEOUT = 30


@dataclass(frozen=True, kw_only=True)
class Run:
    """What GitHub tells a job about itself, read once. Secrets and the event are kept out of `repr`."""

    repository: str
    token: str = field(repr=False)
    api_url: str = "https://api.github.com"
    server_url: str = "https://github.com"
    run_id: int = 0
    event_name: str = ""
    event: Mapping[str, Any] = field(default_factory=dict, repr=False)
    sha: str = ""
    actor: str = ""
    base_ref: str = ""
    in_actions: bool = False
    summary: Path | None = None
    output: Path | None = None
    pace: float = 1.0

    @staticmethod
    def from_environ(environ: Mapping[str, str], *, token: bool = True) -> Run:
        """Parse the variables of a job, or those of a person: GITHUB_REPOSITORY and GITHUB_TOKEN are enough.

        `token=False`: a job that makes no call may go without. Raises BadInput naming everything that is missing.
        """
        problems = []
        repository = environ.get("GITHUB_REPOSITORY", "")
        if repository.count("/") != 1:
            problems.append(
                f"GITHUB_REPOSITORY is '{repository}'; allowed: OWNER/NAME. "
                "Example: GITHUB_REPOSITORY=acme/flight-delay"
            )
        if token and not environ.get("GITHUB_TOKEN"):
            problems.append(
                "GITHUB_TOKEN is not set. In a workflow pass it with env; on your machine: "
                "export GITHUB_TOKEN=$(gh auth token)"
            )
        pace = environ.get("GITHUB_API_PACE", "1")
        try:
            seconds = float(pace)
        except ValueError:
            problems.append(
                f"GITHUB_API_PACE is '{pace}'; allowed: seconds between two writes. Example: 1"
            )
            seconds = 1.0
        event: Mapping[str, Any] = {}
        if path := environ.get("GITHUB_EVENT_PATH"):
            try:
                event = json.loads(Path(path).read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                problems.append(f"GITHUB_EVENT_PATH ({path}) cannot be read as JSON: {error}.")
        if problems:
            raise BadInput(problems)
        return Run(
            repository=repository,
            token=environ.get("GITHUB_TOKEN", ""),
            api_url=environ.get("GITHUB_API_URL", "https://api.github.com"),
            server_url=environ.get("GITHUB_SERVER_URL", "https://github.com"),
            run_id=int(environ.get("GITHUB_RUN_ID") or 0),
            event_name=environ.get("GITHUB_EVENT_NAME", ""),
            event=event,
            sha=environ.get("GITHUB_SHA", ""),
            actor=environ.get("GITHUB_ACTOR", ""),
            base_ref=environ.get("GITHUB_BASE_REF", ""),
            in_actions=environ.get("GITHUB_ACTIONS") == "true",
            summary=_path(environ.get("GITHUB_STEP_SUMMARY")),
            output=_path(environ.get("GITHUB_OUTPUT")),
            pace=seconds,
        )

    @property
    def owner(self) -> str:
        return self.repository.split("/")[0]

    @property
    def run_url(self) -> str:
        return self.page(f"actions/runs/{self.run_id}")

    def page(self, path: str) -> str:
        """The address of a page of the repository for people."""
        return f"{self.server_url}/{self.repository}/{path}"

    def summarise(self, markdown: str) -> None:
        """Append to the job summary (cut below GitHub's 1 MiB a step), or print when there is none."""
        if self.summary is None:
            print(markdown)
            return
        with self.summary.open("a", encoding="utf-8") as handle:
            handle.write(markdown[:250_000].rstrip() + "\n")

    def set_output(self, name: str, value: str) -> None:
        """A step output of one line."""
        if self.output is not None:
            with self.output.open("a", encoding="utf-8") as handle:
                handle.write(f"{name}={' '.join(value.split())}\n")

    def annotate(self, level: str, text: str) -> None:
        """An annotation on the run: `error`, `warning` or `notice`. Outside Actions a line of output."""
        line = " ".join(text.split())
        print(
            f"::{level}::{line.replace('%', '%25')}" if self.in_actions else f"{level}: {line}",
            flush=True,
        )


def connect(run: Run) -> Repository:
    """The repository of this run. No request is made before the first real one."""
    import github

    client = github.Github(
        auth=github.Auth.Token(run.token),
        base_url=run.api_url,
        timeout=TIMEOUT,
        per_page=100,
        retry=_retry(run.pace),
        seconds_between_requests=run.pace / 4,
        seconds_between_writes=run.pace,
        lazy=True,
        api_version=API_VERSION,
    )
    return client.get_repo(run.repository)


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


def login(repository: Repository, run: Run) -> str:
    """Who we are on GitHub: the person of the token, or the bot a job's own token belongs to."""
    if run.in_actions:
        return BOT
    _, user = repository.requester.requestJsonAndCheck("GET", "/user")
    return str(user["login"])


@contextmanager
def calling(doing: str) -> Iterator[None]:
    """Turn GitHub's and the network's errors while `doing` something into one sentence with the way out."""
    import requests
    from github import GithubException

    try:
        yield
    except GitopsError:
        raise
    except GithubException as error:
        raise ExternalFailure(
            f"GitHub did not let us {doing}: {error_text(error)}.{_advice(error)}"
        ) from error
    except (requests.RequestException, OSError) as error:
        raise ExternalFailure(
            f"GitHub could not be reached to {doing}: {type(error).__name__}. It was tried {ATTEMPTS + 1} times; "
            "run the command again."
        ) from error


@contextmanager
def git_as(run: Run) -> Iterator[None]:
    """Let `git` talk to GitHub as this run while the block lasts; nothing is written to any git configuration."""
    secret = base64.b64encode(f"x-access-token:{run.token}".encode()).decode()
    who = (
        {"NAME": BOT, "EMAIL": f"41898282+{BOT}@users.noreply.github.com"} if run.in_actions else {}
    )
    values = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.{run.server_url}/.extraheader",
        "GIT_CONFIG_VALUE_0": f"AUTHORIZATION: basic {secret}",
        **{
            f"GIT_{role}_{key}": value
            for role in ("AUTHOR", "COMMITTER")
            for key, value in who.items()
        },
    }
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def error_text(error: Any) -> str:
    """Status and message of a GithubException, with the details GitHub puts in a list."""
    data = error.data if isinstance(error.data, dict) else {}
    details = [
        e.get("message") or f"{e.get('field', e.get('resource', ''))} {e.get('code', '')}".strip()
        for e in data.get("errors", [])
        if isinstance(e, dict)
    ]
    text = str(data.get("message") or error.message or "no reason given").rstrip(".")
    return f"{error.status} {text}" + (f" ({'; '.join(details)})" if details else "")


def _advice(error: Any) -> str:
    if error.status == 401:
        return " The token is wrong or has expired: export GITHUB_TOKEN=$(gh auth token)"
    if error.status == 403 and "not accessible" in error_text(error):
        return (
            " The job's permissions in the workflow file, or the token's scopes, do not cover this."
        )
    return ""


def get_bytes(
    repository: Repository, path: str, *, limit: int, what: str, binary: bool = False
) -> bytes:
    """GET an API path that redirects to a signed address; at most `limit` bytes in memory.

    The redirect is followed without our token, which the store behind it would refuse and must not see.
    Raises BadArtifact when there is more than `limit`.
    """
    import requests

    accept = {"Accept": "application/octet-stream"} if binary else None
    status, headers, _ = repository.requester.requestJson(
        "GET", repository.url + path, headers=accept
    )
    if status != 302:
        raise ExternalFailure(f"GitHub answered {status} instead of the address of {what}.")
    chunks, size = [], 0
    with requests.get(headers["location"], stream=True, timeout=TIMEOUT) as response:
        response.raise_for_status()
        for chunk in response.iter_content(1 << 16):
            size += len(chunk)
            if size > limit:
                raise BadArtifact(
                    f"{what} is larger than {limit:,} bytes, which is more than ours ever is."
                )
            chunks.append(chunk)
    return b"".join(chunks)


def set_status(
    repository: Repository,
    sha: str,
    *,
    state: str,
    description: str,
    url: str,
    context: str = STATUS,
) -> None:
    """Set a commit status; the description is cut to GitHub's 140 characters."""
    text = " ".join(description.split())
    text = text if len(text) <= 140 else text[:139].rstrip() + "…"
    with calling(f"set the status {context} of {sha[:12]}"):
        repository.requester.requestJsonAndCheck(
            "POST",
            f"{repository.url}/statuses/{sha}",
            input={"state": state, "description": text, "target_url": url, "context": context},
        )


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
