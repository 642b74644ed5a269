"""What serves tells nobody: ONNX Runtime's telemetry is off, and writes nothing into HOME."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.factories import make_bundle

CODE = """
import sys
from pathlib import Path
from gitops_model.formats.bundle import Bundle
from gitops_model.runtime import models
models.load_model(Bundle.read(Path(sys.argv[1]), sha256=sys.argv[2]), trusted=())
"""


def test_a_loaded_model_leaves_no_id_of_the_machine(tmp_path: Path) -> None:
    data, sha256 = make_bundle()
    (tmp_path / "model.tar").write_bytes(data)
    home = tmp_path / "home"
    home.mkdir()
    # It is silent where it sees that tests run.
    env = {
        name: value
        for name, value in os.environ.items()
        if name not in ("CI", "GITHUB_ACTIONS", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")
        and not name.startswith("PYTEST")
    }
    words = [sys.executable, "-c", CODE, str(tmp_path / "model.tar"), sha256]
    subprocess.run(words, env={**env, "HOME": str(home)}, check=True)
    assert [path for path in home.rglob("*") if path.is_file()] == []
