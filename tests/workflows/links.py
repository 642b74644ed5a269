"""Links in what people read: where they lead on the fake GitHub."""

from __future__ import annotations

import re
from urllib.parse import parse_qs

from tests.workflows.fake_github import FakeGitHub

# "quick_pull=1: Opens the comparison page with the form of a new pull request; title, body: fill it in"
# (docs.github.com, "Using query parameters to create a pull request").
READY = re.compile(r"/compare/main\.\.\.([\w./-]+)\?(quick_pull=1&[^\s)]*)")


def ready_branch(fake: FakeGitHub, text: str) -> str:
    """The branch of the ready link in `text`; it exists, and the link fills in a title."""
    found = READY.search(text)
    assert found, f"no ready link in: {text}"
    branch, query = found[1], parse_qs(found[2])
    assert fake.git.ref(f"refs/heads/{branch}"), f"the link names {branch}, which is gone"
    assert query["quick_pull"] == ["1"] and query["title"][0]
    return branch
