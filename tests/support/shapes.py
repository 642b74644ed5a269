"""Requests as only an attacker or a broken client sends them: each is one request, as large as it is allowed to be."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from tests.support.factories import REQUEST

ROOM = 1024 * 1024 - 300
OIP = "/v2/models/flight-delay/infer"


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One request; `raw` replaces all the rest by bytes on the wire."""

    name: str
    body: bytes = b""
    path: str = "/predict"
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes = b""

    def wire(self) -> bytes:
        """The bytes of the request."""
        if self.raw:
            return self.raw
        head = [f"POST {self.path} HTTP/1.1", "host: x", f"content-length: {len(self.body)}"]
        head += ["content-type: application/json", "connection: close"]
        head += [f"{key}: {value}" for key, value in self.headers.items()]
        return "\r\n".join(head).encode() + b"\r\n\r\n" + self.body


def _filled(before: bytes, item: bytes, after: bytes) -> bytes:
    return (
        before + b",".join([item] * ((ROOM - len(before) - len(after)) // (len(item) + 1))) + after
    )


def _names(count: int, template: str) -> bytes:
    return ",".join(f'"{template % number}":1' for number in range(count)).encode()


def _all() -> tuple[Shape, ...]:
    row = json.dumps(REQUEST, separators=(",", ":")).encode()
    near = json.dumps({f"{name}{n}": 1 for n in range(9) for name in REQUEST}).encode()
    tensor = b'{"name":"distance","datatype":"FP32","shape":[%d],"data":[%s]}'
    get = b"GET /healthz HTTP/1.1\r\nhost: x\r\n"
    return (
        Shape(name="58,000 unknown names", body=b'{"inputs":{%s}}' % _names(58_000, "name%06d")),
        Shape(name="65,000 unknown keys", body=b"{%s}" % _names(65_000, "key%06d")),
        Shape(name="340,000 empty tensors", body=_filled(b'{"inputs":[', b"{}", b"]}"), path=OIP),
        Shape(
            name="12,000 named tensors",
            path=OIP,
            body=b'{"inputs":[%s]}'
            % b",".join(
                b'{"name":"t%05d","datatype":"FP32","shape":[1],"data":[1]}' % n
                for n in range(1990)
            ),
        ),
        Shape(
            name="one tensor of 250,000",
            path=OIP,
            body=b'{"inputs":[%s]}' % (tensor % (250_000, b",".join([b"0.5"] * 250_000))),
        ),
        Shape(
            name="one tensor of 99,000 lists",
            path=OIP,
            body=b'{"inputs":[%s]}' % (tensor % (49_000, b",".join([b"[1]"] * 49_000))),
        ),
        Shape(name="340,000 lists", body=_filled(b'{"rows":[', b"[]", b"]}")),
        Shape(name="99,000 objects", body=b'{"rows":[%s]}' % b",".join([b"{}"] * 49_000)),
        Shape(name="99,000 numbers", body=b'{"rows":[%s]}' % b",".join([b"1e5"] * 99_000)),
        Shape(name="340,000 objects", body=_filled(b'{"rows":[', b"{}", b"]}")),
        Shape(name="lists in lists", body=_filled(b'{"rows":[', b"[[[]]]", b"]}")),
        Shape(name="500,000 deep", body=b"[" * (ROOM // 2) + b"]" * (ROOM // 2)),
        Shape(
            name="90,000 deep", body=b'{"inputs":{"hour":' + b"[" * 90_000 + b"]" * 90_000 + b"}}"
        ),
        Shape(name="numbers of 4,200 digits", body=_filled(b'{"rows":[', b"9" * 4200, b"]}")),
        Shape(name="a number of a megabyte", body=b'{"inputs":{"hour":%s}}' % (b"9" * (ROOM - 30))),
        Shape(
            name="a text of a megabyte", body=b'{"inputs":{"carrier":"%s"}}' % (b"x" * (ROOM - 30))
        ),
        Shape(name="170,000 escapes", body=b'{"inputs":{"carrier":"%s"}}' % (b"\\u0041" * 170_000)),
        Shape(
            name="surrogates and lists",
            body=_filled(b'{"a":"\\ud83d\\ude00","rows":[', b"[]", b"]}"),
        ),
        Shape(name="backslashes", body=b'{"inputs":{"carrier":"%s"}}' % (b"\\\\" * 500_000)),
        Shape(name="a key of a megabyte", body=b'{"inputs":{"%s":1}}' % (b"k" * (ROOM - 30))),
        Shape(name="1,000 good rows", body=b'{"rows":[%s]}' % b",".join([row] * 1000)),
        Shape(name="1,000 rows of near names", body=b'{"rows":[%s]}' % b",".join([near] * 1000)),
        Shape(name="30 rows of near names", body=b'{"rows":[%s]}' % b",".join([near] * 30)),
        Shape(name="1,000 rows of nothing", body=b'{"rows":[%s]}' % b",".join([b"{}"] * 1000)),
        Shape(name="60,000 headers", raw=get + b"a:\r\n" * 60_000 + b"\r\n"),
        Shape(name="a header of a megabyte", raw=get + b"a: " + b"x" * ROOM + b"\r\n\r\n"),
        Shape(
            name="an address of a megabyte",
            raw=b"GET /" + b"x" * ROOM + b" HTTP/1.1\r\nhost: x\r\n\r\n",
        ),
        Shape(name="14,000 requests in one", raw=(get + b"\r\n") * 7_000),
        Shape(
            name="chunks of one byte",
            raw=b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
            + b"1\r\n1\r\n" * 170_000
            + b"0\r\n\r\n",
        ),
    )


SHAPES = _all()
