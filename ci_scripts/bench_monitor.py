"""What the monitor costs: `python -m ci_scripts.bench_monitor [ROWS]` writes logs of 40 columns and counts them.

Prints CPU seconds and peak memory of a process that does nothing else, for Parquet, for JSON lines, for closing these
(`gitops-model log close`) and for what was closed, at ROWS and at a tenth of them, and the bytes of the profile.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gitops_model import strict_yaml
from gitops_model.formats.contract import Contract
from gitops_model.formats.profile import Profile

NUMBERS, LEVELS = 30, (2, 3, 5, 8, 12, 20, 40, 80, 150, 200)
CHUNK = 50_000
ROWS = 1_000_000


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
    path = folder / "date=2026-11-01" / f"part-1.{kind}"
    path.parent.mkdir(parents=True)
    if kind == "parquet":
        with pq.ParquetWriter(path, table(rng, 1).schema) as writer:
            for _ in range(rows // CHUNK):
                writer.write_table(table(rng, CHUNK))
    else:
        with path.open("w") as stream:
            for _ in range(rows // CHUNK):
                for record in table(rng, CHUNK).to_pylist():
                    stream.write(json.dumps(record, separators=(",", ":")) + "\n")
    return path.stat().st_size


def count(folder: Path, profile: Path) -> None:
    """In a process of its own: count the log and print what it took."""
    from gitops_model.monitoring import records, traffic

    log, broken, shape = records.Log(folder), records.Broken(), records.shape(contract())
    known = Profile.parse(profile.read_bytes(), name="reference.json")
    days = traffic.count((p for part in log.parts() for p in log.read(part, shape, broken)), known)
    used = resource.getrusage(resource.RUSAGE_SELF)
    rows = sum(day.rows for day in days.values())
    print(json.dumps([rows, used.ru_utime + used.ru_stime, _peak_mb()]))


def close(folder: Path) -> None:
    """In a process of its own: close the log and print what it took."""
    from gitops_model.monitoring import closing

    done = list(closing.close(folder, now=datetime.now(UTC)))
    used = resource.getrusage(resource.RUSAGE_SELF)
    rows = sum(one.rows for one in done)
    print(json.dumps([rows, used.ru_utime + used.ru_stime, _peak_mb()]))


def _peak_mb() -> float:
    # Not ru_maxrss, which begins with the size of the parent. Linux counts KiB.
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (held,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(held.split()[1]) * 1024 / 1e6


def main(words: list[str]) -> int:
    """Measure; or, with `--count FOLDER PROFILE`, be what is measured."""
    if words[:1] == ["--count"]:
        count(Path(words[1]), Path(words[2]))
        return 0
    if words[:1] == ["--close"]:
        close(Path(words[1]))
        return 0
    from gitops_model.pipeline import reference

    rows = int(words[0]) if words else ROWS
    rng = np.random.default_rng(1)
    days = np.repeat(np.arange(80), 250)
    made = reference.build(contract(), columns(rng, len(days)), rng.random(5000), days=days)
    with tempfile.TemporaryDirectory() as name:
        profile = Path(name) / "reference.json"
        profile.write_bytes(made.to_bytes())
        print(f"profile of {len(made.inputs)} columns: {profile.stat().st_size / 1000:.1f} kB")
        for kind in ("parquet", "jsonl"):
            for size in (rows // 10, rows):
                folder = Path(name) / f"{kind}-{size}"
                write(folder, kind, size)
                _measured(kind, folder, "--count", str(folder), str(profile))
                if kind == "jsonl":
                    _measured("closing", folder, "--close", str(folder))
                    _measured("closed", folder, "--count", str(folder), str(profile))
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
