"""The prediction log as one table: `gitops_model.log.read("logs/predictions", first="2026-11-01")`.

JSON lines and closed days (Parquet) are read alike. A column for each name, joined by dots: `inputs.hour`,
`output.delayed`. A name whose values have several types holds JSON texts.
"""

from __future__ import annotations

import importlib.util
import io
import logging
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitops_model.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from gitops_model.monitoring.parts import Part
    from gitops_model.monitoring.records import Log

logger = logging.getLogger("gitops_model.log")
PIECE_ROWS = 4096
REQUEST = "request_id"


def read(
    place: str | Path,
    *,
    first: date | str | None = None,
    last: date | str | None = None,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame | pa.Table:
    """All records of the days (UTC) `first` to `last` at `place`, a folder or a URL such as s3://bucket/folder.

    `columns`: their names, such as `model` and `inputs.hour`, or `inputs` for all of them (None: all); of closed days
    only these are fetched.

    A pandas DataFrame; a pyarrow Table where pandas is not installed. Lines that are no records are counted in
    `frame.attrs["broken"]`, or in the table's metadata. Raises BadInput for a place, day or column that is none.
    """
    found = read_table(place, first=first, last=last, columns=columns)
    if importlib.util.find_spec("pandas") is None:
        return found
    frame = found.to_pandas()
    frame.attrs["broken"] = int((found.schema.metadata or {}).get(b"broken", b"0"))
    return frame


def read_table(
    place: str | Path,
    *,
    first: date | str | None = None,
    last: date | str | None = None,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """The same as a pyarrow Table."""
    import pyarrow as pa

    from gitops_model.monitoring import kinds
    from gitops_model.monitoring.records import Log

    log = Log(place)
    parts = log.parts(first=_day(first), last=_day(last))
    broken = 0
    tables: list[tuple[pa.Table, frozenset[str]]] = []
    for part in parts:
        for table, texts, lost in _tables(log, part, columns):
            tables.append((table, texts))
            broken += lost
    held = kinds.plan(kinds.of_table(table, texts) for table, texts in tables)
    joined = [
        kinds.table(kinds.records(table, texts), held)
        if texts or held.texts
        else kinds.conformed(table, held.schema)
        for table, texts in tables
    ]
    whole = pa.concat_tables(joined) if joined else held.schema.empty_table()
    while any(pa.types.is_struct(one.type) for one in whole.schema):
        whole = whole.flatten()
    if columns is not None and tables:
        whole = whole.select(_named(columns, whole.column_names, place))
    if broken:
        logger.warning("%d lines of the log at %s are no records", broken, place)
    return whole.replace_schema_metadata({"broken": str(broken)})


def _named(columns: Sequence[str], known: Sequence[str], place: str | Path) -> list[str]:
    """Those of the `known` names that `columns` asks for, in its order."""
    found = {
        asked: [name for name in known if f"{name}.".startswith(f"{asked}.")] for asked in columns
    }
    if unknown := [asked for asked, names in found.items() if not names]:
        raise BadInput(
            f"no record of the log at {place} has {', '.join(unknown)} in these days; without `columns` all names are "
            "there to see."
        )
    return list(dict.fromkeys(name for names in found.values() for name in names))


def _day(text: date | str | None) -> date | None:
    if text is None or isinstance(text, date):
        return text
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInput(f"'{text}' is no day such as 2026-11-28.") from None


def _tables(
    log: Log, part: Part, columns: Sequence[str] | None
) -> Iterator[tuple[pa.Table, frozenset[str], int]]:
    """Tables of one part, which of their columns hold JSON texts, and how many of its lines are no records."""
    from gitops_model.monitoring import closing, parts

    with log.stream(part) as (stream, held):
        if not held.path.endswith(".parquet"):
            piece: list[dict[str, Any]] = []
            lost = 0
            for line in closing.lines(io.BufferedReader(stream, 1 << 20)):
                record = closing.record_of(line)
                if record is not None:
                    piece.append(record)
                elif line.strip():
                    lost += 1
                if len(piece) >= PIECE_ROWS:
                    yield *_typed(piece), 0
                    piece = []
            yield *_typed(piece), lost
            return
        file = parts.parquet(stream, log.is_away(held))
        facts = closing.facts_of(file.metadata.metadata)
        groups = list(closing.groups_of(facts, held.part, file.num_row_groups))
        # Without a value in those that are asked for, a row is one all the same.
        wanted = None if columns is None else [REQUEST, *columns]
        table = (
            file.read_row_groups(groups, columns=wanted)
            if groups
            else file.schema_arrow.empty_table()
        )
        lost = facts.broken if held.part is None else 0
        if facts.texts and table.num_rows:
            # Most texts are numbers again, where not the very letters count.
            from gitops_model.monitoring import kinds

            yield *_typed(kinds.records(table, facts.texts)), lost
        else:
            yield table, frozenset(), lost


def _typed(records: list[dict[str, Any]]) -> tuple[pa.Table, frozenset[str]]:
    from gitops_model.monitoring import kinds

    held = kinds.plan([kinds.of_records(records, exact=False)])
    return kinds.table(records, held), held.texts
