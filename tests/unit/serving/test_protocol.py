"""What is refused without being parsed is one whole request, however its head is written."""

from __future__ import annotations

import httptools
from hypothesis import example, given
from hypothesis import strategies as st

from gitops_model.serving.protocol import is_simple

PLAIN = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"


class _Seen:
    """What llhttp makes of some bytes."""

    def __init__(self, data: bytes) -> None:
        self.whole = self.length = 0
        self.keeps = False
        self._parser = httptools.HttpRequestParser(self)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.whole = -1

    def on_body(self, body: bytes) -> None:
        self.length += len(body)

    def on_message_complete(self) -> None:
        self.whole += 1
        self.keeps = self._parser.should_keep_alive()


_LINES = st.sampled_from(
    [
        *(b"host: x", b"accept: */*", b"", b" folded", b"\tfolded", b"x: a\nconnection: close"),
        *(b"content-length: 2", b"Content-Length:2", b"content-length: 3", b"content-length: +2"),
        *(b"content-length : 2", b"content-length: 2, 2", b"x-length: content-length: 9"),
        *(b"connection: close", b"Connection:keep-alive", b"expect: 100-continue", b"upgrade: h2c"),
        *(b"proxy-connection: close", b"Proxy-Connection : close"),
        *(b"transfer-encoding: chunked", b"Transfer-Encoding : chunked"),
    ]
)
_STARTS = st.sampled_from(
    [
        *(b"POST /predict HTTP/1.1", b"POST /v2 HTTP/1.1", b"POST / HTTP/1.0"),
        *(b"GET / HTTP/1.1", b"POST x HTTP/1.1", b"POST /"),
    ]
)


@example(start=b"POST /predict HTTP/1.1", lines=[b"host: x", b"content-length: 2"], body=b"{}")
@example(
    start=b"POST /predict HTTP/1.1",
    lines=[b"content-length: 2", b"proxy-connection: close"],
    body=b"{}",
)
@given(
    start=_STARTS,
    lines=st.lists(_LINES, max_size=4),
    body=st.sampled_from([b"", b"{}", b"{} ", b"{}" + PLAIN]),
)
def test_it_is_one_whole_request_to_the_parser_too(
    start: bytes, lines: list[bytes], body: bytes
) -> None:
    data = b"\r\n".join([start, *lines, b"", body])
    if is_simple(data):
        seen = _Seen(data)
        # -1: malformed, so the connection would have been closed. Nothing in it can pass for a second request.
        assert seen.whole == -1 or (seen.whole == 1 and seen.keeps)


def test_what_clients_send_is_simple() -> None:
    assert is_simple(PLAIN)
    assert is_simple(PLAIN.replace(b"content-length", b"Content-Length"))
    assert not is_simple(PLAIN[:-1]) and not is_simple(PLAIN + b"P") and not is_simple(PLAIN[:30])


def test_what_changes_how_a_request_is_read_is_left_to_the_parser() -> None:
    for line in (
        *(b"content-length: 2", b"transfer-encoding: chunked", b"Transfer-Encoding : x"),
        *(b"expect: 100-continue", b"connection: close", b"upgrade: h2c", b" folded"),
        *(b"proxy-connection: close", b"Proxy-Connection : close"),
    ):
        assert not is_simple(PLAIN.replace(b"host: x", line)), line
