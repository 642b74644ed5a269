"""Stands in for `python`: hands its arguments, environment and streams to `warm_server.py` and waits.

Called as `warm_client.py SOCKET EXECUTABLE WORDS…`. Imports almost nothing: its start is what a command still costs.
"""

import array
import marshal
import os
import socket
import sys


def main(address: str, executable: str, words: list[str]) -> int:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address)
    request = marshal.dumps((executable, words, os.getcwd(), dict(os.environ)))
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))]
    connection.sendmsg([len(request).to_bytes(8, "big")], rights)
    connection.sendall(request)
    lines = connection.makefile("rb").read().split()
    return int(lines[1]) if len(lines) == 2 else 137


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
