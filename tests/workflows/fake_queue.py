"""The merge queue of the fake GitHub: groups in line, each tested on top of the one before it.

https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/configuring-pull-request-merges/managing-a-merge-queue
A merge by the REST API may pass a required queue by (orgs/community discussions/203246), so the fake refuses none.
"""

from __future__ import annotations

from typing import Any

from tests.workflows.fake_api import ApiError, Call
from tests.workflows.fake_git_routes import push_event, repo_commit_json
from tests.workflows.fake_pull_routes import head_sha
from tests.workflows.fake_repo_routes import latest_statuses
from tests.workflows.fake_rules import binding, refusal

MAIN = "refs/heads/main"


def enqueue(call: Call, number: int) -> dict[str, Any]:
    """Add a pull request at the end: "once a pull request has passed all required branch protection checks"."""
    pull = call.state.pulls[number]
    if why := refusal(call, pull, head_sha(call, pull)):
        raise ApiError(405, why)
    return _group(call, number)


def _group(call: Call, number: int) -> dict[str, Any]:
    """Build the group and raise its event.

    `base_sha` is "the SHA of the merge group's parent commit": the entry before, not main (firezone/firezone#13268).
    """
    pull, queue = call.state.pulls[number], call.state.queue
    base = queue[-1]["head_sha"] if queue else call.git.ref(MAIN)
    title = f"{pull['title']} (#{number})\n"
    head = call.git.merge(str(base), head_sha(call, pull), "squash", title)
    if head is None:
        raise ApiError(405, "Pull Request has merge conflicts")
    group = {
        "number": number,
        "head_sha": head,
        "head_ref": f"refs/heads/gh-readonly-queue/main/pr-{number}-{base}",
        "base_sha": base,
        "base_ref": MAIN,
    }
    call.git.update(group["head_ref"], head)
    queue.append(group)
    # The fields that https://docs.github.com/en/webhooks/webhook-events-and-payloads#merge_group lists.
    shown = {key: value for key, value in group.items() if key != "number"}
    shown["head_commit"] = {"id": head, **repo_commit_json(call, head)["commit"]}
    call.emit("merge_group", {"action": "checks_requested", "merge_group": shown})
    return shown


def advance(call: Call) -> list[int]:
    """Merge what may be merged and drop what failed; the numbers of the merged pull requests.

    ALLGREEN: each commit must pass. HEADGREEN: "only the commit at the head of the merge group, i.e. the commit
    containing changes from all of the PRs in the group, must pass its required checks to merge" (REST API, rulesets).
    What stood on a group that failed is built again without it.
    """
    queue, merged = call.state.queue, []
    states = [_state(call, group) for group in queue]
    if _grouping(call) == "HEADGREEN":
        count = max((place + 1 for place, s in enumerate(states) if s == "success"), default=0)
    else:
        count = next((place for place, s in enumerate(states) if s != "success"), len(states))
    for group in queue[:count]:
        before = str(call.git.ref(MAIN))
        call.git.update(MAIN, group["head_sha"])
        call.state.pulls[group["number"]] |= {
            "state": "closed", "merged_at": call.state.now(), "merge_commit_sha": group["head_sha"],
        }  # fmt: skip
        push_event(call, MAIN, before, group["head_sha"])
        call.git.delete(group["head_ref"])
        merged.append(group["number"])
    waiting, queue[:] = queue[count:], []
    if waiting and states[count] == "failure":
        failed, *behind = waiting
        for group in waiting:
            call.git.delete(group["head_ref"])
        for group in behind:
            _group(call, group["number"])
        call.emit("merge_group", {"action": "destroyed", "merge_group": failed})
    else:
        queue[:] = waiting
    return merged


def _grouping(call: Call) -> str:
    for rule in binding(call.state.settings, call.token, api=True):
        if rule["type"] == "merge_queue":
            return str(rule["parameters"]["grouping_strategy"])
    return "ALLGREEN"


def _state(call: Call, group: dict[str, Any]) -> str:
    """What the required statuses say about a group: success, failure or pending."""
    latest = latest_statuses(call, group["head_sha"])
    needed = [
        check["context"]
        for rule in binding(call.state.settings, call.token, api=True)
        if rule["type"] == "required_status_checks"
        for check in rule["parameters"]["required_status_checks"]
    ]
    found = {latest.get(name, {}).get("state", "pending") for name in needed}
    if found & {"failure", "error"}:
        return "failure"
    return "success" if found <= {"success"} else "pending"
