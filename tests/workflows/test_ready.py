"""The ready link: every word arrives in the form as it was written, and the address stays short enough to be sent."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from gitops_model.actions import ready
from gitops_model.actions.job import Job

JOB = Job(repository="acme/model", token="x")  # noqa: S106
TITLE = "Revert: a → b & c #1 (50 %)"


def test_link_carries_title_and_body() -> None:
    body = "Points [x](y) at\nnew & old"
    made = urlsplit(ready.link(JOB, branch="ship/a-v1-on-0123abcd", title=TITLE, body=body))
    assert made.path == "/acme/model/compare/main...ship/a-v1-on-0123abcd" and not made.fragment
    assert parse_qs(made.query) == {"quick_pull": ["1"], "title": [TITLE], "body": [body]}


def test_long_body_is_left_out() -> None:
    made = ready.link(JOB, branch="ship/a", title=TITLE, body="ä" * 1000)
    assert len(made) <= ready.LENGTH and set(parse_qs(urlsplit(made).query)) == {
        "quick_pull",
        "title",
    }
