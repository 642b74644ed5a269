"""The permissions that tests take away, by job: a job or a scope that is new must join one of these lists."""

from __future__ import annotations

from tests.support.places import TEMPLATE
from tests.workflows import filters
from tests.workflows.site import MODULES

WORKFLOWS = filters.load_all(TEMPLATE / ".github" / "workflows")


def of(file: str, job: str) -> list[str]:
    """The scopes that a job declares."""
    return list(WORKFLOWS[file]["jobs"][job]["permissions"])


# Contents are read by the checkout before the command runs: test_truth_table.py takes them away there.
JUDGE = [scope for scope in of("publish.yml", "judge") if scope != "contents"]
PUBLISH = [scope for scope in of("publish.yml", "publish") if scope != "contents"]
RELEASE = of("release.yml", "release")
MONITOR = [scope for scope in of("monitor.yml", "monitor") if scope != "contents"]
BUTTONS = [(file, job, scope) for (file, job) in MODULES for scope in of(file, job)]
# "Issues" or "Pull requests" may comment (docs.github.com, "Create an issue comment"). Whether the second is enough
# where the issue is no pull request is not said there, so the job declares both, and the fake cannot tell.
PROPOSE = [scope for scope in of("monitor.yml", "propose") if scope != "issues"]
