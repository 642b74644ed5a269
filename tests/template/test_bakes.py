"""Every combination of options gives exactly the expected files, fully rendered, in order at the first try."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml
from dvc.config import Config

from ci_scripts import bake

HERE = Path(__file__).parent
TEMPLATE = next(bake.ROOT.glob("*cookiecutter.project_slug*"))
COMBINATIONS = list(bake.combinations())
PROBLEMS = bake.OPTIONS["problem"]
Baked = Callable[[dict[str, str]], Path]

# The only files that Jinja renders: where a name must stand, and where the example depends on the problem.
RENDERED = {
    ".dvc/config",
    ".github/CODEOWNERS",
    "README.md",
    "contract.yaml",
    "dvc.yaml",
    "gates.yaml",
    "pyproject.toml",
}
JINJA = re.compile(
    r"\{\{-?\s*cookiecutter|\{%-?\s*(if|else|elif|endif|for|endfor|raw|endraw|set)\b"
)
LOCKED_REMOTES = ("s3", "gs", "azure", "ssh")

every_combination = pytest.mark.parametrize(
    "options", COMBINATIONS, ids=["-".join(o.values()) for o in COMBINATIONS]
)


def expected_files(options: dict[str, str]) -> list[str]:
    listed = (HERE / "files.txt").read_text(encoding="utf-8").splitlines()
    if (kind := options["dvc_remote"]) in LOCKED_REMOTES:
        listed += [f"requirements-{kind}.in", f"requirements-{kind}.txt"]
    return sorted(listed)


def template_files() -> dict[str, Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"],
        cwd=TEMPLATE,
        capture_output=True,
        check=True,
        text=True,
    )
    names = [name for name in listed.stdout.split("\0") if name]
    return {name: TEMPLATE / name for name in names if (TEMPLATE / name).is_file()}


def run(*command: str, cwd: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, "PATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_all_choices_are_multiplied():
    assert len(COMBINATIONS) == 3 * 6


@every_combination
def test_the_bake_has_exactly_the_expected_files(baked: Baked, options):
    repository = baked(options)
    assert bake.files(repository) == expected_files(options), (
        "read the difference; when it is meant, accept it with `make golden`"
    )
    empty = [p for p in repository.rglob("*") if p.is_dir() and not any(p.iterdir())]
    assert empty == []


@every_combination
def test_the_repository_is_small_enough_to_own(baked: Baked, options):
    repository = baked(options)
    names = bake.files(repository)
    assert len(names) <= 55
    # stages.json is a lock of the stages: hashes that `make wheel` writes.
    machine = (".lock", ".whl", "stages.json", "monitoring/dashboard.json")
    read = [n for n in names if not n.endswith(machine) and not fnmatch(n, "requirements*.txt")]
    lines = {name: len((repository / name).read_text().splitlines()) for name in read}
    assert sum(lines.values()) <= 2000
    assert sum(count for name, count in lines.items() if name.endswith(".py")) <= 300


@every_combination
def test_no_jinja_is_left(baked: Baked, options):
    for name in bake.files(baked(options)):
        data = (baked(options) / name).read_bytes()
        text = data.decode("utf-8", errors="replace")
        assert not JINJA.search(text), name
        if name in RENDERED:
            assert "{{" not in text and "{%" not in text, name
        assert name.endswith(".whl") or b"\r\n" not in data, f"{name} has Windows line ends"


def test_jinja_stands_only_where_a_name_must():
    with_jinja = {
        name
        for name, path in template_files().items()
        if JINJA.search(path.read_text(encoding="utf-8", errors="replace"))
    }
    assert with_jinja == RENDERED


def test_braces_of_other_languages_are_copied_verbatim():
    globs = bake.OPTIONS["_copy_without_render"]
    for name, path in template_files().items():
        if name not in RENDERED and not any(fnmatch(name, glob) for glob in globs):
            text = path.read_text(encoding="utf-8")
            found = re.search(r"\{\{|\{%|\{#", text)
            assert not found, (
                f"{name} has '{found[0] if found else ''}': add it to _copy_without_render"
            )


def test_no_glob_matches_a_folder():
    # cookiecutter would copy that folder with its path unrendered, and everything in it.
    folders = {parent.as_posix() for name in template_files() for parent in Path(name).parents}
    for glob in bake.OPTIONS["_copy_without_render"]:
        assert [folder for folder in folders if fnmatch(folder, glob)] == []


@every_combination
def test_python_and_workflows_are_byte_for_byte_those_of_the_template(
    template: Path, baked: Baked, options
):
    inside = template / TEMPLATE.name
    plain = [*inside.rglob("*.py"), *(inside / ".github/workflows").iterdir()]
    assert len(plain) >= 10
    for path in plain:
        name = path.relative_to(inside)
        assert (baked(options) / name).read_bytes() == path.read_bytes(), name


@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_answers_arrive(baked: Baked, problem):
    options = {
        "problem": problem,
        "project_name": "Taxi Demand 2",
        "task": "taxi-fare",
        "owner": "acme/fares",
    }
    repository = baked(options)
    assert repository.name == "taxi-demand-2"
    contract = yaml.safe_load((repository / "contract.yaml").read_text())
    assert (contract["task"], contract["problem"]) == ("taxi-fare", problem)
    owners = (repository / ".github/CODEOWNERS").read_text()
    assert {"/production.yaml", "/gates.yaml"} <= {line.split()[0] for line in owners.splitlines()}
    assert all(line.endswith(" @acme/fares") for line in owners.splitlines() if line[0] == "/")
    assert 'name = "taxi-demand-2"' in (repository / "pyproject.toml").read_text()
    assert (repository / "README.md").read_text().startswith("# Taxi Demand 2\n")


@pytest.mark.parametrize(
    "kind, url",
    [
        ("s3", "s3://acme/dvc"),
        ("gs", "gs://acme/dvc"),
        ("azure", "azure://data/dvc"),
        ("ssh", "ssh://dvc@storage.example:2222/srv/dvc"),
        ("local", "/srv/dvc"),
    ],
)
def test_dvc_reads_the_storage(baked: Baked, kind, url):
    repository = baked({"dvc_remote": kind, "remote_url": url})
    config = Config(dvc_dir=str(repository / ".dvc"))
    assert config["core"]["remote"] == "storage"
    assert config["remote"]["storage"]["url"] == url
    assert config["core"]["analytics"] is False


def test_a_local_storage_lies_beside_the_repository(baked: Baked):
    repository = baked({"dvc_remote": "local", "remote_url": "../store"})
    url = Config(dvc_dir=str(repository / ".dvc"))["remote"]["storage"]["url"]
    assert Path(repository / ".dvc" / url).resolve() == repository.parent.resolve() / "store"


def test_without_storage_dvc_has_no_remote(baked: Baked):
    config = Config(dvc_dir=str(baked({"dvc_remote": "none"}) / ".dvc"))
    assert not config["remote"] and "remote" not in config["core"]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(options, marks=() if place == 1 else pytest.mark.slow)
        for place, options in enumerate(COMBINATIONS)
    ],
    ids=["-".join(o.values()) for o in COMBINATIONS],
)
def test_its_own_commit_hooks_pass_at_the_first_try(template: Path, tmp_path: Path, options):
    repository = bake.bake(template, tmp_path, options)
    run("git", "init", "-q", "-b", "main", cwd=repository)
    run("git", "add", "--all", cwd=repository)
    run("git", "commit", "-q", "-m", "Begin", cwd=repository)
    out = run(sys.executable, "-m", "pre_commit", "run", "--all-files", cwd=repository)
    assert out.count("Passed") == 2 and "Skipped" not in out, out
    assert run("git", "status", "--porcelain", cwd=repository) == ""


@pytest.mark.slow
@pytest.mark.parametrize("problem", PROBLEMS)
def test_its_own_tests_pass(template: Path, tmp_path: Path, problem):
    repository = bake.bake(template, tmp_path, {"problem": problem})
    run(sys.executable, "-m", "pytest", "-q", cwd=repository)


@pytest.mark.slow
def test_the_types_of_its_python_hold(template: Path, tmp_path: Path):
    """Python is the same byte for byte in every combination."""
    repository = bake.bake(template, tmp_path, {})
    words = ["--strict", "--ignore-missing-imports", "--explicit-package-bases"]
    cache = str(tmp_path / "cache")
    run(
        *(sys.executable, "-m", "mypy", *words, "--cache-dir", cache, "pipeline", "tests"),
        cwd=repository,
    )


def test_a_bake_needs_no_program_and_no_settings(
    template: Path, tmp_path: Path, isolated: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert bake.files(bake.bake(template, tmp_path, {})) == expected_files({"dvc_remote": "none"})
    assert list(isolated.iterdir()) == []


def test_questions_are_few_and_explained():
    questions = [name for name in bake.OPTIONS if not name.startswith("_")]
    assert len(questions) <= 7
    prompts = bake.OPTIONS["__prompts__"]
    assert list(prompts) == questions
    for name in questions:
        if isinstance(bake.OPTIONS[name], list):
            assert set(prompts[name]) == {"__prompt__", *bake.OPTIONS[name]}


def test_nothing_names_the_author_of_the_template(baked: Baked):
    text = json.dumps(
        {n: (baked({}) / n).read_text(errors="replace") for n in bake.files(baked({}))}
    )
    assert str(bake.ROOT) not in text
    assert str(Path.home()) not in text
