"""What `prepare` accepts is packed, checked and served with the same values; what it refuses, callers hear too."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from gitops_model.delivery import memory, scoring
from gitops_model.errors import BadInput
from gitops_model.evaluation.rows import aligned
from gitops_model.files import sha256_file
from gitops_model.formats.bundle import Bundle
from gitops_model.formats.contract import Contract
from gitops_model.formats.pointer import Ref
from gitops_model.formats.serving import Settings
from gitops_model.formats.store import Layout
from gitops_model.pipeline import evaluate, package, prepare, prepared, train
from gitops_model.pipeline.table import check_table
from gitops_model.runtime.answers import GOLDEN_TOLERANCE, Score, score_difference
from gitops_model.runtime.models import columns_of
from gitops_model.serving.app import create_app
from gitops_model.serving.loader import load
from gitops_model.serving.snapshot import Served, Snapshot
from tests.support import asgi, cases
from tests.support.factories import make_contract
from tests.support.strategies import INPUT_RULES, TRICKY, refused_values
from tests.support.tables import (
    EVERY,
    KEY,
    LABEL,
    Table,
    as_json,
    forget,
    kept,
    params,
    repository,
    tables,
)

PROBLEMS = ("binary", "multiclass", "regression")
Scores = dict[str, Score]

# scikit-learn and skl2onnx add up and halve numbers near the end of float32, and warn of what they then expect.
pytestmark = pytest.mark.filterwarnings(
    "ignore:(overflow|invalid value) encountered in:RuntimeWarning"
)
common = settings(
    deadline=None,
    # A small trip takes a second; to look for a smaller one would take minutes.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)


@pytest.fixture(autouse=True, scope="module")
def _no_weighing() -> Any:
    """A process for each model, to see how much memory it takes, says nothing here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "of_bundle", lambda *_args, **_options: 1.0)
        yield


@pytest.mark.parametrize("problem", PROBLEMS)
@given(data=st.data())
@settings(common, max_examples=1)
def test_every_kind_of_input_arrives_as_it_was_sent(problem: str, data: st.DataObject) -> None:
    trip(data.draw(tables(problem, st.just(EVERY))))


@pytest.mark.parametrize("problem", PROBLEMS)
@given(data=st.data())
@settings(common, max_examples=3)
def test_random_tables_arrive_as_they_were_sent(problem: str, data: st.DataObject) -> None:
    trip(data.draw(tables(problem)))


def test_texts_that_files_tend_to_misread_arrive_as_they_were_sent() -> None:
    """As categories, in keys and in slices: carriage returns, quotes, names of nothing, numbers."""
    rows = [
        {KEY: f"{text}{number}", LABEL: float(number), "open": text, "free": number % 7}
        for number, text in enumerate(TRICKY * 2)
    ]
    table = Table(
        problem="regression",
        inputs={"open": {"type": "category"}, "free": {"type": "number"}},
        rows=[*rows, {**rows[0], KEY: "bad", "open": "a\0"}],
        bad={"bad": ["open"]},
        slices=["open"],
        held="objects",
        runtime="onnx",
    )
    trip(table)


@given(rules=INPUT_RULES, data=st.data())
@settings(common, max_examples=100)
def test_a_refusal_reads_the_same_in_a_table_and_in_a_request(
    rules: dict[str, Any], data: st.DataObject
) -> None:
    value = data.draw(refused_values(rules))
    contract = make_contract(inputs={"x": rules}, slices=[])
    table = pd.DataFrame({"x": pd.Series([value], dtype=object)})
    heard = contract.row_validator()({"x": value}).problems
    assert [spoken(said) for said in check_table(contract, table).problems] == heard
    assert len(heard) == 1


@pytest.mark.slow
@pytest.mark.parametrize("problem", PROBLEMS)
@given(data=st.data())
@settings(common, max_examples=200)
def test_many_random_tables_arrive_as_they_were_sent(problem: str, data: st.DataObject) -> None:
    trip(data.draw(tables(problem)))


def trip(table: Table) -> None:
    """Through every stage and the service."""
    with repository(table) as root:
        sentences = prepare_and_hear(table)
        # Each stage is a process of its own, which has imported no other stage's files of the team.
        for stage in (train, evaluate, package):
            forget()
            stage.run()
        sha256 = sha256_file(Path("build/model.tar"))
        bundle = Bundle.read(Path("build/model.tar"), sha256=sha256)
        predicted = predictions(bundle.contract)

        the_prepared_rows_are_the_raw_ones(bundle.contract, table)
        the_check_reads_every_row(bundle, predicted)
        asyncio.run(the_service_answers(root, bundle, table, predicted, sentences))


# Prepare.


def prepare_and_hear(table: Table) -> dict[str, str]:
    """Run `prepare`; returns what it says about each input that some row breaks."""
    if not table.bad:
        prepare.run()
        return {}
    with pytest.raises(BadInput) as caught:
        prepare.run()
    first, *sentences = caught.value.problems
    assert first.startswith(
        f"pipeline/features.py: build returned {len(table.bad)} rows of {len(table.rows)} "
    )
    assert not Path("build/prepared/train.csv").exists()
    Path("params.yaml").write_text(params(table, max_refused=0.2))
    prepare.run()
    place = "contract.yaml: inputs."
    assert all(said.startswith(place) for said in sentences)
    return {said[len(place) :].partition(":")[0]: said[len(place) :] for said in sentences}


