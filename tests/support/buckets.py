"""An S3 server on loopback (moto's), which checks signatures, counts what it is asked, and breaks off on demand."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
import requests
from botocore.config import Config
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

BUCKET = "team-logs"
HANG_SECONDS = 4.0
ANYTHING = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request: its method, its path with the query, and the bytes of the answer."""

    what: str
    sent: int


@dataclass(kw_only=True)
class Storage:
    """A server with the bucket BUCKET. `env` is what a process needs to use it.

    `cut`: a request whose method and path match gets no answer; the connection ends, as when a server dies. `hang`:
    its answer takes longer than a client should wait.
    """

    url: str = ""
    env: dict[str, str] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    cut: str | None = None
    hang: str | None = None

    def client(self, service: str = "s3") -> Any:
        """boto3's, with the keys in `env`."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            aws_access_key_id=self.env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.env["AWS_SECRET_ACCESS_KEY"],
            region_name="us-east-1",
            config=Config(retries={"max_attempts": 1}),
        )

    def objects(self) -> dict[str, int]:
        """The bytes of each object, by its name."""
        found = self.client().list_objects_v2(Bucket=BUCKET).get("Contents", ())
        return {one["Key"]: one["Size"] for one in found}

    def got(self, word: str) -> list[Asked]:
        """What was asked by GET, of paths with the word."""
        return [one for one in self.asked if one.what.startswith("GET ") and word in one.what]


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_: object) -> None:
        pass


@contextmanager
def storage() -> Iterator[Storage]:
    """The server while the block lasts."""
    made = Storage()
    inner = DomainDispatcherApplication(create_backend_app)

    def application(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        what = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}?{environ['QUERY_STRING']}"
        if made.hang is not None and re.search(made.hang, what):
            time.sleep(HANG_SECONDS)
        if made.cut is not None and re.search(made.cut, what):
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionResetError
        if "HTTP_AUTHORIZATION" not in environ and "moto-api" not in what:
            # moto would not know what to do with it.
            start("403 Forbidden", [("Content-Length", "0")])
            return []
        body = b"".join(inner(environ, start))
        made.asked.append(Asked(what=what, sent=len(body)))
        return [body]

    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    try:
        _prepare(made)
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _prepare(made: Storage) -> None:
    """A user whose keys are asked for from now on, and an empty bucket."""
    made.env = {
        "AWS_ACCESS_KEY_ID": "first",
        "AWS_SECRET_ACCESS_KEY": "first",
        "AWS_ENDPOINT_URL": made.url,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    requests.post(f"{made.url}/moto-api/reset", timeout=30)
    iam = made.client("iam")
    # So many requests are answered without a look at their keys.
    requests.post(f"{made.url}/moto-api/reset-auth", data=b"4", timeout=30)
    iam.create_user(UserName="team")
    iam.put_user_policy(UserName="team", PolicyName="all", PolicyDocument=ANYTHING)
    key = iam.create_access_key(UserName="team")["AccessKey"]
    made.client().create_bucket(Bucket=BUCKET)
    made.env["AWS_ACCESS_KEY_ID"] = key["AccessKeyId"]
    made.env["AWS_SECRET_ACCESS_KEY"] = key["SecretAccessKey"]
    made.asked.clear()
