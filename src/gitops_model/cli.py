"""`gitops-model COMMAND`: one table of commands. Errors become a sentence and an exit code here, and nowhere else.

A command's module is imported only when it runs, so that `--help` is quick and works wherever the library is installed
with only a part of its extras.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata

from gitops_model.errors import ExternalFailure, GitopsError, os_words


@dataclass(frozen=True)
class Command:
    """One command: what it does, and its module.

    The module has `run(options) -> exit code`, a dataclass `Options` and `add_arguments(parser)` to fill it.
    A stage or a job of a workflow has `run()` alone: files and environment say everything.
    """

    module: str
    help: str


COMMANDS: Mapping[str, Command] = {
    "contract": Command("pipeline.contract", "draft contract.yaml from a CSV file: data.csv"),
    "data": Command("pipeline.data", "fetch the raw data with pipeline/source.py"),
    "prepare": Command("pipeline.prepare", "stage 1: build the features and split the rows"),
    "train": Command("pipeline.train", "stage 2: fit the model with pipeline/train.py"),
    "evaluate": Command("pipeline.evaluate", "stage 3: measure the model on the test rows"),
    "package": Command("pipeline.package", "stage 4: write the bundle, build/model.tar"),
    "eject": Command("pipeline.eject", "make one stage code of this repository: STAGE"),
    "check": Command(
        "delivery.check",
        "compare the candidate with the model in production and say whether it may ship",
    ),
    "release": Command("delivery.release", "give the bundle in dvc.lock an id, for ever"),
    "ship": Command("delivery.ship", "point production.yaml at a release"),
    "deploy": Command("delivery.deploy", "make the store equal to production.yaml"),
    "verify": Command(
        "delivery.verify", "does a release tell one story, from its commit to its bundle?"
    ),
    "rollback": Command("delivery.rollback", "go back to what served before"),
    "host": Command("delivery.host", "write the systemd units of service and agent"),
    "serve": Command("serving.serve", "answer requests with the models in the store"),
    "status": Command("delivery.status", "what is desired, what is live, what a rollback brings"),
    "history": Command("delivery.history", "every deployment and rollback, from Git alone"),
    "monitor": Command("delivery.monitor", "is the model that serves the one that should?"),
    "simulate": Command(
        "delivery.simulate", "what the guard of the canary does: false alarms, time"
    ),
    "forgive": Command("delivery.forgive", "let a canary that was taken out be tried again"),
    "replay": Command("delivery.replay", "answer a day of the log again: DAY [--model ID]"),
    "log": Command("delivery.log", "make days of the prediction log that are over Parquet: close"),
    "retrain": Command("delivery.retrain", "bring in newer data, train, check, commit on a branch"),
    "compare": Command(
        "delivery.compare", "what a shadow would have answered, or two days of the log"
    ),
    "render": Command("delivery.render", "production.yaml as manifests: kserve, argo"),
    "observe": Command("monitoring.observe", "watch the service with a Prometheus of your own"),
    "upgrade": Command("delivery.upgrade", "bring in a newer template and library, on a branch"),
    "doctor": Command("actions.doctor", "which protections this repository lacks on GitHub"),
}

# What the workflows run, and what another command starts.
INTERNAL: Mapping[str, Command] = {
    "publish": Command("actions.publish", "put a check's verdict on its pull request"),
    "ci-check": Command("actions.check", "is a pull request's dvc.lock fresh, must one be built?"),
    "ci-candidate": Command(
        "actions.candidate", "build a pull request's candidate, and preview it"
    ),
    "ci-look": Command("actions.look", "is there a candidate to judge?"),
    "ci-judge": Command("actions.judge", "judge a pull request's candidate by main's rules"),
    "ci-build": Command("actions.build", "have the bundle that is to be released, and judge it"),
    "ci-release": Command("actions.release", "tag, GitHub Release and the pull request that ships"),
    "ci-deploy": Command("actions.deploy", "deploy what main says, and record how it went"),
    "ci-revert": Command("actions.revert", "propose to put production.yaml back"),
    "ci-rollback": Command("actions.rollback", "the button: go back, merge, deploy, open an issue"),
    "ci-monitor": Command("actions.monitor", "watch what serves, and ask in one issue"),
    "ci-retrain": Command("actions.retrain", "train on newer data, and hand the commit on"),
    "ci-propose": Command("actions.propose", "open the pull request with a retrained model"),
    "run": Command("pipeline.run", "run a stage that was ejected: FILE"),
    "answer": Command("serving.answering", "answer logged requests again, from stdin"),
    "weigh": Command("delivery.memory", "load one bundle in a process of its own"),
    "rehearse": Command("delivery.rehearsal", "could this bundle serve?"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns its exit code; see errors.py for what each code means."""
    words = list(sys.argv[1:] if argv is None else argv)
    name = words[0] if words else "--help"
    if name == "--version":
        print(f"gitops-model {metadata.version('gitops-model')}")
        return 0
    command = COMMANDS.get(name) or INTERNAL.get(name)
    if command is None:
        return _overview(name)
    try:
        return _run(name, command, words[1:])
    except GitopsError as error:
        for line in str(error).splitlines():
            print(f"{name}: {line}", file=sys.stderr)
        for note in getattr(error, "__notes__", ()):
            print(f"{name}: {note}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"{name}: {os_words(error)}", file=sys.stderr)
        return ExternalFailure.exit_code
    except KeyboardInterrupt:
        print(f"{name}: interrupted; running it again completes it.", file=sys.stderr)
        return 130


def _run(name: str, command: Command, words: Sequence[str]) -> int:
    module = importlib.import_module(f"gitops_model.{command.module}")
    parser = argparse.ArgumentParser(prog=f"gitops-model {name}", description=command.help)
    if not hasattr(module, "Options"):
        parser.parse_args(words)
        return int(module.run() or 0)
    module.add_arguments(parser)
    return int(module.run(module.Options(**vars(parser.parse_args(words)))))


def _overview(name: str) -> int:
    asked = name in ("-h", "--help", "help")
    out = sys.stdout if asked else sys.stderr
    if not asked:
        print(f"'{name}' is not a command; allowed: {', '.join(COMMANDS)}.", file=out)
    print("usage: gitops-model COMMAND [--help]\n", file=out)
    for word, command in COMMANDS.items():
        print(f"  {word:<9} {command.help}", file=out)
    return 0 if asked else 2
