"""Kills at every step, races between clones, and real DVC, on the generated repository's own commands.

Each file beside this one is run by a pytest of its own, inside the template directory: there the packages are called
what they are called in a generated repository, and this repository has a `ci_scripts` too.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TEMPLATE = next(HERE.parents[1].glob("*cookiecutter.project_slug*"))


@pytest.mark.parametrize(
    "name",
    [
        "races.py",
        "with_dvc.py",
        pytest.param("kills.py", marks=pytest.mark.slow),
    ],
)
def test_e2e(name: str, tmp_path: Path) -> None:
    # What `make test` asks of pytest is about this process; the inner one keeps no cache at all.
    outer = ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PYTEST_CURRENT_TEST")
    env = {key: value for key, value in os.environ.items() if key not in outer}
    done = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-x",
                "--durations=5",
                "-p",
                "no:cacheprovider",
            ),
            *("-c", str(TEMPLATE / "pyproject.toml"), "--rootdir", str(TEMPLATE)),
            *("--basetemp", str(tmp_path / "inner"), str(HERE / name)),
        ],
        cwd=TEMPLATE,
        env={**env, "PYTHONPATH": str(TEMPLATE), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
