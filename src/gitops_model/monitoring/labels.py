"""Labels that arrive later: CSV or Parquet, one file or a folder of them, in any order, some of them corrected.

A row has the request's id, the label, for a batch also `row`, its place in it counted from 0, and perhaps
`labelled_at`, a time: the latest counts. Two labels of one request that differ without one contradict each other, and
neither counts. So the order of files and rows decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import fs

from gitops_model.errors import BadInput
from gitops_model.formats.contract import Contract
from gitops_model.monitoring import storage

REQUEST, ROW, AT = "request_id", "row", "labelled_at"
ENDINGS = (".csv", ".parquet")


@dataclass(frozen=True, kw_only=True)
class Labels:
    """One label for each request: `ids` (n,) texts and `values` (n,) as numbers, see `evaluation.metrics`.

    `refused` rows had no label of the contract, `contradictory` requests had two.
    """

    ids: pa.Array
    values: NDArray[np.float64]
    refused: int
    contradictory: int

    def of(self, keys: pa.ChunkedArray) -> NDArray[np.float64]:
        """The label of each of the rows that `names` names; NaN where none has arrived."""
        places = pc.index_in(keys, self.ids).to_numpy(zero_copy_only=False)
        found = np.full(len(places), np.nan)
        there = ~np.isnan(places.astype(np.float64))
        found[there] = self.values[places[there].astype(np.int64)]
        return found


def names(requests: pa.ChunkedArray, rows: pa.ChunkedArray | None) -> pa.ChunkedArray:
    """One text for each row: the request's id, and from the second row of a batch on its place in it."""
    if rows is None:
        return requests
    numbers = pc.fill_null(rows.cast(pa.int64()), 0)
    if pc.max(numbers).as_py() in (None, 0):
        return requests
    places = pc.binary_join_element_wise(requests, numbers.cast(pa.string()), " ")
    return pc.if_else(pc.greater(numbers, 0), places, requests)


def read(place: str, contract: Contract) -> Labels:
    """All labels at `place`. Raises BadInput when a file is not a table of them."""
    files, root = storage.opened(place)
    tables = [_table(files, path, contract) for path in _paths(files, root, place)]
    if not tables:
        raise BadInput(f"no labels lie in {place}: it holds no file that ends in .csv or .parquet.")
    ids = np.concatenate([table[0] for table in tables])
    values = np.concatenate([_numbers(table[1], contract) for table in tables])
    at = np.concatenate([table[2] for table in tables])
    good = np.array([bool(text) for text in ids], dtype=bool) & np.isfinite(values)
    kept, contradictory = _latest(ids[good], values[good], at[good])
    return Labels(
        ids=pa.array(ids[good][kept].tolist(), pa.string()),
        values=values[good][kept],
        refused=int((~good).sum()),
        contradictory=contradictory,
    )


def _paths(files: Any, root: str, place: str) -> list[str]:
    with storage.telling(f"{place} cannot be read"):
        info = files.get_file_info(root)
    if info.type is fs.FileType.File:
        return [root]
    found = storage.listed(files, root, place)
    return sorted(one.path for one in found if one.path.endswith(ENDINGS))


def _table(
    files: Any, path: str, contract: Contract
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Ids, labels as texts, and times as texts (empty where there is none) of one file."""
    try:
        with files.open_input_file(path) as stream:
            if path.endswith(".parquet"):
                table = pq.read_table(stream)
            else:
                # As texts, so that an id such as 007 stays one.
                with files.open_input_stream(path) as head:
                    names = pcsv.open_csv(head).schema.names
                options = pcsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
                table = pcsv.read_csv(stream, convert_options=options)
    except (pa.ArrowInvalid, OSError) as error:
        raise BadInput(f"{path} cannot be read as a table of labels: {error}") from None
    ids = next((n for n in (REQUEST, contract.keys.request) if n in table.column_names), None)
    if ids is None or contract.label.name not in table.column_names:
        wanted = f"{REQUEST} or {contract.keys.request}, and {contract.label.name}"
        raise BadInput(
            f"{path} has the columns {', '.join(table.column_names)[:200]}; needed: {wanted}."
        )

    def texts(name: str) -> NDArray[Any]:
        column = pc.fill_null(table.column(name).cast(pa.string()), "")
        return np.array(column.to_pylist(), dtype=object)

    times = texts(AT) if AT in table.column_names else np.full(table.num_rows, "", dtype=object)
    keys = texts(ids)
    if ROW in table.column_names:
        keys = np.array(
            [
                name if not name or number in ("", "0") else f"{name} {number}"
                for name, number in zip(keys, texts(ROW), strict=True)
            ],
            dtype=object,
        )
    return keys, texts(contract.label.name), times


def _numbers(texts: NDArray[Any], contract: Contract) -> NDArray[np.float64]:
    """Labels as numbers; NaN for what is none."""
    if contract.output.classes:
        known = {name: float(place) for place, name in enumerate(contract.output.classes)}
        return np.array([known.get(text, np.nan) for text in texts], dtype=np.float64)
    binary = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0}
    if contract.problem == "binary":
        return np.array([binary.get(text.lower(), np.nan) for text in texts], dtype=np.float64)

    def number(text: str) -> float:
        try:
            return float(text)
        except ValueError:
            return np.nan

    return np.array([number(text) for text in texts], dtype=np.float64)


def _latest(
    ids: NDArray[Any], values: NDArray[np.float64], at: NDArray[Any]
) -> tuple[list[int], int]:
    """Places of the labels that count, and how many requests contradict themselves."""
    newest: dict[str, int] = {}
    torn: set[str] = set()
    for place, name in enumerate(ids):
        former = newest.get(name)
        if former is None or at[place] > at[former]:
            newest[name] = place
            torn.discard(name)
        elif at[place] == at[former] and values[place] != values[former]:
            torn.add(name)
    return [place for name, place in newest.items() if name not in torn], len(torn)