def the_prepared_rows_are_the_raw_ones(contract: Contract, table: Table) -> None:
    """Each accepted row is in one of both files, once, with the values that a caller would be answered for."""
    validate = contract.row_validator()
    truth = {row[KEY]: row[LABEL] for row in table.rows}
    seen: list[str] = []
    for part in ("train", "test"):
        read = prepared.read(contract, part)
        seen.extend(read[KEY])
        for place, key in enumerate(read[KEY]):
            sent, found = table.good[key], prepared.inputs(contract, read.iloc[place])
            for name, rules in table.inputs.items():
                wanted = kept(rules, sent.get(name))
                assert same(found[name], wanted), (key, name, sent.get(name), found[name])
            assert read[LABEL][place] == truth[key]
        rows = [validate(table.good[key]).values for key in read[KEY]]
        served, trained = columns_of(contract, rows), prepared.columns(contract, read)
        for name in contract.inputs:
            np.testing.assert_array_equal(trained[name], served[name])
    assert sorted(seen) == sorted(table.good)


def same(found: Any, wanted: Any) -> bool:
    """True for equal values of one kind; whole numbers may be int or float."""
    if isinstance(wanted, (bool, str)) or wanted is None:
        return type(found) is type(wanted) and bool(found == wanted)
    return not isinstance(found, bool) and float(found) == wanted


# Check.


def the_check_reads_every_row(bundle: Bundle, predicted: Scores) -> None:
    contract = bundle.contract
    table = prepared.read(contract, "test")
    test = scoring.test_set(contract, table, scoring.described(prepared.FOLDER))
    answers, _ = scoring.answers(
        model_id=None,
        path=Path("build/model.tar"),
        bundle=bundle,
        table=table,
        keys=list(test.keys),
        trust=scoring.Trust(types=(), file="params.yaml"),
    )
    assert answers.unanswered is None and answers.scores is not None
    rows, columns = aligned(test, answers, None, contract, cases.gates(contract.problem))
    assert sorted(test.keys) == sorted(predicted)
    for key, score in zip(sorted(map(str, test.keys)), rows.candidate.tolist(), strict=True):
        assert_close(score, predicted[key], key)
    assert set(columns.slices) == set(contract.slices)
    assert (
        scoring.train_keys(contract, prepared.FOLDER)
        == prepared.read(contract, "train")[KEY].tolist()
    )


def predictions(contract: Contract) -> Scores:
    """build/predictions.csv."""
    table = pd.read_csv(
        "build/predictions.csv", dtype={KEY: "str"}, keep_default_na=False, lineterminator="\n"
    )
    names = [f"score_{name}" for name in contract.output.classes or ()]
    scores = table[names or ["score"]].to_numpy(dtype=float)
    found = scores.tolist() if names else scores[:, 0].tolist()
    return dict(zip(table[KEY].tolist(), found, strict=True))


def assert_close(found: Score, wanted: Score, key: str) -> None:
    assert score_difference(found, wanted) <= GOLDEN_TOLERANCE, (key, found, wanted)


# Serve.


async def the_service_answers(
    root: Path, bundle: Bundle, table: Table, predicted: Scores, sentences: Mapping[str, str]
) -> None:
    contract, app = bundle.contract, service(root, bundle.sha256)
    for line in bundle.golden:
        status, _, body = await asgi.post(app, f'{{"inputs": {as_json(dict(line["inputs"]))}}}')
        assert (status, body.get("output")) == (200, line["output"]), body

    read = prepared.read(contract, "test")
    keys = read[KEY].tolist()
    written = [prepared.inputs(contract, read.iloc[place]) for place in range(len(read))]
    for rows in (written, [table.good[key] for key in keys]):
        for first in range(0, len(keys), 20):
            part = slice(first, first + 20)
            body = f'{{"rows": [{", ".join(map(as_json, rows[part]))}]}}'
            status, _, answered = await asgi.post(app, body)
            assert status == 200, answered
            for key, row, answer in zip(keys[part], rows[part], answered["rows"], strict=True):
                assert answer["fallback"] is False
                assert_close(score_in(answer["output"], contract), predicted[key], key)
                assert answer["imputed"] == [n for n in contract.inputs if row.get(n) is None]

    heard: dict[str, str] = {}
    for key, row in table.refused.items():
        status, _, body = await asgi.post(app, f'{{"inputs": {as_json(row)}}}')
        assert status == 422, (row, body)
        assert [said.partition(" is ")[0] for said in body["problems"]] == table.bad[key]
        for name, said in zip(table.bad[key], body["problems"], strict=True):
            heard.setdefault(name, said)
    if table.held == "objects":
        # Elsewhere pandas makes 1.0 of 1 and the like before `prepare` sees them.
        assert {name: spoken(said) for name, said in sentences.items()} == heard
    else:
        assert sentences.keys() == heard.keys()


def spoken(sentence: str) -> str:
    """What a caller hears of the first row that `prepare` speaks of."""
    found = re.fullmatch(r"(\w+): \d+ rows, first (.*)", sentence, re.DOTALL)
    assert found is not None, sentence
    return f"{found[1]} is {found[2]}"


def score_in(output: Mapping[str, Any], contract: Contract) -> Score:
    if contract.problem == "multiclass":
        return list(output["probabilities"].values())
    score: float = output["probability" if contract.problem == "binary" else contract.output.name]
    return score


def service(root: Path, sha256: str) -> Starlette:
    """The application with this bundle loaded from a store, as the watcher loads it."""
    store = Layout(root / "store")
    store.bundles.mkdir(parents=True)
    store.bundle(sha256).write_bytes(Path("build/model.tar").read_bytes())
    ref = Ref(model="trip-v1", sha256=sha256)
    app = create_app(Settings(host="", port=0, store=store.folder, timeout_ms=60_000))
    app.state.service.watcher.snapshot = Snapshot(stable=Served(ref=ref, loaded=load(store, ref)))
    return app
