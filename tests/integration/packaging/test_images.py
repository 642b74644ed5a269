"""What the Dockerfile installs and starts, done without an engine: in fresh environments and with real processes."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops_model.delivery import programs
from tests.support.dockerfile import Stage, stages
from tests.support.isolation import isolation
from tests.support.places import TEMPLATE
from tests.support.ports import free_port
from tests.support.server import Server, Store, running
from tests.support.world import World

ABSENT = ("sklearn", "pandas", "scipy", "dvc", "skops", "github", "jinja2", "pyarrow")
PATIENCE = 20.0


def build(stage: Stage, folder: Path, *, first: Path, installer: str = "pip") -> None:
    """COPY and RUN as an engine would, with `folder` for / and the programs in `first`: of RUN, only what installs."""
    where = folder
    for one in (*stages()[stage.base].instructions, *stage.instructions):
        if one.name == "WORKDIR":
            where = folder / one.text.lstrip("/")
            where.mkdir(parents=True, exist_ok=True)
        elif one.name == "COPY":
            *sources, target = one.text.split()
            there = folder / target.lstrip("/") if target.startswith("/") else where / target
            there = there if len(sources) == 1 and not target.endswith("/") else there / "."
            for source in [path for text in sources for path in sorted(TEMPLATE.glob(text))]:
                if source.is_dir():
                    shutil.copytree(source, there)
                else:
                    there.mkdir(parents=True, exist_ok=True)
                    shutil.copy(source, there)
        elif one.name == "RUN" and re.match(r"(\w+=\S+ )*(pip|make) ", one.text):
            kept = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "PYTHON"))}
            text = re.sub(r"(?<![\w.])/(build|opt|root)\b", rf"{folder}/\1", one.text)
            done = subprocess.run(
                ["sh", "-c", re.sub("^pip", installer, text)],
                cwd=where,
                env={
                    **kept,
                    "PATH": f"{first}:{os.environ['PATH']}",
                    "GIT_CONFIG_SYSTEM": str(folder / "gitconfig"),
                },
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module", params=["uv", pytest.param("pip", marks=pytest.mark.slow)])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a service image: its environment is `<root>/venv`. uv takes the same options as pip."""
    root = tmp_path_factory.mktemp("service")
    venv.create(root / "venv", with_pip=request.param == "pip")
    installer = "pip" if request.param == "pip" else f"VIRTUAL_ENV={root / 'venv'} uv pip"
    build(stages()["service"], root, first=root / "venv/bin", installer=installer)
    return root


