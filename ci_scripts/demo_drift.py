"""What the monitor sees of a year: train on three months, replay the later ones, be asked, retrain.

Real flights, a real service, its real log. One thing is moved: the service writes today's date, so the story puts each
answer into the folder of its flight's day before the monitor looks.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import shutil
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

from ci_scripts import drift_picture
from ci_scripts.bake import ROOT
from ci_scripts.demo import (
    Narrator,
    branch,
    commit,
    data_and_train,
    generate,
    merge,
    release_and_ship,
)
from ci_scripts.stage import Stage, StageError
from gitops_model.formats.contract import Contract
from gitops_model.formats.watch import Watch
from gitops_model.report import question

BATCH = 1000
# A person looks, waits for a month of the new world, and retrains.
PATIENCE = timedelta(days=28)
KEPT = ROOT / "build/demo-drift"
ISSUE = "reports/issue.md"


def story(stage: Stage, say: Narrator, *, until: str) -> list[Watch]:
    """Tell it; returns what the monitor said week by week."""
    say.step("Train on January to March, release, ship, serve")
    generate(stage, {})
    branch(stage, "first-model")
    data_and_train(stage, say)
    commit(stage, "Train on January to March")
    say.tail(say.do("make check", lambda: stage.make("check")), r"check: May ship")
    merge(stage, "first-model")
    first = release_and_ship(stage, say)
    stage.start_service()
    say.tail(say.do("make serve &  make deploy", lambda: stage.make("deploy")), r"^live")

    say.step(
        f"April 2013 to {until} pass: each flight is asked about, and its label comes a day later"
    )
    days = later(stage, say, until=until)
    replay(stage, say, days)
    watch_labels(stage)

    say.step("The monitor looks once a week")
    weeks = list(look(stage, say, days))
    asked = next((place for place, week in enumerate(weeks) if week.alarms), None)
    if asked is None:
        raise StageError("no signal alarmed in the whole time, and the summer should")

    say.step(f"The question it asks on {weeks[asked].made}")
    issue = question.render(weeks[asked], question.Asked.about(weeks[asked]))
    (stage.folder / "issue.md").write_text(issue)
    for line in shown(issue):
        say.tell(line)

    retrain(stage, say, weeks[asked], first)
    return weeks


def later(stage: Stage, say: Narrator, *, until: str) -> dict[date, list[dict[str, str]]]:
    """The later flights as rows of inputs, keys and label, by day; made in a clone of the repository."""
    clone = stage.folder / "later"
    stage.run("git", "clone", "--quiet", str(stage.origin), str(clone))
    only_later_months(clone / "params.yaml", until=until)
    stage.run("gitops-model", "data", cwd=clone)
    stage.run("gitops-model", "prepare", cwd=clone)
    with (clone / "build/prepared/test.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    shutil.rmtree(clone)
    contract = Contract.load(stage.repo / "contract.yaml")
    assert contract.keys.time is not None
    at = contract.keys.time
    rows.sort(key=lambda row: row[at])
    found = {
        date.fromisoformat(day): list(held)
        for day, held in groupby(rows, key=lambda row: row[at][:10])
    }
    say.tell(f"{len(rows):,} flights on {len(found)} days")
    return found


def only_later_months(params: Path, *, until: str) -> None:
    """Of March only what lies before its last day is for training: the service has seen nothing of the rest."""
    days = (_month_end(until) - date(2013, 3, 31)).days
    text = re.sub(r"(?m)^  first_month: \S+", "  first_month: 2013-03", params.read_text())
    text = re.sub(r"(?m)^  last_month: \S+", f"  last_month: {until}", text)
    params.write_text(re.sub(r"test_days: \d+", f"test_days: {days}", text))


def replay(stage: Stage, say: Narrator, days: Mapping[date, list[dict[str, str]]]) -> None:
    """Ask the service about every row, put the answers into their days, and write the labels."""
    contract = Contract.load(stage.repo / "contract.yaml")
    labels = stage.repo / "labels"
    labels.mkdir()
    began, count = time.monotonic(), 0
    for day, rows in days.items():
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH]
            name = f"{day}/{start}"
            ask(stage, name, [inputs(contract, row) for row in part])
            count += len(part)
            with (labels / f"{day:%Y-%m}.csv").open("a", newline="") as stream:
                if stream.tell() == 0:
                    stream.write(f"request_id,row,{contract.label.name}\n")
                stream.writelines(
                    f"{name},{place},{row[contract.label.name]}\n" for place, row in enumerate(part)
                )
    seconds = time.monotonic() - began
    say.tell(f"{count:,} rows answered in {seconds:.0f} s, in batches")
    redate(stage.repo / "logs/predictions", count)


def inputs(contract: Contract, row: Mapping[str, str]) -> dict[str, Any]:
    """A row of test.csv as a caller sends it."""
    convert: dict[str, Callable[[str], Any]] = {
        "category": str,
        "boolean": lambda text: text == "True",
        "integer": lambda text: int(float(text)),
        "number": float,
    }
    return {
        name: None if row[name] == "" else convert[rule.type](row[name])
        for name, rule in contract.inputs.items()
    }


def ask(stage: Stage, name: str, rows: list[dict[str, Any]]) -> None:
    """One batch. Raises StageError when it is not answered."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{stage.port}/predict",
        data=json.dumps({"request_id": name, "rows": rows}).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        urllib.request.urlopen(request, timeout=30).close()  # noqa: S310  loopback
    except urllib.error.HTTPError as error:
        raise StageError(f"{name}: {error.code} {error.read()[:500]!r}") from None


