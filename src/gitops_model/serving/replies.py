"""JSON in, JSON out: bounded bodies, strict parsing, and errors of one sentence with the right status."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, NoReturn

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from gitops_model.serving.limits import MOST_HELD, MOST_VALUES, Limits


class Problem(Exception):
    """A request that gets no answer. `problems` lists what is wrong when there is more than one thing."""

    def __init__(
        self,
        status: int,
        sentence: str,
        *,
        problems: list[str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.status = status
        self.sentence = sentence
        self.problems = problems
        self.headers = headers
        super().__init__(sentence)


def reply(value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON response. NaN and infinities, which JSON has no word for, raise ValueError."""
    body = json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
    return Response(body, status, headers, "application/json")


async def on_problem(_request: Request, problem: Exception) -> Response:
    """Starlette's exception handler for Problem."""
    assert isinstance(problem, Problem)
    body: dict[str, Any] = {"error": problem.sentence}
    if problem.problems is not None:
        body["problems"] = problem.problems
    return reply(body, status=problem.status, headers=problem.headers)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Starlette's own 404 and 405 in the same form."""
    assert isinstance(error, HTTPException)
    sentence = error.detail
    if error.status_code == 404:
        sentence = "There is nothing at this address; /docs lists what there is."
    elif error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        sentence = f"This address does not take {request.method[:20]}; allowed: {allowed}."
    return reply({"error": sentence}, status=error.status_code, headers=dict(error.headers or {}))


async def on_crash(_request: Request, _error: Exception) -> Response:
    """What callers see of an unexpected error; the log has the rest."""
    return reply({"error": "The service failed on this request; its log says why."}, status=500)


async def read_body(request: Request, *, max_bytes: int, until: float, limits: Limits) -> bytes:
    """The body. `until` is on the event loop's clock. Raises Problem: 400, 408, 413, 415 or 429."""
    kind = request.headers.get("content-type", "application/json")
    if kind != "application/json" and kind.partition(";")[0].strip().lower() != "application/json":
        shown = kind[:60].encode("ascii", "replace").decode()
        raise Problem(415, f"The body is {shown}; allowed: application/json.")
    try:
        async with asyncio.timeout_at(until):
            return await _read(request, max_bytes, limits)
    except TimeoutError:
        limits.refused("body")
        raise Problem(
            408, "The body did not arrive in time.", headers={"Connection": "close"}
        ) from None


async def _read(request: Request, max_bytes: int, limits: Limits) -> bytes:
    too_large = Problem(
        413,
        f"The body is larger than {max_bytes // 1024} KB; send fewer rows at a time.",
        headers={"Connection": "close"},
    )
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced[:20]) > max_bytes:
        limits.refused("size")
        raise too_large
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            limits.held += len(chunk)
            if len(body) > max_bytes:
                limits.refused("size")
                raise too_large
            if limits.held > MOST_HELD:
                raise no_room(limits, "memory")
    except ClientDisconnect:
        raise Problem(400, "The connection was closed before the body was complete.") from None
    finally:
        limits.held -= len(body)
    return bytes(body)


def no_room(limits: Limits, reason: str) -> Problem:
    """The answer when there is no room for this request, which is counted."""
    limits.refused(reason)
    sentence = "The service has as much work as it can finish in time; try again in a second."
    return Problem(429, sentence, headers={"Retry-After": "1"})


_DIGITS = 400


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON; send null for a missing value")


# orjson reads what is beyond 64 bits as a float, so bodies that may hold such a number are not given to it.
BEYOND_64_BITS = re.compile(rb"[0-9]{19}")
_decoder = json.JSONDecoder(parse_constant=_no_constant)


# Half of a surrogate pair, where no backslash is itself escaped.
_HALF = re.compile(
    rb"\\u[dD](?:[89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..\\u[dD])[c-fC-F])", re.DOTALL
)


def _has_half(body: bytes) -> bool:
    """Whether an escaped half surrogate is in it: it parses, but is no text any model could be given."""
    return b"\\u" in body and _HALF.search(body.replace(b"\\\\", b"__")) is not None


def _bound(body: bytes, most_values: int) -> None:
    # A colon for each name: making names costs as much as making values.
    values = sum(body.count(mark) for mark in (b",", b":", b"[", b"{"))
    if values > most_values:
        words = f"The body holds about {values:,} names and values; allowed: {most_values:,}."
        raise Problem(413, f"{words} Send fewer rows at a time.")
    # Reading a number takes the square of its digits. Twice as many in a row fill one of these blocks.
    if any(body[at : at + _DIGITS].isdigit() for at in range(0, len(body), _DIGITS)):
        raise Problem(413, f"The body holds a number of over {_DIGITS} digits.")


def parse_json(body: bytes, *, most_values: int = MOST_VALUES) -> Any:
    """Strict JSON: UTF-8, no NaN, no half surrogates, bounded. Raises Problem 400 or 413 in one sentence."""
    # Each value is two bytes at least.
    if len(body) > 2 * most_values:
        _bound(body, most_values)
    if not BEYOND_64_BITS.search(body):
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            # Not for long: it is wrong, and this parser's words are for programmers; or nested deeper than it likes.
            pass
    try:
        value = _decoder.decode(body.decode("utf-8"))
        if _has_half(body):
            raise Problem(400, "The body is not UTF-8 text.")
        return value
    except UnicodeError:
        raise Problem(400, "The body is not UTF-8 text.") from None
    except RecursionError:
        raise Problem(400, "The body is nested too deeply.") from None
    except ValueError as error:
        reason = str(error) if body.strip() else "it is empty"
        raise Problem(400, f"The body is not valid JSON: {reason[:200]}.") from None
