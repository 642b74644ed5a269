"""Forgeries by artifacts, runs, statuses, tags and other pull requests. See test_forgeries.py."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gitops_model.files import sha256_bytes
from gitops_model.formats import archive, bundle
from tests.support.places import TEMPLATE
from tests.workflows import filters
from tests.workflows.court import MEMBERS, Court
from tests.workflows.fake_state import BOT
from tests.workflows.forging import (
    MODEL,
    md5,
    member,
    publish,
    relock,
    repacked,
    replace,
    store,
)
from tests.workflows.scene import zipped

V2 = "flight-delay-v2"
CHECK = filters.load((TEMPLATE / ".github/workflows/check.yml").read_text())
Trained = Callable[..., Path]


# The artifact of the check, without a storage


def another_bundle(court: Court, trained: Trained) -> None:
    """The check hands over the model that serves; the commit builds one tree."""
    court.open(candidate=court.built(model=(trained(trees=30) / MODEL).read_bytes()))


def a_good_model(court: Court, trained: Trained) -> bytes:
    """The artifact of a check with the model that serves, and the manifest of the commit's own candidate."""
    told = member(court, "manifest.json").encode()
    good = repacked((trained(trees=30) / MODEL).read_bytes(), **{"manifest.json": told})
    return court.built(model=good)


def another_bundle_with_the_parameters_of_the_commit(court: Court, trained: Trained) -> None:
    court.open(candidate=a_good_model(court, trained))


def training_rows_without_the_test_rows(court: Court, trained: Trained) -> None:
    lines = (court.town.clone / "build/prepared/train.csv").read_bytes().splitlines(keepends=True)
    court.open(candidate=court.built(train=b"".join(lines[:2])))


def a_name_twice_in_the_zip(court: Court, trained: Trained) -> None:
    good = (trained(trees=30) / MODEL).read_bytes()
    build = court.town.clone / "build"
    court.open(
        candidate=zipped(*((n, (build / n).read_bytes()) for n in MEMBERS), ("model.tar", good))
    )


def a_path_that_leaves_the_folder(court: Court, trained: Trained) -> None:
    weak = (
        (court.town.clone / "gates.yaml")
        .read_text()
        .replace("margin: 0.01", "margin: 0.9")
        .encode()
    )
    build = court.town.clone / "build"
    outside = (("../../gates.yaml", weak), ("../gates.yaml", weak), ("/gates.yaml", weak))
    court.open(candidate=zipped(*((n, (build / n).read_bytes()) for n in MEMBERS), *outside))


def a_zip_that_is_cut_off(court: Court, trained: Trained) -> None:
    court.open(candidate=court.built()[:-200])


def two_artifacts_of_one_name(court: Court, trained: Trained) -> None:
    court.open()
    good = court.built(model=(trained(trees=30) / MODEL).read_bytes())
    court.fake.state.add_artifact(7000 + court.run_id, "candidate", good)


# Verdicts, runs and pull requests of others


def good_report(court: Court, trained: Trained) -> dict[str, Any]:
    """A verdict that passes, as the judge wrote it about another pull request."""
    before = court.town.git("rev-parse", "HEAD")
    court.town.bring(trained(trees=30))
    relock(court, "pipeline/train.py", lambda text: text + "\n")
    court.open("honest")
    report = court.judge()
    assert report["state"] == "pass", report["sentence"]
    court.town.git("checkout", "-q", "-f", before)
    court.town.bring(trained(trees=1))
    court.number = 0
    return report


def a_verdict_that_the_check_keeps(court: Court, trained: Trained) -> None:
    """By the name the judge would use, from a check whose candidate is missing, so that nobody judges."""
    report = good_report(court, trained)
    court.open(candidate=None)
    data = {"check.json": json.dumps(report).encode()}
    court.fake.state.add_artifact(7000 + court.run_id, f"verdict-{7000 + court.run_id}", data)


