"""What the fake GitHub remembers, and the settings a test may switch."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import itertools
import threading
import zipfile
from typing import Any

BOT = "github-actions[bot]"
BODY_LIMIT = 65_536
DESCRIPTION_LIMIT = 140
STATUS_LIMIT = 1000
DISPATCH_INPUT_LIMIT = 25


@dataclasses.dataclass(kw_only=True)
class Settings:
    """Repository settings and plan limits; the defaults are those of a fresh repository on a paid plan."""

    private: bool = False
    organization: bool = False
    free_private_plan: bool = False
    actions_may_create_prs: bool = True
    held_runs_reported: bool = False
    # Reported to work (RafPe/pod-certificate-signer#129), with limits (vercel/next.js#94596).
    api_takes_stale_workflows: bool = True
    # What the plan includes, in bytes (500 MB for a free account); None: the account may spend without a limit.
    # Counted over the account and by the hour (orgs/community discussions/211386).
    artifact_storage: int | None = None
    # "Minimum 1 day. Maximum 90 days unless changed from the repository settings page" (README of
    # actions/upload-artifact).
    artifact_retention_days: int = 90
    issues_enabled: bool = True
    # By file name. "In a public repository, scheduled workflows are automatically disabled when no repository activity
    # has occurred in 60 days" (docs.github.com/actions/managing-workflow-runs/disabling-and-enabling-a-workflow): the
    # state is then `disabled_inactivity` (docs.github.com/rest/actions/workflows#get-a-workflow).
    workflow_states: dict[str, str] = dataclasses.field(default_factory=dict)
    workflows_since: str = "2026-01-05T09:00:00Z"
    immutable_releases: bool = True
    tags_are_rewritten: bool = False
    default_branch: str = "main"
    required_statuses: list[str] = dataclasses.field(default_factory=list)
    required_reviews: int = 0
    codeowner_review: bool = False
    rulesets: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    environments: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    # Patterns of the branches that an environment with custom_branch_policies takes.
    environment_branches: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    codeowners_errors: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    secrets: list[str] = dataclasses.field(default_factory=list)
    environment_secrets: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    maintainers: list[str] = dataclasses.field(default_factory=lambda: ["acme", "ada"])
    self_hosted_runners: list[str] = dataclasses.field(default_factory=list)
    allow_merge_commit: bool = True
    allow_squash_merge: bool = True
    allow_rebase_merge: bool = True


@dataclasses.dataclass(kw_only=True)
class Token:
    """Who calls, and what for. `permissions` None: a person with every right."""

    login: str
    permissions: dict[str, str] | None = None
    job: str = ""
    fork: bool = False
    deploy_key: bool = False

    @property
    def is_job(self) -> bool:
        return self.permissions is not None

    def allows(self, needed: str) -> bool:
        scope, level = needed.split(":")
        if self.permissions is None or (scope == "metadata" and level == "read"):
            return True
        granted = self.permissions.get(scope, "none")
        if self.fork and granted == "write":
            granted = "read"
        return granted in ("write", level)


@dataclasses.dataclass(kw_only=True)
class Event:
    """An event that GitHub would raise, ready for `act`."""

    name: str
    payload: dict[str, Any]
    actor: str


@dataclasses.dataclass(kw_only=True)
class Recorded:
    """One request the fake answered."""

    number: int
    method: str
    path: str
    operation: str
    status: int
    job: str
    permissions: list[str]
    headers: dict[str, str]


@dataclasses.dataclass(kw_only=True)
class Fault:
    """Answer the next `times` matching requests with a failure instead.

    `kind`: a status code with optional `retry_after`, or "reset" (connection closed without an answer).
    `applied`: the request takes effect first and only its answer is lost.
    """

    method: str = ".*"
    path: str = ".*"
    kind: int | str = 500
    retry_after: int | None = None
    message: str = "Server Error"
    times: int = 1
    applied: bool = False


class State:
    """Everything that is not in the bare repository."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.settings = Settings()
        self.ids = itertools.count(1000)
        self.numbers = itertools.count(1)
        self.clock = dt.datetime(2026, 1, 5, 9, 0, tzinfo=dt.UTC)
        self.comments: dict[int, dict[str, Any]] = {}
        self.issues: dict[int, dict[str, Any]] = {}
        self.pulls: dict[int, dict[str, Any]] = {}
        self.queue: list[dict[str, Any]] = []
        self.labels: dict[str, dict[str, Any]] = {}
        self.statuses: list[dict[str, Any]] = []
        self.releases: dict[int, dict[str, Any]] = {}
        self.assets: dict[int, bytes] = {}
        self.burned_tags: set[str] = set()
        self.deployments: dict[int, dict[str, Any]] = {}
        self.deployment_statuses: dict[int, list[dict[str, Any]]] = {}
        # By environment, cluster and name.
        self.linked: dict[tuple[str, ...], dict[str, Any]] = {}
        self.runs: dict[int, dict[str, Any]] = {}
        self.artifacts: dict[int, dict[str, Any]] = {}
        self.artifact_bytes: dict[int, bytes] = {}
        self.artifact_usage = 0
        self.tokens: dict[str, Token] = {}
        self.events: list[Event] = []
        self.calls: list[Recorded] = []
        self.violations: list[str] = []
        self.denials: list[str] = []
        self.faults: list[Fault] = []

    def now(self) -> str:
        """A clock that moves one second a reading, so order is always visible."""
        self.clock += dt.timedelta(seconds=1)
        return _stamp(self.clock)

    def pass_days(self, days: float) -> None:
        """Let time go by, as far as artifacts and time stamps can tell."""
        self.clock += dt.timedelta(days=days)

    def has_expired(self, artifact: dict[str, Any]) -> bool:
        return bool(artifact.get("expired")) or artifact["expires_at"] <= _stamp(self.clock)

    def storage_is_full(self) -> bool:
        """Whether no upload may begin: its size is not known by then, so the last one may exceed what is left."""
        limit = self.settings.artifact_storage
        return limit is not None and self.artifact_usage >= limit

    def recalculate_usage(self) -> None:
        """What GitHub does "every 6-12 hours": until then, what expired or was deleted counts (SibtainOcn/Hazel#27)."""
        live = [number for number, item in self.artifacts.items() if not self.has_expired(item)]
        self.artifact_usage = sum(len(self.artifact_bytes[number]) for number in live)

    def add_artifact(
        self, run_id: int, name: str, content: dict[str, bytes] | bytes, *, days: int | None = None
    ) -> int:
        """Register an artifact of a run: files to be zipped, or the bytes of a zip made elsewhere."""
        if isinstance(content, dict):
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
                for path, data in sorted(content.items()):
                    archive.writestr(path, data)
            content = buffer.getvalue()
        with self.lock:
            number, at, longest = next(self.ids), self.now(), self.settings.artifact_retention_days
            kept = dt.timedelta(days=min(days or longest, longest))
            self.artifacts[number] = {
                "id": number,
                "name": name,
                "run_id": run_id,
                "at": at,
                "expires_at": _stamp(self.clock + kept),
            }
            self.artifact_bytes[number] = content
            self.artifact_usage += len(content)
        return number

    def issue_number_kind(self, number: int) -> str | None:
        return "pull" if number in self.pulls else "issue" if number in self.issues else None


def _stamp(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def utf16_length(text: str) -> int:
    """Length as GitHub's JavaScript and database count it: astral characters are two."""
    return len(text.encode("utf-16-le")) // 2
