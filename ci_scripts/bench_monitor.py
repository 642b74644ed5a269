"""What monitors cost: `python -m ci_scripts.bench_monitor [ROWS] [--short]` has them judge logs of 40 columns.

Prints CPU seconds and peak memory of processes that do nothing else: ours for Parquet, for JSON lines, for closing them
(`gitops-model log close`) and for what was closed, Evidently and NannyML for the same Parquet file, at ROWS and at a
tenth of them; ours at ten times ROWS, too. Ratios are to ours with Parquet.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ci_scripts import peers
from ci_scripts.bake import ROOT
from ci_scripts.usage import peak_mb, used
from gitops_model import strict_yaml
from gitops_model.formats.contract import Contract
from gitops_model.formats.profile import Profile

NUMBERS, LEVELS = 30, (2, 3, 5, 8, 12, 20, 40, 80, 150, 200)
CHUNK = 50_000
ROWS = 1_000_000
DAY = "date=2026-11-01"
PEERS = {"evidently": "Evidently, DataDriftPreset", "nannyml": "NannyML, univariate drift"}


def contract() -> Contract:
    """Thirty numbers, of which any may be missing, and ten categories."""
    inputs: dict[str, Any] = {
        f"n{i}": {"type": "number", "missing": "impute"} for i in range(NUMBERS)
    }
    inputs |= {f"c{i}": {"type": "category"} for i in range(len(LEVELS))}
    data = {
        "task": "bench", "problem": "binary", "schema_version": 1, "inputs": inputs,
        "output": {"name": "answer", "threshold": 0.5},
        "label": {"name": "truth", "definition": "none", "arrives_after_days": 1},
        "keys": {"request": "id", "time": None, "sticky": None, "group": None},
        "slices": [], "success": {"primary": "roc_auc", "risk": "brier"},
    }  # fmt: skip
    return Contract.parse(strict_yaml.dump(data), name="contract.yaml")


def columns(rng: np.random.Generator, rows: int) -> dict[str, Any]:
    """A table of ordinary traffic."""
    found: dict[str, Any] = {}
    for place in range(NUMBERS):
        values = rng.normal(size=rows).astype(np.float32)
        values[rng.random(rows) < 0.02] = np.nan
        found[f"n{place}"] = values
    for place, size in enumerate(LEVELS):
        names = np.array([f"v{i}" for i in range(size)], dtype=object)
        found[f"c{place}"] = names[rng.integers(0, size, rows)]
    return found


def table(rng: np.random.Generator, rows: int) -> pa.Table:
    """The same as records of the log."""
    held = columns(rng, rows)
    inputs = pa.StructArray.from_arrays(
        [
            pa.array(v.astype(np.float64) if v.dtype != object else v, from_pandas=True)
            for v in held.values()
        ],
        names=list(held),
    )
    output = pa.StructArray.from_arrays([pa.array(rng.random(rows))], names=["probability"])
    ids = [f"r{number}" for number in range(rows)]
    names = ("request_id", "sha256", "route", "inputs", "output")
    return pa.table(
        dict(zip(names, (ids, ["a" * 64] * rows, ["stable"] * rows, inputs, output), strict=True))
    )


def write(folder: Path, kind: str, rows: int) -> int:
    """A day's log; returns its bytes."""
    rng = np.random.default_rng(0)
    path = folder / DAY / f"part-1.{kind}"
    path.parent.mkdir(parents=True)
    if kind == "parquet":
        with pq.ParquetWriter(path, table(rng, 1).schema) as writer:
            for at in range(0, rows, CHUNK):
                writer.write_table(table(rng, min(CHUNK, rows - at)))
    else:
        with path.open("w") as stream:
            for at in range(0, rows, CHUNK):
                for record in table(rng, min(CHUNK, rows - at)).to_pylist():
                    stream.write(json.dumps(record, separators=(",", ":")) + "\n")
    return path.stat().st_size


def count(folder: Path, profile: Path) -> None:
    """In a process of its own: count the log and print what it took."""
    from gitops_model.monitoring import records, traffic

    started = used()
    log, broken, shape = records.Log(folder), records.Broken(), records.shape(contract())
    known = Profile.parse(profile.read_bytes(), name="reference.json")
    days = traffic.count((p for part in log.parts() for p in log.read(part, shape, broken)), known)
    rows = sum(day.rows for day in days.values())
    print(json.dumps([rows, used(), started, peak_mb()]))