def a_verdict_of_a_run_that_a_push_started(court: Court, trained: Trained) -> None:
    report = good_report(court, trained)
    court.open(candidate=None)
    state, run = court.fake.state, 7000 + court.run_id
    state.runs[8000] = {
        **state.runs[run], "id": 8000, "name": "publish", "event": "push", "workflow_file": "publish.yml",
    }  # fmt: skip
    state.add_artifact(8000, f"verdict-{run}", {"check.json": json.dumps(report).encode()})


def a_run_of_another_workflow_named_check(court: Court, trained: Trained) -> None:
    """It starts publish like check.yml does, and its author wrote what it runs."""
    court.open(workflow_file="innocent.yml", candidate=a_good_model(court, trained))


def a_check_that_a_push_started(court: Court, trained: Trained) -> None:
    court.open(event="push")


def second_pull(court: Court) -> None:
    court.fake.git.update("refs/heads/evil-base", court.fake.git.ref("refs/heads/main") or "")
    body = {"title": "Second", "head": "topic", "base": "evil-base", "body": ""}
    court.town.call("POST /repos/{owner}/{repo}/pulls", body=body)


def a_second_pull_request_of_the_commit(court: Court, trained: Trained) -> None:
    """H2: into a branch of the author's, whose check is of that branch's files."""
    court.open(candidate=a_good_model(court, trained))
    second_pull(court)


def a_branch_named_like_a_merge_queues(court: Court, trained: Trained) -> None:
    """The commit below it has weak gates; only GitHub's own event makes it the base."""
    for old in ("margin: 0.01", "margin: 0.03", "margin: 4%"):
        replace(court, "gates.yaml", old, "margin: 0.9" if "%" not in old else "margin: 90%")
    below = court.town.push("first")
    court.open(f"gh-readonly-queue/main/pr-1-{below}")


def a_status_by_the_token_of_the_check(court: Court, trained: Trained) -> None:
    """The pull request's own code says success; the token of its job may not."""
    head = court.open()
    token = court.fake.job_token("check", CHECK["jobs"]["check"]["permissions"])
    asked = urllib.request.Request(
        f"{court.fake.url}/repos/acme/model/statuses/{head}", method="POST",
        data=json.dumps({"state": "success", "context": "model-gate"}).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )  # fmt: skip
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(asked)
    assert court.fake.latest_status(head) is None


def a_release_by_hand(court: Court, trained: Trained, *, login: str = "ada") -> None:
    """H1: a tag with a record that passed, for a bundle that no commit built; then the pull request that ships it.

    The record agrees with the bundle, whose manifest is the one of the model that serves.
    """
    git, new = court.town.git, "flight-delay-v3"
    served = (trained(trees=30) / MODEL).read_bytes()
    told = archive.unpack(served, limits=bundle.REQUIRED | bundle.OPTIONAL)["manifest.json"]
    bad = repacked((court.town.clone / MODEL).read_bytes(), **{"manifest.json": told})
    git("checkout", "-q", "-f", "main")
    commit, record = git("rev-parse", "main"), git("tag", "-l", "--format=%(contents)", V2)
    for old, forged in (
        (V2, new),
        (git("rev-parse", f"{V2}^{{commit}}"), commit),
        (sha256_bytes(served), sha256_bytes(bad)),
        (md5(served), md5(bad)),
        (f"size: {len(served)}", f"size: {len(bad)}"),
    ):
        assert old in record, old
        record = record.replace(old, forged)
    git("tag", "-a", new, "-m", record, commit)
    git("push", "-q", "origin", new)
    if court.storage:
        store(court, bad)
    else:
        publish(court.town, V2, served, login=BOT)
        publish(court.town, new, bad, login=login)
    pointer = court.town.clone / "production.yaml"
    stable, _, rest = pointer.read_text().partition("previous:")
    stable = stable.replace(V2, new).replace(sha256_bytes(served), sha256_bytes(bad))
    pointer.write_text(f"{stable}previous:{rest}")
    court.open()
