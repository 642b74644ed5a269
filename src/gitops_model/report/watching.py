"""One line below the comment on a pull request: nobody watches the release that serves, or the monitor asks. Pure.

It is about production and not about the change, so it takes no part in the verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from gitops_model.markdown import code

# The monitor is scheduled once a day.
PERIODS = timedelta(days=2)
NAMES = 3

State = Literal["active", "deleted", "disabled_fork", "disabled_inactivity", "disabled_manually"]


@dataclass(frozen=True, kw_only=True)
class Question:
    """The monitor's open issue: its number and address, how many signals it is about, and the first of them."""

    number: int
    url: str
    count: int
    names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Workflow:
    """The monitor's workflow: since when GitHub knows it, when it last succeeded on main (None: never), its page."""

    state: State
    since: datetime
    succeeded: datetime | None
    url: str


def line(*, workflow: Workflow | None, question: Question | None, at: datetime) -> str:
    """What to say at the time `at`, in one line of Markdown; "" when all is well. `workflow` None: there is none."""
    said = [
        "" if question is None else _asks(question),
        "" if workflow is None else _silent(workflow, at),
    ]
    return " ".join(one for one in said if one)


def _asks(question: Question) -> str:
    names = [code(name, limit=80) for name in question.names[:NAMES]]
    more = question.count - len(names)
    about = ", ".join(names) + (f" and {more} more" if names and more > 0 else "")
    link = f"[#{question.number}]({question.url})"
    return f"The monitor asks about the model in production{f', {about}' if about else ''}: {link}."


def _silent(workflow: Workflow, at: datetime) -> str:
    """Silence that nobody chose: who disabled the workflow by hand, or deleted it, knows, and a fork watches nothing.

    It names a day and counts none, so that checks of one pull request on two days say the same.
    """
    page = f"[monitor]({workflow.url})"
    last = (
        "has never succeeded"
        if workflow.succeeded is None
        else f"has not succeeded since {workflow.succeeded:%Y-%m-%d}"
    )
    if workflow.state == "disabled_inactivity":
        return (
            f"Nobody watches the model in production: {page} {last}, and GitHub turned its schedule off, as it does "
            "after 60 days without activity. Turn it on: `gh workflow enable monitor.yml`."
        )
    # A workflow that GitHub has known for less had no time to run.
    if workflow.state != "active" or at - (workflow.succeeded or workflow.since) <= PERIODS:
        return ""
    return (
        f"Nobody watches the model in production: {page} {last}, and should every day. Its page says why; GitHub turns "
        "schedules off after 60 days without activity."
    )
