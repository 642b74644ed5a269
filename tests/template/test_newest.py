"""The weekly run with the newest packages: it says what is newer, and failures open one issue, not one a week."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from ci_scripts import newest

# A `gh` that keeps the issues in a file: as many as were created, and the comments.
GH = """#!/usr/bin/env python3
import json, os, sys
path = os.environ["ISSUES"]
issues = json.load(open(path))
words = sys.argv[1:]
value = lambda name: words[words.index(name) + 1]
if words[:2] == ["issue", "list"]:
    assert value("--state") == "open"
    print(json.dumps([{"title": one["title"], "url": one["url"]} for one in issues if one["open"]]))
elif words[:2] == ["issue", "create"]:
    url = f"https://git.example/issues/{len(issues) + 1}"
    issues.append({"title": value("--title"), "url": url, "open": True, "said": [value("--body")]})
    print(url)
elif words[:2] == ["issue", "comment"]:
    next(one for one in issues if one["url"] == words[2])["said"].append(value("--body"))
json.dump(issues, open(path, "w"))
"""


@pytest.fixture
def issues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "issues.json"
    other = {
        "title": "Something else",
        "url": "https://git.example/issues/1",
        "open": True,
        "said": [],
    }
    path.write_text(json.dumps([other]))
    (tmp_path / "gh").write_text(GH)
    (tmp_path / "gh").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("ISSUES", str(path))
    return path


def test_failures_open_one_issue_until_it_is_closed(issues: Path) -> None:
    assert newest.tell("run 1") == "https://git.example/issues/2"
    assert newest.tell("run 2") == "https://git.example/issues/2"
    found = json.loads(issues.read_text())
    assert len(found) == 2 and "run 1" in found[1]["said"][0]
    assert found[1]["said"][1:] == ["It failed again: run 2"] and found[0]["said"] == []
    found[1]["open"] = False
    issues.write_text(json.dumps(found))
    assert newest.tell("run 3") == "https://git.example/issues/3"


def test_what_is_newer_is_named() -> None:
    old = "a==1.0 \\\n    --hash=sha256:0\nb-c==2 ; python_version > '3'\ngone==1\n"
    new = "a==1.1 \\\n    --hash=sha256:1\nb-c==2 ; python_version > '3'\nd==3\n"
    assert newest.changes(old, new) == ["a 1.0 -> 1.1", "d new -> 3", "gone 1 -> gone"]
    assert newest.changes(old, old) == []
