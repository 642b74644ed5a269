"""DEPLOY=agent: what the workflow takes for "live" while a host deploys by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gitops_model.actions import deploy as deploy_job
from gitops_model.delivery import desired, service
from gitops_model.delivery.desired import Desired
from gitops_model.delivery.git import Git
from gitops_model.errors import BadInput, ExternalFailure
from gitops_model.formats.pointer import Canary, Pointer, Ref

GIT = Git(root=Path())
ONE, TWO = (Ref(model=f"m-v{n}", sha256=str(n) * 64) for n in (1, 2))
BESIDE = Canary(model="m-v2", sha256="2" * 64, percent=10, key=None)


def wish(commit: str, stable: Ref, canary: Canary | None = None) -> Desired:
    return Desired(pointer=Pointer(stable=stable, canary=canary), commit=commit)


def wait(wanted: Desired, main: Desired | None = None) -> str:
    """What the job says of it, and `main` is what origin says when it is asked again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(desired, "resolve", lambda git: main or wanted)
        return deploy_job.by_agent(GIT, wanted)


def said(wanted: Desired) -> dict[str, Any]:
    """What a service says that serves this."""
    return {
        "desired": {"commit": wanted.commit, "written_at": ""},
        "live": wanted.pointer.to_dict(),
        "errors": [],
    }


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the service says at each look; the last one for ever."""
    looks: list[Any] = []

    def status(url: str) -> dict[str, Any] | None:
        found = looks.pop(0) if len(looks) > 1 else looks[0]
        if isinstance(found, Exception):
            raise found
        answer: dict[str, Any] | None = found
        return answer

    monkeypatch.setattr(service, "status", status)
    monkeypatch.setattr(deploy_job, "POLL_SECONDS", 0.01)
    monkeypatch.setenv("SERVICE_URL", "http://host:8080/")
    monkeypatch.setenv("AGENT_SECONDS", "0.2")
    return looks


def test_a_canary_is_waited_for(answers: list[Any]) -> None:
    answers += [said(wish("a", ONE))]
    with pytest.raises(ExternalFailure, match=r"serve m-v1, canary m-v2 at 10 %.* serves m-v1\."):
        wait(wish("b", ONE, BESIDE))
    answers[:] = [said(wish("b", ONE, BESIDE))]
    assert "canary m-v2" in wait(wish("b", ONE, BESIDE))


def test_a_canary_that_is_taken_out_is_waited_for(answers: list[Any]) -> None:
    answers += [said(wish("a", ONE, BESIDE))]
    with pytest.raises(ExternalFailure, match=r"serves m-v1, canary m-v2 at 10 %\."):
        wait(wish("b", ONE))


def test_main_that_moved_on_meanwhile(answers: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent goes to the newest at once; the run that waits for an older one must not fail, nor propose a revert."""
    answers += [said(wish("a", ONE)), said(wish("c", TWO))]
    assert wait(wish("b", ONE, BESIDE), main=wish("c", TWO)).startswith("m-v2 is live")


def test_a_service_that_starts_anew_is_waited_for(answers: list[Any]) -> None:
    """Nothing, the error page of a proxy before it, then the service."""
    proxy = ExternalFailure("what answers at http://host:8080 is not this service")
    answers += [None, proxy, said(wish("b", TWO))]
    assert wait(wish("b", TWO)).startswith("m-v2 is live")
    answers[:] = [proxy]
    with pytest.raises(ExternalFailure, match="is not this service"):
        wait(wish("b", TWO))


def test_an_address_that_is_none(answers: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_URL", "host:8080")
    with pytest.raises(BadInput, match="SERVICE_URL is 'host:8080'; allowed"):
        wait(wish("b", TWO))


def test_what_the_service_refuses_is_said(answers: list[Any]) -> None:
    refusal = {"sha256": TWO.sha256, "reason": "load", "sentence": "m-v2 cannot be loaded."}
    answers += [{**said(wish("a", ONE)), "errors": [refusal]}]
    with pytest.raises(ExternalFailure, match="m-v2 cannot be loaded"):
        wait(wish("b", TWO))
