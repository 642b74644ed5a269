"""Reading the CSV files of a team, with a sentence for what is wrong with one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from gitops_model.errors import BadInput


def read_csv(path: Path, *, columns: Sequence[str] = (), **options: Any) -> pd.DataFrame:
    """`pandas.read_csv` of one file. Raises BadInput when it is no CSV, has no rows, or lacks one of `columns`."""
    try:
        table: pd.DataFrame = pd.read_csv(path, **options)
    except FileNotFoundError:
        raise BadInput(f"{path} is missing. Run: make data") from None
    except pd.errors.EmptyDataError:
        raise BadInput(f"{path} is empty; allowed: a CSV file with a header line.") from None
    except pd.errors.ParserError as error:
        words = str(error).strip().splitlines()[0].rpartition("error: ")[2][:200]
        raise BadInput(f"{path} cannot be read as CSV: {words}.") from None
    except UnicodeDecodeError:
        raise BadInput(
            f"{path} is not UTF-8 text. If you know how it was written, say so: read_csv(path, encoding='latin-1')."
        ) from None
    if missing := [name for name in columns if name not in table]:
        raise BadInput(
            f"{path} has no column {', '.join(missing)}; it has {', '.join(map(str, table.columns[:40]))}. Was it "
            "renamed?"
        )
    if len(table) == 0:
        raise BadInput(f"{path} has a header and no rows.")
    return table
