"""Run one workflow with `act` in host mode, offline, without Docker.

`act` ignores permissions, filters and concurrency and gives all jobs one token. Here every job gets its own
token with exactly the permissions its YAML declares; filters are in `filters.py`; the actions of GitHub are
stubs that really fetch from the fake's git server and really keep artifacts. A run in which an expected job
did not report a result is an error, because `act` exits 0 when it skips a job.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from tests.workflows import fake_environments, filters
from tests.workflows.act_shim import HarnessError, of_job, secret_name, shim
from tests.workflows.fake_github import FakeGitHub
from tests.workflows.fake_state import Event

HERE = Path(__file__).parent
RUNNERS = {"ubuntu-24.04", "self-hosted"}
TIMEOUT = 120
SYSTEM_PATH = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"


@dataclasses.dataclass(kw_only=True)
class Result:
    """What one run of a workflow did."""

    run_id: int
    workflow: str
    jobs: dict[str, str]
    summaries: dict[str, str]
    annotations: list[tuple[str, str, str]]  # job, level, text
    outputs: dict[str, dict[str, str]]  # job -> output -> value
    artifacts: dict[str, Path]
    failed_steps: list[str]
    log: str
    seconds: float

    @property
    def conclusion(self) -> str:
        return (
            "success" if all(r in ("success", "skipped") for r in self.jobs.values()) else "failure"
        )

    def said(self, text: str) -> bool:
        return text in self.log


STUB_INPUTS = {
    "checkout": {
        "repository": "", "ref": "", "path": "", "fetch-depth": "1", "persist-credentials": "true",
        "token": "", "fetch-tags": "false",
    },
    "cache": {"path": "", "key": ""},
    "setup-python": {"python-version": "", "python-version-file": "", "cache": ""},
    "upload-artifact": {"name": "artifact", "path": "", "if-no-files-found": "warn", "retention-days": ""},
    "download-artifact": {"name": "artifact", "path": ""},
}  # fmt: skip
STUB_COMMANDS = {
    "checkout": "checkout.py",
    "cache": None,
    "setup-python": None,
    "upload-artifact": "artifact.py upload",
    "download-artifact": "artifact.py download",
}
STUB_OUTPUTS = {"upload-artifact": ("artifact-url",)}
STUB_NAMES = {"persist-credentials": "PERSIST", "fetch-depth": "DEPTH"}


def write_stub(folder: Path, action: str) -> None:
    """An `action.yml` that calls our own script; an input it does not know is refused by the run."""
    inputs = STUB_INPUTS[action]
    command = STUB_COMMANDS[action]
    script = 'echo "$HARNESS/bin" >> "$GITHUB_PATH"'
    if command is not None:
        script = f'"$HARNESS_PYTHON" -I "$HARNESS_STUBS"/{command}'
    env = {
        "INPUT_" + STUB_NAMES.get(name, name.upper().replace("-", "_")): "${{ inputs."
        + name
        + " }}"
        for name in inputs
    }
    outputs = STUB_OUTPUTS.get(action, ())
    spec = {
        "name": action,
        "inputs": {name: {"default": value, "required": False} for name, value in inputs.items()},
        "outputs": {name: {"value": "${{ steps.it.outputs." + name + " }}"} for name in outputs},
        "runs": {
            "using": "composite",
            "steps": [{"id": "it", "shell": "bash", "run": script, "env": env}],
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "action.yml").write_text(yaml.safe_dump(spec))


# Answers `-m pip` and `-m venv` itself: the interpreter of the tests already has everything the lock file
# names, and no test may install anything.
PYTHON_WRAPPER = """#!/bin/bash
if [ "$1" = "-m" ] && [ "$2" = "pip" ]; then echo "harness: pip ${*:3}"; exit 0; fi
if [ "$1" = "-m" ] && [ "$2" = "pytest" ]; then echo "harness: pytest ${*:3}"; exit 0; fi
if [ "$1" = "-m" ] && [ "$2" = "venv" ]; then
  mkdir -p "${@: -1}/bin"; cp "$HARNESS"/bin/* "${@: -1}/bin/"; exit 0
fi
exec "$HARNESS_PYTHON" "$@"
"""
TOOLS = ("dvc", "gitops-model")
# The generated repository's own tests and linters run elsewhere; here it counts that they are called.
SKIPPED_TOOLS = ("ruff", "uv", "pre-commit")


class ActRunner:
    """Runs workflows of the repository behind `fake`; keeps run ids, tokens and artifacts apart."""

    def __init__(
        self, fake: FakeGitHub, folder: Path, *, python: Path = Path(sys.executable)
    ) -> None:
        self.fake = fake
        self.folder = folder
        self.secrets: dict[str, str] = {}
        self.environment_secrets: dict[str, dict[str, str]] = {}
        self.variables: dict[str, str] = {}
        self.environment: dict[str, str] = {}
        self.python = str(python)
        self._next_run = 5000
        fake.git.run("config", "uploadpack.allowAnySHA1InWant", "true")

    def run(
        self, file: str, event: Event, *, commit: str, ref: str, expect: set[str] | None = None,
        optional: frozenset[str] = frozenset(),
        fork: bool = False, permissions: dict[str, dict[str, str]] | None = None,
        workflow: dict[str, Any] | None = None, inputs: dict[str, str] | None = None, run_id: int | None = None,
    ) -> Result:  # fmt: skip
        """Run the workflow `file` as it is at `commit`.

        `ref` becomes GITHUB_REF. `expect`: the jobs that must report a result, all of them by default.
        `optional`: jobs that may. A job whose environment does not take `ref` fails without a step of its own.
        `permissions` overrides what a job declares, for tests that remove one. `fork`: writes are capped to
        read and no secret is handed out.
        """
        text = self.fake.git.read(commit, f".github/workflows/{file}")
        if workflow is None:
            if text is None:
                raise HarnessError(f"{file} is not in {commit}")
            workflow = filters.load(text)
        if run_id is None:
            run_id = self._next_run = self._next_run + 1
        home = Path(tempfile.mkdtemp(prefix=f"run-{run_id}-", dir=self.folder))
        workflow = {
            **workflow,
            "jobs": {j: self._let_in(s, ref) for j, s in workflow["jobs"].items()},
        }
        self._lay_out(home, workflow, event, commit)
        secrets: dict[str, str] = {}
        for job, spec in workflow["jobs"].items():
            declared = (permissions or {}).get(
                job, spec.get("permissions", workflow.get("permissions", {}))
            )
            token = self.fake.job_token(f"{file}/{job}", dict(declared or {}), fork=fork)
            (home / "tokens" / job).write_text(token)
            secrets[secret_name(job)] = token
            if not fork:
                own = fake_environments.secrets(self.fake.settings, self.environment_secrets, spec)
                seen = {**self.secrets, **own}
                secrets |= {of_job(job, name): value for name, value in seen.items()}
        started = os.times().elapsed
        done = subprocess.run(
            self._command(home, workflow, event, secrets, inputs or {}, run_id),
            cwd=home, capture_output=True, text=True, timeout=TIMEOUT, check=False,
            env={"PATH": SYSTEM_PATH, "HOME": str(home / "home"), "SHA_REF": commit},
        )  # fmt: skip
        result = self._collect(home, file, run_id, done, os.times().elapsed - started)
        wanted = set(workflow["jobs"]) - optional if expect is None else expect
        if missing := wanted - set(result.jobs):
            tail = f"{result.log[-4000:]}\n{done.stderr[-2000:]}"
            raise HarnessError(f"{file}: no result from {sorted(missing)}\n{tail}")
        if surplus := set(result.jobs) - wanted - optional:
            raise HarnessError(f"{file}: {sorted(surplus)} ran and should not have")
        return result

    def _let_in(self, job: dict[str, Any], ref: str) -> dict[str, Any]:
        why = fake_environments.refusal(self.fake.settings, job, ref)
        if why is None:
            return job
        return {**job, "steps": [{"run": f"echo '::error::{why}'\nexit 1"}]}

    def _lay_out(self, home: Path, workflow: dict[str, Any], event: Event, commit: str) -> None:
        for name in (
            "home",
            "tokens",
            "artifacts",
            "bin",
            "cache",
            "work/.git/objects/info",
            "work/.git/refs",
        ):
            (home / name).mkdir(parents=True, exist_ok=True)
        wrapper = home / "bin" / "python"
        wrapper.write_text(PYTHON_WRAPPER)
        wrapper.chmod(0o755)
        for name in ("python3", "python3.11"):
            (home / "bin" / name).symlink_to("python")
        for tool in TOOLS:
            (home / "bin" / tool).symlink_to(Path(self.python).parent / tool)
        for tool in SKIPPED_TOOLS:
            (home / "bin" / tool).write_text(f'#!/bin/bash\necho "harness: {tool} $*"\n')
            (home / "bin" / tool).chmod(0o755)
        # Just enough of a repository for act to learn the commit; jobs get theirs from the checkout stub.
        (home / "work/.git/HEAD").write_text(commit + "\n")
        (home / "work/.git/objects/info/alternates").write_text(
            f"{self.fake.git.path / 'objects'}\n"
        )
        (home / "work/.git/config").write_text("[core]\n\trepositoryformatversion = 0\n")
        (home / "workflow.yml").write_text(
            yaml.safe_dump(shim(workflow), sort_keys=False, width=10**6)
        )
        payload = {
            "repository": {
                "full_name": self.fake.full_name,
                "default_branch": "main",
                "private": self.fake.settings.private,
                "html_url": f"{self.fake.url}/{self.fake.full_name}",
            },
            "sender": {"login": event.actor},
            **event.payload,
        }
        (home / "event.json").write_text(json.dumps(payload))

    def _command(
        self, home: Path, workflow: dict[str, Any], event: Event, secrets: dict[str, str],
        inputs: dict[str, str], run_id: int,
    ) -> list[str]:  # fmt: skip
        labels = {*RUNNERS, *self.variables.values()}
        command = [str(Path(sys.executable).parent / "act"), event.name, "-C", str(home / "work")]
        command += ["-W", str(home / "workflow.yml"), "-e", str(home / "event.json"), "--json"]
        command += [
            "--action-cache-path",
            str(home / "cache"),
            "--no-cache-server",
            "--action-offline-mode",
        ]
        command += ["--no-skip-checkout", "--actor", event.actor]
        for label in sorted(labels):
            command += ["-P", f"{label}=-self-hosted"]
        for used in sorted(self._used(workflow)):
            action = used.split("@")[0].removeprefix("actions/")
            if not used.startswith("actions/") or action not in STUB_INPUTS:
                raise HarnessError(f"no stub for {used}")
            write_stub(home / "stubs" / action, action)
            command += ["--local-repository", f"{used}={home / 'stubs' / action}"]
        self._refuse_unknown_inputs(workflow)
        environment = {
            "GITHUB_REPOSITORY": self.fake.full_name,
            "GITHUB_RUN_ID": str(run_id),
            "GITHUB_API_URL": self.fake.url,
            "GITHUB_SERVER_URL": self.fake.url,
            "HARNESS": str(home),
            "HARNESS_PYTHON": self.python,
            "HARNESS_STUBS": str(HERE / "stubs"),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            # Anything that wants to leave this machine meets a closed door at once.
            **dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9"),
            "no_proxy": "127.0.0.1,localhost",
            "DVC_NO_ANALYTICS": "1",
            **self.environment,
        }
        for name, value in environment.items():
            command += ["--env", f"{name}={value}"]
        for name, value in secrets.items():
            command += ["-s", f"{name}={value}"]
        for name, value in self.variables.items():
            command += ["--var", f"{name}={value}"]
        for name, value in inputs.items():
            command += ["--input", f"{name}={value}"]
        return command

    def _used(self, workflow: dict[str, Any]) -> set[str]:
        """Actions of others that the workflow uses, by itself or through an action of the repository."""
        used = set(filters.pins(workflow))
        for own in {name for name in used if name.startswith(("./", "$/"))}:
            used.remove(own)
            text = self.fake.git.read("main", f"{own[2:]}/action.yml")
            used |= set(filters.pins(filters.load(text))) if text is not None else set()
        return used

    @staticmethod
    def _refuse_unknown_inputs(workflow: dict[str, Any]) -> None:
        for job, step in filters.steps(workflow):
            action = step.get("uses", "").split("@")[0].removeprefix("actions/")
            if action in STUB_INPUTS and (
                unknown := set(step.get("with", {})) - set(STUB_INPUTS[action])
            ):
                raise HarnessError(
                    f"job {job}: the stub of {action} does not know {sorted(unknown)}"
                )

    def _collect(
        self,
        home: Path,
        file: str,
        run_id: int,
        done: subprocess.CompletedProcess[str],
        seconds: float,
    ) -> Result:
        result = Result(
            run_id=run_id, workflow=file, jobs={}, summaries={}, annotations=[], outputs={}, artifacts={},
            failed_steps=[], log="", seconds=seconds,
        )  # fmt: skip
        lines = []
        for line in done.stdout.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                lines.append(line)
                continue
            job = entry.get("jobID", "")
            lines.append(f"[{job}] {entry.get('msg', '').rstrip()}")
            if "jobResult" in entry:
                result.jobs[job] = entry["jobResult"]
            step = str(entry.get("step", "")).removeprefix("Main ")
            # A step of an action of several steps ends twice under its name.
            if entry.get("stepResult") == "failure" and step not in result.failed_steps:
                result.failed_steps.append(step)
            match entry.get("command"):
                case "summary":
                    result.summaries[job] = result.summaries.get(job, "") + entry["content"]
                case "error" | "warning" | "notice" as level:
                    result.annotations.append((job, level, entry.get("arg", "")))
                case "set-output":
                    result.outputs.setdefault(job, {})[entry["name"]] = entry["arg"]
        result.log = "\n".join(lines)
        if not result.jobs:
            raise HarnessError(
                f"{file}: act ran nothing\n{result.log[-3000:]}\n{done.stderr[-3000:]}"
            )
        result.artifacts = {p.name: p for p in (home / "artifacts").iterdir() if p.is_dir()}
        return result
