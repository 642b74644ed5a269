"""cookiecutter and cruft give the same repository, and `cruft update` still works for those who use it."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import cruft
import pytest

from ci_scripts import bake
from tests.support.upgrades import append, commit, edit, git

OPTIONS = {"project_name": "Flight Delay", "owner": "acme", "dvc_remote": "s3"}


def contents(repository: Path) -> dict[str, bytes]:
    return {n: (repository / n).read_bytes() for n in bake.files(repository) if n != ".cruft.json"}


def upstream(template: Path, folder: Path) -> Path:
    shutil.copytree(template, folder)
    commit(folder, "Release the template")
    return folder


def create(source: Path, output: Path, **more: str) -> Path:
    return cruft.create(
        str(source), output_dir=output, no_input=True, extra_context=OPTIONS, **more
    )


def users_edits(repository: Path) -> dict[str, str]:
    """What a team does in its first weeks. Returns a sentence of each edited file, to be found again afterwards."""
    append(repository / "pipeline/features.py", "\n\nOUR_HOLIDAYS = {'2013-12-25'}\n")
    edit(repository / "params.yaml", "last_month: 2013-03", "last_month: 2013-05")
    edit(
        repository / "contract.yaml",
        "  temp: {type: number,",
        "  gusts: {type: number, missing: impute}\n  temp: {type: number,",
    )
    edit(repository / "gates.yaml", "min_rows: 300", "min_rows: 500")
    edit(repository / "serving.yaml", "port: 8080", "port: 9000")
    edit(
        repository / "production.yaml",
        "stable: null",
        "stable: {model: flight-delay-v1, sha256: " + "a" * 64 + "}",
    )
    append(repository / ".github/CODEOWNERS", "/pipeline/         @acme/features\n")
    append(repository / "requirements.in", "holidays\n")
    append(repository / "README.md", "\n## Our own notes\n\nAsk Ada.\n")
    (repository / "pipeline/holidays.py").write_text('"""Ours."""\n')
    (repository / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    return {
        "pipeline/features.py": "OUR_HOLIDAYS",
        "params.yaml": "last_month: 2013-05",
        "contract.yaml": "gusts:",
        "gates.yaml": "min_rows: 500",
        "serving.yaml": "port: 9000",
        "production.yaml": "flight-delay-v1",
        ".github/CODEOWNERS": "@acme/features",
        "requirements.in": "holidays",
        "README.md": "Ask Ada.",
        "pipeline/holidays.py": "Ours.",
        "dvc.lock": "schema:",
    }


def assert_clean(repository: Path, kept: dict[str, str]) -> None:
    assert [n for n in bake.files(repository) if n.endswith((".rej", ".orig"))] == []
    for name in bake.files(repository):
        text = (repository / name).read_text(encoding="utf-8", errors="replace")
        assert "\n<<<<<<< " not in text and "\n>>>>>>> " not in text, name
    for name, sentence in kept.items():
        assert sentence in (repository / name).read_text(encoding="utf-8"), name
    assert cruft.check(repository)


def test_cookiecutter_and_cruft_give_the_same_bytes(template: Path, tmp_path: Path):
    source = upstream(template, tmp_path / "template")
    by_cruft = create(source, tmp_path / "cruft")
    by_cookiecutter = bake.bake(source, tmp_path / "cookiecutter", OPTIONS)
    assert contents(by_cruft) == contents(by_cookiecutter)


def test_an_update_keeps_the_users_edits(template: Path, tmp_path: Path):
    source = upstream(template, tmp_path / "template")
    repository = create(source, tmp_path)
    commit(repository, "Begin")
    kept = users_edits(repository)
    commit(repository, "Make it ours")

    inside = next(source.glob("*cookiecutter.project_slug*"))
    append(inside / "library.lock", "# newer\n")
    (inside / "vendor/newer.whl").write_bytes(b"newer\0bytes")
    edit(inside / "dvc.yaml", "# The pipeline:", "# The newer pipeline:")
    edit(
        inside / "Makefile",
        "# Everything people and workflows run.",
        "# All that people and workflows run.",
    )
    edit(
        inside / "gates.yaml", "# What a candidate must prove", "# All that a candidate must prove"
    )
    edit(inside / ".github/CODEOWNERS", "# Who must agree", "# The people who must agree")
    next((inside / "vendor").glob("gitops_model-*.whl")).unlink()
    commit(source, "Release a newer template")

    assert not cruft.check(repository)
    assert cruft.update(repository, skip_apply_ask=True)
    assert_clean(repository, kept)
    assert "# newer" in (repository / "library.lock").read_text()
    assert "# The newer pipeline:" in (repository / "dvc.yaml").read_text()
    assert "# All that people" in (repository / "Makefile").read_text()
    assert "# All that a candidate" in (repository / "gates.yaml").read_text()
    assert "# The people who" in (repository / ".github/CODEOWNERS").read_text()
    assert [path.name for path in (repository / "vendor").iterdir()] == ["newer.whl"]
    # The locks of other storages stay away, although post_gen runs again on each side.
    assert sorted(p.name for p in repository.glob("requirements-*")) == [
        *("requirements-s3.in", "requirements-s3.txt"),
        *("requirements-serving.in", "requirements-serving.txt"),
    ]


def previous_release() -> str | None:
    tags = git(bake.ROOT, "tag", "--list", "v*", "--merged", "HEAD", "--sort=-v:refname").split()
    head = git(bake.ROOT, "rev-parse", "HEAD")
    older = [tag for tag in tags if git(bake.ROOT, "rev-list", "-n", "1", tag) != head]
    return older[0] if older else None


@pytest.mark.skipif(previous_release() is None, reason="the template has no earlier release")
def test_an_update_from_the_previous_release_keeps_the_users_edits(template: Path, tmp_path: Path):
    archive = subprocess.run(
        ["git", "archive", str(previous_release())], cwd=bake.ROOT, capture_output=True, check=True
    )
    source = tmp_path / "template"
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(source, filter="data")
    commit(source, "Release the template")
    repository = create(source, tmp_path)
    commit(repository, "Begin")
    kept = users_edits(repository)
    commit(repository, "Make it ours")

    for path in source.iterdir():
        if path.name != ".git":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(template, source, dirs_exist_ok=True)
    commit(source, "Release a newer template")
    assert cruft.update(repository, skip_apply_ask=True)
    assert_clean(repository, kept)
