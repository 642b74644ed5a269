"""What a shadow may do before it is left alone: its process is a script of the test's, the rest is real."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gitops_model.formats.pointer import Ref
from gitops_model.formats.store import Layout
from gitops_model.serving import shadow, shadow_child
from gitops_model.serving.predictor import RowAnswer
from gitops_model.serving.shadow import Ended, Shadows
from gitops_model.serving.shadow_account import Account, Copy
from gitops_model.serving.watcher import Watcher
from tests.support.factories import REQUEST
from tests.support.server import PATIENCE, Store

REF = Ref(model="m-v2", sha256="2" * 64)
STABLE = Ref(model="m-v1", sha256="1" * 64)
READY = (
    'import sys; out = sys.stdout; out.write(\'{"problem": "binary", "output": "delayed", '
    '"schema_version": 1, "tolerance": null, "costs": {}}\\n\\n\'); out.flush(); '
)
UNREADABLE = "it gave an answer that cannot be read"
COPY = Copy(
    epoch=0.0, request_id="r", key=None, rows=[REQUEST], ref=STABLE, route="stable",
    answers=[RowAnswer(output={"delayed": True, "probability": 0.6}, imputed=[], fell_back=False)],
)  # fmt: skip


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """What runs instead of the worker."""
    real = shadow_child.subprocess.Popen

    def use(script: str) -> None:
        def started(command: list[str], **options: object) -> object:
            return real([sys.executable, "-c", script], **options)

        monkeypatch.setattr(shadow_child.subprocess, "Popen", started)

    return use


async def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def _started(shadows: Shadows) -> Account:
    await asyncio.wrap_future(shadows.start(Layout(Path("nowhere")), REF))
    account = shadows.accounts()[-1]
    await _until(lambda: account.state == "running")
    return account


def test_after_many_ends_it_is_left_alone(
    process: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    process(READY + "sys.stdin.readline(); sys.exit(3)")
    pauses: list[float] = []
    monkeypatch.setattr(shadow.Shadow, "_pause", lambda self, seconds: pauses.append(seconds))

    async def story() -> None:
        shadows = Shadows()
        account = await _started(shadows)
        deadline = time.monotonic() + 2 * PATIENCE
        while account.state != "given up":
            assert time.monotonic() < deadline
            shadows.offer(REF, COPY)
            await asyncio.sleep(0.01)
        assert (account.ends, account.said) == (6, "it ended with code 3")
        assert pauses == [1, 2, 4, 8, 16]
        before = dict(account.dropped)
        shadows.offer(REF, COPY)
        assert account.dropped["down"] == before["down"] + 1
        assert before["lost"] >= 6
        # The pointer names it anew.
        shadows.let_go(REF.sha256)
        again = await _started(shadows)
        assert again.state == "running" and again.ends == 0
        await shadows.stop()

    asyncio.run(story())


def _says(*lines: str) -> str:
    """To read a request, and give this answer to it."""
    text = "".join(line + "\n" for line in lines) + "\n"
    return f"[*iter(sys.stdin.readline, '\\n')]; out.write({text!r}); out.flush(); sys.stdin.read()"


@pytest.mark.parametrize(
    "does, said",
    [
        (_says("no JSON"), f"{UNREADABLE} (JSONDecodeError)"),
        (_says('[0.1, "answered", null, 2]', "[null, []]", "[null, []]"), f"{UNREADABLE} (ValueError)"),
        (_says('[0.1, "answered", null, 9]'), f"{UNREADABLE} (StopIteration)"),
        (_says("x" * 5000), "it answered without end"),
        ("sys.stdin.read()", "it gave no answer for 0.5 s"),
        ("import time; time.sleep(600)", "it gave no answer for 0.5 s"),
    ],
)  # fmt: skip
def test_what_is_no_answer_ends_it(
    does: str, said: str, process: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    process(READY + does)
    monkeypatch.setattr(shadow, "MOST_ENDS", 0)
    monkeypatch.setattr(shadow, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(shadow_child, "LONGEST_ANSWER", 1000)

    async def story() -> None:
        shadows = Shadows()
        account = await _started(shadows)
        shadows.offer(REF, COPY)
        await _until(lambda: account.state == "given up")
        assert (account.said, account.dropped["lost"]) == (said, 1)

    asyncio.run(story())


def test_one_that_is_ended_while_it_loads_leaves_nobody_waiting(
    process: Callable[[str], None],
) -> None:
    process("import time; time.sleep(600)")

    async def story() -> None:
        shadows = Shadows()
        ready = asyncio.wrap_future(shadows.start(Layout(Path("nowhere")), REF))
        await asyncio.sleep(0.05)
        await shadows.stop()
        with pytest.raises(Ended):
            await ready
        with pytest.raises(Ended):
            shadows.start(Layout(Path("nowhere")), REF)

    asyncio.run(story())


def test_one_that_is_let_go_while_it_loads_is_no_failure(
    process: Callable[[str], None], tmp_path: Path
) -> None:
    process("import time; time.sleep(600)")
    store = Store(tmp_path)
    one, two = store.add(1), store.add(2)
    failed: list[str] = []

    async def story() -> None:
        watcher = Watcher(tmp_path, on_failure=failed.append)
        task = asyncio.create_task(watcher.run(0.02))
        store.point(one, shadow=two)
        await _until(lambda: watcher.loading == [two["model"]])
        store.point(one)
        await _until(lambda: watcher.in_sync and not watcher.loading)
        assert watcher.snapshot.shadow is None
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(story())
    assert failed == []
