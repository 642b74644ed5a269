"""What GitHub tells a job about itself, read once; and how a job answers: summary, outputs, annotations."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gitops_model.errors import BadInput

BOT = "github-actions[bot]"
BOT_ADDRESS = f"41898282+{BOT}@users.noreply.github.com"
SUMMARY_LIMIT = 250_000


@dataclass(frozen=True, kw_only=True)
class Job:
    """The run of a job, or of a person's command. Secrets and the event are kept out of `repr`."""

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
    def from_environ(environ: Mapping[str, str], *, token: bool = True) -> Job:
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
        return Job(
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
            handle.write(markdown[:SUMMARY_LIMIT].rstrip() + "\n")

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

    @contextmanager
    def git_access(self) -> Iterator[None]:
        """Let `git` talk to GitHub as this job while the block lasts; no git configuration is written."""
        secret = base64.b64encode(f"x-access-token:{self.token}".encode()).decode()
        who = {"NAME": BOT, "EMAIL": BOT_ADDRESS} if self.in_actions else {}
        values = {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{self.server_url}/.extraheader",
            "GIT_CONFIG_VALUE_0": f"AUTHORIZATION: basic {secret}",
            **{
                f"GIT_{role}_{key}": value
                for role in ("AUTHOR", "COMMITTER")
                for key, value in who.items()
            },
        }
        with variables(values):
            yield


@contextmanager
def variables(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables that the programs we start see while the block lasts."""
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


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
