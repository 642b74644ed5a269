"""The deploy key is shown to GitHub's own SSH servers only, and lies in no file afterwards."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from gitops_model.actions import deploy_key
from gitops_model.actions.job import Job


def test_the_servers_key_is_githubs_word_and_not_the_first_ones_that_answers() -> None:
    seen: dict[str, str] = {}

    def out(*words: str) -> str:
        command = os.environ["GIT_SSH_COMMAND"]
        path = re.search(r"UserKnownHostsFile=(\S+)", command)
        assert path is not None and words[:2] == ("push", "--quiet")
        seen.update(command=command, hosts=Path(path[1]).read_text(), file=path[1])
        return ""

    git: Any = SimpleNamespace(out=out)
    github: Any = SimpleNamespace(host_keys=lambda: ["ssh-ed25519 AAAA", "ssh-rsa BBBB"])
    job = Job(repository="acme/model", token="")
    before = dict(os.environ)
    assert deploy_key.push(git, github, job, "c" * 40, {"ROLLBACK_KEY": "secret"}) == ""
    assert "-oStrictHostKeyChecking=yes" in seen["command"]
    assert seen["hosts"] == "github.com ssh-ed25519 AAAA\ngithub.com ssh-rsa BBBB\n"
    assert dict(os.environ) == before and not Path(seen["file"]).exists()