def test_the_service_image_holds_no_training_stack(service: Path) -> None:
    code = f"import importlib.util as u; print([n for n in {ABSENT!r} if u.find_spec(n)])"
    done = subprocess.run(
        [service / "venv/bin/python", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_service_image_serves_a_bundle(service: Path, tmp_path: Path) -> None:
    port = free_port()
    stage = stages()["service"]
    store = Store(tmp_path / "store")
    ref = store.add(1)
    store.point(ref)
    words = [word.replace("/srv/store", str(store.folder)) for word in stage.last("CMD").words]
    assert words[words.index("--port") + 1] == "8080"
    words[words.index("--port") + 1] = str(port)
    shutil.copy(service / "srv/serving.yaml", tmp_path)
    (health,) = stage.all("HEALTHCHECK")
    asked = json.loads(health.partition("CMD ")[2])
    asked[2] = asked[2].replace("8080", str(port))
    env = {"PATH": f"{service / 'venv/bin'}:/usr/bin:/bin"}
    server = Server(store.folder, tmp_path)
    server.port = port
    with (tmp_path / "service.log").open("w") as log:
        server.process = subprocess.Popen(
            words, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        assert server.process.stdout is not None
        assert server.process.stdout.readline() == f"serving on http://0.0.0.0:{port}\n"
        server.until_serving(ref)
        assert subprocess.run(asked, env=env).returncode == 0
        assert server.get("/healthz").status == 200
        answer = server.predict()
        assert answer.status == 200 and answer.json["model"] == ref["model"]
    finally:
        code = server.stop()
    assert code == 0
    assert subprocess.run(asked, env=env, stderr=subprocess.DEVNULL).returncode != 0


@pytest.mark.slow
def test_the_agent_image_holds_git_and_dvc_and_no_training_stack(tmp_path: Path) -> None:
    stage = stages()["agent"]
    assert "git make" in stage.all("RUN")[0]
    build(stage, tmp_path, first=Path(sys.base_prefix) / "bin")
    bin_ = tmp_path / "opt/agent/bin"
    code = "import importlib.util as u; print(sorted(n for n in {} if u.find_spec(n)))"
    names = ("dvc", "requests", "sklearn", "pandas", "onnxruntime", "skops")
    done = subprocess.run(
        [bin_ / "python", "-c", code.format(names)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['dvc', 'requests']"
    done = subprocess.run([bin_ / "gitops-model", "deploy", "--help"], capture_output=True)
    assert done.returncode == 0 and b"--url" in done.stdout
    # git hears of the token from the image's settings.
    done = subprocess.run(
        ["git", "credential", "fill"],
        env={
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_SYSTEM": str(tmp_path / "gitconfig"),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GITHUB_TOKEN": "t0ken",
        },
        input=b"protocol=https\nhost=github.com\n\n",
        capture_output=True,
        check=True,
    )
    assert b"\npassword=t0ken\n" in done.stdout


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[World]:
    """flight-delay-v1 is in production; its bundle is in a DVC remote, and in no clone."""
    with isolation(tmp_path / "home") as patch:
        patch.setattr("gitops_model.delivery.dvc.stale_stages", lambda root: [])
        world = World.create(tmp_path / "world")
        clone = world.clones[0]
        remote = tmp_path / "remote"
        clone.release(1)
        clone.ship()
        config = f"[core]\n    remote = s\n['remote \"s\"']\n    url = {remote}\n"
        clone.write(".dvc/config", config)
        clone.commit("Name a storage", ".dvc/config")
        clone.push()
        shutil.copytree(clone.root / ".dvc/cache/files", remote / "files")
        yield world


def test_the_agents_command_clones_fetches_and_deploys(origin: World, tmp_path: Path) -> None:
    """The two containers' commands together: an empty volume, a service, and a release that lies in a storage."""
    store, volume = tmp_path / "volume-store", tmp_path / "volume-clone"
    volume.mkdir()
    store.mkdir()
    words = [word.replace("/srv/store", str(store)) for word in stages()["agent"].last("CMD").words]
    command = shlex.join(programs.gitops_model())
    words[2] = words[2].replace("exec gitops-model", f"exec {command}")
    said = []
    with running(store, tmp_path / "service") as server:
        url = f"http://127.0.0.1:{server.port}"
        env = {**os.environ, "REPOSITORY": str(origin.origin), "SERVICE_URL": url}
        for start in ("first", "second"):
            log = tmp_path / f"{start}.log"
            with log.open("w") as stream:
                agent = subprocess.Popen(words, cwd=volume, env=env, stdout=stream, stderr=stream)
            try:
                _until(log, "deploy: looking every")
                server.until(lambda s: (s["live"]["stable"] or {}).get("model", "")[-3:] == "-v1")
                _until(log, "live: flight-delay-v1")
                assert server.predict().status == 200
            finally:
                agent.send_signal(signal.SIGTERM)
                assert agent.wait(PATIENCE) == 0
            said.append(log.read_text())
    assert "flight-delay-v1 fetched from the DVC remote 's'." in said[0]
    assert "live: flight-delay-v1 (was nothing)" in said[0]
    # The second one finds its clone and the bundle.
    assert "live: flight-delay-v1 (as before)" in said[1] and "fetched" not in said[1]


def _until(log: Path, words: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while words not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


@pytest.mark.parametrize("token", [None, "gho_x"])
def test_git_gets_the_token_from_the_environment(tmp_path: Path, token: str | None) -> None:
    (whole,) = [run for run in stages()["agent"].all("RUN") if "git config" in run]
    line = whole[whole.index("git config") :]
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    env |= {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true"}
    env |= {} if token is None else {"GITHUB_TOKEN": token}
    subprocess.run(["sh", "-c", line.replace("--system", "--global")], env=env, check=True)
    assert "gho_x" not in (tmp_path / ".gitconfig").read_text()
    for host, given in (("github.com", token), ("elsewhere.example", None)):
        done = subprocess.run(
            ["git", "credential", "fill"],
            env=env,
            input=f"protocol=https\nhost={host}\n\n",
            capture_output=True,
            text=True,
        )
        answer = "username=x-access-token\npassword=gho_x\n"
        assert (answer in done.stdout) == ("x-access-token" in done.stdout) == (given is not None)
