"""`data`: let pipeline/source.py fetch the raw data, and put it in the place of what was there in one step."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from gitops_model.formats.params import Params
from gitops_model.pipeline import raw, team

FETCHED = Path("data/.raw.fetched")
FORMER = Path("data/.raw.former")


def run() -> None:
    """Fetch into an empty folder, then rename it to data/raw. Raises BadInput when nothing was fetched."""
    params = Params.load(Path("params.yaml"))
    print("data: pipeline/source.py fetches the raw data ...", flush=True)
    began = time.monotonic()
    _finish_former_swap()
    shutil.rmtree(FETCHED, ignore_errors=True)
    FETCHED.mkdir(parents=True)
    try:
        team.fetch(FETCHED, params)
        words = raw.size(raw.files(FETCHED))
        put_in_place(FETCHED, raw.FOLDER)
    finally:
        shutil.rmtree(FETCHED, ignore_errors=True)
    print(f"data: {words} in {raw.FOLDER}, in {time.monotonic() - began:.1f} s. Next: make train")


def put_in_place(new: Path, place: Path) -> None:
    """Rename the folder `new` to `place`; what was there is deleted once the new one stands."""
    shutil.rmtree(FORMER, ignore_errors=True)
    if place.exists():
        os.replace(place, FORMER)
    os.replace(new, place)
    shutil.rmtree(FORMER, ignore_errors=True)


def _finish_former_swap() -> None:
    """Put back what a command that was killed between the two renames had moved away."""
    if FORMER.exists() and not raw.FOLDER.exists():
        os.replace(FORMER, raw.FOLDER)
