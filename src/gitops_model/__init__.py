"""Ship one machine-learning model from Git: judged against production, deployed by a merge, rolled back by a revert.

What a team's code may use stands in `__all__`; everything else is private and may change in any release.
"""

from __future__ import annotations

import importlib
from typing import Any

# By name, so that importing the package costs nothing and each part of the extras works without the others.
_PUBLIC = {
    "BadArtifact": "errors",
    "BadInput": "errors",
    "Contract": "formats.contract",
    "GitopsError": "errors",
    "Params": "formats.params",
    "canonical_json": "files",
    "dump_estimator": "runtime.estimators",
    "load_estimator": "runtime.estimators",
    "load_yaml": "strict_yaml",
    "prepared": "pipeline.prepared",
    "read_csv": "pipeline.csv_files",
    "write_atomic": "files",
}
_NAMES = {"dump_estimator": "dump", "load_estimator": "load", "load_yaml": "load"}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'gitops_model' has no attribute '{name}'")
    module = importlib.import_module(f"gitops_model.{_PUBLIC[name]}")
    return module if name == "prepared" else getattr(module, _NAMES.get(name, name))
