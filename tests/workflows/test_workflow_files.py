"""What the workflow files say: linters, pins, permissions, triggers, and no expression in a script."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.places import ROOT, TEMPLATE
from tests.workflows import filters

BIN = Path(sys.executable).parent
WORKFLOWS = filters.load_all(TEMPLATE / ".github" / "workflows")
SEVEN = {
    "check.yml", "test.yml", "publish.yml", "release.yml", "deploy.yml", "rollback.yml", "monitor.yml",
}  # fmt: skip
SETUP = TEMPLATE / ".github" / "actions" / "setup" / "action.yml"
FOLDERS = [TEMPLATE, *([ROOT] if (ROOT / ".github" / "workflows").exists() else [])]


def run(*words: str, cwd: Path) -> None:
    done = subprocess.run(
        [str(BIN / words[0]), *words[1:]], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_linters_find_nothing(rendered: Path) -> None:
    folder = rendered
    files = sorted(str(p) for p in (folder / ".github" / "workflows").glob("*.yml"))
    assert {Path(f).name for f in files} == SEVEN
    run("zizmor", "--offline", "--persona=auditor", "--strict-collection", "--no-progress", *files,
        str(folder / ".github" / "dependabot.yml"), cwd=folder)  # fmt: skip
    run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *files, cwd=folder)
    run(
        "check-jsonschema",
        "--builtin-schema",
        "custom.github-workflows-require-timeout",
        *files,
        cwd=folder,
    )
    run(
        "check-jsonschema",
        "--builtin-schema",
        "vendor.dependabot",
        ".github/dependabot.yml",
        cwd=folder,
    )
    run("actionlint", *files, cwd=folder)


def test_workflows_are_copied_verbatim(rendered: Path) -> None:
    for path in [*(TEMPLATE / ".github").glob("workflows/*"), SETUP]:
        assert (rendered / path.relative_to(TEMPLATE)).read_bytes() == path.read_bytes()


def test_at_most_one_ignore_and_it_has_a_reason() -> None:
    found = [
        (name, number, lines)
        for name in SEVEN
        for lines in [(TEMPLATE / ".github" / "workflows" / name).read_text().splitlines()]
        for number, line in enumerate(lines)
        if "zizmor: ignore" in line
    ]
    assert len(found) == 1
    name, number, lines = found[0]
    assert name == "publish.yml" and lines[number - 1].strip().startswith("#")


@pytest.mark.parametrize("name", sorted(SEVEN))
def test_rules_of_every_workflow(name: str) -> None:
    workflow = WORKFLOWS[name]
    text = (TEMPLATE / ".github" / "workflows" / name).read_text()
    assert workflow["permissions"] == {}
    assert "concurrency" in workflow
    assert "pull_request_target" not in text and "allow-unsafe" not in text
    for job in workflow["jobs"].values():
        assert 0 < job["timeout-minutes"] <= 60
        assert "permissions" in job
        for step in job["steps"]:
            assert step["name"]
            assert "${{" not in step.get("run", "")
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False
    for used in filters.pins(workflow):
        if used == "$/.github/actions/setup":
            continue
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", used)
        assert re.search(re.escape(used) + r" # v\d+\.\d+\.\d+\n", text)
    for line in text.splitlines():
        if re.match(r"\s+[a-z-]+: (read|write)\b", line):
            assert "#" in line, f"{name}: {line.strip()} has no comment"


def test_the_step_that_all_jobs_share() -> None:
    text = SETUP.read_text()
    action = filters.load(text)
    for used in filters.pins(action):
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", used)
        assert re.search(re.escape(used) + r" # v\d+\.\d+\.\d+\n", text)
    assert [step["run"] for step in action["runs"]["steps"] if "run" in step] == ["make setup"]
    for workflow in WORKFLOWS.values():
        for job in workflow["jobs"].values():
            uses = [step.get("uses", "") for step in job["steps"]]
            assert [use.split("@")[0] for use in uses[:2]] == [
                "actions/checkout",
                "$/.github/actions/setup",
            ]


def test_scripts_are_one_make_target_each() -> None:
    makefile = (TEMPLATE / "Makefile").read_text()
    for workflow in WORKFLOWS.values():
        for _, step in filters.steps(workflow):
            if "run" in step:
                target = re.fullmatch(r"make ([a-z-]+)", step["run"].strip())
                assert target, step["run"]
                rule = "ci-%" if target[1].startswith("ci-") else target[1]
                assert re.search(rf"^{re.escape(rule)}:", makefile, re.MULTILINE), target[1]


def test_jobs_that_run_a_pull_requests_code_can_write_nothing() -> None:
    for name, workflow in WORKFLOWS.items():
        untrusted = {"pull_request", "merge_group"} & set(filters.triggers(workflow))
        for job, spec in workflow["jobs"].items():
            if untrusted:
                assert set(spec["permissions"].values()) <= {"read"}, (name, job)


def test_deploys_are_serialised_and_none_is_dropped() -> None:
    for name in ("deploy.yml", "release.yml", "rollback.yml"):
        group = WORKFLOWS[name]["concurrency"]
        assert group["queue"] == "max" and "cancel-in-progress" not in group
        assert "${{" not in group["group"]
    checkout = WORKFLOWS["deploy.yml"]["jobs"]["deploy"]["steps"][0]
    assert checkout["with"]["ref"] == "main"


TRIGGERS: list[tuple[str, dict[str, Any], set[str]]] = [
    ("push", {"ref": "refs/heads/main", "files": ["README.md"]}, {"release.yml"}),
    ("push", {"ref": "refs/heads/main", "files": ["dvc.lock"]}, {"release.yml"}),
    (
        "push",
        {"ref": "refs/heads/main", "files": ["production.yaml"]},
        {"release.yml", "deploy.yml"},
    ),
    (
        "push",
        {"ref": "refs/heads/main", "files": ["production.yaml", "x"]},
        {"release.yml", "deploy.yml"},
    ),
    ("push", {"ref": "refs/heads/main", "files": ["docs/production.yaml"]}, {"release.yml"}),
    ("push", {"ref": "refs/heads/topic", "files": ["production.yaml"]}, set()),
    ("push", {"ref": "refs/heads/ship/flight-delay-v2", "files": ["production.yaml"]}, set()),
    ("push", {"ref": "refs/tags/flight-delay-v2", "files": []}, set()),
    *[
        (
            "pull_request",
            {"action": action, "ref": "main", "files": files},
            {"check.yml", *tests},
        )
        for action in ("opened", "synchronize", "reopened")
        for files, tests in (
            (["README.md", "docs/GITHUB.md"], ()),
            (["data/raw.dvc"], ("test.yml",)),
            (["production.yaml"], ()),
            (["gates.yaml", "dvc.lock"], ("test.yml",)),
            (["README.md", "pipeline/train.py"], ("test.yml",)),
        )
    ],
    ("pull_request", {"action": "labeled", "ref": "main", "files": ["dvc.lock"]}, set()),
    ("pull_request", {"action": "closed", "ref": "main", "files": ["dvc.lock"]}, set()),
    (
        "pull_request",
        {"action": "opened", "ref": "release-1", "files": ["dvc.lock"]},
        {"check.yml", "test.yml"},
    ),
    (
        "merge_group",
        {"action": "checks_requested", "ref": "main", "files": []},
        {"check.yml", "test.yml"},
    ),
    ("workflow_run", {"action": "completed", "completed": "check"}, {"publish.yml"}),
    ("workflow_run", {"action": "requested", "completed": "check"}, set()),
    ("workflow_run", {"action": "completed", "completed": "release"}, set()),
    ("schedule", {}, {"monitor.yml"}),
    ("issue_comment", {"action": "created"}, set()),
    ("pull_request_target", {"action": "opened", "ref": "main", "files": []}, set()),
    ("release", {"action": "published"}, set()),
]


@pytest.mark.parametrize(("event", "facts", "expected"), TRIGGERS)
def test_which_workflows_an_event_starts(
    event: str, facts: dict[str, Any], expected: set[str]
) -> None:
    assert filters.started(WORKFLOWS, event, **facts) == expected


def test_publish_waits_for_the_workflow_that_is_called_check() -> None:
    (waited,) = filters.triggers(WORKFLOWS["publish.yml"])["workflow_run"]["workflows"]
    assert WORKFLOWS["check.yml"]["name"] == waited
