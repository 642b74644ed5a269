"""Bad answers are refused before a file is written, and the hooks are small, offline and run nothing."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from cookiecutter.exceptions import FailedHookException

from ci_scripts import bake
from tests.support.upgrades import commit

HOOKS = sorted((bake.ROOT / "hooks").glob("*.py"))
# What starts a process or opens a connection.
FORBIDDEN_MODULES = {
    "asyncio", "ctypes", "ftplib", "http", "multiprocessing", "pty", "smtplib", "socket", "subprocess", "urllib",
}  # fmt: skip
FORBIDDEN_CALLS = {
    "system",
    "popen",
    "fork",
    "startfile",
    "__import__",
    "import_module",
    "eval",
    "exec",
    "compile",
}


@pytest.mark.parametrize(
    "name, value, rule, example",
    [
        ("project_name", "", "at most 60 letters", "Flight Delay"),
        ("project_name", 'Say "hi"', "at most 60 letters", "Flight Delay"),
        ("project_name", 'Fl\\ug\'"""', "at most 60 letters", "Flight Delay"),
        ("project_name", "Flüge", "at most 60 letters", "Flight Delay"),
        ("project_name", "two\nlines", "at most 60 letters", "Flight Delay"),
        ("project_name", "x" * 61, "at most 60 letters", "Flight Delay"),
        ("project_slug", "Flight-Delay", "lower-case words", "flight-delay"),
        ("project_slug", "flight_delay", "lower-case words", "flight-delay"),
        ("project_slug", "flight--delay", "lower-case words", "flight-delay"),
        ("project_slug", "-flight", "lower-case words", "flight-delay"),
        ("project_slug", "2fast", "lower-case words", "flight-delay"),
        ("project_slug", "a" * 61, "at most 60 characters", "flight-delay"),
        ("task", "delay-", "lower-case words", "flight-delay"),
        ("task", "delay-v1", "not ending like a release", "flight-delay"),
        ("task", "delay v1", "lower-case words", "flight-delay"),
        ("task", "a" * 41, "at most 40 characters", "flight-delay"),
        ("owner", "@acme", "without @", "acme/forecasting"),
        ("owner", "acme/a/b", "organisation/team", "acme/forecasting"),
        ("owner", "ac me", "organisation/team", "acme/forecasting"),
        ("owner", "", "organisation/team", "acme/forecasting"),
    ],
)
def test_a_bad_answer_is_refused(template, tmp_path, capfd, name, value, rule, example):
    options = {"project_slug": "flight-delay", "task": "flight-delay", name: value}
    refused(template, tmp_path, options)
    said = capfd.readouterr().err
    assert f"{name} is '{value}'; allowed: " in said
    assert rule in said and f"Example: {example}" in said


@pytest.mark.parametrize(
    "kind, url, rule",
    [
        ("none", "s3://acme/dvc", "empty, because dvc_remote is none"),
        ("s3", "", "s3://bucket/folder"),
        ("s3", "acme/dvc", "s3://bucket/folder"),
        ("s3", "gs://acme/dvc", "s3://bucket/folder"),
        ("s3", "s3://Acme/dvc", "s3://bucket/folder"),
        ("s3", "s3://acme/dvc\nurl = x", "s3://bucket/folder"),
        ("s3", "s3://acme/a b", "s3://bucket/folder"),
        ("gs", "s3://acme/dvc", "gs://bucket/folder"),
        ("azure", "azure://data#x", "azure://container/folder"),
        ("ssh", "ssh://dvc:secret@storage.example/srv", "without a password"),
        ("ssh", "ssh://storage.example", "ssh://user@host/folder"),
        ("ssh", "storage.example:/srv/dvc", "ssh://user@host/folder"),
        ("local", "data/dvc", "an absolute folder"),
        ("local", "~/dvc", "an absolute folder"),
        ("local", "/srv/my data", "without spaces"),
        ("local", "/", "an absolute folder"),
    ],
)
def test_a_bad_address_is_refused(template, tmp_path, capfd, kind, url, rule):
    refused(template, tmp_path, {"dvc_remote": kind, "remote_url": url})
    said = capfd.readouterr().err
    assert f"remote_url is '{url}'; allowed: " in said
    assert rule in said and "Example: " in said


