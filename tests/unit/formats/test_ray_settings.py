"""`engine` and `ray` in serving.yaml: what is said counts, and what would be ignored is refused."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from gitops_model.errors import BadInput
from gitops_model.formats.serving import Ray, Settings
from tests.support.places import ROOT, TEMPLATE

ADDRESS = "ray: {address: '10.0.0.5:6379'"


def _load(folder: Path, text: str) -> Settings:
    path = folder / "serving.yaml"
    path.write_text(f"host: 127.0.0.1\nport: 0\n{text}\n")
    return Settings.load(path)


@pytest.mark.parametrize("text", ["", "engine: local"])
def test_models_run_here_unless_something_else_is_said(tmp_path: Path, text: str) -> None:
    assert _load(tmp_path, text).ray is None


def test_what_is_said_counts_and_reaches_the_worker(tmp_path: Path) -> None:
    found = _load(tmp_path, f"engine: ray\n{ADDRESS}, name: flights, max_replicas: 8, cpus: 0.5}}")
    assert found.ray == Ray(address="10.0.0.5:6379", name="flights", max_replicas=8, cpus=0.5)
    assert Settings.from_json(found.to_json()) == found
    assert Settings.from_json(found.absolute().to_json()).store.is_absolute()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("engine: ray", "does not say where the cluster is"),
        (f"{ADDRESS}}}", "counts for nothing without engine: ray"),
        (f"engine: local\n{ADDRESS}}}", "counts for nothing without engine: ray"),
        (f"engine: ray\nworkers: 2\n{ADDRESS}}}", "engine: ray and workers: 2"),
        (f"engine: ray\n{ADDRESS}, min_replicas: 3, max_replicas: 2}}", "min_replicas is 3"),
        (f"engine: ray\n{ADDRESS}, per_node: 2}}", "may be on one node"),
        ("engine: spark", "engine"),
        ("engine: ray\nray: {address: head}", "address"),
        (f"engine: ray\n{ADDRESS}, name: A b}}", "name"),
        (f"engine: ray\n{ADDRESS}, gpus: 1}}", "gpus"),
    ],
)
def test_what_would_be_ignored_or_makes_no_sense_is_refused(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(BadInput, match=said):
        _load(tmp_path, text)


def test_all_that_does_not_go_together_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        _load(
            tmp_path,
            f"engine: ray\nworkers: 2\n{ADDRESS}, min_replicas: 5, max_replicas: 4, per_node: 5}}",
        )
    said = str(caught.value)
    assert "workers: 2" in said and "max_replicas 4" in said and "may be on one node" in said


def test_what_the_page_shows_is_accepted(tmp_path: Path) -> None:
    page = (ROOT / "docs/ray.md").read_text()
    block = page.partition("```yaml\n")[2].partition("```")[0]
    assert _load(tmp_path, block).ray == Ray(
        address="10.0.0.5:6379", name="flight-delay", max_replicas=8
    )
    default = Ray(address="")
    assert (default.min_replicas, default.max_replicas, default.per_node) == (2, 4, 1)
    assert (default.ongoing, default.cpus) == (2, 1)
    assert "`name` is `model` and the last five are 2, 4, 1, 2 and 1" in page


def test_the_template_does_not_speak_of_it() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=TEMPLATE, capture_output=True, check=True
    )
    files = [TEMPLATE / name for name in listed.stdout.decode().split("\0") if name]
    assert len(files) > 40
    spoken = [
        path
        for path in files
        if path.suffix != ".whl" and re.search(r"(?i)\bray\b", path.read_text(errors="replace"))
    ]
    assert spoken == []
