"""Python processes without the wait for their imports.

`Warm` starts a server that imports third-party libraries once and forks a process for every command that asks.
Each is a real process, with a pid that can be killed, the caller's own directory, environment, standard streams
and exit code; the team's own code is imported by the command itself.
`Warm.bin` holds `python`, `dvc` and `gitops-model` to put on the PATH: these two, also as `python -P -m …`, go to the
server, everything else to the real interpreter.
"""

from __future__ import annotations

import array
import dataclasses
import marshal
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
LIBRARIES = (
    "dvc.cli.parser", "dvc.repo.open_repo", "dvc.repo.index", "dvc.repo.plots", "dvc.data_cloud", "dvc.rwlock",
    "dvc.lock", "dvc.cachemgr", "dvc.scm", "dvc.stage.cache", "dvc.output", "dvc._debug", "dvc.repo.stage",
    "dvc.utils.strictyaml", "dvc_data.hashfile.db.local", "dulwich.ignore", "networkx", "fsspec.implementations.memory",
    "github", "requests", "jsonschema", "yaml", "numpy", "pandas", "scipy.stats", "sklearn.ensemble",
    "sklearn.pipeline", "sklearn.compose", "sklearn.preprocessing", "sklearn.inspection",
    "sklearn.metrics", "skops.io", "onnx", "skl2onnx", "gitops_model.cli", "gitops_model.pipeline.prepare",
    "gitops_model.pipeline.train", "gitops_model.pipeline.evaluate", "gitops_model.pipeline.package",
    "narwhals.stable.v2", "narwhals._pandas_like.namespace",
)  # fmt: skip
WRAPPER = """#!/bin/bash
case "$1 $2 $3" in
  "-P -m dvc" | "-P -m gitops_model") exec "{python}" -I -S "{client}" "{socket}" "$0" "$@" ;;
esac
exec "{python}" "$@"
"""


@dataclasses.dataclass(kw_only=True)
class Done:
    """How a command ended. `code` None: it was killed. `output`: both streams as they came."""

    code: int | None
    output: str


class Running:
    """A command under way."""

    def __init__(self, connection: socket.socket, capture: tempfile._TemporaryFileWrapper[bytes]):
        self._connection, self._capture = connection, capture
        self._stream = connection.makefile("rb")
        self.pid = int(self._stream.readline())

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> Done:
        line = self._stream.readline()
        self._stream.close()
        self._connection.close()
        with self._capture as capture:
            capture.seek(0)
            output = capture.read().decode(errors="replace")
        return Done(code=int(line) if line else None, output=output)


class Warm:
    """The server.

    `preload`: modules it imports; `path`: directories they are looked for in; `python`: what the commands see as
    `sys.executable`, its own by default.
    """

    def __init__(
        self, folder: Path, *, preload: Sequence[str] = LIBRARIES, path: Sequence[Path] = (),
        python: Path | None = None,
    ) -> None:  # fmt: skip
        self._socket = str(folder / "socket")
        self.bin = folder / "bin"
        self.python = python or self.bin / "python"
        self.bin.mkdir()
        wrapper = WRAPPER.format(
            python=sys.executable, client=HERE / "warm_client.py", socket=self._socket
        )
        for name, text in (
            ("python", wrapper),
            ("dvc", f'#!/bin/bash\nexec "{self.bin}/python" -P -m dvc "$@"\n'),
            ("gitops-model", f'#!/bin/bash\nexec "{self.bin}/python" -P -m gitops_model "$@"\n'),
        ):
            (self.bin / name).write_text(text)
            (self.bin / name).chmod(0o755)
        # One thread, or forking would not be safe.
        one = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        env = {**os.environ, **one, "JE_ARROW_MALLOC_CONF": "background_thread:false"}
        words = [str(HERE / "warm_server.py"), self._socket, ":".join(map(str, path)), *preload]
        told = folder / "log"
        with told.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, *words], env=env, start_new_session=True, stderr=log
            )
        deadline = time.monotonic() + 180
        while not Path(self._socket).exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(
                    f"the server of warm processes did not start: {told.read_text()[-2000:]}"
                )
            time.sleep(0.02)

    def environment(self) -> dict[str, str]:
        """The variables of this process, with the PATH beginning in `bin`."""
        path = (
            f"{self.bin}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        )
        return {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1"}

    def close(self) -> None:
        """End the server and whatever it started."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def start(self, *words: str, cwd: Path, env: dict[str, str]) -> Running:
        """Begin `python -P WORDS` in `cwd`; its output is kept."""
        capture = tempfile.NamedTemporaryFile()  # noqa: SIM115  `wait` closes it
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self._socket)
        with open(os.devnull, "rb") as null:
            files = [null.fileno(), capture.fileno(), capture.fileno()]
            request = marshal.dumps((str(self.python), list(words), str(cwd), env))
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))]
            connection.sendmsg([len(request).to_bytes(8, "big")], rights)
            connection.sendall(request)
            return Running(connection, capture)

    def run(self, *words: str, cwd: Path, env: dict[str, str]) -> Done:
        return self.start(*words, cwd=cwd, env=env).wait()
