"""The whole way: release, ship, deploy, improve, roll back; with a real service."""

from __future__ import annotations

from pathlib import Path

from tests.support.world import Clone, World, served


def test_the_loop_with_a_service(world: World, clone: Clone, tmp_path: Path) -> None:
    assert clone.release(1) == "flight-delay-v1"
    clone.ship()
    assert "make serve" in clone.ok("deploy").out or clone.stable() == "flight-delay-v1"
    with served(clone, tmp_path) as server:
        first = clone.ok("deploy")
        assert "live: flight-delay-v1 (as before)" in first.out
        assert "3 golden requests answered as recorded" in first.out
        assert clone.release(2) == "flight-delay-v2"
        clone.ship("flight-delay-v2")
        assert "live: flight-delay-v2 (was flight-delay-v1)" in clone.ok("deploy").out
        assert clone.ok("status").code == 0
        clone.ok("rollback", "--reason", "too many false alarms")
        assert clone.run("status", "--ref", "HEAD").code == 1
        world.hide_origin()
        back = clone.ok("deploy")
        assert "live: flight-delay-v1 (was flight-delay-v2)" in back.out
        assert "origin cannot be reached" in back.out
        assert server.process is not None
