"""with_ray.py, in a network that has nothing but loopback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import alone


@pytest.mark.slow
@pytest.mark.skipif(not alone.RAY, reason="gitops-model[ray] is not installed")
def test_a_generated_repository_on_a_cluster(tmp_path: Path) -> None:
    alone.run_tests("tests/e2e/with_ray.py", tmp_path, seconds=900.0)
