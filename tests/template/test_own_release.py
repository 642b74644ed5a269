"""A release of our own: nothing is published unless tag, wheel, lock, formats and changelog agree."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from ci_scripts import compat, release, wheel
from tests.support.places import ROOT, TEMPLATE

NAME, DATA = "gitops_model-1.4.0-py3-none-any.whl", b"the wheel"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository that is ready to release 1.4.0."""
    inside = tmp_path / TEMPLATE.name
    (inside / "vendor").mkdir(parents=True)
    (inside / "vendor" / NAME).write_bytes(DATA)
    sha256 = hashlib.sha256(DATA).hexdigest()
    (inside / "library.lock").write_text(wheel.LOCK.format(version="1.4.0", sha256=sha256))
    (inside / "requirements.in").write_text("# why\ngitops-model[serving,github]==1.4.0\nother\n")
    (tmp_path / "tests/compat/1.4.0").mkdir(parents=True)
    (tmp_path / "CHANGELOG.md").write_text(
        "# C\n\n## 1.4.0 (2027-01-01)\n\n- New.\n\n## 1.3.0\n\n- Old.\n"
    )
    return tmp_path


def found(root: Path, tag: str = "v1.4.0", data: bytes = DATA) -> list[str]:
    return list(release.problems(tag, name=NAME, data=data, root=root))


def test_what_agrees_is_released(root: Path) -> None:
    assert found(root) == []
    assert release.notes((root / "CHANGELOG.md").read_text(), "1.4.0") == "- New."


def test_each_part_of_another_version_is_said(root: Path) -> None:
    assert ["the tag is v1.4.1" in one for one in found(root, tag="v1.4.1")] == [True]
    assert [one.rpartition(". ")[2] for one in found(root, data=b"other")] == [
        "Run: make wheel"
    ] * 2
    (root / TEMPLATE.name / "requirements.in").write_text("gitops-model[serving]==1.3.0\n")
    (root / "tests/compat/1.4.0").rmdir()
    (root / "CHANGELOG.md").write_text("# C\n\n## 1.4.0\n\n## 1.3.0\n\n- Old.\n")
    assert [one.split(" ")[0] for one in found(root)] == [
        "requirements.in",
        "tests/compat",
        "CHANGELOG.md",
    ]


def test_this_repository_names_one_version_everywhere() -> None:
    """Only the tag and the section of the changelog are made at the release itself; the wheel, `make lint` compares."""
    number = compat.version()
    name = f"gitops_model-{number}-py3-none-any.whl"
    vendored = (TEMPLATE / "vendor" / name).read_bytes()
    said = list(release.problems(f"v{number}", name=name, data=vendored))
    assert [one for one in said if not one.startswith("CHANGELOG.md")] == []


def test_the_workflow_publishes_behind_an_environment_and_after_everything_else() -> None:
    jobs: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())[
        "jobs"
    ]
    needs = {
        name: [wanted] if isinstance(wanted := job.get("needs", []), str) else wanted
        for name, job in jobs.items()
    }
    assert needs == {
        "test": [],
        "slow": [],
        "build": ["test", "slow"],
        "attest": ["build"],
        "index": ["attest"],
        "page": ["attest", "index"],
    }
    assert jobs["index"]["environment"]["name"] == "package-index"
    writes = {
        name: sorted(k for k, v in job["permissions"].items() if v == "write")
        for name, job in jobs.items()
    }
    assert writes == {
        "test": [],
        "slow": [],
        "build": [],
        "attest": ["artifact-metadata", "attestations", "id-token"],
        "index": ["id-token"],
        "page": ["contents"],
    }
    # No secret anywhere: the index believes the workflow, not a token.
    assert "secrets." not in (ROOT / ".github/workflows/release.yml").read_text()
