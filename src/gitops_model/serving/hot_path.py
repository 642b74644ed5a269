"""POST /predict of one row when all is well: parse, check, route, predict, answer, count, log, without a detour.

It answers good requests only. Whatever else a request is (a batch, a wrong input, a fallback, a service that is busy),
`HotPath.answer` gives None before it has counted anything, and `api.predict` answers from the start: one place for each
rule and each message. A request that came in one piece gets here before it is parsed (`whole`), others as ASGI
(`take`). Both paths answer the same bytes (tests/integration/serving/test_hot_path.py and test_http.py).

The budget, in microseconds of CPU, of a request of 13 inputs with a canary routed (warm, on one quiet core of an AMD
EPYC). What is added here has to be worth its line:

    read the JSON                                0.9
    form, request id, key                        1.2
    router and its hash                          1.3
    check 13 inputs and write them               2.4
    ONNX Runtime                                21      a small model; 50 when others have emptied the caches
    output, its JSON, headers                    2.5
    guard 1.0, metrics 0.6, history 0.5          2.1
    log                                          4      with its thread; the text is made of 16 rows at a time
    besides: sockets and the event loop         40      with the parser, a task and ASGI: 100
"""

from __future__ import annotations

import random
import re
import time
from typing import Any

import orjson
from starlette.types import Message, Receive, Scope, Send

from gitops_model.formats.row_arrays import row_writer
from gitops_model.runtime.answers import GOLDEN_ID, answer
from gitops_model.runtime.models import OnnxModel
from gitops_model.serving import router
from gitops_model.serving.limits import INLINE_BYTES
from gitops_model.serving.metrics import Metrics
from gitops_model.serving.predictor import RowAnswer
from gitops_model.serving.router import Route
from gitops_model.serving.service import Service, is_quick, key_in
from gitops_model.serving.shadow_account import Copy
from gitops_model.serving.snapshot import Served, Snapshot

REQUEST_ID = re.compile(r"[\x21-\x7e]{1,200}")
LONGEST_KEY = 500
SHORT = 12
_PREDICT = ("/predict", "POST", 200)

# A head as the grammar of HTTP has it, so that what the parser would refuse gets there.
_HEAD = re.compile(
    rb"POST /predict HTTP/1\.1(?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*){1,50}"
)
_KIND = re.compile(rb"(?i)\r\ncontent-type:[ \t]*([^\r]*)")
_GIVEN = re.compile(rb"(?i)\r\nx-request-id:[ \t]*([^\r]*)")

Headers = list[tuple[bytes, bytes]]


def new_id() -> str:
    """A request id for a caller who sent none: as uuid4().hex, without its version, at a tenth of the time."""
    return f"{random.getrandbits(128):032x}"


class _Ready:
    """A release that answers by one route, with all that is the same for each of its requests."""

    def __init__(self, served: Served, route: Route, model: OnnxModel, metrics: Metrics) -> None:
        contract, ref = served.loaded.contract, served.ref
        one = model.one_row(contract)
        self.served, self.route, self.contract = served, route, contract
        self.write, self.score = row_writer(contract.inputs, one.cells), one.score
        self.model, self.sha256, self.short = ref.model, ref.sha256, ref.sha256[:SHORT]
        self.headers = [(b"x-model", ref.model.encode()), (b"x-model-route", route.encode())]
        self.tally = metrics.tally(ref.model, route, 200)
        self.scores = metrics.scores.tally(ref.model, route)


