"""The same story in four kinds of repository, and for pull requests of forks and of Dependabot.

The kinds differ in what Actions may do, in the rules for main, in who approves, and in how pull requests are merged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.workflows.commands import Commands
from tests.workflows.court import Court
from tests.workflows.fake_api import ApiError
from tests.workflows.fake_state import BOT, Token
from tests.workflows.forging import edit, publish
from tests.workflows.links import ready_branch
from tests.workflows.rules import ADMIN, DEPLOY_KEY, GATE, REVIEW, ruleset
from tests.workflows.world import World

Trained = Callable[..., Path]
REVIEWS = "POST /repos/{owner}/{repo}/pulls/{pull_number}/reviews"


def bypassed(rules: dict[str, Any], *actors: dict[str, Any]) -> dict[str, Any]:
    return {**rules, "bypass_actors": list(actors)}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Settings of a repository. `second`: who approves where a review is due. `key`: the button has a deploy key.

    `button`: how the rollback button ends: it merges, a link is left, or an approval is awaited.
    """

    method: str
    settings: dict[str, Any] = field(default_factory=dict)
    second: str = ""
    key: bool = False
    button: str = "merged"


ONE_METHOD = {
    method: {f"allow_{name}": name.startswith(method) for name in ("merge_commit", "squash_merge", "rebase_merge")}
    for method in ("merge", "squash", "rebase")
}  # fmt: skip
KINDS = {
    # GitHub's defaults: no rules for main and no environments in this plan, and Actions opens no pull requests.
    "free-private": Kind(
        method="merge", button="link",
        settings={"private": True, "free_private_plan": True, "actions_may_create_prs": False},
    ),
    "free-public": Kind(
        method="merge", settings={"rulesets": [ruleset(GATE)], **ONE_METHOD["merge"]}
    ),
    "organisation": Kind(
        method="squash", second="bob", button="waits",
        settings={"rulesets": [ruleset(REVIEW, GATE, owners=True)], **ONE_METHOD["squash"]},
    ),
    "one-person-no-review": Kind(
        method="rebase", settings={"rulesets": [ruleset(GATE)], **ONE_METHOD["rebase"]}
    ),
    "one-person-deploy-key": Kind(
        method="rebase", key=True,
        settings={
            "rulesets": [
                bypassed(ruleset(REVIEW), ADMIN, DEPLOY_KEY), bypassed(ruleset(GATE), DEPLOY_KEY),
            ],
            **ONE_METHOD["rebase"],
        },
    ),
}  # fmt: skip


