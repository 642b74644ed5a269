"""The template repository itself: one menu of commands, workflows that only call it, pages that tell the truth."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ci_scripts import bake

ROOT = bake.ROOT
TEMPLATE = next(ROOT.glob("*cookiecutter.project_slug*"))
OWN_WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
WORKFLOWS = [*OWN_WORKFLOWS, *sorted((TEMPLATE / ".github/workflows").glob("*.yml"))]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
USES = re.compile(r"uses:\s*(\S+?)@(\S+)(.*)")


def targets(makefile: Path) -> set[str]:
    text = makefile.read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z][a-z-]*|ci-%):(?!=)", text, re.MULTILINE))


def load(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return data


def program(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert path, f"{name} is not installed"
    return subprocess.run([path, *arguments], cwd=ROOT, capture_output=True, text=True)


def test_continuous_integration_runs_the_readmes_test_command():
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    assert script.read_text().rstrip().endswith("exec make test")
    assert "make test" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("path", OWN_WORKFLOWS, ids=lambda p: p.name)
def test_own_workflows_call_the_menu_and_nothing_else(path: Path):
    jobs = load(path)["jobs"]
    runs = [
        step["run"]
        for name, job in jobs.items()
        if name != "all-green"
        for step in job["steps"]
        if "run" in step
    ]
    assert runs
    for run in runs:
        match = re.fullmatch(r"make ([a-z-]+)", run)
        assert match and match[1] in targets(ROOT / "Makefile"), run


def test_all_green_waits_for_every_job_that_a_pull_request_runs():
    jobs = load(ROOT / ".github/workflows/test.yml")["jobs"]
    gate = jobs.pop("all-green")
    assert set(gate["needs"]) == {name for name, job in jobs.items() if "if" not in job}
    assert f'"{" ".join(["success"] * len(gate["needs"]))}"' in gate["steps"][0]["run"]


def test_generated_workflows_name_only_targets_that_exist():
    known = targets(TEMPLATE / "Makefile")
    for path in WORKFLOWS[len(OWN_WORKFLOWS) :]:
        for target in re.findall(r"^\s*run: make ([a-z-]+)", path.read_text(), re.MULTILINE):
            assert target in known or ("ci-%" in known and target.startswith("ci-")), (
                path.name,
                target,
            )


def test_whoever_counts_the_generated_workflows_counts_right():
    number = ("five", "six", "seven", "eight", "nine")[len(WORKFLOWS) - len(OWN_WORKFLOWS) - 5]
    told = {ROOT / "Makefile", TEMPLATE / "docs/GITHUB.md", *PAGES}
    found = {p.name: re.findall(r"(?i)\b(\w+) workflows\b", p.read_text("utf-8")) for p in told}
    counts = {"four", "five", "six", "seven", "eight", "nine"}
    said = {(name, word) for name, words in found.items() for word in counts.intersection(words)}
    assert ("Makefile", number) in said and {word for _, word in said} == {number}, said


def test_every_action_is_pinned_alike():
    pins: dict[str, set[str]] = {}
    for path in WORKFLOWS:
        for action, commit, comment in USES.findall(path.read_text()):
            assert re.fullmatch(r"[0-9a-f]{40}", commit), (path.name, action)
            assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), (path.name, action)
            pins.setdefault(action, set()).add(commit + comment)
    assert pins and all(len(found) == 1 for found in pins.values()), pins


@pytest.mark.parametrize(
    "command",
    [
        ("zizmor", "--offline", "--persona", "auditor", "--no-progress", ".github"),
        ("actionlint", *(str(path) for path in OWN_WORKFLOWS)),
        (
            "check-jsonschema",
            "--builtin-schema",
            "vendor.github-workflows",
            *map(str, OWN_WORKFLOWS),
        ),
        (
            "check-jsonschema",
            "--builtin-schema",
            "custom.github-workflows-require-timeout",
            *map(str, OWN_WORKFLOWS),
        ),
        ("check-jsonschema", "--builtin-schema", "vendor.dependabot", ".github/dependabot.yml"),
        *(
            (
                "check-jsonschema",
                "--builtin-schema",
                f"vendor.github-issue-{kind}",
                *map(str, paths),
            )
            for kind, paths in {
                "config": [TEMPLATE / ".github/ISSUE_TEMPLATE/config.yml"],
                "forms": [TEMPLATE / f".github/ISSUE_TEMPLATE/{n}.yml" for n in ("incident",)],
            }.items()
        ),
        (
            "check-jsonschema",
            "--builtin-schema",
            "vendor.dependabot",
            str(TEMPLATE / ".github/dependabot.yml"),
        ),
    ],
    ids=lambda command: f"{command[0]}-{command[2] if len(command) > 2 else ''}",
)
def test_linters_have_nothing_to_say(command):
    done = program(*command)
    assert done.returncode == 0, done.stdout + done.stderr


def test_dependabot_reads_the_generated_workflows_too():
    folders = load(ROOT / ".github/dependabot.yml")["updates"][0]["directories"]
    assert folders == ["/", f"/{TEMPLATE.name}/.github/workflows"]
    for update in [
        *load(ROOT / ".github/dependabot.yml")["updates"],
        *load(TEMPLATE / ".github/dependabot.yml")["updates"],
    ]:
        assert update["cooldown"]["default-days"] >= 7


@pytest.mark.parametrize(
    "page, makefile", [(p, ROOT / "Makefile") for p in PAGES], ids=lambda p: p.name
)
def test_pages_name_only_targets_that_exist(page: Path, makefile: Path):
    known = targets(makefile) | targets(TEMPLATE / "Makefile")
    for target in re.findall(
        r"(?:^|`)make ([a-z][a-z-]*)", page.read_text(encoding="utf-8"), re.MULTILINE
    ):
        assert target in known, target


def test_the_generated_readme_tells_the_truth(baked):
    repository = baked({})
    text = (repository / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"(?:^|`)make ([a-z][a-z-]*)", text, re.MULTILINE):
        assert target in targets(repository / "Makefile"), target
    listed = text.split("## The files")[1].split("```")[1]
    for name in re.findall(r"^(\S+)  ", listed, re.MULTILINE):
        assert (repository / name).exists() or name == "data/", name
    assert len(text.splitlines()) < 120, "one page"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_between_pages_lead_somewhere(page: Path):
    for link in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if not link.startswith(("http://", "https://")):
            assert (page.parent / link).exists(), link


def test_the_annotated_tree_is_the_tree():
    listed = (
        (ROOT / "README.md").read_text(encoding="utf-8").split("## The tree")[1].split("```")[1]
    )
    names = re.findall(r"^(\S+)  ", listed, re.MULTILINE)
    assert len(names) >= 10
    for name in names:
        assert (ROOT / name).exists(), name
