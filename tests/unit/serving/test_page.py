"""The service's page in each of its states: golden files, and hostile names."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from gitops_model.formats.serving import Settings
from gitops_model.serving.app import create_app
from gitops_model.serving.page import Facts, page, show
from tests.support.pages import STATES, facts, history, judged, pointer, state
from tests.support.watches import TEMP, signal, watch

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", STATES)
def test_golden(name: str) -> None:
    """The page without its style sheet and its picture, which have tests of their own."""
    found = watch(signal(TEMP)) if name == "one_release" else None
    text = show(facts(name, found))
    text = re.sub(r"<style>.*?</style>\n|<svg viewBox.*?</svg>", "", text, flags=re.DOTALL)
    path = GOLDEN / f"{name}.html"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text(), f"{path.name} differs; look at it, then set UPDATE_GOLDEN=1"


def test_every_name_from_outside_is_escaped() -> None:
    evil = '"><script>alert(1)</script>'
    one = {"model": evil, "sha256": "f" * 64}
    told = judged("bad", reason=evil, signals=[{**judged("ok")["signals"][0], "name": evil}])
    shadow = {**STATES["shadow"]["shadow"], "model": evil, "state": evil, "said": evil}
    live = pointer(stable=one, previous=one, shadow=one, freeze=evil)
    live["canary"] = {**one, "percent": 5, "key": None}
    found = state(
        live=live, in_sync=False, errors=[{"sentence": evil}], loading=[evil], canary=told,
        removed=[{"sentence": evil}], shadow=shadow,
        desired={"commit": evil, "written_at": "x", **pointer(stable=one)},
    )  # fmt: skip
    seen = Facts(
        task=evil, state=found, minutes=history().minutes(), trained_missing={evil: 0.5},
        watch=watch(signal(evil)),
    )  # fmt: skip
    text = show(seen)
    assert "<script" not in text and text.count("&lt;script&gt;") > 12


def test_the_page_needs_nothing_from_elsewhere() -> None:
    text = show(facts("canary_deciding"))
    assert "<script" not in text and "://" not in text and "url(" not in text
    assert len(text) < 30_000


def test_the_files_of_other_workers_are_not_read_where_requests_are_answered() -> None:
    threads: list[threading.Thread] = []

    class Member:
        def hour(self) -> list[Any]:
            threads.append(threading.current_thread())
            return []

        def state(self, _own: Any) -> dict[str, Any]:
            return state()

    async def ask() -> bytes:
        app = create_app(Settings(host="", port=0, store=Path("nowhere")))
        app.state.service.member = Member()
        return bytes((await page(Request({"type": "http", "app": app}))).body)

    assert b"<h1>parcel-delay-v4</h1>" in asyncio.run(ask())
    assert len(threads) == 1 and threads[0] is not threading.current_thread()
