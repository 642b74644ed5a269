"""The hot path and the plain path answer the same bytes, count the same, and tell log, guard and shadow the same."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitops_model.runtime.models import OneRow
from gitops_model.serving import service as service_module
from gitops_model.serving.app import App
from gitops_model.serving.shadow_account import Copy
from tests.support.factories import REQUEST, with_place
from tests.support.hot import ask, counts, make_app

Apps = dict[str, App]


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> Apps:
    made: Apps = {}
    for problem in ("binary", "multiclass", "regression"):
        made[problem] = make_app(tmp_path_factory.mktemp(problem), problem=problem)
    made["canary"] = make_app(tmp_path_factory.mktemp("canary"), canary=True)
    open_text = with_place("inputs.carrier.unknown", "accept")
    made["open"] = make_app(tmp_path_factory.mktemp("open"), contract=open_text)
    any_text = with_place("inputs.carrier.values", ...)
    made["any"] = make_app(tmp_path_factory.mktemp("any"), contract=any_text)
    return made


class Told:
    """What the service told the guard, the log and the shadow, without its times."""

    def __init__(self, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
        self.words: list[Any] = []
        service = app.state.service
        monkeypatch.setattr(service, "keep", self.keep)
        monkeypatch.setattr(service.history, "add", lambda *, seconds, **k: self.words.append(k))
        monkeypatch.setattr(service.guard, "note", self.note)

    def keep(self, copy: Copy) -> None:
        answers = [row._replace(unlisted=list(row.unlisted)) for row in copy.answers]
        self.words.append(copy._replace(epoch=0, seconds=0, rows=list(copy.rows), answers=answers))

    def note(self, judge: Any, *, seconds: float, key: Any, rows: Any, **words: Any) -> None:
        self.words.append(([row[:3] for row in rows], words))


def both(
    app: App,
    body: bytes,
    headers: list[tuple[bytes, bytes]] | None = None,
    *,
    hot: bool | None = None,
) -> int:
    """Ask on both paths, and compare everything. `hot`: whether the hot path must have answered."""
    found = []
    with pytest.MonkeyPatch.context() as patch:
        for path in (True, False):
            before = counts(app)
            told = Told(app, patch)
            answered = []
            real = type(app.hot_path).answer

            def watched(self: Any, *words: Any, real: Any = real, answered: Any = answered) -> Any:
                answer = real(self, *words)
                answered.append(answer is not None)
                return answer

            patch.setattr(type(app.hot_path), "answer", watched)
            sent = asyncio.run(ask(app, body, headers or [], hot=path))
            patch.setattr(type(app.hot_path), "answer", real)
            after = counts(app)
            more = {name: after[name] - before.get(name, 0.0) for name in after}
            found.append((sent, {name: value for name, value in more.items() if value}, told.words))
            if path and hot is not None:
                assert (answered == [True]) is hot
            assert path or not answered
    assert found[0] == found[1]
    return int(found[0][0][0]["status"])


def body(inputs: Any = None, **fields: Any) -> bytes:
    return json.dumps({"inputs": REQUEST if inputs is None else inputs, **fields}).encode()


GOOD: dict[str, Callable[[], bytes]] = {
    "plain": body,
    "id": lambda: body(request_id="r-1"),
    "no id": lambda: body(request_id=None),
    "key": lambda: body(key="k"),
    "number as key": lambda: body(key=7),
    "missing": lambda: body({"hour": 3, "weekend": True}),
    "null": lambda: body({"hour": 3, "weekend": True, "carrier": None, "distance": None}),
    "whole float": lambda: body(REQUEST | {"hour": 5.0, "distance": 0}),
    "twice": lambda: b'{"inputs": {"hour": 1, "hour": 2, "weekend": false}}',
    "negative zero": lambda: b'{"inputs": {"hour": -0.0, "weekend": false, "distance": -0}}',
}


@pytest.mark.parametrize("name", ["binary", "multiclass", "regression", "canary"])
@pytest.mark.parametrize("words", GOOD)
def test_good_requests_are_answered_hot(apps: Apps, name: str, words: str) -> None:
    assert both(apps[name], GOOD[words](), hot=True) == 200


def test_both_releases_of_a_canary_answer_hot(apps: Apps) -> None:
    for number in range(12):
        assert both(apps["canary"], body(key=f"k{number}"), hot=True) == 200


def test_any_text_is_a_category_without_values(apps: Apps) -> None:
    assert both(apps["any"], body(REQUEST | {"carrier": "é🛫"}), hot=True) == 200
    assert both(apps["open"], body(), hot=True) == 200


BAD: dict[str, tuple[bytes, int]] = {
    "not json": (b"{", 400),
    "nan": (b'{"inputs": {"distance": NaN}}', 400),
    "half a pair": (b'{"inputs": {"carrier": "\\ud800"}}', 400),
    "deep": (b"[" * 3000, 400),
    "a list": (b"[]", 422),
    "unknown key": (body(inputz=1), 422),
    "rows and inputs": (body(rows=[REQUEST]), 422),
    "rows": (json.dumps({"rows": [REQUEST]}).encode(), 200),
    "golden": (body(request_id="golden-1"), 200),
    "empty id": (body(request_id=""), 422),
    "odd id": (body(request_id="a b"), 422),
    "number as id": (body(request_id=5), 422),
    "long id": (body(request_id="x" * 201), 422),
    "boolean as key": (body(key=True), 422),
    "empty key": (body(key=""), 422),
    "long key": (body(key="x" * 501), 422),
    "huge key": (b'{"inputs": {"hour": 1, "weekend": true}, "key": 18446744073709551615}', 200),
    "too huge key": (b'{"inputs": {"hour": 1, "weekend": true}, "key": 18446744073709551616}', 422),
    "unknown name": (body(REQUEST | {"hours": 1}), 422),
    "null for a name": (body({"hour": 1, "weekend": True, "x": None}), 422),
    "missing hour": (body({"weekend": True}), 422),
    "text": (body(REQUEST | {"hour": "5"}), 422),
    "part of an hour": (body(REQUEST | {"hour": 5.5}), 422),
    "boolean hour": (body(REQUEST | {"hour": True}), 422),
    "number weekend": (body(REQUEST | {"weekend": 1}), 422),
    "large": (body(REQUEST | {"distance": 6000.01}), 422),
    "huge": (b'{"inputs": {"hour": 1, "weekend": true, "distance": %s}}' % (b"9" * 30), 422),
    "unlisted": (body(REQUEST | {"carrier": "XX"}), 422),
    "the word": (body(REQUEST | {"carrier": "(missing)"}), 422),
    "list": (body(REQUEST | {"carrier": ["UA"]}), 422),
    "too large": (body(key="x" * 9000), 413),
}  # fmt: skip


@pytest.mark.parametrize("words", BAD)
def test_all_else_is_left_to_the_plain_path(apps: Apps, words: str) -> None:
    sent, status = BAD[words]
    hot = words == "huge key"
    assert both(apps["binary"], sent, hot=hot) == status


def test_a_category_that_is_not_listed_is_counted(apps: Apps) -> None:
    assert both(apps["open"], body(REQUEST | {"carrier": "ZZ"}), hot=False) == 200


def test_headers(apps: Apps) -> None:
    json_kind, odd = (b"content-type", b"application/json"), (b"content-type", b"text/plain")
    for headers, status, hot in (
        ([json_kind, (b"x-request-id", b"h-1"), (b"x-request-id", b"h-2")], 200, True),
        ([(b"x-request-id", b"a b")], 422, False),
        ([(b"x-request-id", b"golden-9")], 200, False),
        ([odd], 415, None),
        ([(b"content-type", b"Application/JSON; charset=utf-8")], 200, None),
        ([(b"content-length", b"99999999")], 413, None),
    ):
        assert both(apps["binary"], body(), headers, hot=hot) == status


@pytest.mark.parametrize("score", [float("nan"), None, ValueError("no")])
def test_a_model_that_fails_is_asked_again_by_the_plain_path(
    apps: Apps, monkeypatch: pytest.MonkeyPatch, score: Any
) -> None:
    def failing(self: OneRow) -> Any:
        if isinstance(score, Exception):
            raise score
        return score

    app = apps["regression"]
    monkeypatch.setattr(app.hot_path, "_snapshot", None)
    monkeypatch.setattr(OneRow, "score", failing)
    assert both(app, body(), hot=False) == 200
    monkeypatch.undo()
    app.hot_path._snapshot = None


def test_a_busy_service_and_a_slow_model_are_left_to_the_plain_path(
    apps: Apps, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = apps["binary"]
    service = app.state.service
    monkeypatch.setattr(service.limits, "busy", service.limits.most + 1)
    assert both(app, body(), hot=False) == 429
    monkeypatch.undo()
    monkeypatch.setattr(app.hot_path, "_seconds", -1.0)
    assert both(app, body(), hot=False) == 200
    monkeypatch.undo()
    monkeypatch.setattr(service_module, "INLINE_SECONDS", 0.0)
    monkeypatch.setattr(app.hot_path, "_snapshot", None)
    assert both(app, body(), hot=False) == 200
    app.hot_path._snapshot = None


_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 30),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(0, 24, width=32),
    st.sampled_from(["AA", "B6", "UA", "XX", "", "(missing)", "a\0b"]),
    st.text(max_size=5),
    st.lists(st.none(), max_size=1),
)
_ROWS = st.builds(
    lambda row, more: {k: v for k, v in (REQUEST | row).items() if v != "out"} | more,
    st.dictionaries(st.sampled_from(list(REQUEST)), _VALUES | st.just("out"), max_size=3),
    st.dictionaries(st.sampled_from(["houry", "x"]), _VALUES, max_size=1),
)
# On a busy machine the first example alone takes seconds: the table of all characters is made for it.
_PATIENT = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
_FIELDS = st.dictionaries(st.sampled_from(["request_id", "key", "extra"]), _VALUES, max_size=2)


@_PATIENT
@given(
    row=_ROWS,
    fields=_FIELDS,
    name=st.sampled_from(["binary", "multiclass", "canary", "open", "any"]),
)
def test_any_request_is_answered_the_same_on_both_paths(
    apps: Apps, row: dict[str, Any], fields: dict[str, Any], name: str
) -> None:
    both(apps[name], json.dumps({"inputs": row, **fields}).encode())


@_PATIENT
@given(data=st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
def test_any_bytes_are_answered_the_same_on_both_paths(apps: Apps, data: bytes) -> None:
    both(apps["binary"], data)


def test_the_score_of_one_row_is_the_score_of_a_batch(apps: Apps) -> None:
    for name in ("binary", "multiclass", "regression"):
        stable = apps[name].state.service.watcher.snapshot.stable
        model, contract = stable.loaded.model, stable.loaded.contract
        one = model.one_row(contract)
        for place, value in {
            "distance": 1089.0,
            "hour": 17,
            "carrier": "UA",
            "weekend": 0.0,
        }.items():
            one.cells[place][0, 0] = value
        columns = {place: cell.reshape(-1) for place, cell in one.cells.items()}
        assert np.array_equal(np.array(one.score()), model.predict(columns)[0])
        assert one.score() == model.predict(columns)[0].tolist()
