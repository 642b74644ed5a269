"""The generated Makefile: set-up happens once, values reach the commands letter by letter, every target has help."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from ci_scripts import bake

# Stands in for every program of the environment: it writes down how it was called, and does what `-m venv` would.
STUB = """#!/bin/sh
printf '%s\\n' "$(basename "$0")" "$@" >> "$CALLS"
echo --- >> "$CALLS"
"""


@dataclass(frozen=True, kw_only=True)
class Project:
    """A bake whose environment is made of stubs."""

    path: Path
    calls: Path

    def make(self, *words: str, code: int = 0, **env: str) -> str:
        done = subprocess.run(
            ["make", "--no-print-directory", *words],
            cwd=self.path,
            env={**os.environ, "CALLS": str(self.calls), **env},
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def called(self) -> list[list[str]]:
        """Each call since the last look: program and arguments."""
        text = self.calls.read_text() if self.calls.exists() else ""
        self.calls.write_text("")
        return [call.split("\n")[:-1] for call in text.split("---\n")[:-1]]


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Project:
    path = bake.bake(template, tmp_path, {"dvc_remote": "s3"})
    programs = path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("python", "dvc", "gitops-model", "pre-commit", "ruff", "uv"):
        (programs / name).write_text(STUB)
        (programs / name).chmod(stat.S_IRWXU)
    return Project(path=path, calls=tmp_path / "calls")


def test_setup_installs_the_locks_once(project: Project):
    said = project.make("setup").splitlines()
    assert said[0].startswith("Installing library.lock requirements.txt requirements-s3.txt ")
    assert said[-1].startswith("Next: make data ")
    pip, uv, schemas, hooks = project.called()
    assert pip[:4] == ["python", "-m", "pip", "--disable-pip-version-check"]
    assert pip[-3:-1] == ["--require-hashes", "-r"]
    pinned = (project.path / ".venv/uv.txt").read_text()
    assert re.match(r"uv==\d", pinned) and "--hash=sha256:" in pinned and "==" not in pinned[4:]
    assert uv[:3] == ["uv", "pip", "install"]
    assert uv[-9:] == [
        *("--require-hashes", "--find-links", "vendor"),
        *("-r", "library.lock", "-r", "requirements.txt", "-r", "requirements-s3.txt"),
    ]
    assert schemas[:3] == ["python", "-P", "-c"]
    assert (project.path / ".venv/schemas").is_symlink()
    assert hooks == ["pre-commit", "install"]
    (project.path / ".git/hooks/pre-commit").write_text("")
    assert project.make("setup") == ""
    assert project.called() == []


@pytest.mark.parametrize("lock", ["library.lock", "requirements.txt", "requirements-s3.txt"])
def test_a_changed_lock_is_installed_again(project: Project, lock: str):
    project.make("setup", CI="true")
    (project.path / lock).touch()
    assert project.make("setup", CI="true") == ""
    with (project.path / lock).open("a") as file:
        file.write("# one more line\n")
    project.called()
    assert "Installing" in project.make("setup", CI="true")
    assert [call[:2] for call in project.called()] == [
        ["python", "-m"],
        ["uv", "pip"],
        ["python", "-P"],
    ]
    assert len(list((project.path / ".venv/.installed").iterdir())) == 3


def test_a_failed_installation_is_tried_again(project: Project):
    python = project.path / ".venv/bin/python"
    python.write_text("#!/bin/sh\nexit 1\n")
    project.make("setup", code=2)
    python.write_text(STUB)
    assert "Installing" in project.make("setup", CI="true")


def test_setup_initialises_git_and_leaves_the_users_settings_alone(
    project: Project, isolated: Path
):
    project.make("setup", CI="true")
    head = (project.path / ".git/HEAD").read_text()
    assert head == "ref: refs/heads/main\n"
    assert list(isolated.iterdir()) == []
    assert "user" not in (project.path / ".git/config").read_text()


def test_setup_takes_a_repository_as_it_is(project: Project):
    subprocess.run(["git", "init", "-q", "-b", "trunk"], cwd=project.path, check=True)
    hook = project.path / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("mine")
    project.make("setup")
    assert (project.path / ".git/HEAD").read_text() == "ref: refs/heads/trunk\n"
    assert hook.read_text() == "mine"
    assert [call[0] for call in project.called()] == ["python", "uv", "python"]


def test_setup_initialises_dvc_when_its_folder_is_gone(project: Project):
    shutil.rmtree(project.path / ".dvc")
    stub = project.path / ".venv/bin/dvc"
    stub.write_text(STUB + "mkdir -p .dvc && touch .dvc/config\n")
    project.make("setup", CI="true")
    assert project.called()[3:] == [
        ["dvc", "init", "-q"],
        ["dvc", "config", "core.analytics", "false"],
    ]


def test_an_environment_may_be_shared(project: Project, tmp_path: Path):
    shared = tmp_path / "shared env"
    shutil.move(project.path / ".venv", shared)
    (project.path / "data/raw").mkdir(parents=True)
    project.make("train", f"VENV={shared}")
    assert project.called()[-1] == ["dvc", "repro"]
    assert not (project.path / ".venv").exists()


def test_training_without_data_says_where_to_get_it(project: Project):
    project.make("setup", CI="true")
    (project.path / ".venv/bin/dvc").write_text("#!/bin/sh\nexit 255\n")
    said = project.make("train", code=2)
    assert "data/raw is not here. `.venv/bin/dvc pull` gets it" in said and "`make data`" in said
    (project.path / "data/raw").mkdir(parents=True)
    assert "data/raw" not in project.make("train", code=2)


def test_an_old_python_is_refused(project: Project, tmp_path: Path):
    said = project.make("setup", f"PYTHON={tmp_path}/python2", code=2)
    assert (
        "is missing or too old; Python 3.11 or newer is needed. Example: make setup PYTHON=" in said
    )
    assert project.called() == []


NASTY = [
    "late flights are no longer found",
    'say "hi"',
    "it's",
    "$(touch PWNED)",
    "$HOME $$ ${PATH} $@",
    "`touch PWNED`",
    '"; touch PWNED; "',
    "'; touch PWNED; '",
    "a\\b # no comment",
    "100% & more > out | tee",
    "--flag",
    "üäö → v2",
]


@pytest.mark.parametrize("reason", NASTY)
@pytest.mark.parametrize("given_by", ["argument", "environment"])
def test_a_reason_arrives_letter_by_letter(project: Project, reason: str, given_by: str):
    project.make("setup", CI="true")
    project.called()
    if given_by == "argument":
        project.make("rollback", f"REASON={reason}", CI="true")
    else:
        project.make("rollback", REASON=reason, CI="true")
    assert project.called() == [["gitops-model", "rollback", f"--reason={reason}"]]
    assert not list(project.path.rglob("PWNED"))


def test_every_value_that_a_recipe_uses_travels_as_text(project: Project):
    """`make ship ACCEPT='$(shell touch x)'` must not run anything, whatever the variable."""
    makefile = (project.path / "Makefile").read_text()
    listed = re.search(r"^VALUES := (.*?)(?<!\\)$", makefile, re.MULTILINE | re.DOTALL)
    assert listed
    values = listed[1].replace("\\\n", " ").split()
    used = set(re.findall(r"\$\$\{?([A-Z_]{2,})", makefile)) - {"CI"}
    assert sorted(values) == values and set(values) == used
    project.make("setup", CI="true")
    text = """$(shell touch PWNED)`touch PWNED`"; touch PWNED; "'; touch PWNED; '"""
    given = [f"{name}={text}" for name in (*values, "PART")]
    targets = re.findall(r"^([a-z]+): setup", makefile, re.MULTILINE)
    assert {"ship", "rollback", "release", "check", "deploy", "serve", "doctor", "eject"} <= set(
        targets
    )
    for target in set(targets) - {"lock", "train", "test", "lint"}:
        project.make(target, *given, CI="true")
    assert not list(project.path.rglob("PWNED"))


@pytest.mark.parametrize(
    "words, call",
    [
        ("check", "gitops-model check"),
        ("check BASE=origin/dev", "gitops-model check --base origin/dev"),
        ("release", "gitops-model release"),
        ("release NO_PUSH=1 ANY_BRANCH=1", "gitops-model release --no-push --any-branch"),
        ("ship MODEL=delay-v2", "gitops-model ship delay-v2"),
        (
            "ship MODEL=delay-v2 CANARY=10 KEY=tailnum",
            "gitops-model ship delay-v2 --canary 10 --key tailnum",
        ),
        ("ship MODEL=delay-v2 SHADOW=1", "gitops-model ship delay-v2 --shadow"),
        ("ship FREEZE=holidays", "gitops-model ship --freeze=holidays"),
        ("ship UNFREEZE=1 PUSH=1", "gitops-model ship --unfreeze --push"),
        ("ship ACCEPT=first", "gitops-model ship --accept-unevaluated=first"),
        ("rollback", "gitops-model rollback"),
        ("rollback FREEZE=1 PUSH=1 DEPLOY=1", "gitops-model rollback --freeze --push --deploy"),
        ("rollback TO=delay-v1", "gitops-model rollback --to delay-v1"),
        ("forgive MODEL=delay-v2", "gitops-model forgive delay-v2"),
        ("forgive MODEL=delay-v2 STORE=s", "gitops-model forgive delay-v2 --store s"),
        ("deploy", "gitops-model deploy"),
        (
            "deploy STORE=/srv/store REF=main WATCH=1",
            "gitops-model deploy --store /srv/store --ref main --watch",
        ),
        ("serve PORT=0", "gitops-model serve --port 0"),
        ("status", "gitops-model status"),
        ("status STORE=s REF=HEAD", "gitops-model status --store s --ref HEAD"),
        ("history", "gitops-model history"),
        ("history LAST=20", "gitops-model history --last 20"),
        ("monitor", "gitops-model monitor"),
        (
            "monitor LOG=s3://logs/flights LAST=2026-11-28",
            "gitops-model monitor --log s3://logs/flights --last 2026-11-28",
        ),
        ("compare", "gitops-model compare"),
        ("compare MODEL=delay-v2", "gitops-model compare --model delay-v2"),
        (
            "compare LOG=logs FROM=2026-11-20 TO=2026-11-27",
            "gitops-model compare --log logs 2026-11-20 2026-11-27",
        ),
        ("replay DAY=2026-11-28", "gitops-model replay 2026-11-28"),
        (
            "replay DAY=2026-11-28 MODEL=delay-v3 LOG=s3://logs/flights",
            "gitops-model replay 2026-11-28 --model delay-v3 --log s3://logs/flights",
        ),
        ("log-close", "gitops-model log close"),
        ("log-close LOG=logs/old", "gitops-model log close --log logs/old"),
        ("observe", "gitops-model observe"),
        ("observe PORT=9091", "gitops-model observe --port 9091"),
        ("doctor", "gitops-model doctor"),
        ("doctor REPOSITORY=acme/model", "gitops-model doctor --repository acme/model"),
        ("eject STAGE=train", "gitops-model eject train"),
        ("upgrade", "gitops-model upgrade"),
        ("upgrade TO=1.4.0 FROM=1.3.0", "gitops-model upgrade --from 1.3.0 --to 1.4.0"),
        ("test", "python -m pytest -q"),
    ],
)
def test_targets_call_their_command(project: Project, words: str, call: str):
    project.make("setup", CI="true")
    project.called()
    project.make(*words.split(), CI="true")
    assert project.called() == [call.split()]


def test_lock_resolves_what_is_there(project: Project):
    project.make("setup", CI="true")
    project.called()
    project.make("lock", "UPGRADE=1", CI="true")
    calls = project.called()
    assert sorted(call[-3] for call in calls) == [
        *("requirements-s3.in", "requirements-serving.in", "requirements.in"),
    ]
    assert all("--upgrade" in call and "--generate-hashes" in call for call in calls)
    assert calls[0][-3] == "requirements.in"
    assert ["-c" in call for call in calls] == [False, True, True]


@pytest.mark.parametrize("words", ["lock", "lock setup", "lock setup train"])
def test_what_lock_resolved_is_installed(project: Project, words: str):
    """Also where `setup` is asked for, which make takes for done once `lock` needed it."""
    project.make("setup", CI="true")
    (project.path / "data/raw").mkdir(parents=True)
    uv = project.path / ".venv/bin/uv"
    uv.write_text(
        STUB + 'for last in "$@"; do :; done; [ "$3" != compile ] || echo "#" >> "$last"\n'
    )
    uv.chmod(stat.S_IRWXU)
    project.called()
    project.make(*words.split(), CI="true")
    calls = [" ".join(call[:3]) for call in project.called()]
    lock = calls.index("uv -q pip")
    install = calls.index("uv pip install", lock)
    assert lock < install and ("dvc repro" not in calls or install < calls.index("dvc repro"))


def test_another_environment_may_resolve_without_installing(project: Project):
    """As `make lock` of the template and ci_scripts/newest.py do."""
    project.make("-o", "setup", "MAKE=:", "lock", CI="true")
    assert {" ".join(call[:4]) for call in project.called()} == {"uv -q pip compile"}


@pytest.mark.parametrize(
    "makefile",
    [next(bake.ROOT.glob("*cookiecutter.project_slug*/Makefile")), bake.ROOT / "Makefile"],
)
def test_help_names_every_target(makefile: Path):
    text = makefile.read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony
    internal = {"style", "config"}  # for the commit hooks
    said = subprocess.run(
        ["make", "--no-print-directory", "-f", str(makefile)],
        cwd=makefile.parent,
        capture_output=True,
        text=True,
    )
    listed = re.findall(r"^  make ([a-z-]+) +\S", said.stdout, re.MULTILINE)
    assert said.returncode == 0 and sorted(listed) == sorted(set(phony[1].split()) - internal)
    targets = re.findall(r"^([a-z][a-z-]*):(?!=)", text, re.MULTILINE)
    assert sorted(targets) == sorted(phony[1].split())
