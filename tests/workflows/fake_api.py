"""What the fake GitHub's handlers share: the call, the reply, the error, the table of handlers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from tests.workflows.bare_git import BareGit
from tests.workflows.fake_state import (
    BODY_LIMIT,
    BOT,
    Event,
    State,
    Token,
    utf16_length,
)

REPO = "/repos/{owner}/{repo}"
UPGRADE = "Upgrade to GitHub Pro or make this repository public to enable this feature."


class ApiError(Exception):
    """An error answer of the API."""

    def __init__(
        self, status: int, message: str, errors: list[dict[str, str]] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {
            "message": message,
            "documentation_url": "https://docs.github.com/rest",
        }
        if errors:
            self.body["errors"] = errors


@dataclasses.dataclass(kw_only=True)
class Call:
    """One authorised, validated request."""

    params: dict[str, str]
    query: dict[str, str]
    body: Any
    raw: bytes
    headers: dict[str, str]
    token: Token
    state: State
    git: BareGit
    base_url: str
    full_name: str

    def url(self, path: str) -> str:
        return f"{self.base_url}/repos/{self.full_name}{path}"

    def html(self, path: str) -> str:
        return f"{self.base_url}/{self.full_name}{path}"

    def emit(self, name: str, payload: dict[str, Any]) -> None:
        """Raise an event, unless a job's own token caused it (dispatches are the exception GitHub makes)."""
        if not self.token.is_job or name in ("workflow_dispatch", "repository_dispatch"):
            self.state.events.append(Event(name=name, payload=payload, actor=self.token.login))


@dataclasses.dataclass(kw_only=True)
class Reply:
    """Status, JSON body, and whether the server shall cut a page out of the list."""

    status: int = 200
    body: Any = None
    paginate: str | None = None  # "" for a bare list, else the key that holds the list
    location: str | None = None


Handler = Callable[[Call], Reply]
HANDLERS: dict[str, Handler] = {}


def route(method: str, path: str) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        HANDLERS[f"{method} {path}"] = handler
        return handler

    return register


def user(login: str) -> dict[str, Any]:
    return {
        "login": login,
        "id": 41898282 if login == BOT else sum(login.encode()),
        "type": "Bot" if login.endswith("[bot]") else "User",
    }


def limit_body(text: str | None, what: str) -> None:
    if utf16_length(text or "") > BODY_LIMIT:
        message = f"{what} is too long (maximum is {BODY_LIMIT} characters)"
        raise ApiError(
            422, "Validation Failed", [{"code": "custom", "field": "body", "message": message}]
        )


def found(mapping: dict[int, dict[str, Any]], number: str) -> dict[str, Any]:
    if not number.isdigit() or int(number) not in mapping:
        raise ApiError(404, "Not Found")
    return mapping[int(number)]
