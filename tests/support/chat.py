"""A webhook of a chat on loopback."""

from __future__ import annotations

import http.server
import json
import threading
from typing import Any

SECRET = "T000-secret"


class Chat:
    """A webhook on loopback: what it was sent, and what it answers next (a status, or "hang")."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.answers: list[int | str] = []
        self.followed = 0
        self.released = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = outer.answers.pop(0) if outer.answers else 200
                if answer == "hang":
                    outer.released.wait(20)
                    return
                if answer == 200:
                    outer.texts.append(json.loads(body)["text"])
                self.send_response(int(answer))
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self) -> None:
                outer.followed += 1
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/{SECRET}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
