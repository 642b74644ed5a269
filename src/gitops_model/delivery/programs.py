"""How one command starts another program: with this interpreter, and never a module of the working directory."""

from __future__ import annotations

import sys

# -P keeps the working directory off the import path: a yaml.py that lies there is not imported.
PYTHON = (sys.executable, "-P")
COMMAND = (*PYTHON, "-m", "gitops_model")
DVC = (*PYTHON, "-m", "dvc")
