"""`gitops-model monitor` on a repository with a release that serves and a log of its answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gitops_model.formats.watch import Watch
from tests.support import logs
from tests.support.places import TEMPLATE
from tests.support.profiles import profile
from tests.support.world import Clone, Done, World, served

LAST = date(2026, 11, 20)
MEMBERS = {"reference.json": profile().to_bytes()}


MANIFEST = {"metrics": {"roc_auc": 0.5, "brier": 0.3, "rows": 1000}}


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World.create(tmp_path_factory.mktemp("monitor") / "world")
    clone = world.clones[0]
    clone.release(1, members=MEMBERS, manifest=MANIFEST)
    clone.ship()
    clone.write("monitor.yaml", "window_days: 1\n")
    return world


@pytest.fixture
def clone(shipped: World, tmp_path: Path) -> Clone:
    return shipped.copy(tmp_path / "world").clones[0]


def days(count: int, *, last: date = LAST) -> list[str]:
    return [str(last - timedelta(days=place)) for place in reversed(range(count))]


def fill(clone: Clone, wanted: Iterable[str], rows: int = 400, **changes: Any) -> None:
    sha256 = clone.pointer.stable.sha256  # type: ignore[union-attr]
    for number, day in enumerate(wanted):
        rng = np.random.default_rng(number)
        made = logs.traffic(rng, rows, sha256=sha256, **changes)
        logs.write(clone.root / "logs" / "predictions", day, made)


def monitor(clone: Clone, *words: str) -> tuple[Done, Watch]:
    done = clone.ok("monitor", "--last", str(LAST), *words)
    return done, Watch.load(clone.root / "reports" / "monitor.json")


def states(watch: Watch) -> dict[str, str]:
    return {signal.name: signal.state for signal in watch.signals}


def test_ordinary_days_are_clean(clone: Clone) -> None:
    fill(clone, days(5))
    done, watch = monitor(clone)
    assert set(states(watch).values()) == {"clean"}, done.text
    assert "2,000 rows in 5 windows up to 2026-11-20, against flight-delay-v1." in done.out
    assert watch.recovered and not watch.alarms and watch.advice == ()


def test_a_shift_in_three_of_five_days_is_an_alarm_with_its_evidence(clone: Clone) -> None:
    fill(clone, days(5)[:2])
    fill(clone, days(5)[2:], more=300)
    done, watch = monitor(clone)
    (alarm,) = watch.alarms
    assert alarm.name == "input distance" and len(alarm.evidence) == 3
    assert "the mean went from 1,000 to 1,2" in alarm.sentence
    assert "alarm    input distance" in done.out
    assert any("unit" in cause for cause in watch.causes)
    assert any("make rollback REASON=" in line for line in watch.advice)
    page = (clone.root / "reports" / "monitor.html").read_text()
    assert page.count("<svg") == 5 and "<script" not in page and "://" not in page
    assert "input distance" in (clone.root / "reports" / "monitor.md").read_text()


def test_a_shift_in_two_days_is_watched_and_asks_nothing(clone: Clone) -> None:
    fill(clone, days(5)[:3])
    fill(clone, days(5)[3:], more=300)
    assert states(monitor(clone)[1])["input distance"] == "watching"


EXPECTED = """\
window_days: 1
expected:
  - {{signal: input distance, until: {until}, reason: longer flights in winter}}
