"""What the monitor takes for more and more rows in a bucket: python -m tests.bench.bench_scale [--rows 1,10,100]

A day of 500,000 rows is closed as `gitops-model log close` does it. Its file lies in a bucket of moto's S3 server under
the names of as many days as are needed: 3.5 GB for 100 million rows, in TMPDIR. `gitops-model monitor` reads them, in
a process of its own. Prints CPU seconds, peak memory and what was fetched; `--picture` draws them; judges nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from ci_scripts.bake import ROOT
from tests.bench import scale_picture
from tests.support.buckets import BUCKET, Storage, storage
from tests.support.closed_days import close
from tests.support.factories import CARRIERS
from tests.support.isolation import isolation
from tests.support.profiles import profile
from tests.support.world import Clone, World

DAY_ROWS = 500_000
LAST = date(2026, 11, 20)
# Windows that the monitor looks back to, as it ships.
WINDOWS = 5
# The kernel counts the memory of a child's parent before it became another program, so its parent is small.
MEASURED = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([done.returncode, done.stdout, done.stderr, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024]))
"""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What the monitor took: `cpu` and `wall` in seconds, `peak` and `fetched` in bytes, and GET `requests`."""

    rows: int
    days: int
    cpu: float
    wall: float
    peak: int
    fetched: int
    requests: int

    def __str__(self) -> str:
        return (
            f"| {self.rows:,} | {self.days} | {self.cpu:.1f} | {1e6 * self.cpu / self.rows:.2f} | "
            f"{self.peak / 1e6:,.0f} | {self.fetched / 1e6:,.0f} | {self.requests:,} | {self.wall:.0f} |"
        )


HEAD = """\
| rows | days | CPU s | CPU µs a row | peak MB | MB fetched | requests | wall s |
|---|---|---|---|---|---|---|---|"""


def main() -> None:
    """Fill the bucket up to each number of rows, and monitor it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="1,10,100", help="millions (default: %(default)s)")
    parser.add_argument("--picture", type=Path, help="file for the picture")
    options = parser.parse_args()
    wanted = sorted(round(float(one) * 1e6 / DAY_ROWS) for one in options.rows.split(","))
    with tempfile.TemporaryDirectory() as name, isolation(Path(name) / "home") as patch:
        clone = shipped(Path(name) / "world", wanted[-1])
        day = closed_day(Path(name) / "log", sha256_of(clone))
        print(f"A day: {DAY_ROWS:,} rows, {len(day.read_bytes()):,} bytes\n\n{HEAD}", flush=True)
        with storage() as bucket:
            for variable, value in bucket.env.items():
                patch.setenv(variable, value)
            costs = []
            for cost in grown(clone, bucket, day, wanted):
                print(cost, flush=True)
                costs.append(cost)
    if options.picture:
        drawn = scale_picture.svg([(one.rows, one.cpu, one.peak / 1e6) for one in costs])
        options.picture.write_text(drawn, encoding="utf-8")


def shipped(folder: Path, days: int) -> Clone:
    """A repository with a release that serves, whose windows reach back `days` days."""
    clone = World.create(folder).clones[0]
    clone.release(1, members={"reference.json": profile().to_bytes()})
    clone.ship()
    clone.write("monitor.yaml", f"window_days: {-(-days // WINDOWS)}\nlog: s3://{BUCKET}/log\n")
    return clone


def sha256_of(clone: Clone) -> str:
    """The release that serves."""
    stable = clone.pointer.stable
    assert stable is not None
    return stable.sha256


def closed_day(folder: Path, sha256: str) -> Path:
    """An ordinary day as the service writes it, closed by the library. Returns its file."""
    path = folder / f"date={LAST}" / "part-1.jsonl"
    path.parent.mkdir(parents=True)
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(_lines(sha256))
    (done,) = close(folder)
    assert done.rows == DAY_ROWS and not done.broken
    (found,) = path.parent.glob("closed-*.parquet")
    return found


def _lines(sha256: str) -> Iterator[str]:
    rng = np.random.default_rng(1)
    distance = np.clip(rng.normal(1000, 200, DAY_ROWS), 0, 6000).tolist()
    hour = rng.integers(0, 24, DAY_ROWS).tolist()
    carrier = rng.integers(0, len(CARRIERS), DAY_ROWS).tolist()
    weekend = (rng.random(DAY_ROWS) < 2 / 7).tolist()
    probability = rng.beta(2, 6, DAY_ROWS).tolist()
    ids = rng.integers(0, 1 << 62, DAY_ROWS).tolist()
    for place in range(DAY_ROWS):
        seconds, rest = divmod(place * 86_400_000 // DAY_ROWS, 1000)
        clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"
        record = {
            "time": f"{LAST}T{clock}Z",
            "request_id": f"{ids[place]:032x}",
            "row": 0,
            "model": "flight-delay-v1",
            "sha256": sha256,
            "route": "stable",
            "key": f"N{ids[place] % 9000}",
            "inputs": {
                "distance": distance[place],
                "hour": hour[place],
                "carrier": CARRIERS[carrier[place]],
                "weekend": weekend[place],
            },
            "imputed": [],
            "output": {"delayed": probability[place] >= 0.5, "probability": probability[place]},
            "latency_ms": 0.3,
        }
        yield json.dumps(record, separators=(",", ":")) + "\n"


def grown(clone: Clone, bucket: Storage, day: Path, wanted: list[int]) -> Iterator[Cost]:
    """The cost of each of these numbers of days, which lie in the bucket by then."""
    there, client, data = 0, bucket.client(), day.read_bytes()
    for days in wanted:
        while there < days:
            # Which day a row is of, its folder says; nothing of the monitor reads the time in it.
            key = f"log/date={LAST - timedelta(days=there)}/{day.name}"
            client.put_object(Bucket=BUCKET, Key=key, Body=data)
            there += 1
        yield measured(clone, bucket, days)


def measured(clone: Clone, bucket: Storage, days: int) -> Cost:
    """Run the monitor, which must see all rows."""
    bucket.asked.clear()
    command = [str(Path(sys.executable).parent / "gitops-model"), "monitor", "--last", str(LAST)]
    begin = time.monotonic()
    printed = subprocess.run(
        [sys.executable, "-c", MEASURED, *command],
        cwd=clone.root,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    wall = time.monotonic() - begin
    code, out, err, cpu, peak = json.loads(printed)
    seen = re.search(r"([\d,]+) rows in ", out)
    assert code == 0 and seen, out + err
    rows = int(seen[1].replace(",", ""))
    assert rows == days * DAY_ROWS, out
    got = bucket.got("")
    return Cost(
        rows=rows,
        days=days,
        cpu=cpu,
        wall=wall,
        peak=peak,
        fetched=sum(one.sent for one in got),
        requests=len(got),
    )


if __name__ == "__main__":
    main()
