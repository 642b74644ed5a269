"""Where things are in this repository."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
TEMPLATE = next(ROOT.glob("*cookiecutter.project_slug*"))
