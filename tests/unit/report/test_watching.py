"""The line below a pull request's comment: when nobody watches, when the monitor asks, and when it keeps quiet."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from gitops_model.report import check_markdown, comment, watching
from gitops_model.report.watching import Question, State, Workflow

AT = datetime(2026, 11, 28, 12, tzinfo=UTC)
URL = "https://github.com/acme/model/actions/workflows/monitor.yml"
WORKFLOW = Workflow(
    state="active", since=AT - timedelta(days=90), succeeded=AT - timedelta(hours=7), url=URL
)
ASKED = Question(number=7, url="https://github.com/acme/model/issues/7", count=1, names=("a",))


def said(workflow: Workflow | None, question: Question | None = None) -> str:
    return watching.line(workflow=workflow, question=question, at=AT)


def test_a_monitor_that_ran_says_nothing() -> None:
    assert said(None) == said(WORKFLOW) == ""
    assert said(replace(WORKFLOW, succeeded=AT - timedelta(days=2))) == ""
    # The check is older than the newest run.
    assert said(replace(WORKFLOW, succeeded=AT + timedelta(days=5))) == ""


def test_two_periods_without_a_success() -> None:
    text = said(replace(WORKFLOW, succeeded=AT - timedelta(days=2, hours=1)))
    assert f"[monitor]({URL}) has not succeeded since 2026-11-26" in text and "\n" not in text
    assert "60 days without activity" in text


def test_a_young_repository_is_not_nagged_and_an_old_one_is() -> None:
    young = replace(WORKFLOW, since=AT - timedelta(days=1), succeeded=None)
    assert said(young) == ""
    assert "has never succeeded" in said(replace(young, since=AT - timedelta(days=3)))


@pytest.mark.parametrize("state", get_args(State))
def test_only_silence_that_nobody_chose_is_said(state: State) -> None:
    text = said(replace(WORKFLOW, state=state, succeeded=AT - timedelta(days=70)))
    assert bool(text) == (state in ("active", "disabled_inactivity"))
    assert ("`gh workflow enable monitor.yml`" in text) == (state == "disabled_inactivity")


def test_a_schedule_that_was_turned_off_is_said_at_once() -> None:
    assert "turned its schedule off" in said(replace(WORKFLOW, state="disabled_inactivity"))


def test_an_open_question_is_linked_with_its_signals() -> None:
    assert said(None, ASKED) == (
        "The monitor asks about the model in production, `a`: [#7](https://github.com/acme/model/issues/7)."
    )
    many = replace(ASKED, count=9, names=("a", "b", "c"))
    assert "`a`, `b`, `c` and 6 more: [#7]" in said(None, many)
    assert "in production: [#7]" in said(None, replace(ASKED, count=0, names=()))
    late = replace(WORKFLOW, succeeded=AT - timedelta(days=9))
    assert said(late, ASKED).count("model in production") == 2


def test_names_are_harmless() -> None:
    text = said(None, replace(ASKED, names=("`@acme`\n# x", "<b>" * 200)))
    assert "\n" not in text and "`'@acme' # x`" in text and len(text) < 400


def test_the_line_ends_the_comment_and_is_left_out_where_there_is_no_room() -> None:
    assert comment.with_line("body\n", "") == "body\n"
    assert comment.with_line("body\n", "said") == "body\n\n<sub>said</sub>\n"
    full = "x" * (check_markdown.LIMIT - 5)
    assert comment.with_line(full, "said") == full