"""


def test_an_expected_shift_asks_nothing_until_its_day_has_passed(clone: Clone) -> None:
    fill(clone, days(5), more=300)
    today = LAST + timedelta(days=1)
    clone.write("monitor.yaml", EXPECTED.format(until=today))
    watch = monitor(clone)[1]
    assert states(watch)["input distance"] == "expected" and watch.recovered
    clone.write("monitor.yaml", EXPECTED.format(until=LAST))
    watch = monitor(clone)[1]
    assert states(watch)["input distance"] == "alarm"
    assert "It was expected until 2026-11-20, which has passed." in watch.alarms[0].sentence


def test_labels_that_arrive_are_judged_against_the_card(clone: Clone) -> None:
    fill(clone, days(6))
    ids = "".join(f"r{number},{number % 2}\n" for number in range(400))
    clone.write("labels.csv", f"request_id,late\n{ids}r0,1\n,1\n")
    clone.write("monitor.yaml", "window_days: 1\nlabels: {path: labels.csv}\n")
    done, watch = monitor(clone)
    found = {name: state for name, state in states(watch).items() if name.startswith("quality")}
    assert found, done.text
    assert "1 labels are none that contract.yaml allows, or lack an id." in done.out
    assert "1 requests have labels that contradict each other" in done.out


def test_traffic_that_stopped_is_an_alarm(clone: Clone) -> None:
    fill(clone, days(5)[:3])
    watch = monitor(clone)[1]
    assert states(watch)["silence"] == "alarm"


def test_without_a_log_it_says_so_and_judges_nothing(clone: Clone) -> None:
    done, watch = monitor(clone)
    assert "no file of the prediction log lies in" in done.out and "monitor.yaml" in done.out
    assert set(states(watch).values()) == {"withheld"}


def test_one_row_a_day_is_too_little_and_no_crash(clone: Clone) -> None:
    fill(clone, days(5), rows=1)
    watch = monitor(clone)[1]
    assert states(watch)["input distance"] == "withheld"
    assert "no window has 50 rows" in next(
        s.sentence for s in watch.signals if s.name == "input hour"
    )


def test_the_answers_of_another_release_are_not_this_ones_scores(clone: Clone) -> None:
    fill(clone, days(5))
    for day in days(5):
        path = clone.root / "logs" / "predictions" / f"date={day}" / "part-1.jsonl"
        path.write_text(path.read_text().replace(clone.pointer.stable.sha256, "b" * 64))  # type: ignore[union-attr]
    watch = monitor(clone)[1]
    assert states(watch)["score delayed"] == "withheld"
    assert states(watch)["input distance"] == "clean"


@pytest.mark.parametrize("role", ["canary", "shadow"])
def test_canary_and_shadow_are_judged_apart_by_their_own_training(
    shipped: World, tmp_path: Path, role: str
) -> None:
    clone = shipped.copy(tmp_path / "world").clones[0]
    clone.release(2, members=MEMBERS, manifest=MANIFEST)
    clone.ship(*(["--canary", "10"] if role == "canary" else ["--shadow"]))
    pointer = clone.pointer
    ref = pointer.canary.ref if pointer.canary else pointer.shadow
    assert ref is not None
    fill(clone, days(5))
    for number, day in enumerate(days(5)):
        rng = np.random.default_rng(50 + number)
        rows = [
            row | {"route": role, "output": {"delayed": True, "probability": 0.9}}
            for row in logs.traffic(rng, 100, sha256=ref.sha256)
        ]
        logs.write(clone.root / "logs" / "predictions", day, rows, part=2)
    done, watch = monitor(clone)
    found = states(watch)
    assert found[f"{role} score delayed"] == "alarm" and found["score delayed"] == "clean"
    # A canary's rows are traffic, a shadow's are not.
    assert f"{2500 if role == 'canary' else 2000:,} rows in 5 windows" in done.out
    assert not watch.retrain.why


def test_broken_records_are_counted_and_named(clone: Clone) -> None:
    fill(clone, days(5))
    path = clone.root / "logs" / "predictions" / f"date={LAST}" / "part-1.jsonl"
    path.write_text(path.read_text() + '{"torn')
    done, watch = monitor(clone)
    assert (
        "1 records of the log cannot be read: date=2026-11-20/part-1.jsonl: line 401." in done.out
    )
    assert watch.notes and set(states(watch).values()) == {"clean"}


def test_training_without_time_is_judged_and_its_limit_is_said(
    shipped: World, tmp_path: Path
) -> None:
    clone = shipped.copy(tmp_path / "world").clones[0]
    members = {"reference.json": profile(timed=False).to_bytes()}
    clone.release(2, members=members, manifest=MANIFEST)
    clone.ship()
    fill(clone, days(5))
    done, watch = monitor(clone)
    assert set(states(watch).values()) == {"clean"}, done.text
    assert "Training has no days, so it is not known how much days differ anyway" in done.out
    fill(clone, days(5), more=300)
    assert states(monitor(clone)[1])["input distance"] == "alarm"


def test_a_release_without_a_profile_is_said(shipped: World, tmp_path: Path) -> None:
    clone = shipped.copy(tmp_path / "world").clones[0]
    clone.release(2)
    clone.ship()
    done = clone.ok("monitor")
    assert "the log was not looked at: reference.json is no profile" in done.out


def test_a_wrong_monitor_yaml_is_refused_with_every_problem(clone: Clone) -> None:
    clone.write("monitor.yaml", "window_days: 0\ndrift: {alarm_windows: many}\n")
    done = clone.run("monitor")
    assert done.code == 2
    assert "window_days" in done.err and "drift.alarm_windows" in done.err


def test_the_report_is_the_same_for_the_same_log(clone: Clone) -> None:
    fill(clone, days(5), more=300)
    monitor(clone)
    names = ("monitor.json", "monitor.md", "monitor.html")
    first = [(clone.root / "reports" / name).read_bytes() for name in names]
    monitor(clone)
    assert [(clone.root / "reports" / name).read_bytes() for name in names] == first
    assert json.loads(first[0])["schema"] == 1


# What the files of a generated repository say of it. Once they said "drift", and it only asked /status.


def test_each_question_of_the_menu_is_answered_by_a_run(clone: Clone, tmp_path: Path) -> None:
    menu = (TEMPLATE / "Makefile").read_text(encoding="utf-8")
    (questions,) = re.findall(r"^monitor:.*## (.*)\?", menu, re.MULTILINE)
    clone.release(2, members=MEMBERS, manifest=MANIFEST)
    clone.ship()
    fill(clone, days(5))
    with served(clone, tmp_path):
        clone.ok("deploy")
        done, watch = monitor(clone)
    clean = {name for name, state in states(watch).items() if state == "clean"}
    answered = {
        "Does the right model answer": "flight-delay-v2 serves at http://127.0.0.1:" in done.out,
        "do inputs and answers look as in training": {"input distance", "score delayed"} <= clean,
        "does the way back work": "way back flight-delay-v1" in clean,
    }
    assert questions.split(", ") == [question for question, found in answered.items() if found]


def test_the_monitor_reads_the_predictions_that_serving_yaml_says_it_reads(clone: Clone) -> None:
    settings = (TEMPLATE / "serving.yaml").read_text(encoding="utf-8")
    (line,) = [line for line in settings.splitlines() if re.search("monitor|drift", line)]
    assert re.fullmatch(r" *predictions: true # .*; the monitor reads them", line)
    clone.write("serving.yaml", settings.replace("folder: logs/predictions", "folder: answers"))
    fill(clone, days(5))
    assert "no file of the prediction log lies in answers" in monitor(clone)[0].out
    (clone.root / "logs" / "predictions").rename(clone.root / "answers")
    assert "2,000 rows in 5 windows up to 2026-11-20" in monitor(clone)[0].out
