"""The server of `warm.py`, run as `warm_server.py SOCKET PATH MODULE…`: imports the modules, then forks on request."""

from __future__ import annotations

import array
import atexit
import gc
import hashlib
import importlib
import importlib.machinery
import marshal
import os
import runpy
import signal
import socket
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any


def main(address: str, path: str, modules: list[str]) -> None:
    sys.path[0:1] = [p for p in path.split(":") if p]
    for name in modules:
        importlib.import_module(name)
    # Forking a process with threads may leave a lock held for ever. One that an import began may still be ending.
    deadline = time.monotonic() + 20
    while threads := len(list(Path("/proc/self/task").iterdir())) - 1:
        if time.monotonic() > deadline:
            names = [thread.name for thread in threading.enumerate()]
            raise SystemExit(f"the libraries started {threads} threads: {', '.join(names)}")
        time.sleep(0.05)
    remember_compiled(Path(address + ".compiled"))
    # A collection in a forked process would touch, and so copy, every page that it shares with this one.
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address + ".tmp")
    listener.listen(256)
    os.rename(address + ".tmp", address)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            serve(connection)
        connection.close()


def remember_compiled(folder: Path) -> None:
    """Every checkout has the same modules under another path: compile each text once."""
    folder.mkdir()
    compiled = importlib.machinery.SourceFileLoader.source_to_code

    def source_to_code(self: Any, data: Any, path: Any, **options: Any) -> Any:
        kept = folder / hashlib.sha256(bytes(data)).hexdigest()
        if kept.exists():
            return marshal.loads(kept.read_bytes())
        code = compiled(self, data, path, **options)
        new = kept.with_suffix(f".{os.getpid()}")
        new.write_bytes(marshal.dumps(code))
        new.rename(kept)
        return code

    importlib.machinery.SourceFileLoader.source_to_code = source_to_code  # type: ignore[method-assign]


def receive(connection: socket.socket) -> tuple[list[int], tuple[str, list[str], str, Any]]:
    """The three streams and (executable, words, directory, environment)."""
    files = array.array("i")
    head, ancillary, _, _ = connection.recvmsg(8, socket.CMSG_SPACE(3 * files.itemsize))
    for _, _, rights in ancillary:
        files.frombytes(rights)
    while len(head) < 8:
        head += connection.recv(8 - len(head))
    size, parts = int.from_bytes(head, "big"), bytearray()
    while len(parts) < size:
        parts += connection.recv(size - len(parts))
    return list(files), marshal.loads(bytes(parts))


def serve(connection: socket.socket) -> None:
    """Become the process that was asked for; never returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    files, (executable, words, cwd, env) = receive(connection)
    for target, file in enumerate(files):
        os.dup2(file, target)
        os.close(file)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for number, mode in ((0, "r"), (1, "w"), (2, "w")):
        stream = open(number, mode, closefd=False, encoding="utf-8")  # noqa: SIM115
        if number == 2:
            stream.reconfigure(line_buffering=True)
        setattr(sys, ("stdin", "stdout", "stderr")[number], stream)
    sys.executable = executable
    # What the server has not imported is looked for where the caller says: a test may bring a library of its own.
    own = [entry for entry in env.get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.path[0:0] = [entry for entry in own if sys.path[:1] != [entry]]
    importlib.invalidate_caches()
    connection.sendall(b"%d\n" % os.getpid())
    code = run(words)
    connection.sendall(b"%d\n" % code)
    os._exit(0)


def run(words: list[str]) -> int:
    """What the interpreter does with `-P -m MODULE ARGUMENTS…` or `-P -c CODE`; the exit code."""
    try:
        words = [word for word in words if word != "-P"]
        if words[0] == "-c":
            exec(words[1], {"__name__": "__main__"})
        else:
            sys.argv = words[1:]
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as error:
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
