"""An answer leaves in one piece, so that no kill leaves half of it."""

from __future__ import annotations

from typing import Any

from gitops_model.serving.protocol import WholeAnswers

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Wire:
    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str) -> str:
        return name


def _over() -> tuple[WholeAnswers, Wire]:
    wire: Any = Wire()
    return WholeAnswers(wire), wire


def test_head_and_body_are_one_write() -> None:
    answers, wire = _over()
    for body in (b"{}", b"", b"[]"):
        answers.write(HEAD)
        answers.write(body)
    answers.write(b"more")
    assert wire.sent == [HEAD + b"{}", HEAD, HEAD + b"[]", b"more"]


def test_a_head_alone_is_sent_when_the_answer_is_over() -> None:
    answers, wire = _over()
    answers.write(HEAD)
    assert wire.sent == []
    answers.flush()
    answers.flush()
    assert wire.sent == [HEAD]
    answers.write(HEAD)
    answers.close()
    assert (wire.sent, answers.is_closing()) == ([HEAD, HEAD], True)


def test_the_caller_is_told_to_continue_at_once() -> None:
    answers, wire = _over()
    answers.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert wire.sent == [b"HTTP/1.1 100 Continue\r\n\r\n"]
    assert answers.get_extra_info("peername") == "peername"
