"""Disks, folders and services that do not do what they should: one sentence, the right exit code, nothing half done."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops_model.delivery import agent, pointer_file, service
from tests.support.world import Clone


@pytest.fixture
def dying() -> Iterator[str]:
    """The address of a service that is killed in the middle of each answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    line, _ = server.accept()
                except OSError:
                    return
                with line:
                    line.recv(1 << 16)
                    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_service_that_dies_in_the_middle_of_an_answer_is_gone(dying: str) -> None:
    assert service.status(dying) is None


def test_a_store_that_cannot_be_read(two: Clone) -> None:
    (two.store / "pointer.json").mkdir(parents=True)
    for command in ("deploy", "status"):
        done = two.run(command)
        assert done.code == 5, done.text
        assert f"the store {two.root / 'store'} cannot be read: Is a directory" in done.err


def test_the_agent_outlives_a_store_that_cannot_be_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    looks = 0

    def look() -> agent.Wish:
        nonlocal looks
        looks += 1
        if looks == 3:
            raise KeyboardInterrupt
        raise OSError(errno.ESTALE, "Stale file handle", "store/pointer.json")

    with pytest.raises(KeyboardInterrupt):
        agent.watch(look=look, deploy=lambda: None, every=0.0)
    assert capsys.readouterr().err == "deploy: Stale file handle (store/pointer.json)\n"


def test_a_full_disk_is_one_sentence(two: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    two.ship("flight-delay-v2")

    def full(path: Path, content: bytes | str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    before = two.pointer
    with monkeypatch.context() as patch:
        patch.setattr(pointer_file, "write_atomic", full)
        done = two.run("rollback")
    assert done.code == 5
    assert done.err == f"rollback: No space left on device ({two.root / 'production.yaml'})\n"
    assert two.pointer == before
    two.ok("rollback")
