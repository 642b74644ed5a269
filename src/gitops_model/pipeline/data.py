"""`data`: let pipeline/source.py fetch the raw data, and put it in the place of what was there in one step."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from gitops_model.errors import BadInput
from gitops_model.files import size_words
from gitops_model.formats.params import Params
from gitops_model.pipeline import team

RAW = Path("data/raw")
FETCHED = Path("data/.raw.fetched")
FORMER = Path("data/.raw.former")


def run() -> int:
    """Fetch into an empty folder, then rename it to data/raw. Raises BadInput when nothing was fetched."""
    params = Params.load(Path("params.yaml"))
    print("data: pipeline/source.py fetches the raw data ...", flush=True)
    began = time.monotonic()
    shutil.rmtree(FETCHED, ignore_errors=True)
    FETCHED.mkdir(parents=True)
    try:
        team.call("source", "fetch", FETCHED, dict(params.data))
        files = sorted(path for path in FETCHED.rglob("*") if path.is_file())
        if not files:
            raise BadInput(
                "pipeline/source.py: fetch wrote no file; allowed: at least one file in the folder it is given."
            )
        size = sum(path.stat().st_size for path in files)
        put_in_place(FETCHED, RAW)
    finally:
        shutil.rmtree(FETCHED, ignore_errors=True)
    print(f"data: {len(files)} files, {size_words(size)}, in {time.monotonic() - began:.0f} s")
    return 0


def put_in_place(new: Path, place: Path) -> None:
    """Rename the folder `new` to `place`; what was there is deleted once the new one stands."""
    shutil.rmtree(FORMER, ignore_errors=True)
    if place.exists():
        os.replace(place, FORMER)
    os.replace(new, place)
    shutil.rmtree(FORMER, ignore_errors=True)