class HotPath:
    """The hot path of one service. On the event loop only: the arrays of a model hold one row at a time."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._metrics = service.metrics
        self._seconds = service.settings.timeout_ms / 1000
        self._most = min(INLINE_BYTES, service.settings.max_body_kb * 1024)
        self._snapshot: Snapshot | None = None
        self._ready: dict[Route, _Ready] = {}

    def whole(self, data: bytes, headers: Headers) -> bytes | None:
        """The answer to a request that is one piece (`protocol.is_simple`), after the server's own `headers`.

        None unless all of its head is well-formed and about nothing but /predict, JSON and an id.
        """
        arrived = time.perf_counter()
        head, _, body = data.partition(b"\r\n\r\n")
        if len(body) > self._most or not _HEAD.fullmatch(head):
            return None
        kind = _KIND.search(head)
        if kind is not None and kind[1] != b"application/json":
            return None
        given = _GIVEN.search(head)
        found = self.answer(body, None if given is None else given[1].decode("latin-1"), arrived)
        if found is None:
            return None
        self._metrics.https.counts[_PREDICT] += 1
        lines = [b"%b: %b\r\n" % header for header in (*headers, *found[0])]
        return b"".join((b"HTTP/1.1 200 OK\r\n", *lines, b"\r\n", found[1]))

    async def take(self, scope: Scope, receive: Receive, send: Send) -> Receive | None:
        """Answer a POST to /predict whose body is here, or return what the plain path is to receive it by."""
        if not scope.get("whole"):
            return receive
        given = None
        for name, value in scope["headers"]:
            if name == b"content-type":
                if value != b"application/json":
                    return receive
            elif name == b"x-request-id":
                given = value if given is None else given
            elif name == b"content-length" and (len(value) > 5 or int(value) > self._most):
                return receive
        message = await receive()
        body = message.get("body", b"")
        if message["type"] != "http.request" or message.get("more_body") or len(body) > self._most:
            return _again(message, receive)
        found = self.answer(
            body, None if given is None else given.decode("latin-1"), scope["arrived"]
        )
        if found is None:
            return _again(message, receive)
        headers, content = found
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})
        self._metrics.https.counts[_PREDICT] += 1
        return None

    def answer(  # noqa: C901  flat, and read from top to bottom
        self, body: bytes, given: str | None, arrived: float
    ) -> tuple[Headers, bytes] | None:
        """Headers and body of the answer; None, with nothing done, for all that is not plainly good.

        `given` is the header X-Request-Id. `arrived` is on the clock of time.perf_counter.
        """
        service = self._service
        if service.limits.busy > service.limits.most:
            return None
        try:
            data = orjson.loads(body)
        except orjson.JSONDecodeError:
            return None
        inputs = data.get("inputs") if type(data) is dict else None
        if type(inputs) is not dict:
            return None
        request_id, key = given, None
        if len(data) > 1:
            request_id, key = data.get("request_id", given), data.get("key")
            if len(data) != 1 + ("request_id" in data) + ("key" in data):
                return None
            if key is not None:
                if type(key) is int:
                    key = str(key)
                elif type(key) is not str or not 1 <= len(key) <= LONGEST_KEY:
                    return None
        if request_id is None:
            request_id = new_id()
        elif (
            type(request_id) is not str
            or not REQUEST_ID.fullmatch(request_id)
            or request_id.startswith(GOLDEN_ID)
        ):
            return None

        snapshot = service.watcher.snapshot
        if snapshot is not self._snapshot:
            self._prepare(snapshot)
        way: Route = "stable"
        if snapshot.canary_rule is not None:
            sticky = key_in(snapshot, key, inputs)
            found = router.route(snapshot, request_id if sticky is None else sticky)
            if found is None:
                return None
            way = found[1]
        ready = self._ready.get(way)
        if ready is None:
            return None
        imputed = ready.write(inputs)
        if imputed is None or time.perf_counter() - arrived > self._seconds:
            return None
        try:
            score = ready.score()
            output = None if score is None else answer(ready.contract, score)
        except Exception:
            # Whatever a foreign model raises is the plain path's: it asks again, logs the failure, and falls back.
            return None
        if output is None:
            return None

        content = orjson.dumps(
            {
                "request_id": request_id,
                "model": ready.model,
                "sha256": ready.short,
                "route": way,
                "output": output,
                "imputed": imputed,
            }
        )
        headers = [
            *ready.headers,
            (b"x-request-id", request_id.encode()),
            (b"content-length", b"%d" % len(content)),
            (b"content-type", b"application/json"),
        ]
        self._account(ready, inputs, RowAnswer(output, imputed, False), request_id, key, arrived)
        return headers, content

    def _account(
        self,
        ready: _Ready,
        inputs: dict[str, Any],
        row: RowAnswer,
        request_id: str,
        key: str | None,
        arrived: float,
    ) -> None:
        """What `Service.answer` does besides answering: the canary's judge, metrics, log, shadow."""
        service, rows = self._service, [row]
        seconds = time.perf_counter() - arrived
        judge = service.guard.judge
        if judge is not None:
            service.guard.note(
                judge,
                served=ready.served,
                status=200,
                seconds=seconds,
                rows=rows,
                fell_back=False,
                asked=1,
                key=lambda: None,
            )
        ready.tally.add(seconds, 1)
        if ready.scores is not None:
            ready.scores.add(rows)
        if row.imputed:
            self._metrics.imputed.add(ready.model, row.imputed)
        service.history.add(status=200, seconds=seconds, rows=1, missing=row.imputed)
        service.keep(
            Copy(
                *(time.time(), request_id, key, [inputs]),
                *(ready.served.ref, ready.route, rows, seconds),
            )
        )

    def _prepare(self, snapshot: Snapshot) -> None:
        """Another routing table is in effect. Slow models and other runtimes stay with the plain path."""
        self._snapshot, self._ready = snapshot, {}
        routes: dict[Route, Served | None] = {"stable": snapshot.stable, "canary": snapshot.canary}
        for way, served in routes.items():
            if (
                served is not None
                and isinstance(served.loaded.model, OnnxModel)
                and is_quick(served)
            ):
                self._ready[way] = _Ready(served, way, served.loaded.model, self._metrics)


def _again(first: Message, receive: Receive) -> Receive:
    """A `receive` that gives `first` once more."""
    waiting = [first]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again
