"""An installed library imports nothing of the folder it is called in, but the team's own functions where it trains.

A pull request may add any file, and a workflow or a person may call the command beside it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.isolation import environment
from tests.support.places import TEMPLATE
from tests.support.server import Server
from tests.support.small import Small, orders

# Names that Python, the library or what it uses look for, and the team's package.
HOSTILE = (
    "sitecustomize.py", "usercustomize.py", "yaml.py", "json.py", "numpy.py", "pandas.py", "gitops_model.py",
    "dvc/__init__.py", "onnxruntime.py", "starlette/__init__.py", "pipeline/__init__.py",
)  # fmt: skip
CODE = "open({mark!r}, 'a').write(__file__ + '\\n')\nraise SystemExit('imported ' + __file__)\n"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`gitops-model` of an environment in which the wheel is installed, with the packages of this one."""
    folder = tmp_path_factory.mktemp("installed")
    uv = str(Path(sys.executable).with_name("uv"))
    python = folder / "bin/python"
    wheel = next((TEMPLATE / "vendor").glob("*.whl"))
    for command in (
        [uv, "venv", "-q", "--no-config", "--python", sys.executable, str(folder), "--allow-existing"],
        [uv, "pip", "install", "-q", "--no-config", "--no-index", "--no-deps", "--python", str(python), str(wheel)],
    ):  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "others.pth").write_text(
        f"{next(Path(sys.prefix).glob('lib/python*/site-packages'))}\n"
    )
    return folder / "bin/gitops-model"


@pytest.mark.slow
def test_no_command_imports_what_lies_beside_it(
    repo: Small, installed: Path, tmp_path: Path
) -> None:
    env = environment(tmp_path / "home", os.environ) | {
        "PATH": f"{installed.parent}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    }
    mark = tmp_path / "imported.txt"

    def run(*words: str, code: int = 0) -> str:
        done = subprocess.run(
            [str(installed), *words], cwd=repo.root, env=env, capture_output=True, text=True
        )
        said = done.stdout + done.stderr
        assert not mark.exists(), f"{words} imported {mark.read_text()}{said}"
        assert done.returncode == code, f"{words} -> {done.returncode}\n{said}"
        return said

    origin = tmp_path / "origin.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(origin)], check=True)
    repo.git("remote", "add", "origin", str(origin))
    repo.git("push", "-q", "-u", "origin", "main")
    repo.dvc("remote", "add", "-d", "shelf", str(tmp_path / "shelf"))
    (repo.root / "data/raw/orders.csv").write_text(orders(2000))
    repo.dvc("add", "-q", "data/raw")
    repo.edit("params.yaml", ("rows: 100", "rows: 2000"))
    repo.edit("gates.yaml", ("min_rows: 300", "min_rows: 20"), ("ive: block", "ive: warn"))
    repo.repro()
    repo.commit("Enough rows for every gate, and a remote")
    repo.git("push", "-q")

    for name in HOSTILE:
        (repo.root / name).parent.mkdir(exist_ok=True)
        (repo.root / name).write_text(CODE.format(mark=str(mark)))
    # It would be imported if it were looked for: the interpreter alone does so in this folder.
    bare = subprocess.run([sys.executable, "-c", "import yaml"], cwd=repo.root, capture_output=True)
    assert bare.returncode == 1 and mark.exists()
    mark.unlink()

    for model in ("orders-v1", "orders-v2"):
        repo.ok("check") if model == "orders-v1" else run("check")
        repo.ok("release")
        repo.ok("ship", model, "--commit")
        repo.git("push", "-q")
        repo.edit("params.yaml", ("seed: 3", "seed: 4")) if model == "orders-v1" else None
        repo.repro()
        repo.commit("Train again")
        repo.git("push", "-q")
    run("rollback", "--push")
    run("deploy")
    assert "orders-v1" in run("status", code=1)  # no service answers yet
    folder = tmp_path / "service"
    shutil.copytree(repo.root, folder, ignore=shutil.ignore_patterns(".git", ".dvc", "store"))
    server = Server(repo.root / "store", folder, command=[str(installed)]).start()
    try:
        server.until(lambda state: (state["live"]["stable"] or {}).get("model") == "orders-v1")
    finally:
        server.stop()
    assert not mark.exists(), mark.read_text()
