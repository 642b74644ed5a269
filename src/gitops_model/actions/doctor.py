"""`doctor`: which protections this repository lacks on GitHub, each with the one command or click that adds it.

Nothing is changed. Where GitHub does not offer a protection on the repository's plan, or the token may not see it, that
is said instead of guessed.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal

from gitops_model.actions import (
    client,
    code_owners,
    deploy_key,
    environments,
    ready,
    reviews,
    storage,
)
from gitops_model.actions.client import Refused, Repository
from gitops_model.actions.job import Job
from gitops_model.delivery import assets, dvc, looks
from gitops_model.delivery.git import Git
from gitops_model.errors import BadInput, ExternalFailure
from gitops_model.formats.contract import Contract

GUARDED = ("production.yaml", "gates.yaml")
# The GitHub App behind Actions: `gh api /apps/github-actions` says so.
ACTIONS_APP = 15368
State = Literal["ok", "missing", "not offered", "unknown"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `doctor`."""
    parser.add_argument(
        "--repository", metavar="OWNER/NAME", help="on GitHub (default: that of origin)"
    )


@dataclass(frozen=True, kw_only=True)
class Options:
    """`repository` is OWNER/NAME on GitHub (None: that of origin)."""

    repository: str | None = None


def run(options: Options) -> int:
    """Exit 0 when every protection that GitHub offers is there, 1 when one is missing."""
    git = Git.open(Path())
    name = options.repository or assets.slug(git.origin_url())
    if name is None:
        raise BadInput(
            "origin is not on GitHub, so there is nothing to look at. Name the repository: "
            "make doctor REPOSITORY=owner/name"
        )
    token = os.environ.get("GITHUB_TOKEN") or os.environ.get("GH_TOKEN") or ""
    job = Job.from_environ({**os.environ, "GITHUB_REPOSITORY": name, "GITHUB_TOKEN": token})
    with client.calling("look at the repository's settings"):
        findings = examine(Seen(Repository(job), job), git.root)
    for finding in findings:
        print(f"doctor: {finding.state:<11}  {finding.what}")
        if finding.state != "ok":
            print(f"{'':<21}{finding.mend}")
    missing = sum(finding.state == "missing" for finding in findings)
    print(
        f"doctor: {missing} of {len(findings)} protections are missing"
        if missing
        else "doctor: everything that GitHub offers is protected"
    )
    return 1 if missing else 0


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One protection: what it is, whether it is there, and the one thing to do about it."""

    what: str
    state: State
    mend: str = ""


class Seen:
    """The settings of the repository. A setting that may not be seen is None, with the reason in `blind`."""

    def __init__(self, repository: Repository, job: Job) -> None:
        self._repository, self._job = repository, job
        self.page = job.page

    def get(self, path: str) -> tuple[Any, State]:
        """(answer, "ok"), or (None, why not): 404 is `missing`, 403 for want of plan or of rights is told apart."""
        try:
            return self._repository.get(path), "ok"
        except Refused as error:
            if error.status == 404:
                return None, "missing"
            if error.status == 403:
                return None, "not offered" if "pgrade" in error.reason else "unknown"
            raise

    @property
    def name(self) -> str:
        return self._job.repository

    def waiting(self) -> tuple[list[ready.Waiting], State]:
        """Proposals that nobody has opened a pull request for."""
        try:
            return ready.waiting(self._repository, self._job), "ok"
        except ExternalFailure:
            return [], "unknown"


def examine(seen: Seen, root: Path) -> list[Finding]:
    """All protections, in the order in which they matter."""
    rules, rules_state = seen.get("/rules/branches/main")
    classic, _ = seen.get("/branches/main/protection")
    people, people_state = seen.get("/collaborators?per_page=100")
    lone = reviews.is_lone(people or [])
    task = Contract.load(root / "contract.yaml").task
    checks: list[Callable[[], Finding]] = [
        lambda: _default(seen),
        lambda: _reviewed(seen, rules or [], classic, rules_state, lone),
        lambda: _gated(seen, rules or [], classic, rules_state),
        lambda: _alone(seen, rules or [], classic, rules_state),
        lambda: _owned(seen, root),
        lambda: _owners_asked(seen, rules or [], classic, rules_state, lone),
        lambda: _ends(seen, root, rules or [], classic),
        lambda: _approvable(seen, rules or [], classic, people_state, lone),
        lambda: _environments(seen, classic, rules_state),
        lambda: _runners(seen),
        lambda: _storage(seen, root),
        lambda: _pull_requests(seen),
        lambda: _opened(seen),
        lambda: _tags(seen, task),
        lambda: _looks(seen),
        lambda: _immutable(seen),
    ]
    return [check() for check in checks]


def _absent(there: bool, seen_as: State) -> State:
    if there:
        return "ok"
    return seen_as if seen_as in ("not offered", "unknown") else "missing"


def _of_type(rules: Iterable[Mapping[str, Any]], kind: str) -> list[Mapping[str, Any]]:
    return [rule.get("parameters") or {} for rule in rules if rule["type"] == kind]


def _default(seen: Seen) -> Finding:
    found, state = seen.get("")
    name = (found or {}).get("default_branch")
    return Finding(
        what="the default branch is main: no workflow looks at another",
        state=_absent(name == "main", state),
        mend=f"Command: gh api -X POST repos/{seen.name}/branches/{name}/rename -f new_name=main",
    )


def _reviewed(seen: Seen, rules: list[Any], classic: Any, state: State, lone: bool) -> Finding:
    how = "require a pull request, 0 approvals" if lone else "require a pull request"
    there = bool(_of_type(rules, "pull_request")) or "required_pull_request_reviews" in (
        classic or {}
    )
    return Finding(
        what="main changes only through reviewed pull requests",
        state=_absent(there, state),
        mend=f"Click: {seen.page('settings/rules/new?target=branch')} (main; {how}). "
        + _without_plan(state),
    )


def _required(rules: list[Any], classic: Any) -> list[tuple[str, int | None]]:
    """(status, app that must have set it) of everything that main requires."""
    found = [
        (check["context"], check.get("integration_id"))
        for rule in _of_type(rules, "required_status_checks")
        for check in rule.get("required_status_checks", [])
    ]
    older = ((classic or {}).get("required_status_checks") or {}).get("checks", [])
    return found + [(check["context"], check.get("app_id")) for check in older]


def _gated(seen: Seen, rules: list[Any], classic: Any, state: State) -> Finding:
    # Everybody with write access may post a status of this name; a rule can name who must have posted it.
    required = _required(rules, classic)
    return Finding(
        what=f"main takes nothing without the status {client.STATUS}, set by GitHub Actions",
        state=_absent((client.STATUS, ACTIONS_APP) in required, state),
        mend=f"Click: {seen.page('settings/rules/new?target=branch')} (main; require the status {client.STATUS} from "
        f"the source GitHub Actions). {_without_plan(state)}",
    )


def _alone(seen: Seen, rules: list[Any], classic: Any, state: State) -> Finding:
    # The runs of a pull request by the token wait for approval, so what they report does not come by itself.
    others = sorted({name for name, _ in _required(rules, classic)} - {client.STATUS})
    return Finding(
        what=f"main requires no status besides {client.STATUS}, so that Ship and rollback need no approval of runs",
        state="missing" if others else _absent(True, state),
        mend=f"Click: {seen.page('settings/rules')} (the rule for main; require {client.STATUS} only, without: "
        f"{', '.join(others)})",
    )


def _without_plan(state: State) -> str:
    if state != "not offered":
        return ""
    return "Private repositories need a paid plan for it; until then look at the status before merging."


def _owned(seen: Seen, root: Path) -> Finding:
    text = code_owners.text(root)
    bare = [name for name in GUARDED if not code_owners.owners(text, name)]
    errors, _ = seen.get("/codeowners/errors")
    wrong = [
        str(error.get("message", "")).splitlines()[0] for error in (errors or {}).get("errors", [])
    ]
    why = f"without an owner: {', '.join(bare)}" if bare else f"GitHub says: {'; '.join(wrong[:3])}"
    return Finding(
        what=f"{' and '.join(GUARDED)} have owners in CODEOWNERS",
        state="missing" if bare or wrong else "ok",
        mend=f"Edit .github/CODEOWNERS ({why}). Example line: /production.yaml @your-team",
    )


def _owners_asked(seen: Seen, rules: list[Any], classic: Any, state: State, lone: bool) -> Finding:
    what = "owners must approve changes of what they own"
    if lone:
        mend = (
            "It needs a second person with write access: nobody can approve their own pull request."
        )
        return Finding(what=what, state="not offered", mend=mend)
    asked = any(rule.get("require_code_owner_review") for rule in _of_type(rules, "pull_request"))
    asked = asked or bool(
        ((classic or {}).get("required_pull_request_reviews") or {}).get(
            "require_code_owner_reviews"
        )
    )
    return Finding(
        what=what,
        state=_absent(asked, state),
        mend=f"Click: {seen.page('settings/rules')} (the rule for main; require review from code owners). "
        + _without_plan(state),
    )


def _ends(seen: Seen, root: Path, rules: list[Any], classic: Any) -> Finding:
    review = reviews.Review.parse(rules, classic)
    owned = bool(code_owners.owners(code_owners.text(root), GUARDED[0]))
    waits = reviews.button_waits(review, owned=owned)
    if waits:
        listed, _ = seen.get("/rulesets?per_page=100")
        full = [seen.get(f"/rulesets/{item['id']}")[0] or item for item in listed or []]
        found, _ = seen.get("/environments/rollback/secrets?per_page=100")
        names = [secret["name"] for secret in (found or {}).get("secrets", [])]
        waits = not (deploy_key.SECRET in names and reviews.lets_keys_through(full))
    return Finding(
        what="the rollback button ends by itself",
        state="missing" if waits else "ok",
        mend=reviews.two_ways(seen.name, seen.page("settings/rules")),
    )


def _approvable(seen: Seen, rules: list[Any], classic: Any, state: State, lone: bool) -> Finding:
    review = reviews.Review.parse(rules, classic)
    locked = lone and (review.approvals > 0 or review.owners)
    return Finding(
        what="somebody can approve what the only maintainer proposes",
        state="missing" if locked else state,
        mend="You are the only one who may write here, and nobody can approve their own pull request. Keep the pull "
        f"request, but ask for 0 approvals and for no code owner until there are two: {seen.page('settings/rules')}"
        if locked
        else "The token may not list who may write here.",
    )


def _environments(seen: Seen, classic: Any, plan: State) -> Finding:
    opened, state = [], plan
    for name in environments.NAMES:
        found, reason = seen.get(f"/environments/{name}")
        state = "unknown" if reason == "unknown" else state
        # The first job that names one makes it, and it takes every branch; those without a secret may wait.
        if found is None and name != environments.NAMES[0]:
            continue
        path = f"/environments/{name}/deployment-branch-policies?per_page=100"
        listed = seen.get(path)[0] if found else None
        patterns = [policy["name"] for policy in (listed or {}).get("branch_policies", [])]
        if environments.open_to_others(found or {}, patterns, protected=bool(classic)):
            opened.append(name)
    return Finding(
        what="the environments take jobs of main only, and give their secrets to no other branch",
        state=_absent(not opened, state),
        mend=environments.WITHOUT
        if plan == "not offered"
        else environments.commands(seen.name, opened),
    )


def _runners(seen: Seen) -> Finding:
    # A pull request of a fork can name any runner in its own workflow file.
    public = (seen.get("")[0] or {}).get("visibility") == "public"
    nothing: tuple[Any, State] = (None, "ok")
    found, state = seen.get("/actions/runners?per_page=100") if public else nothing
    names = [str(runner["name"]) for runner in (found or {}).get("runners", [])]
    return Finding(
        what="no stranger's pull request can reach a self-hosted runner",
        state="missing" if names else state,
        mend=f"This repository is public, and its runners are: {', '.join(names) or 'not to be seen by this token'}. "
        f"Use DEPLOY=agent instead (make deploy WATCH=1 on the host), or make the repository private. At least "
        f"require approval for all outside contributors: {seen.page('settings/actions')}",
    )


def _storage(seen: Seen, root: Path) -> Finding:
    what = "workflows can read the data storage"
    if storage.missing_credentials(root, {}) is None:
        return Finding(what=what, state="ok")
    found, state = seen.get("/actions/secrets?per_page=100")
    names = [secret["name"] for secret in (found or {}).get("secrets", [])]
    remote = dvc.default_remote(root)
    return Finding(
        what=f"{what} (DVC remote '{remote}')",
        state=_absent(storage.CREDENTIALS in names, state),
        mend=f"Command: gh secret set {storage.CREDENTIALS} --repo {seen.name} < .dvc/config.local (a read-only "
        "key is enough)",
    )


def _pull_requests(seen: Seen) -> Finding:
    found, state = seen.get("/actions/permissions/workflow")
    allowed = bool((found or {}).get("can_approve_pull_request_reviews"))
    return Finding(
        what="Actions may open pull requests (Ship, rollback, revert)",
        state=_absent(allowed, state),
        mend=f"Command: gh api -X PUT repos/{seen.name}/actions/permissions/workflow -f "
        "default_workflow_permissions=read -F can_approve_pull_request_reviews=true",
    )


def _opened(seen: Seen) -> Finding:
    waiting, state = seen.waiting()
    links = f"\n{'':<21}".join(one.link for one in waiting)
    return Finding(
        what="every proposal (Ship, rollback, revert) has its pull request",
        state="missing" if waiting else state,
        mend=f"Click to open: {links}"
        if waiting
        else "The token may not read branches and pull requests.",
    )


def _tags(seen: Seen, task: str) -> Finding:
    protected, state = _ruled(seen, "tag", f"refs/tags/{task}-v1", {"deletion", "update"})
    return Finding(
        what=f"release tags ({task}-v*) can be neither moved nor deleted",
        state=_absent(protected, state),
        mend=f"Click: {seen.page('settings/rules/new?target=tag')} ({task}-v*; restrict updates and deletions). "
        + _without_plan(state),
    )


def _looks(seen: Seen) -> Finding:
    wanted = {"deletion", "non_fast_forward"}
    protected, state = _ruled(seen, "branch", f"refs/heads/{looks.BRANCH}", wanted)
    return Finding(
        what=f"what test sets have spent (branch {looks.BRANCH}) can only grow",
        state=_absent(protected, state),
        mend=f"Click: {seen.page('settings/rules/new?target=branch')} ({looks.BRANCH}; restrict deletions, block "
        f"force pushes). {_without_plan(state)}",
    )


def _ruled(seen: Seen, target: str, ref: str, wanted: set[str]) -> tuple[bool, State]:
    """Whether an active ruleset holds all `wanted` rules over `ref`, and what GitHub said."""
    (listed, state), protected = seen.get("/rulesets?per_page=100"), False
    for item in listed or []:
        if item.get("target") != target or item.get("enforcement") != "active":
            continue
        full = seen.get(f"/rulesets/{item['id']}")[0] or {}
        included = (full.get("conditions") or {}).get("ref_name", {}).get("include", [])
        kinds = {rule["type"] for rule in full.get("rules", [])}
        reached = any(p == "~ALL" or fnmatch(ref, p) for p in included)
        protected = protected or (reached and wanted <= kinds)
    return protected, state


def _immutable(seen: Seen) -> Finding:
    found, state = seen.get("/immutable-releases")
    return Finding(
        what="published releases cannot be changed",
        state=_absent(bool((found or {}).get("enabled")), state),
        mend=f"Command: gh api -X PUT repos/{seen.name}/immutable-releases",
    )
