"""The wheel in vendor/: the same bytes wherever it is built, and nothing else is ever installed in its place."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci_scripts import wheel
from ci_scripts.bake import export
from tests.support.places import ROOT, TEMPLATE

NAME = "gitops_model-0.1.0-py3-none-any.whl"
FOREIGN = b"FOREIGN = True\n"


def installers(target: Path) -> dict[str, list[str]]:
    """How pip and uv install the library alone, by its lock, into the folder `target`."""
    options = ["--require-hashes", "--no-deps", "--find-links", "vendor", "-r", "library.lock"]
    return {
        "pip": [sys.executable, "-m", "pip", "install", "-q", "--target", str(target), *options],
        "uv": [
            str(Path(sys.executable).with_name("uv")),
            *("pip", "install", "-q", "--no-cache", "--python", sys.executable),
            *("--target", str(target), *options),
        ],
    }


def install(tool: str, project: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [*installers(project / "target")[tool], *more]
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "UV_"))}
    # Settings of the machine could name an index of its own.
    settings = {"PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1", "HOME": str(project)}
    return subprocess.run(
        command, cwd=project, env=clean | settings, capture_output=True, text=True, check=False
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What a clone installs the library from: vendor/ and library.lock."""
    shutil.copytree(TEMPLATE / "vendor", tmp_path / "vendor")
    shutil.copy(TEMPLATE / "library.lock", tmp_path)
    return tmp_path


def test_other_folders_times_and_modes_give_the_same_bytes(tmp_path: Path) -> None:
    other = export(tmp_path / "elsewhere")
    for path in [*other.rglob("*.py"), other / "pyproject.toml"]:
        path.chmod(0o600)
        os.utime(path, (1_000_000_000, 1_000_000_000))
    before = os.umask(0o077)
    try:
        again = wheel.build(other)
    finally:
        os.umask(before)
    assert again == wheel.build(ROOT)


def test_what_is_committed_is_the_build_of_the_sources() -> None:
    for path, data in wheel.expected().items():
        assert path.read_bytes() == data, f"{path.name} is another build: run make wheel"
    assert [path.name for path in (TEMPLATE / "vendor").iterdir()] == [NAME]


def test_a_change_of_the_sources_alone_is_seen(tmp_path: Path) -> None:
    other = export(tmp_path / "other")
    command = [sys.executable, "-m", "ci_scripts.wheel", "--check"]
    env = {**os.environ, "PYTHONPATH": str(other / "src")}

    def check() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=other, env=env, capture_output=True, text=True)

    assert check().returncode == 0, check().stderr
    with (other / "src/gitops_model/errors.py").open("a") as file:
        file.write("# one more line\n")
    done = check()
    assert done.returncode == 1
    for name in (f"vendor/{NAME}", "library.lock", "stages.json"):
        assert f"{name} is not the build of src/. Run: make wheel" in done.stderr


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_it_is_installed_from_vendor_without_an_index(project: Path, tool: str) -> None:
    done = install(tool, project, "--no-index")
    assert done.returncode == 0, done.stderr
    assert (project / "target/gitops_model/cli.py").is_file()


@pytest.mark.parametrize("tool", ["pip", "uv"])
@pytest.mark.parametrize("what", ["wheel", "lock"])
def test_other_bytes_or_another_hash_are_refused(project: Path, tool: str, what: str) -> None:
    if what == "wheel":
        (project / "vendor" / NAME).write_bytes(foreign("0.1.0"))
    else:
        lock = project / "library.lock"
        digest = hashlib.sha256((project / "vendor" / NAME).read_bytes()).hexdigest()
        lock.write_text(lock.read_text().replace(digest, "0" * 64))
    done = install(tool, project, "--no-index")
    assert done.returncode != 0
    assert "hash" in done.stderr.lower()
    assert not (project / "target/gitops_model").exists()


@pytest.mark.parametrize("tool", ["pip", "uv"])
@pytest.mark.parametrize("version", ["9.9.0", "0.1.0"])
def test_an_index_with_a_library_of_this_name_changes_nothing(
    project: Path, tool: str, version: str, hostile_index: str
) -> None:
    """The index has a newer version, or the same version with other bytes: vendor/ is installed, or nothing is."""
    done = install(tool, project, "--index-url", f"{hostile_index}/{version}/simple")
    marker = project / "target/gitops_model/__init__.py"
    if done.returncode == 0:
        assert marker.is_file() and marker.read_bytes() != FOREIGN
    else:
        assert version == "0.1.0" and "hash" in done.stderr.lower()
        assert not marker.exists()


def foreign(version: str) -> bytes:
    """Somebody else's wheel of the same name."""
    info = f"gitops_model-{version}.dist-info"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("gitops_model/__init__.py", FOREIGN)
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: gitops-model\nVersion: {version}\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return stream.getvalue()


@pytest.fixture
def hostile_index(tmp_path: Path) -> Iterator[str]:
    """The address of a package index on loopback that offers the foreign wheels."""
    root = tmp_path / "index"
    for version in ("9.9.0", "0.1.0"):
        folder = root / version / "simple/gitops-model"
        folder.mkdir(parents=True)
        name = f"gitops_model-{version}-py3-none-any.whl"
        (folder / name).write_bytes(foreign(version))
        (folder / "index.html").write_text(f'<a href="{name}">{name}</a>')
    handler = functools.partial(Quiet, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_words: object) -> None:
        """Nothing."""
