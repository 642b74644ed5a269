"""Every file of a bake is named by a page or a test; those that nobody names are tested here."""

from __future__ import annotations

import configparser
import re
import subprocess
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

import pytest
from dvc.ignore import DvcIgnoreFilter
from dvc.repo import Repo

from ci_scripts import bake
from tests.support.places import ROOT, TEMPLATE

HERE = Path(__file__)
Baked = Callable[[dict[str, str]], Path]
# Read by a tool under a name of its own: which test lets the tool read it.
BY_A_TOOL = {
    ".pre-commit-config.yaml": "test_its_own_commit_hooks_pass_at_the_first_try",
    "tests/test_features.py": "test_its_own_tests_pass",
    "tests/test_repository.py": "test_its_own_tests_pass",
    ".github/ISSUE_TEMPLATE/incident.yml": "test_linters_have_nothing_to_say",
    ".github/PULL_REQUEST_TEMPLATE.md": "test_the_pull_request_form_names_what_exists",
    ".github/actions/setup/action.yml": "test_the_step_that_all_jobs_share",
    ".github/workflows/rollback.yml": "test_rules_of_every_workflow",
    "vendor/gitops_model-*.whl": "test_what_is_committed_is_the_build_of_the_sources",
    ".dvc/.gitignore": "test_git_looks_past_what_dvc_keeps_for_itself",
    ".dvcignore": "test_dvc_looks_past_the_environment",
    ".gitattributes": "test_git_keeps_the_bytes",
    ".editorconfig": "test_editors_write_as_the_files_are",
}
READERS = [
    *(path for path in (ROOT / "tests").glob("**/*.py") if path != HERE),
    *(ROOT / "docs").glob("*.md"),
    *(TEMPLATE / "docs").glob("*.md"),
    *(TEMPLATE / name for name in ("README.md", "Makefile", "Dockerfile", "compose.yaml")),
    ROOT / "README.md",
]


def listed() -> list[str]:
    names = (HERE.parent / "files.txt").read_text(encoding="utf-8").split()
    return [*names, "requirements-s3.in", "requirements-s3.txt"]


def test_no_file_is_there_that_nobody_reads() -> None:
    texts = "\n".join(path.read_text(encoding="utf-8") for path in READERS)
    # A name that is only the end of a longer one does not count: another folder has such a file, too.
    alone = [name for name in listed() if not re.search(rf"(?<![\w./-]){re.escape(name)}\b", texts)]
    alone = [name for name in alone if not any(fnmatch(name, known) for known in BY_A_TOOL)]
    assert alone == [], "name it on a page, or let a test read it and name that test in BY_A_TOOL"
    tests = texts + HERE.read_text(encoding="utf-8")
    for name, test in BY_A_TOOL.items():
        assert any(fnmatch(found, name) for found in listed()), name
        assert f"def {test}(" in tests, test


def test_the_pull_request_form_names_what_exists(baked: Baked) -> None:
    repository = baked({})
    text = (repository / ".github/PULL_REQUEST_TEMPLATE.md").read_text()
    made = {"dvc.lock", "schema_version"}
    for name in re.findall(r"`([\w./]+)`", text):
        assert name in made or (repository / name).exists(), name
    for target in re.findall(r"`make ([a-z-]+)`", text):
        assert f"\n{target}:" in (repository / "Makefile").read_text()


def test_dvc_looks_past_the_environment(baked: Baked, tmp_path: Path) -> None:
    for name in (".dvcignore", ".dvc/config"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((baked({}) / name).read_bytes())
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    with Repo(str(tmp_path)) as repo:
        ignored: DvcIgnoreFilter = repo.dvcignore
        for name in (".venv/lib/x", "pipeline/__pycache__/x.pyc"):
            assert ignored.check_ignore(str(tmp_path / name)).match, name
        assert not ignored.check_ignore(str(tmp_path / "data/raw/a.csv")).match


def test_git_looks_past_what_dvc_keeps_for_itself(baked: Baked, tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/.gitignore").write_bytes((baked({}) / ".dvc/.gitignore").read_bytes())
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    names = [".dvc/config", ".dvc/config.local", ".dvc/tmp/lock", ".dvc/cache/files/md5/00/1"]
    words = ["git", "check-ignore", "--no-index", *names]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == names[1:]


@pytest.mark.parametrize(
    ("name", "attribute", "value"),
    [
        ("contract.yaml", "eol", "lf"),
        ("vendor/x.whl", "text", "unset"),
        ("build/model.tar", "text", "unset"),
        ("dvc.lock", "merge", "binary"),
        ("requirements.txt", "linguist-generated", "true"),
    ],
)
def test_git_keeps_the_bytes(
    baked: Baked, tmp_path: Path, name: str, attribute: str, value: str
) -> None:
    (tmp_path / ".gitattributes").write_bytes((baked({}) / ".gitattributes").read_bytes())
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    words = ["git", "check-attr", attribute, "--", name]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{name}: {attribute}: {value}"


def test_editors_write_as_the_files_are(baked: Baked) -> None:
    """.editorconfig says nothing that a file of the bake breaks."""
    repository = baked({"dvc_remote": "s3"})
    config = configparser.ConfigParser()
    config.read_string("[top]\n" + (repository / ".editorconfig").read_text())
    assert config["*"]["end_of_line"] == "lf" and config["Makefile"]["indent_style"] == "tab"
    indent = {
        "*.py": config["*"]["indent_size"],
        "*.yaml": config["*.{yml,yaml,json}"]["indent_size"],
    }
    assert indent == {"*.py": "4", "*.yaml": "2"}
    for name in bake.files(repository):
        if name.endswith(".whl"):
            continue
        text = (repository / name).read_bytes().decode(config["*"]["charset"])
        assert text == "" or text.endswith("\n"), name
        assert not re.search(r"[ \t]+$", text, re.MULTILINE), name
        if fnmatch(name, "*.py"):
            assert "\t" not in text, name