def close(folder: Path) -> None:
    """In a process of its own: close the log and print what it took."""
    from gitops_model.monitoring import closing

    started = used()
    done = list(closing.close(folder, now=datetime.now(UTC)))
    print(json.dumps([sum(one.rows for one in done), used(), started, peak_mb()]))


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a process took: CPU `seconds` in all, `start` of them before it read anything, and its `peak` in MB."""

    name: str
    rows: int
    seconds: float
    start: float
    peak: float

    @staticmethod
    def parse(name: str, printed: str) -> Cost:
        """From what `count` and `ci_scripts.peer_costs` print."""
        rows, seconds, start, peak = json.loads(printed)
        return Cost(name=name, rows=rows, seconds=seconds, start=start, peak=peak)


def ours(folder: Path, profile: Path, name: str) -> Cost:
    """Our monitor on a folder of days."""
    return _own(name, "--count", str(folder), str(profile))


def _own(name: str, *words: str) -> Cost:
    done = subprocess.run(
        [sys.executable, "-m", "ci_scripts.bench_monitor", *words],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return Cost.parse(name, done.stdout)


def costs(folder: Path, rows: int, *, short: bool) -> Iterator[Cost]:
    """Everybody at a tenth of `rows` and at `rows`, then ours at ten times as many."""
    # Not at the top: what is measured has no use for it.
    from gitops_model.pipeline import reference

    rng = np.random.default_rng(1)
    days = np.repeat(np.arange(80), 250)
    training = columns(rng, len(days))
    profile = folder / "reference.json"
    made = reference.build(contract(), training, rng.random(5000), days=days)
    profile.write_bytes(made.to_bytes())
    print(f"Profile of {len(made.inputs)} columns: {profile.stat().st_size / 1000:.1f} kB.\n")
    print("| monitor | rows | CPU s | of these its start | peak MB | CPU | memory |")
    print("|---|---|---|---|---|---|---|")
    rows_of_training = folder / "training.parquet"
    pq.write_table(pa.table(training), rows_of_training)
    there = peers.MONITORS.ready()
    for size in (rows // 10, rows):
        for kind in ("parquet", "jsonl"):
            write(folder / f"{kind}-{size}", kind, size)
            yield ours(folder / f"{kind}-{size}", profile, f"this monitor, {kind}")
        lines = folder / f"jsonl-{size}"
        yield _own("closing the JSON lines, once", "--close", str(lines))
        yield ours(lines, profile, "this monitor, closed")
        log = folder / f"parquet-{size}" / DAY / "part-1.parquet"
        for peer, name in PEERS.items():
            if there and not (short and size == rows):
                words = (peer, str(rows_of_training), str(log))
                try:
                    yield Cost.parse(name, peers.run("ci_scripts.peer_costs", *words))
                except subprocess.CalledProcessError as error:
                    print(f"{name} failed at {size:,} rows: {error}", file=sys.stderr)
    if not short:
        yield ours(tenfold(folder, log), profile, "this monitor, parquet")


def tenfold(folder: Path, log: Path) -> Path:
    """A log of ten days of the same rows, by links: to write them would take longer than to count them."""
    found = folder / "tenfold"
    for day in range(1, 11):
        part = found / f"date=2026-11-{day:02}" / "part-1.parquet"
        part.parent.mkdir(parents=True)
        part.hardlink_to(log)
    return found


def installed(folder: Path) -> str:
    """How large an environment with the monitor alone is, and the CPU that its imports take."""
    template = next(ROOT.glob("*cookiecutter.project_slug*"))
    wheel = next((template / "vendor").glob("*.whl"))
    lock = str(template / "requirements.txt")
    subprocess.run(["uv", "-q", "venv", str(folder)], check=True)
    python = str(folder / "bin/python")
    wanted = f"gitops-model[monitoring] @ {wheel.as_uri()}"
    subprocess.run(
        [
            "uv",
            "-q",
            "pip",
            "install",
            "--compile-bytecode",
            "--python",
            python,
            "-c",
            lock,
            wanted,
        ],
        check=True,
    )
    code = (
        "import resource; import gitops_model.delivery.monitor, gitops_model.monitoring.signals; "
        "import gitops_model.monitoring.records, gitops_model.monitoring.quality, gitops_model.report.watch_pages; "
        "print(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))"
    )
    seconds = [
        float(
            subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout
        )
        for _ in range(5)
    ]
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    size = sum(path.stat().st_size for path in files) / 1e6
    return f"The monitor installed alone: {size:.0f} MB; its imports take {sorted(seconds)[2]:.2f} s of CPU."


def main(words: list[str]) -> int:
    """Measure; or, with `--count FOLDER PROFILE`, be what is measured."""
    if words[:1] == ["--count"]:
        count(Path(words[1]), Path(words[2]))
        return 0
    if words[:1] == ["--close"]:
        close(Path(words[1]))
        return 0
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("rows", nargs="?", type=int, default=ROWS)
    parser.add_argument(
        "--short", action="store_true", help="no peers at ROWS, nothing at ten times"
    )
    options = parser.parse_args(words)
    best: dict[int, Cost] = {}
    with tempfile.TemporaryDirectory() as name:
        print(installed(Path(name) / "alone"))
        for cost in costs(Path(name), options.rows, short=options.short):
            base = best.setdefault(cost.rows, cost)
            print(
                f"| {cost.name} | {cost.rows:,} | {cost.seconds:.1f} | {cost.start:.1f} | {cost.peak:,.0f} | "
                f"{cost.seconds / base.seconds:.1f} × | {cost.peak / base.peak:.1f} × |",
                flush=True,
            )
    return 0


def _measured(name: str, folder: Path, *words: str) -> None:
    held = sum(path.stat().st_size for path in folder.glob("*/*"))
    command = [sys.executable, "-m", "ci_scripts.bench_monitor", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows, seconds, peak = json.loads(done.stdout)
    print(
        f"{name:<8} {rows:>10,} rows {held / 1e6:>7.0f} MB: {seconds:5.1f} s of CPU, {peak:4.0f} MB",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