class Story:
    """What ada does in a repository of this kind, and whoever else is needed."""

    def __init__(self, town: World, kind: Kind) -> None:
        self.town, self.fake, self.kind = town, town.fake, kind
        if kind.second:
            owners = town.clone / ".github" / "CODEOWNERS"
            text = owners.read_text()
            owners.write_text(text.replace("@your-github-name", f"@ada @{kind.second}"))
            assert owners.read_text() != text
            town.push("main")
            town.fake.take_events()
        for name, value in kind.settings.items():
            assert hasattr(town.fake.settings, name)
            setattr(town.fake.settings, name, value)
        if kind.key:
            town.fake.state.tokens["key"] = Token(login="deploy-key", deploy_key=True)
            town.runner.secrets["ROLLBACK_KEY"] = "-----BEGIN KEY-----"
            through = town.fake.url.replace("http://", "http://key:key@")
            town.runner.environment |= {
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": f"url.{through}/.insteadOf",
                "GIT_CONFIG_VALUE_0": "git@127.0.0.1:",
            }

    def propose(self, branch: str, source: Path) -> int:
        self.town.git("checkout", "-q", "-B", branch, "main")
        self.town.bring(source)
        self.town.push(branch)
        number = self.town.open_pull(branch, branch)
        self.town.settle()
        return number

    def gate(self, number: int) -> str:
        found = self.fake.latest_status(self.fake.pull(number)["head_sha"])
        assert found is not None and found["login"] == BOT
        return str(found["state"])

    def merge(self, number: int) -> None:
        """As this kind of repository does it: where a review is due, nothing is merged without the second person."""
        if self.kind.second:
            with pytest.raises(ApiError, match="approving review"):
                self.town.merge(number, self.kind.method)
            author = self.fake.pull(number)["login"]
            self.approve(number, "ada" if author == BOT else self.kind.second)
        self.town.merge(number, self.kind.method)
        self.town.settle()

    def approve(self, number: int, login: str) -> None:
        self.town.call(REVIEWS, login=login, params={"pull_number": str(number)}, body={})

    def proposed(self, title: str, said: str) -> int:
        """The pull request that a workflow opened, or that a person opens by the link in what it `said`."""
        opened = [
            n
            for n, p in self.fake.state.pulls.items()
            if (p["state"], p["title"]) == ("open", title)
        ]
        if self.fake.settings.actions_may_create_prs:
            (number,) = opened
            return number
        assert opened == []
        number = self.town.open_pull(ready_branch(self.fake, said), title)
        self.town.settle()
        return number

    def pointer(self) -> dict[str, Any]:
        return dict(yaml.safe_load(self.fake.git.read("main", "production.yaml") or b""))

    def serving(self) -> tuple[str, str, str]:
        """(what main says, what was deployed last, how that ended)."""
        item = max(self.fake.state.deployments.values(), key=lambda d: d["id"])
        state = self.fake.state.deployment_statuses[item["id"]][-1]["state"]
        return self.pointer()["stable"]["model"], item["description"], state


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_the_story(served: World, trained: Trained, name: str) -> None:
    """A better one is judged, merged, released, shipped and deployed; a worse one is refused; the button goes back."""
    kind = KINDS[name]
    story, fake = Story(served, kind), served.fake
    v2 = story.pointer()["stable"]["model"]

    number = story.propose("better", trained(trees=60))
    assert story.gate(number) == "success"
    story.merge(number)
    page = max(fake.state.releases.values(), key=lambda r: r["id"])
    v3 = page["tag_name"]
    ship = story.proposed(f"Ship {v3}", page["body"])
    assert story.gate(ship) == "success"
    story.merge(ship)
    assert story.serving() == (v3, v3, "success")

    number = story.propose("worse", trained(trees=1))
    assert story.gate(number) == "failure"
    if kind.second:
        story.approve(number, kind.second)
    if fake.settings.rulesets:
        with pytest.raises(ApiError, match="model-gate"):
            served.merge(number, kind.method)

    served.dispatch("rollback.yml", reason="every flight is called late")
    done = served.settle(expect_failure=("rollback.yml",))
    (button,) = [r for r in done if r.workflow == "rollback.yml"]
    assert button.conclusion == ("success" if kind.button == "merged" else "failure"), button.log
    (incident,) = fake.state.issues.values()
    if kind.button == "link":
        back = served.open_pull(ready_branch(fake, incident["body"]), "Roll back")
        served.settle()
        assert story.gate(back) == "success"
        story.merge(back)
    elif kind.button == "waits":
        (back,) = [n for n, p in fake.state.pulls.items() if p["title"].startswith("Roll back")]
        assert f"/pull/{back}/files → Review changes → Approve" in button.log
        story.merge(back)
    assert story.serving() == (v2, v2, "success")
    assert story.pointer()["freeze"]
    merged = [p for p in fake.state.pulls.values() if p["merged_at"]]
    assert len(merged) == 3 and not fake.state.denials


def test_every_way_to_merge_is_in_some_story() -> None:
    assert {kind.method for kind in KINDS.values()} == {"merge", "squash", "rebase"}


# Pull requests of people without write access, and of Dependabot


def from_fork(town: World) -> int:
    """A pull request of eve's fork with what lies in the working tree."""
    town.git("checkout", "-q", "-B", "topic")
    town.git("add", "-A")
    town.git("commit", "-q", "--no-verify", "-m", "From a fork")
    town.git("push", "-q", "origin", "HEAD:refs/forks/eve/topic")
    return town.open_pull("eve:topic", "Better", login="eve")


def judged(court: Court, head: str, branch: str, **run: Any) -> tuple[str, str]:
    court.checked(head, branch, **run)
    state, body = court.decide()
    return state, body.replace("\\", "").replace("\u200b", "")


def test_a_fork_without_a_storage_gets_a_preview(
    served: World, commands: Commands, trained: Trained
) -> None:
    court = Court(served, commands, storage=False)
    served.bring(trained(trees=29))
    court.number = from_fork(served)
    head = served.git("rev-parse", "HEAD")
    state, body = judged(court, head, "topic", head_repository="eve/model", actor={"login": "eve"})
    assert state == "pending" and "They are a preview" in body, body
    assert f"git push origin {head}:refs/heads/evaluate-{court.number}" in body


