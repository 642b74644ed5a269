"""The simulations call the generated repository's own code, where it lies in the template directory."""

import importlib.util
import sys
from pathlib import Path

import pytest

TEMPLATE = next(Path(__file__).parents[2].glob("*cookiecutter.project_slug*"))
sys.path.insert(0, str(TEMPLATE))


@pytest.fixture(scope="session")
def cases():
    """The builders of the generated repository's own tests."""
    path = TEMPLATE / "tests" / "evaluation" / "cases.py"
    spec = importlib.util.spec_from_file_location("evaluation_cases", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
