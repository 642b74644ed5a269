"""Ship one machine-learning model from Git: judged against production, deployed by a merge, rolled back by a revert.

What a team's code may use stands in `__all__`; everything else is private and may change in any release. The first
names are for pipeline/source.py, features.py and train.py, the modules below them for stages that were ejected.
`gitops_model.log` reads the prediction log.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # For type checkers, and for stages.py, which reads here which module a public name comes from.
    from gitops_model.errors import BadArtifact as BadArtifact
    from gitops_model.errors import BadInput as BadInput
    from gitops_model.errors import GitopsError as GitopsError
    from gitops_model.files import write_atomic as write_atomic
    from gitops_model.formats.contract import Contract as Contract
    from gitops_model.formats.params import Params as Params
    from gitops_model.pipeline import candidate as candidate
    from gitops_model.pipeline import estimator as estimator
    from gitops_model.pipeline import examples as examples
    from gitops_model.pipeline import measures as measures
    from gitops_model.pipeline import plots as plots
    from gitops_model.pipeline import prepared as prepared
    from gitops_model.pipeline import raw as raw
    from gitops_model.pipeline import split as split
    from gitops_model.pipeline import stages as stages
    from gitops_model.pipeline import team as team
    from gitops_model.pipeline.csv_files import read_csv as read_csv

# By name, so that importing the package costs nothing and each part of the extras works without the others.
_MODULES = {
    "BadArtifact": "errors",
    "BadInput": "errors",
    "Contract": "formats.contract",
    "GitopsError": "errors",
    "Params": "formats.params",
    "candidate": "pipeline.candidate",
    "estimator": "pipeline.estimator",
    "examples": "pipeline.examples",
    "measures": "pipeline.measures",
    "plots": "pipeline.plots",
    "prepared": "pipeline.prepared",
    "raw": "pipeline.raw",
    "read_csv": "pipeline.csv_files",
    "split": "pipeline.split",
    "stages": "pipeline.stages",
    "team": "pipeline.team",
    "write_atomic": "files",
}

__all__ = sorted(_MODULES)  # noqa: PLE0605  one list, not two


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'gitops_model' has no attribute '{name}'")
    module = importlib.import_module(f"gitops_model.{_MODULES[name]}")
    return module if _MODULES[name].endswith(f".{name}") else getattr(module, name)
