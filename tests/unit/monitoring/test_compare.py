"""What the log says of a shadow, and of two days: counts, intervals, slices, and the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gitops_model import strict_yaml
from gitops_model.delivery import compare as command
from gitops_model.errors import BadInput, CannotEvaluate
from gitops_model.formats.comparison import ShadowReport
from gitops_model.formats.contract import Contract
from gitops_model.formats.pointer import Pointer, Ref
from gitops_model.monitoring import compare, compare_days, records, tails
from gitops_model.report import compare_pages
from tests.support import logs
from tests.support.factories import contract_dict, make_contract

TODAY = datetime.now(UTC).date().isoformat()
COSTS = {"primary": "roc_auc", "risk": "expected_cost",
         "costs": {"false_positive": 1, "false_negative": 4}}  # fmt: skip


def read(folder: Path, contract: Contract) -> dict[str, compare.Counted]:
    log = records.Log(folder)
    pieces = (
        piece
        for part in log.parts()
        for piece in log.read(part, compare.shadow_shape(contract), records.Broken())
    )
    return compare.count(pieces, contract)


def report(
    folder: Path, rows: Iterable[Mapping[str, Any] | str], contract: Contract | None = None
) -> ShadowReport:
    logs.write(folder, TODAY, rows)
    return read(folder, contract or make_contract(success=COSTS))[logs.SHADOW].report()


def test_agreement_differences_and_cost(tmp_path: Path) -> None:
    rows = [logs.shadowed(n, 0.2, 0.3) for n in range(90)]
    rows += [logs.shadowed(90 + n, 0.4, 0.6) for n in range(6)] + [
        logs.shadowed(96 + n, 0.9, 0.1) for n in range(4)
    ]
    rows += [logs.record(n) for n in range(50)]
    found = report(tmp_path, rows)
    every = found.groups[0]
    assert (every.name, every.rows, found.requests) == ("all rows", 100, 100)
    assert every.agreement is not None and every.agreement.value == 0.9
    assert 0.82 < every.agreement.low < 0.83 and 0.94 < every.agreement.high < 0.95
    assert every.shift is not None
    assert every.shift.value == pytest.approx((9 + 1.2 - 3.2) / 100)
    deviation = np.std([0.1] * 90 + [0.2] * 6 + [-0.8] * 4) / 10
    assert every.shift.high - every.shift.value == pytest.approx(1.96 * deviation, rel=1e-3)
    assert every.p50 == pytest.approx(0.1, rel=0.03) and every.beyond == 1.0
    assert found.turned == (6, 4)
    assert found.cost == (6 * -4 + 4 * -1, 6 * 1 + 4 * 4)
    assert found.expected is not None
    ours = 6 * (0.6 * 1 - 0.4 * 4) - 4 * (0.1 * 1 - 0.9 * 4)
    assert found.expected[0] == pytest.approx(ours)
    assert found.against == {"flight-delay-v1": 100}


def test_what_was_not_compared_is_counted_apart(tmp_path: Path) -> None:
    rows = [
        logs.shadowed(0, 0.2, 0.3),
        logs.shadowed(1, 0.2, None, outcome="refused", said="hour is 23; allowed: 0 to 17."),
        logs.shadowed(
            2, 0.2, None, outcome="refused", said="rows[7]: carrier is 'Mrs. Smith'; allowed: AA."
        ),
        logs.shadowed(3, 0.2, None, outcome="failed"),
        logs.shadowed(4, 0.2, 0.3, outcome="uncomparable"),
        logs.shadowed(5, 0.2, 0.3, outcome="no such word"),
        logs.shadowed(6, 0.2, 0.3) | {"request_id": "golden-6"},
        logs.shadowed(7, 0.2, 0.3) | {"difference": "far"},
    ]
    found = report(tmp_path, rows)
    assert found.outcomes == {"same": 1, "other": 0, "refused": 2, "failed": 1, "uncomparable": 3}
    assert found.refused == {"hour": 1, "carrier": 1}
    assert found.groups[0].agreement is not None and found.groups[0].agreement.value == 1
    assert "Smith" not in compare_pages.markdown(found)


def test_slices_are_told_apart_and_bounded(tmp_path: Path) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        for number in range(300):
            carrier = None if number % 10 == 9 else "AA" if number % 2 else f"X{number}"
            inputs = logs.record()["inputs"] | {"carrier": carrier}
            after = 0.7 if carrier == "AA" else 0.3
            yield logs.shadowed(number, 0.2, after, inputs=inputs)

    data = contract_dict() | {"slices": ["carrier", "region"]}
    contract = Contract.parse(strict_yaml.dump(data), name="contract.yaml")
    found = report(tmp_path, rows(), contract)
    groups = {group.name: group for group in found.groups}
    assert groups["carrier=AA"].agreement is not None
    assert groups["carrier=AA"].agreement.value == 0
    assert len(groups) <= 1 + compare.MOST_VALUES + 1
    assert sum(group.rows for group in found.groups[1:]) == 300
    assert groups["carrier=(other)"].rows > 100 and groups["carrier=(missing)"].rows == 30
    assert any("region" in note for note in found.notes)


def test_the_most_different_rows_are_named_without_their_inputs(tmp_path: Path) -> None:
    found = report(tmp_path, [logs.shadowed(n, 0.1, 0.1 + n / 1000) for n in range(200)])
    assert [row.request_id for row in found.most_different] == [
        f"r{n}" for n in range(199, 189, -1)
    ]
    page = compare_pages.markdown(found)
    assert "| r199 | 0 | false (0.1000) | false (0.2990) | 0.199 |" in page
    assert "1089" not in page and len(page) < 10_000


@pytest.mark.parametrize("problem", ["multiclass", "regression"])
def test_other_problems(problem: str, tmp_path: Path) -> None:
    contract = make_contract(problem)
    if problem == "regression":
        answered: dict[str, Any] = {"delay_minutes": 10.0, "unit": "minutes"}
        output: dict[str, Any] = {"delay_minutes": 14.0, "unit": "minutes"}
        difference = 4.0
    else:
        answered = {
            "delay": "late",
            "probabilities": {"on_time": 0.1, "late": 0.6, "very_late": 0.3},
        }
        output = {
            "delay": "very_late",
            "probabilities": {"on_time": 0.1, "late": 0.4, "very_late": 0.5},
        }
        difference = 0.2
    row = logs.shadowed(1, 0.1, 0.1) | {
        "output": output, "outcome": "other", "difference": difference,
        "answered": {"model": "flight-delay-v1", "route": "stable", "output": answered},
    }  # fmt: skip
    found = report(tmp_path, [row], contract)
    assert found.outcomes["other"] == 1 and found.turned is None and found.cost is None
    assert (found.groups[0].shift is None) == (problem == "multiclass")
    shown = found.most_different[0]
    assert (shown.answered, shown.shadow) == (
        ("10", "14") if problem == "regression" else ("late (0.6000)", "very_late (0.5000)")
    )
    assert "costs that can be bounded" in compare_pages.markdown(found)


def test_two_days(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    contract = make_contract()
    days = []
    for day, more in (("2026-11-20", 0.0), ("2026-11-27", 0.3)):
        rows = []
        for one in logs.traffic(rng, 2000):
            p = min(1.0, one["output"]["probability"] + more)
            rows.append(one | {"output": {"delayed": p >= 0.5, "probability": p}})
        logs.write(
            tmp_path,
            day,
            [*rows, logs.shadowed(1, 0.1, 0.9), logs.record(1, request_id="golden-1")],
        )
        log = records.Log(tmp_path)
        schema = compare.decided(contract).append(compare.shadow_shape(contract).field("model"))
        parts = log.parts(first=date.fromisoformat(day), last=date.fromisoformat(day))
        pieces = (p for part in parts for p in log.read(part, schema, records.Broken()))
        days.append(compare_days.Day(contract).add(pieces))
    found = compare_days.report(days[0], days[1], days=("2026-11-20", "2026-11-27"))
    assert found.rows == (2000, 2000)
    mean, decided = found.changes[:2]
    assert mean.name == "mean score" and decided.name == "share of true"
    assert mean.difference.low < 0.3 < mean.difference.high
    assert decided.difference.low > 0.1
    assert {c.group for c in found.changes} == {
        "all rows",
        "carrier=AA",
        "carrier=B6",
        "carrier=UA",
    }
    assert "share of true" in compare_pages.markdown(found)


@pytest.mark.parametrize(
    "share, rows, low, high",
    [(0.5, 100, 0.4038, 0.5962), (0.0, 10, 0.0, 0.2775), (1.0, 10, 0.7225, 1.0)],
)
def test_wilsons_interval(share: float, rows: int, low: float, high: float) -> None:
    assert tails.wilson(share, rows=rows) == pytest.approx((low, high), abs=1e-4)


def test_newcombes_interval() -> None:
    # R. G. Newcombe (1998), table II: 56/70 - 48/80, method 10.
    found = compare_days.newcombe(48 / 80, 80, 56 / 70, 70)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=1e-4)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "contract.yaml").write_text(strict_yaml.dump(contract_dict()))
    (tmp_path / "serving.yaml").write_text("host: 127.0.0.1\nport: 0\n")
    (tmp_path / "production.yaml").write_text(Pointer().to_yaml())
    return tmp_path


def test_the_command_takes_the_pointer_s_shadow_or_the_latest(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = project / "logs/predictions"
    with pytest.raises(CannotEvaluate, match="has no rows of a shadow"):
        command.run(command.Options())
    logs.write(
        folder,
        TODAY,
        [logs.shadowed(1, 0.1, 0.2), logs.shadowed(2, 0.1, 0.9) | {"model": "flight-delay-v3"}],
    )
    assert command.run(command.Options()) == 0
    assert "flight-delay-v3 as shadow" in capsys.readouterr().out
    assert command.run(command.Options(model=logs.SHADOW)) == 0
    assert "agrees on 100.0 %" in capsys.readouterr().out
    assert "flight-delay-v2 as shadow" in Path("reports/compare.md").read_text()
    pointed = Pointer(
        stable=Ref(model="m-v1", sha256="a" * 64), shadow=Ref(model="m-v9", sha256="c" * 64)
    )
    (project / "production.yaml").write_text(pointed.to_yaml())
    with pytest.raises(CannotEvaluate, match="no rows of m-v9 .* Shadows seen: flight-delay-v2"):
        command.run(command.Options())


def test_the_command_compares_two_days(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = project / "logs/predictions"
    for day, p in (("2026-11-20", 0.2), ("2026-11-21", 0.7)):
        output = {"delayed": p >= 0.5, "probability": p}
        logs.write(folder, day, [logs.record(n, output=output) for n in range(10)])
    assert command.run(command.Options(what=["2026-11-20", "2026-11-21"])) == 0
    assert "share of true: 0 then 1" in capsys.readouterr().out
    for words in (["yesterday"], ["2026-11-20"], ["2026-11-20", "2026-11-20"]):
        with pytest.raises(BadInput):
            command.run(command.Options(what=words))
    with pytest.raises(CannotEvaluate, match="2026-11-22"):
        command.run(command.Options(what=["2026-11-20", "2026-11-22"]))


def test_a_broken_record_is_named_and_the_others_count(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [logs.shadowed(1, 0.1, 0.2), '{"torn\n', logs.shadowed(2, 0.1, 0.9)]
    logs.write(project / "logs/predictions", TODAY, rows)
    assert command.run(command.Options()) == 0
    said = capsys.readouterr().out
    assert "agrees on 50.0 %" in said and "1 records of the log cannot be read" in said
