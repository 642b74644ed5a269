"""The files of the prediction log, in a folder, in a bucket, or in both: which of them count, and how one is opened.

A day may be closed, moved or deleted at any moment, also between the listing of its files and the reading of one.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from pyarrow import fs

from gitops_model.formats import log_files
from gitops_model.monitoring import closing, storage

_DAY = re.compile(r"(?:^|/)date=(\d{4}-\d\d-\d\d)/[^/]+\.(jsonl|parquet)$")


@dataclass(frozen=True, kw_only=True)
class Part:
    """A file of the log: the day (UTC) its folder names, its path in the log, its bytes, and in which place it lies."""

    day: date
    path: str
    size: int
    place: int = 0


@dataclass(frozen=True, kw_only=True)
class Held:
    """Where a part's records lie now: a file, of which they are all, or the groups of one `part` of it."""

    path: str
    place: int
    part: str | None = None


@dataclass(frozen=True, kw_only=True)
class Place:
    """A place of the log, opened. Paths in it are relative to `folder`."""

    name: str
    files: Any
    folder: str

    def names(self, path: str) -> list[str]:
        """What lies in the folder `path`."""
        selector = fs.FileSelector(f"{self.folder}/{path}", allow_not_found=True)
        return [info.base_name for info in self.files.get_file_info(selector)]


class Parts:
    """Those of the log at `places`, each a folder or a URL such as s3://bucket/folder.

    A closed file moves from one to the next: they are listed in this order, and what is seen twice counts where it was.
    """

    def __init__(self, *places: str | Path) -> None:
        self._places = [
            Place(name=str(place), files=files, folder=folder)
            for place in places
            for files, folder in [storage.opened(place)]
        ]

    def parts(self, *, first: date | None = None, last: date | None = None) -> list[Part]:
        """Its files of the days `first` to `last`, oldest first; none where there is no such folder."""
        found: dict[str, Part] = {}
        for number, place in enumerate(self._places):
            for info in storage.listed(place.files, place.folder, place.name):
                path = info.path.removeprefix(place.folder).lstrip("/")
                match = _DAY.search(path)
                day = None if match is None else log_files.day_of(f"date={match[1]}")
                if info.type is not fs.FileType.File or day is None:
                    continue
                if (first is None or day >= first) and (last is None or day <= last):
                    part = Part(day=day, path=path, size=info.size, place=number)
                    found.setdefault(path, part)
        counted = _counted(found)
        return sorted(
            (part for path, part in found.items() if path in counted),
            key=lambda part: (part.day, part.path),
        )

    def is_away(self, held: Held) -> bool:
        """Whether it lies in a bucket, where each request costs, and not its bytes."""
        return "://" in self._places[held.place].name

    @contextlib.contextmanager
    def stream(self, part: Part) -> Iterator[tuple[Any, Held]]:
        """The open file of a part, also where its day was closed or moved since it was listed.

        Raises OSError, or ExternalFailure where a bucket does not answer.
        """
        held = Held(path=part.path, place=part.place)
        try:
            stream, held = self._opened(held)
            with stream:
                yield stream, held
        except OSError as error:
            if not storage.is_away(error):
                raise
            with storage.telling(f"the log at {self._places[held.place].name} cannot be read"):
                raise

    def _opened(self, held: Held) -> tuple[Any, Held]:
        for _ in range(4):
            place = self._places[held.place]
            try:
                return place.files.open_input_file(f"{place.folder}/{held.path}"), held
            except FileNotFoundError:
                moved = self._moved(held)
                if moved is None:
                    raise
                held = moved
        raise FileNotFoundError(held.path)

    def _moved(self, held: Held) -> Held | None:
        folder, _, name = held.path.rpartition("/")
        begun = log_files.closing_of(name)
        seen = [
            (Held(path=f"{folder}/{one}", place=number), one)
            for number, place in enumerate(self._places)
            for one in place.names(folder)
        ]
        for there, one in seen:
            if one == name and there.place != held.place:
                return replace(there, part=held.part)
            if begun is not None and one == log_files.closed(begun[0]):
                return replace(there, part=begun[1])
            if (log_files.closing_of(one) or ("", ""))[1] == name:
                return there
        for there, one in seen:
            closed = one.startswith("closed-") and one.endswith(".parquet")
            if closed and held.part is None and self._holds(there, name):
                return replace(there, part=name)
        return None

    def _holds(self, closed: Held, part: str) -> bool:
        place = self._places[closed.place]
        try:
            with place.files.open_input_file(f"{place.folder}/{closed.path}") as stream:
                facts = closing.facts_of(pq.read_metadata(stream).metadata)
        except FileNotFoundError:
            # It moves just now, and is seen where it goes.
            return False
        return any(within.name == part for within in facts.parts)


def parquet(stream: Any, away: bool) -> pq.ParquetFile:
    """An open Parquet file, read in order, so that memory stays flat: by 64 kB, or by row groups where it is `away`."""
    return pq.ParquetFile(stream, buffer_size=0 if away else 1 << 16, pre_buffer=away)


def _counted(paths: Iterable[str]) -> set[str]:
    """Those of the listed files whose records do not lie in a Parquet file beside them."""
    folders: dict[str, set[str]] = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        folders.setdefault(folder, set()).add(name)
    return {
        f"{folder}/{name}" if folder else name
        for folder, names in folders.items()
        for name in names - log_files.superseded(names)
    }
