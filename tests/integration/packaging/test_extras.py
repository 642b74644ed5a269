"""The command works with a part of the library's requirements, and each extra lacks what it does not need."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib

import pytest

from gitops_model.cli import COMMANDS, main
from tests.support.places import ROOT, TEMPLATE

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MODULES = {
    "ruamel-yaml": "ruamel",
    "scikit-learn": "sklearn",
    "prometheus-client": "prometheus_client",
    "pygithub": "github",
    "pyyaml": "yaml",
    "ray[serve]": "ray",
}
HEAVY = (
    "pandas",
    "sklearn",
    "scipy",
    "dvc",
    "github",
    "skl2onnx",
    "onnx",
    "skops",
    "jinja2",
    "simpleeval",
)

# Makes every import of `absent` fail as if it were not installed, then runs the command.
CODE = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)

ABSENT = set(sys.argv[1].split(","))
sys.meta_path.insert(0, Absent())
from gitops_model.cli import main
sys.exit(main(sys.argv[2:]))
"""


def modules(*extras: str) -> set[str]:
    listed = [*PROJECT["dependencies"]]
    for extra in extras:
        listed += PROJECT["optional-dependencies"][extra]
    names = {line.partition(";")[0].strip() for line in listed}
    return {MODULES.get(name, name) for name in names}


def imported(*folders: str) -> set[str]:
    """What modules of the library import from elsewhere, at their head or inside a function."""
    found: set[str] = set()
    for folder in folders:
        for path in (ROOT / "src/gitops_model").glob(folder):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    found |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    found.add((node.module or "").partition(".")[0])
    return found - sys.stdlib_module_names - {"gitops_model"}


def run(absent: set[str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-c", CODE, ",".join(sorted(absent)), *words],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("extras", [(), ("serving",), ("pipeline",), ("github",)])
def test_help_works_with_any_part_of_the_extras(extras: tuple[str, ...]) -> None:
    everything = modules("serving", "pipeline", "github")
    done = run(everything - modules(*extras), "--help")
    assert done.returncode == 0, done.stderr
    assert all(f"\n  {name} " in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("command", ["serve", "weigh", "rehearse"])
def test_what_serves_needs_the_serving_extra_alone(command: str) -> None:
    assert modules("serving").isdisjoint(HEAVY)
    done = run(modules("pipeline", "github") - modules("serving"), command, "--help")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", ["monitor", "rehearse", "status"])
def test_what_watches_starts_with_the_monitoring_extra_alone(command: str) -> None:
    """Without a runtime it rehearses nothing, and says so: tests/integration/delivery/test_way_back.py."""
    assert modules("monitoring").isdisjoint({"onnxruntime", *HEAVY} - {"jinja2"})
    absent = modules("serving", "pipeline", "github") - modules("monitoring")
    done = run(absent, command, "--help")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0
    assert COMMANDS[name].help.split()[0] in capsys.readouterr().out


def test_every_import_is_a_declared_requirement_and_is_locked() -> None:
    everything = modules("serving", "pipeline", "github")
    assert imported("**/*.py") <= everything | modules("ray")
    assert imported("actions/*.py", "report/*.py") <= modules("github")
    assert imported("pipeline/*.py", "evaluation/*.py", "report/*.py") <= modules("pipeline")
    for name, extras in (
        ("requirements", ("serving", "pipeline", "github")),
        ("requirements-serving", ("serving",)),
    ):
        locked = set(
            re.findall(r"^([a-z0-9._-]+)==", (TEMPLATE / f"{name}.txt").read_text(), re.MULTILINE)
        )
        assert modules(*extras) <= {MODULES.get(line, line) for line in locked}
