"""A Ray cluster of two nodes on loopback, as a process that obeys words on stdin.

    python -m tests.support.ray_nodes PORT

`kill-node` and `kill-head` kill all processes of a node; `node` and `head` start one, `node` after ending what is left
of the one before; `empty` ends all applications.
Each is answered by `done`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.places import ROOT


class Nodes:
    """That process. Its first answer means that both nodes are there."""

    def __init__(self, port: int, folder: Path) -> None:
        self.address = f"127.0.0.1:{port}"
        with (folder / "nodes.log").open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.ray_nodes", str(port)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._done()

    def tell(self, word: str) -> None:
        """Have it done, and wait until it is."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        self._done()

    def end(self) -> None:
        """End that process."""
        self._process.kill()
        self._process.communicate()

    def _done(self) -> None:
        assert self._process.stdout is not None
        line = ""
        while line != "done\n":
            line = self._process.stdout.readline()
            assert line, "the cluster's process ended; see nodes.log"


def _serve(port: int) -> None:
    import ray
    from ray import serve
    from ray.cluster_utils import Cluster

    one: dict[str, Any] = {
        "num_cpus": 16,
        "object_store_memory": 100 << 20,
        "include_dashboard": False,
        "node_ip_address": "127.0.0.1",
    }

    def begin() -> Any:
        return Cluster(initialize_head=True, head_node_args={**one, "gcs_server_port": port})

    cluster = begin()
    node = cluster.add_node(**one)
    print("done", flush=True)
    for line in sys.stdin:
        match line.strip():
            case "kill-node":
                cluster.remove_node(node, allow_graceful=False)
            case "kill-head":
                cluster.remove_node(cluster.head_node, allow_graceful=False)
            case "node":
                # As `ray stop` does; else what is left of a cluster without a head asks the new one for ever.
                node.kill_all_processes(check_alive=False, allow_graceful=False)
                node = cluster.add_node(**one)
            case "head":
                cluster = begin()
            case "empty":
                ray.init(address=cluster.address, log_to_driver=False)
                serve.shutdown()
                ray.shutdown()
        print("done", flush=True)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
