"""`ci-monitor`: the scheduled look at what serves, and the one issue in which it asks its question.

It runs `monitor` itself instead of being a step after it. A drift is a question and no failure, and a service that is
wrong is one; behind make both would be exit code 2, and the question must be asked in both cases.
"""

from __future__ import annotations

import os
from pathlib import Path

from gitops_model.actions import question, storage
from gitops_model.actions.client import Repository
from gitops_model.actions.job import Job
from gitops_model.delivery import canary, monitor
from gitops_model.delivery.git import Git
from gitops_model.errors import GitopsError
from gitops_model.formats.pointer import Pointer
from gitops_model.formats.watch import Watch
from gitops_model.report.question import Asked, render

REPORT = Path("reports/monitor.json")
POINTER = Path("production.yaml")
# What `monitor` returns when a signal alarms.
ALARM = 1


def run() -> int:
    """Exit 0 also when a signal alarms: its issue asks. Else the code of what is wrong or could not be done.

    The question is asked also where the service is wrong, because one may explain the other.
    """
    job = Job.from_environ(os.environ)
    # The way back is fetched from where releases are kept.
    storage.write_credentials(Path(), os.environ)
    problems: list[GitopsError] = []
    code = 0
    try:
        code = monitor.run(monitor.Options())
    except GitopsError as error:
        problems.append(error)
    try:
        _ask(job)
    except GitopsError as error:
        problems.append(error)
    try:
        _hand_on(job)
    except GitopsError as error:
        problems.append(error)
    if problems:
        for other in problems[1:]:
            problems[0].add_note(str(other))
        raise problems[0]
    return 0 if code == ALARM else code


def _hand_on(job: Job) -> None:
    """Tell the next job, which may write, that the service took out the canary that main names."""
    if not POINTER.exists():
        return
    removal = canary.removal_at(monitor.address(), Pointer.load(POINTER))
    if removal is not None:
        job.set_output("removed", removal)
        job.set_output("commit", Git.open(Path()).need("HEAD"))


def _ask(job: Job) -> None:
    if not REPORT.exists():
        print(f"ci-monitor: there is no {REPORT}, so there is nothing to ask.")
        return
    watch = Watch.load(REPORT)
    if not all(signal.state == "clean" for signal in watch.signals):
        # The summary holds the question also where no issue can be written.
        job.summarise(render(watch, Asked.about(watch)))
    repository = Repository(job)
    sentence = question.settle(repository, watch)
    print(f"ci-monitor: {sentence}")
    job.summarise(sentence)
    if os.environ.get("RETRAIN") == "true":
        number = question.claim_retraining(repository, watch)
        job.set_output("retrain", "" if number is None else str(number))
