"""One peer on one log, to be measured: runs in the environment of `ci_scripts.peers`.

`python -m ci_scripts.peer_costs PEER TRAINING LOG` prints JSON: rows, CPU seconds of the whole process, those of them
that its start took, and its peak in MB. TRAINING is a Parquet file of the columns, LOG one whose `inputs` hold them.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from ci_scripts.usage import peak_mb, used


def main(words: list[str]) -> int:
    """Measure one peer with its defaults."""
    peer, training, log = words
    if peer == "evidently":
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset
    else:
        import nannyml
    started = used()
    before = pd.read_parquet(training)
    # Before pandas sees it: one frame of the inputs, and nothing else of the log.
    inputs = pq.read_table(log, columns=["inputs"]).column("inputs").combine_chunks()
    now = pd.DataFrame(dict(zip(before.columns, map(_plain, inputs.flatten()), strict=True)))
    del inputs
    numbers = [name for name in map(str, before) if name.startswith("n")]
    categories = [name for name in map(str, before) if name.startswith("c")]
    if peer == "evidently":
        kinds = DataDefinition(numerical_columns=numbers, categorical_columns=categories)
        report = Report([DataDriftPreset()])
        found = report.run(Dataset.from_pandas(now, kinds), Dataset.from_pandas(before, kinds))
        assert len(found.dict()["metrics"]) > len(before.columns)
    else:
        calculator = nannyml.UnivariateDriftCalculator(
            column_names=numbers + categories, treat_as_categorical=categories
        )
        assert len(calculator.fit(before).calculate(now).to_df())
    print(json.dumps([len(now), used(), started, peak_mb()]))
    return 0


def _plain(array: Any) -> Any:
    return array.to_numpy(zero_copy_only=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
