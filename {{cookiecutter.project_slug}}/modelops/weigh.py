"""Load one bundle and answer its golden requests, then end: a process whose peak memory is the model's.

Usage: python -m modelops.weigh <bundle.tar> <sha256>
"""

from __future__ import annotations

import sys
from pathlib import Path

from modelops.bundle import Bundle
from modelops.errors import ModelOpsError
from modelops.runtime import columns_of, load_model


def main(path: str, sha256: str) -> None:
    """Raises BadArtifact when the bundle cannot be loaded."""
    bundle = Bundle.read(Path(path), sha256=sha256)
    model = load_model(bundle)
    validate = bundle.contract.row_validator()
    for line in bundle.golden:
        model.predict(columns_of(bundle.contract, [validate(line["inputs"]).values]))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except ModelOpsError as error:
        sys.exit(f"weigh: {error}")
