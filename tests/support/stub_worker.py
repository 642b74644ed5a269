"""A worker that serves nobody: it says that it is ready, and ends when it is told to. Refuses `max_rows: 13`.

Run as a file, with the words that the supervisor gives to a worker.
"""

import json
import socket
import sys

REFUSED = 13


def main(settings: str, channel: int) -> int:
    """Returns the code that it ends with."""
    with open(settings, encoding="utf-8") as stream:
        if json.load(stream)["max_rows"] == REFUSED:
            return 4
    with socket.socket(fileno=channel) as line:
        line.sendall(b'{"open": 1, "ready": 1, "saw": null}\n')
        for said in line.makefile("rb"):
            if b'"leave"' in said:
                break
    return 0


if __name__ == "__main__":
    sys.exit(main(f"{sys.argv[1]}/settings.json", int(sys.argv[3])))
