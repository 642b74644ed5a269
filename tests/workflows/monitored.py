"""A generated repository whose `monitor` finds what a test says."""

from __future__ import annotations

import json
from pathlib import Path

import gitops_model
from gitops_model.formats.watch import Watch
from tests.workflows.world import World

# The statistics are tested elsewhere: this `monitor` finds the report that the test put there, or fails.
STUB = """
import sys
from gitops_model import cli, errors
from gitops_model.delivery import monitor
def run(options):
    if {wrong!r}:
        raise errors.Blocked({wrong!r})
    return {code}
monitor.run = run
sys.exit(cli.main({words}))
"""


def prepare(town: World, rendered: Path, found: Watch, *, wrong: str = "") -> Path:
    """A repository whose `monitor` found what `found` says; the folder of its report."""
    town.adopt(rendered)
    # The stub makes no report: the one it would make is committed instead.
    ignored = town.clone / ".gitignore"
    ignored.write_text(ignored.read_text().replace("/reports/monitor.*\n", ""))
    reports = town.clone / "reports"
    reports.mkdir(exist_ok=True)
    (reports / "monitor.json").write_text(json.dumps(found.to_dict()))
    (reports / "monitor.html").write_text("<p>page</p>")
    tools = town.folder / "tools"
    tools.mkdir()
    real, source = Path(town.warm.python), str(Path(gitops_model.__file__).parents[1])
    stub = STUB.format(wrong=wrong, code=1, words="sys.argv[1:]")
    stub = f"import sys\nsys.path.insert(0, {source!r})\n{stub}"
    (tools / "gitops-model").write_text(f"#!/bin/sh\nexec '{real}' - \"$@\" <<'END'\n{stub}\nEND\n")
    for name in ("python", "dvc"):
        (tools / name).write_text(f"#!/bin/sh\nexec '{real.parent / name}' \"$@\"\n")
    for path in tools.iterdir():
        path.chmod(0o755)
    town.runner.python = str(tools / "python")
    town.push("main")
    town.fake.take_events()
    return reports
