"""The agent on the serving host: it follows main, and tries what failed again after pauses."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from gitops_model.delivery.agent import Agent
from gitops_model.errors import BadArtifact
from gitops_model.formats.pointer import Ref, switch
from tests.support import logs
from tests.support.chat import SECRET, Chat
from tests.support.world import Clone, World


def test_the_agent_follows_main(shipped: World, two: Clone, chat: Chat) -> None:
    settings = "host: 127.0.0.1\nport: 0\ndeploy: {poll_seconds: 0.2}\nwebhook: MODEL_WEBHOOK\n"
    two.write("serving.yaml", settings)
    logs.write(two.root / "logs" / "predictions", "2026-11-20", [logs.record()])
    code = "import sys; from gitops_model.cli import main; sys.exit(main(['deploy', '--watch']))"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=two.root,
        env={**os.environ, "MODEL_WEBHOOK": chat.url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        _wait(lambda: _stored(two) == "flight-delay-v1")
        other = shipped.clone()
        for path in ("build", ".dvc"):
            (other.root / path).symlink_to(two.root / path)
        other.ship("flight-delay-v2")
        _wait(lambda: _stored(two) == "flight-delay-v2")
        other.point(switch(other.pointer, Ref(model="flight-delay-v9", sha256="a" * 64)))
        _wait(lambda: len(chat.texts) == 1)
        other.git("revert", "--no-edit", "HEAD")
        other.push()
        _wait(lambda: two.stored["commit"] == other.git("rev-parse", "HEAD"))
        assert _stored(two) == "flight-delay-v2"
        # On the way it closed what was over.
        _wait(lambda: any((two.root / "logs").glob("*/*/closed-*.parquet")))
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
    assert process.stdout is not None
    said = process.stdout.read()
    process.stdout.close()
    assert "deploy: stopped." in said
    assert "flight-delay-v9" in chat.texts[0] and len(chat.texts) == 1
    assert "told to the webhook in MODEL_WEBHOOK" in said and SECRET not in said


def _stored(clone: Clone) -> str | None:
    try:
        return clone.stable()
    except FileNotFoundError:
        return None


def _wait(happened: Callable[[], bool], seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


def test_the_agent_tries_a_commit_once_and_then_after_pauses(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now, calls, error = [0.0], [0], [True]

    def deploy() -> None:
        calls[0] += 1
        if error[0]:
            raise BadArtifact("it is damaged")

    agent = Agent(deploy=deploy, clock=lambda: now[0])
    for second in range(16):
        now[0] = float(second)
        agent.look(("a", False, ()))
    assert calls[0] == 4  # at 0, 2, 6 and 14 seconds
    agent.look(("b", False, ()))
    assert calls[0] == 5
    said = capsys.readouterr().err.splitlines()
    assert said.count("deploy: it is damaged") == 1  # the same trouble is said once
    pauses = [line.split()[-2] for line in said if "trying again" in line]
    assert pauses == ["2", "4", "8", "16", "2"]
    error[0], now[0] = False, 100.0
    agent.look(("b", False, ("origin cannot be reached.",)))
    agent.look(("b", True, ("origin cannot be reached.",)))
    agent.look(("b", True, ()))
    assert calls[0] == 6
    assert capsys.readouterr().out == (
        "deploy: origin cannot be reached.\ndeploy: all is normal again.\n"
    )
    agent.look(("b", False, ()))  # somebody changed the store
    assert calls[0] == 7