@pytest.mark.parametrize(
    "options",
    [
        {"project_name": "X"},
        {"project_name": "Churn 2.0 - EU_west", "project_slug": "churn"},
        {"task": "eta-v2-city"},
        {"owner": "a"},
        {"owner": "octo-cat/ml.team_1"},
        {"dvc_remote": "s3", "remote_url": "s3://acme"},
        {"dvc_remote": "gs", "remote_url": "gs://acme.data_1/a/b/"},
        {"dvc_remote": "azure", "remote_url": "azure://data"},
        {"dvc_remote": "ssh", "remote_url": "ssh://storage.example/srv/dvc"},
        {"dvc_remote": "local", "remote_url": "/srv/dvc.d/x"},
        {"dvc_remote": "local", "remote_url": "../dvc/x"},
    ],
)
def test_a_good_answer_is_taken(template, tmp_path, options):
    assert bake.bake(template, tmp_path, options).is_dir()


def test_all_bad_answers_are_said_at_once(template, tmp_path, capfd):
    bad = {"project_name": "!", "project_slug": "A B", "task": "T", "owner": "@", "remote_url": "x"}
    refused(template, tmp_path, bad)
    said = capfd.readouterr().err
    assert [line.split(" is ")[0] for line in said.splitlines() if "; allowed: " in line] == list(
        bad
    )


def test_the_command_line_ends_with_an_error(template, tmp_path):
    command = [
        sys.executable,
        "-m",
        "cookiecutter",
        "--no-input",
        "--output-dir",
        str(tmp_path / "out"),
    ]
    done = subprocess.run(
        [*command, str(template), "owner=@acme"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert (
        "owner is '@acme'; allowed: a GitHub user, or organisation/team, without @." in done.stderr
    )
    assert list((tmp_path / "out").iterdir()) == []


def test_the_next_steps_are_printed(template, tmp_path, capfd):
    repository = bake.bake(template, tmp_path, {"owner": "acme"})
    said = capfd.readouterr().out
    typed = re.findall(r"^  (?:cd|git|make) .*$", said, re.MULTILINE)
    assert [line.split("  ")[1] for line in typed] == [
        f"cd {repository}",
        'git init -b main && git add --all && git commit -m "Generate the repository"',
        *("make setup", "make data", "make train", "make check"),
    ]
    assert "owner is still" not in said
    bake.bake(template, tmp_path / "other", {})
    assert "owner is still 'your-github-name'" in capfd.readouterr().out


def test_a_token_in_the_address_of_the_template_is_not_generated(
    template, tmp_path, monkeypatch, capfd
):
    source = shutil.copytree(template, tmp_path / "source")
    commit(source, "Release")
    address = "https://ada:p@geheim@git.example/@acme/template.git"
    # Git takes the folder wherever it is told the address.
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{source}.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", address)
    repository = bake.bake(address, tmp_path / "out", {})
    found = tomllib.loads((repository / "pyproject.toml").read_text())["tool"]["gitops-model"]
    assert found["template"] == "https://git.example/@acme/template.git"
    assert "names the template as https://git.example/@acme/" in capfd.readouterr().out
    texts = ((repository / name).read_bytes() for name in bake.files(repository))
    assert not any(b"geheim" in text for text in texts)


@pytest.mark.parametrize("hook", HOOKS, ids=lambda path: path.stem)
def test_a_hook_is_small_and_runs_nothing(hook: Path):
    text = hook.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 60
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            imported = {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported = {(node.module or "").split(".")[0]}
        else:
            imported = set()
        assert imported <= sys.stdlib_module_names and not imported & FORBIDDEN_MODULES, imported
        if isinstance(node, ast.Call):
            function = node.func
            called = (
                function.attr
                if isinstance(function, ast.Attribute)
                else getattr(function, "id", "")
            )
            # re.compile would be harmless; the hooks need none.
            assert called not in FORBIDDEN_CALLS and not called.startswith(("exec", "spawn")), (
                called
            )


def test_both_hooks_were_looked_at():
    assert [hook.stem for hook in HOOKS] == ["post_gen_project", "pre_gen_project"]


def refused(template: Path, output: Path, options: dict[str, str]) -> None:
    with pytest.raises(FailedHookException):
        bake.bake(template, output, options)
    assert list(output.iterdir()) == []
