"""A template with four versions, made for the tests of `upgrade`, and repositories generated from the first."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ci_scripts import bake
from gitops_model.delivery.git import Git
from gitops_model.delivery.template import Origin, Release, Template
from gitops_model.files import sha256_bytes

ANSWERS = {"project_name": "Flight Delay", "owner": "acme", "dvc_remote": "s3"}
VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "1.0.0")
CHANGELOG = """\
# Changelog

## Unreleased

- Not yet.

## 1.0.0 (2027-03-01)

- `make status` says more.
- (regression) Intervals for minutes.
- (s3, gs) Buckets are listed
  a page at a time.

## 0.3.0

- The runbook is called INCIDENTS.md.
- (ssh) Keys are found.

## 0.2.0

- A label for binary answers.

## 0.1.0

- The beginning.
"""


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, check=True, text=True)
    return done.stdout.strip()


def commit(folder: Path, subject: str) -> str:
    if not (folder / ".git").exists():
        git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "-q", "-m", subject)
    return git(folder, "rev-parse", "HEAD")


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{path.name} has '{old}' {text.count(old)} times"
    path.write_text(text.replace(old, new), encoding="utf-8")


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def library(inside: Path, version: str, *, stages: str) -> None:
    """Put a newer wheel, lock and list of stages into a template; one of the stages changes."""
    for wheel in (inside / "vendor").iterdir():
        data = wheel.read_bytes()
        wheel.unlink()
    # Mostly the same bytes, as two versions of one library are: Git takes it for a renamed file.
    name = f"gitops_model-{version}-py3-none-any.whl"
    (inside / "vendor" / name).write_bytes(data + version.encode() + b"\0")
    (inside / "library.lock").write_text(
        f"gitops-model=={version} \\\n    --hash=sha256:{version[0] * 64}\n"
    )
    listed = json.loads((inside / "stages.json").read_text())
    listed[stages] = f"{version}+0123456789ab"
    (inside / "stages.json").write_text(json.dumps(listed, indent=2) + "\n")
    for name in ("requirements.in", "requirements-serving.in"):
        text = (inside / name).read_text()
        old = next(line for line in text.splitlines() if line.startswith("gitops-model["))
        edit(inside / name, old, f"{old.partition('==')[0]}=={version}")


def upstream(exported: Path, folder: Path) -> Path:
    """The template's repository, with a tag for each of VERSIONS and a commit after the last."""
    inside = folder / next(exported.glob("*cookiecutter.project_slug*")).name
    for name in (inside.name, "hooks"):
        shutil.copytree(exported / name, folder / name)
    shutil.copy2(exported / "cookiecutter.json", folder)
    (folder / "CHANGELOG.md").write_text(CHANGELOG)
    commit(folder, "The beginning")
    git(folder, "tag", "-a", "v0.1.0", "-m", "0.1.0")

    library(inside, "0.2.0", stages="train")
    edit(
        inside / "gates.yaml", "# What a candidate must prove", "# All that a candidate must prove"
    )
    edit(inside / "Makefile", "# Everything people and workflows run.", "# All that is run.")
    edit(inside / "dvc.yaml", "# The pipeline:", "# The newer pipeline:")
    edit(inside / ".github/CODEOWNERS", "# Who must agree", "# The people who must agree")
    append(inside / "README.md", "\n## New in the template\n\nA paragraph.\n")
    (inside / "docs/NEWS.md").write_text("# News\n\nThe second version.\n")
    questions = json.loads((folder / "cookiecutter.json").read_text())
    questions["colour"] = "blue"
    (folder / "cookiecutter.json").write_text(json.dumps(questions, indent=2) + "\n")
    url = 'remote_url = "{{ cookiecutter.remote_url }}"'
    edit(inside / "pyproject.toml", url, url + ', colour = "{{ cookiecutter.colour }}"')
    commit(folder, "The second version")
    git(folder, "tag", "-a", "v0.2.0", "-m", "0.2.0")

    library(inside, "0.3.0", stages="evaluate")
    (inside / "docs/RUNBOOK.md").rename(inside / "docs/INCIDENTS.md")
    append(inside / "docs/INCIDENTS.md", "\nOne more sentence.\n")
    (inside / "docs/NEWS.md").unlink()
    edit(inside / "contract.yaml", "\nkeys:", "\n# What identifies a row:\nkeys:")
    text = (inside / "pipeline/features.py").read_text()
    (inside / "pipeline/features.py").write_text(text.replace('"""', '"""(Newer.) ', 1))
    workflow = inside / ".github/workflows/check.yml"
    workflow.write_text(workflow.read_text().replace("timeout-minutes: ", "timeout-minutes: 1", 1))
    commit(folder, "The third version")
    git(folder, "tag", "-a", "v0.3.0", "-m", "0.3.0")

    library(inside, "1.0.0", stages="train")
    (inside / ".github/workflows/nightly.yml").write_text("# The template's own nightly run.\n")
    (inside / "compose.yaml").unlink()
    edit(inside / "serving.yaml", "port: 8080", "port: 8181")
    append(inside / "docs/SERVING.md", "\nThe end.\n")
    commit(folder, "The fourth version")
    git(folder, "tag", "-a", "v1.0.0", "-m", "1.0.0")
    append(inside / "README.md", "\nNot released.\n")
    commit(folder, "After the fourth version")
    return folder


def generated(source: Path, folder: Path, version: str = "0.1.0", **answers: str) -> Path:
    """A repository of one version of the template, committed on main, as plain cookiecutter makes it."""
    git(source, "checkout", "-q", f"v{version}")
    try:
        repository = bake.bake(source, folder, {**ANSWERS, **answers})
    finally:
        git(source, "checkout", "-q", "main")
    commit(repository, "Begin")
    return repository


@dataclass
class Oven:
    """Bakes each version once for each set of answers: what a test asks again is copied."""

    folder: Path
    count: int = 0

    def bake(self, source: Template, release: Release, origin: Origin, folder: Path) -> Path:
        key = sha256_bytes(f"{release} {origin}".encode())
        kept = self.folder / key
        if not kept.exists():
            self.count += 1
            shutil.copytree(REAL_BAKE(source, release, origin, folder), kept)
        return kept

    def as_method(self) -> Callable[[Template, Release, Origin, Path], Path]:
        """What can stand in for Template.bake."""

        def bake(source: Template, release: Release, origin: Origin, folder: Path) -> Path:
            return self.bake(source, release, origin, folder)

        return bake


REAL_BAKE = Template.bake


def known(patch: pytest.MonkeyPatch) -> None:
    """Somebody whom git knows, and no settings but ours, for fixtures that outlive a test."""
    patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for role in ("AUTHOR", "COMMITTER"):
        patch.setenv(f"GIT_{role}_NAME", "Ada")
        patch.setenv(f"GIT_{role}_EMAIL", "ada@example.test")


def state(repository: Path) -> dict[str, bytes | str]:
    """Everything that must be the same again after the undo: branch, commit, status, and the bytes of every file."""
    head = Git.open(repository)
    return {
        "branch": head.branch() or "",
        "commit": head.need("HEAD"),
        "status": git(repository, "status", "--porcelain"),
        **{name: (repository / name).read_bytes() for name in bake.files(repository)},
    }
