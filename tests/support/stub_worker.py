"""A worker that serves nobody: it says that it is ready, and ends when it is told to.

Ends at once with `max_rows: 13`, and takes its time with `max_rows: 14`.

Run as a file, with the words that the supervisor gives to a worker.
"""

import json
import socket
import sys
import time

REFUSED, SLOW = 13, 14
SLOW_SECONDS = 2.3


def main(settings: str, channel: int) -> int:
    """Returns the code that it ends with."""
    with open(settings, encoding="utf-8") as stream:
        rows = json.load(stream)["max_rows"]
    if rows == REFUSED:
        return 4
    if rows == SLOW:
        time.sleep(SLOW_SECONDS)
    with socket.socket(fileno=channel) as line:
        line.sendall(b'{"open": 1, "ready": 1, "saw": null}\n')
        for said in line.makefile("rb"):
            if b'"leave"' in said:
                break
    return 0


if __name__ == "__main__":
    sys.exit(main(f"{sys.argv[1]}/settings.json", int(sys.argv[3])))
