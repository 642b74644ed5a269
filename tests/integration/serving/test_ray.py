"""What on_ray.py asks of `engine: ray`, in a network that has nothing but loopback; and what is so without Ray."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gitops_model.formats.serving import Ray, Settings
from tests.support import alone
from tests.support.alone import RAY
from tests.support.server import Server, Store

MOST = 1800.0  # seconds; about ten minutes are usual


@pytest.mark.slow
@pytest.mark.skipif(not RAY, reason="gitops-model[ray] is not installed")
def test_on_two_nodes(tmp_path: Path) -> None:
    alone.run_tests("tests/integration/serving/on_ray.py", tmp_path, seconds=MOST)


@pytest.mark.skipif(not RAY, reason="gitops-model[ray] is not installed")
def test_what_ray_cannot_hand_over_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own pickling fails where two threads use it at once; a bundle is not to blame for that."""
    from gitops_model.serving.ray_cluster import Cluster

    def racing(*_: object, **__: object) -> None:
        raise ValueError("<module 'ray.serve'> is not registered for pickle by value")

    cluster = Cluster(
        Settings(host="", port=0, store=Path("nowhere"), ray=Ray(address="127.0.0.1:6379"))
    )
    for name in ("deployment", "run_many"):
        with monkeypatch.context() as patch:
            patch.setattr(f"ray.serve.{name}", racing)
            with pytest.raises(ConnectionError, match="not registered"):
                cluster._run("orders", ())


@pytest.mark.skipif(RAY, reason="gitops-model[ray] is installed")
def test_without_the_extra_the_service_says_what_to_install(tmp_path: Path) -> None:
    server = Server(
        Store(tmp_path / "store").folder, tmp_path, engine="ray", ray={"address": "127.0.0.1:6379"}
    )
    process = server.begin()
    assert process.wait(20) == 2
    assert process.stdout is not None
    process.stdout.close()
    assert "Ray is not installed here. Write the line gitops-model[serving,ray]" in server.log()


@pytest.mark.skipif(RAY, reason="gitops-model[ray] is installed")
def test_without_the_extra_the_bench_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.bench import bench_ray

    monkeypatch.setattr(sys, "argv", ["bench_ray"])
    bench_ray.main()
    (said,) = capsys.readouterr().out.splitlines()
    assert "Ray, which is not installed" in said and said.endswith("'ray[serve]'")