@pytest.mark.slow
def test_a_fork_without_a_storage_is_built_and_judged(served: World, trained: Trained) -> None:
    """The same under the runner: its check builds the candidate with a token that may read and no more."""
    (served.clone / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    served.push("main")
    served.fake.take_events()
    served.runner.secrets.clear()
    for tag, trees in (("flight-delay-v1", 8), ("flight-delay-v2", 30)):
        data = (trained(trees=trees) / "build" / "model.tar").read_bytes()
        publish(served, tag, data, login=BOT)
    served.fake.take_events()
    served.bring(trained(trees=29))
    number = from_fork(served)
    assert [r.workflow for r in served.settle()] == ["check.yml", "test.yml", "publish.yml"]
    status = served.fake.latest_status(served.fake.pull(number)["head_sha"])
    (comment,) = served.fake.comments_on(number)
    assert status is not None and status["state"] == "pending", comment["body"]
    assert "They are a preview" in comment["body"]


@pytest.mark.slow
def test_a_fork_with_a_storage_waits_for_a_maintainer_whose_command_works(
    served: World, commands: Commands, trained: Trained
) -> None:
    court = Court(served, commands)
    served.bring(trained(trees=29))
    court.number = from_fork(served)
    head = served.git("rev-parse", "HEAD")
    state, body = judged(court, head, "topic", head_repository="eve/model", actor={"login": "eve"})
    command = f"git push origin {head}:refs/heads/evaluate-{court.number}"
    assert state == "pending" and command in body, body
    # What `git fetch origin pull/N/head` brings is here already; the rest is the command's own words.
    served.git(*command.split()[1:])
    court.number = served.open_pull(f"evaluate-{court.number}", "Evaluate")
    state, body = judged(court, head, "evaluate-1")
    assert state == "success" and "May ship" in body, body


@pytest.mark.parametrize("storage", [True, False])
def test_dependabot_is_never_green_and_says_what_to_do(
    served: World, commands: Commands, storage: bool
) -> None:
    """Nobody has trained with the new versions; without a storage the check therefore builds no candidate."""
    court = Court(served, commands, storage=storage)
    edit(court, "requirements.txt", lambda text: text.replace("scikit-learn==", "scikit-learn==9"))
    court.open(
        "dependabot/pip/python-1", actor={"login": "dependabot[bot]"}, candidate=None,
        conclusion="success" if storage else "failure",
    )  # fmt: skip
    state, body = court.decide()
    shown = body.replace("\\", "").replace("\u200b", "")
    push = "dvc push && " if storage else ""
    command = (
        f"gh pr checkout {court.number} && make train && {push}git commit -am Train && git push"
    )
    assert state == ("pending" if storage else "error") and f"`{command}`" in shown, shown
    if storage:
        assert "requirements.txt changed" in shown


def test_dependabot_with_other_actions_changes_no_model(served: World, commands: Commands) -> None:
    court = Court(served, commands)
    edit(court, ".github/workflows/monitor.yml", lambda text: text + "# another pin\n")
    court.open("dependabot/github_actions/actions-1", actor={"login": "dependabot[bot]"})
    state, body = court.decide()
    assert state == "success" and "Nothing to evaluate" in body


# What the fake knows of these kinds


@pytest.mark.parametrize(
    ("private", "free", "held"), [(True, True, False), (True, False, True), (False, True, True)]
)
def test_rules_need_a_public_repository_or_a_plan(
    served: World, private: bool, free: bool, held: bool
) -> None:
    served.fake.settings.rulesets = [ruleset(GATE)]
    served.fake.settings.private, served.fake.settings.free_private_plan = private, free
    (served.clone / "README.md").write_text("words\n")
    served.push("topic")
    number = served.open_pull("topic", "Words")
    if held:
        with pytest.raises(ApiError, match="model-gate"):
            served.merge(number)
    else:
        served.merge(number)


def test_nobody_approves_a_pull_request_of_their_own(served: World) -> None:
    served.fake.settings.rulesets = [ruleset(REVIEW)]
    (served.clone / "README.md").write_text("words\n")
    served.push("topic")
    number = served.open_pull("topic", "Words")
    params = {"pull_number": str(number)}
    with pytest.raises(ApiError, match="approve your own"):
        served.call(REVIEWS, login="ada", params=params, body={})
    with pytest.raises(ApiError, match="approving review"):
        served.merge(number)
    served.call(REVIEWS, login="bob", params=params, body={})
    served.merge(number)