def redate(log: Path, count: int) -> None:
    """Move each record to the folder of the day that its request names."""
    deadline = time.monotonic() + 60
    while (written := sum(_lines(path) for path in log.glob("*/*.jsonl"))) < count:
        if time.monotonic() > deadline:
            raise StageError(f"the log holds {written:,} of {count:,} rows")
        time.sleep(0.2)
    for path in list(log.glob("*/*.jsonl")):
        with path.open() as stream:
            for day, lines in groupby(stream, key=_day):
                place = log / f"date={day}" / "part-1.jsonl"
                place.parent.mkdir(exist_ok=True)
                with place.open("a") as out:
                    out.writelines(lines)
        path.unlink()


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")


def _day(line: str) -> str:
    return str(json.loads(line)["request_id"][:10])


def watch_labels(stage: Stage) -> None:
    """Tell monitor.yaml where the labels are."""
    path = stage.repo / "monitor.yaml"
    path.write_text(path.read_text().replace("  path: null", "  path: labels", 1))


def look(stage: Stage, say: Narrator, days: Iterable[date]) -> Iterator[Watch]:
    """Run the monitor at the end of each whole week."""
    ordered = sorted(days)
    day, before = ordered[0] + timedelta(days=6), ""
    while day <= ordered[-1]:
        stage.run("gitops-model", "monitor", "--last", str(day))
        watch = Watch.load(stage.repo / "reports/monitor.json")
        alarms = ", ".join(signal.name for signal in watch.alarms)
        if alarms != before:
            say.tell(f"{day}  {alarms or 'no alarm any more'}")
            if alarms and not before:
                shutil.copy(stage.repo / "reports/monitor.html", stage.folder / "monitor.html")
        before = alarms
        yield watch
        day += timedelta(days=7)


def shown(issue: str) -> list[str]:
    """The issue without its hidden line and folded evidence."""
    text = re.sub(r"<!--.*?-->\n?|<details>.*?</details>\n*", "", issue, flags=re.DOTALL)
    return re.sub(r"\n{2,}", "\n", text).strip().splitlines()


def retrain(stage: Stage, say: Narrator, due: Watch, first: str) -> None:
    """A month later: the months until then are the newer data."""
    day = date.fromisoformat(due.made) + PATIENCE
    month = f"{day.replace(day=1) - timedelta(days=1):%Y-%m}"
    say.step(f"A person decides: it is summer, so retrain on the months until {month}")
    commit(stage, "Say where the labels are")
    setting = f"data.last_month={month}"
    out = say.do(
        f"make retrain SET={setting} PUSH=1", lambda: stage.make("retrain", SET=setting, PUSH="1")
    )
    say.tail(
        out, r"rows to train|check: (pass .*(ROC|cost per)|May ship|Blocked)|committed on|Pushed"
    )
    shutil.copy(stage.repo / "reports/check.html", stage.folder / "check.html")
    say.tell(f"{first} still serves: only a merge of its Ship pull request changes that")


def _month_end(month: str) -> date:
    year, number = map(int, month.split("-"))
    return date(year + number // 12, number % 12 + 1, 1) - timedelta(days=1)


def report(folder: Path, repo: Path | None) -> None:
    """Where to look."""
    print("\nWhere to look")
    print(f"   the year in one picture               {folder / 'drift.svg'}")
    print(f"   the page of the first alarm           {folder / 'monitor.html'}")
    print(f"   the question as an issue has it       {folder / 'issue.md'}")
    print(f"   the retrained candidate, judged       {folder / 'check.html'}")
    print(f"   everything every command printed      {folder / 'demo.log'}")
    print(
        f"   the generated repository              {repo or 'deleted; keep it: make demo-drift KEEP=1'}"
    )


def main() -> int:
    """Tell the story; exit 0 when it ended well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dir", type=Path, help="where to play it (default: a temporary folder)")
    parser.add_argument("--keep", action="store_true", help="do not delete the folder at the end")
    parser.add_argument("--until", default="2013-12", help="the last month to replay")
    parser.add_argument("--picture", type=Path, help="also write the picture there")
    args = parser.parse_args()
    folder = (args.dir or Path(tempfile.mkdtemp(prefix="gitops-model-drift-"))).resolve()
    if folder.exists() and any(folder.iterdir()):
        print(f"demo-drift: {folder} is not empty; choose another DIR.", file=sys.stderr)
        return 2
    folder.mkdir(parents=True, exist_ok=True)
    print(f"The story takes place in {folder}")
    stage = Stage(folder, log=folder / "demo.log")
    try:
        weeks = story(stage, Narrator(), until=args.until)
        picture = drift_picture.svg(weeks)
        (folder / "drift.svg").write_text(picture)
        if args.picture:
            args.picture.write_text(picture)
    except (StageError, OSError) as error:
        print(
            f"\ndemo-drift: {error}\ndemo-drift: everything is still in {folder}", file=sys.stderr
        )
        return 1
    finally:
        stage.stop_service()
    if args.keep or args.dir is not None:
        report(folder, stage.repo)
        return 0
    KEPT.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.is_file():
            shutil.copy(path, KEPT / path.name)
    report(KEPT, None)
    stage.remove()
    return 0


if __name__ == "__main__":
    sys.exit(main())
