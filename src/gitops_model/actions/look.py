"""`ci-look`: is there a model to judge in this pull request? What the judge needs is installed only then."""

from __future__ import annotations

import os
from pathlib import Path

from gitops_model.actions import client, runs
from gitops_model.actions.job import Job
from gitops_model.delivery import changes, dvc


def run() -> int:
    """Exit 0 with the output `model`: true when there is a candidate to judge."""
    job = Job.from_environ(os.environ)
    repository, started = runs.begin(job)
    with client.calling("look at the pull request of the check run"):
        pull = runs.find_pull(repository, started)
        kind = changes.kind(runs.changed_files(repository, pull, started))
        built = kind == "model" and runs.built(repository, started)
    if kind != "model":
        sentence = f"This pull request changes no model ({kind}); `publish` says more."
    elif not built and dvc.default_remote(Path()) is None:
        sentence = "The check built no candidate; `publish` says why."
    else:
        sentence = "There is a candidate to judge."
        job.set_output("model", "true")
    print(f"ci-look: {sentence}")
    job.summarise(sentence)
    return 0
