"""Every shell block of every page is typed by a test as it stands, or stands here with the reason why it cannot be."""

from __future__ import annotations

import re

import pytest

from tests.support.places import ROOT, TEMPLATE
from tests.support.shell_blocks import blocks

PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    TEMPLATE / "README.md",
    *sorted((TEMPLATE / "docs").glob("*.md")),
]
# Pages of which a test types all blocks.
WHOLE = {
    "docs/own_data.md": "tests/e2e/test_own_data_page.py",
    "docs/estimators.md": "tests/e2e/test_estimators.py",
    "docs/canary.md": "tests/e2e/test_readme_blocks.py",
    "template/README.md": "tests/e2e/test_readme_blocks.py",
    "template/docs/RUNBOOK.md": "tests/integration/delivery/test_runbook.py",
}
# Blocks that no test types, by their first line: why, and what runs in their place.
CANNOT = {
    ("docs/more_than_one_model.md", "docker compose up -d --build service agent"): (
        "no engine for containers runs in tests; the files are judged by",
        "tests/template/test_containers.py",
    ),
    ("README.md", "git clone <this repository> && cd cookiecutter-gitops-model"): (
        "the address is the reader's; `make demo` and `make demo-drift` are run by",
        "tests/e2e/test_demo.py",
    ),
    ("README.md", "pip install cookiecutter"): (
        "it installs into the reader's own Python; cookiecutter without answers is run by",
        "tests/e2e/test_own_data_page.py",
    ),
    ("README.md", "make test"): (
        "these are the tests themselves; that the targets exist is in",
        "tests/template/test_repository.py",
    ),
    ("template/docs/GITHUB.md", "make doctor"): (
        "it asks GitHub; against a copy of its API it is run by",
        "tests/workflows/test_doctor.py",
    ),
    ("template/docs/SERVING.md", "sudo apt-get install -y git make python3-venv"): (
        "it makes an account and needs root; the units it leads to are checked by",
        "tests/integration/delivery/test_host.py",
    ),
    ("template/docs/SERVING.md", "git clone https://github.com/OWNER/NAME.git && cd NAME"): (
        "it needs a container engine; what the images run is run by",
        "tests/integration/packaging/test_images.py",
    ),
    ("template/docs/SERVING.md", "sudo -iu model sh -c 'cd NAME && git pull && make host'"): (
        "it restarts units of systemd; the units are checked by",
        "tests/integration/delivery/test_host.py",
    ),
    ("template/docs/UPGRADE.md", "make upgrade"): (
        "it fetches the newer template; the command is run by",
        "tests/template/test_upgrade_command.py",
    ),
}  # fmt: skip


def name(page) -> str:  # type: ignore[no-untyped-def]
    if page.is_relative_to(TEMPLATE):
        return f"template/{page.relative_to(TEMPLATE).as_posix()}"
    return str(page.relative_to(ROOT).as_posix())


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_block_is_run_or_has_a_reason(page) -> None:  # type: ignore[no-untyped-def]
    if name(page) in WHOLE:
        return
    for block in blocks(page):
        assert (name(page), block.name) in CANNOT, (
            f"{name(page)}, line {block.line}: let a test type this block, see tests/support/shell_blocks.py, or say "
            "in CANNOT why none can"
        )


def test_what_runs_them_is_there() -> None:
    for page, test in WHOLE.items():
        source = (ROOT / test).read_text()
        path = next(p for p in PAGES if name(p) == page)
        assert blocks(path), f"{page} has no block any more"
        assert path.name in source and "def test_" in source, (page, test)
        assert "shell_blocks import" in source, f"{test} reads no blocks of {page}"
    for _, test in CANNOT.values():
        assert "def test_" in (ROOT / test).read_text()


def test_each_reason_is_of_a_block_that_is_there() -> None:
    there = {(name(page), block.name) for page in PAGES for block in blocks(page)}
    assert CANNOT.keys() <= there


def test_no_block_hides_under_another_name() -> None:
    """```bash, ```console and a fence without a language that holds commands would be run by nobody."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for language, body in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            assert language in ("sh", "", "python", "sql", "yaml"), (name(page), language)
            if language == "":
                assert not re.search(r"^(make|git|pip|sudo|dvc) ", body, re.MULTILINE), name(page)
