"""The service's page: from a real service, and in a real browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ci_scripts.pictures import BROWSERS
from tests.support.routed import server
from tests.support.server import Server

__all__ = ["server"]  # the fixture

BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)


def test_the_page_shows_what_serves_and_the_last_hour(server: Server) -> None:
    for number in range(30):
        assert server.predict(key=f"N{number}").status == 200
    reply = server.get("/")
    assert reply.status == 200 and reply.headers["content-type"].startswith("text/html")
    assert reply.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    text = reply.text
    assert "<h1>flight-delay-v12</h1>" in text and "brings back <b>flight-delay-v11</b>" in text
    assert "<b>flight-delay-v13</b> answers 20 % of the requests" in text
    found = re.search(r"([0-9,]+) requests, ", text)
    assert found and int(found[1].replace(",", "")) >= 30


def test_the_last_report_of_the_monitor_is_shown_where_it_can_be_read(server: Server) -> None:
    assert "No report lies here" in server.get("/").text
    path = server.folder / "reports" / "monitor.json"
    path.parent.mkdir()
    try:
        path.write_text("{")
        assert "No report lies here" in server.get("/").text
        empty = {"windows": [], "causes": [], "advice": [], "notes": []}
        signal = {"name": "input temp", "state": "alarm", "sentence": "it rose.", "evidence": []}
        report = {"schema": 1, "made": "2026-11-28", "model": "m", "signals": [signal], **empty}
        path.write_text(json.dumps(report))
        assert "<b>input temp</b>: it rose." in server.get("/").text
    finally:
        shutil.rmtree(path.parent)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here; Debian and Ubuntu have a package")
@pytest.mark.parametrize("width", [1200, 500])
def test_a_browser_shows_it_without_an_error_and_asks_nobody_else(
    server: Server, tmp_path: Path, width: int
) -> None:
    assert BROWSER is not None
    net = tmp_path / "net.json"
    url = f"http://127.0.0.1:{server.port}/"
    done = subprocess.run(
        [
            *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
            *("--enable-logging=stderr", "--v=0", f"--log-net-log={net}", f"--user-data-dir={tmp_path / 'profile'}"),
            *(f"--window-size={width},900", "--dump-dom", url),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )  # fmt: skip
    assert "<h1>flight-delay-v12</h1>" in done.stdout
    # What the browser says of a page begins with CONSOLE.
    assert "CONSOLE" not in done.stderr, done.stderr
    asked = set(re.findall(r'"url":"(https?://[^"]+)"', net.read_text(encoding="utf-8")))
    ours = {found for found in asked if found.startswith(url)}
    assert ours <= {url, f"{url}favicon.ico"} and url in ours, asked
