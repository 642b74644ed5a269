"""`judge`: may this pull request's candidate replace the model in production? Main's code, gates and model decide.

It may write nothing on GitHub; `publish` puts its verdict on the pull request. Of the pull request it takes data alone:
files of the commit as Git has them, and the candidate with its rows. With a data storage those come from there, by the
hashes in the commit's dvc.lock; without one, from what the `check` job built.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from gitops_model.actions import artifact, client, runs, storage
from gitops_model.actions.client import Repository
from gitops_model.actions.job import Job
from gitops_model.delivery import baseline, candidate, dvc, lock_file
from gitops_model.delivery import check as checks
from gitops_model.delivery.candidate import Files
from gitops_model.delivery.git import Git
from gitops_model.errors import BadArtifact, BadInput, CannotEvaluate
from gitops_model.files import sha256_file, size_words, write_atomic
from gitops_model.formats.bundle import Bundle
from gitops_model.formats.check import Outcome
from gitops_model.formats.contract import Contract
from gitops_model.formats.params import Params
from gitops_model.pipeline import prepared

FOLDER = Path("build/judged")
BUNDLE = "model.tar"
DATA = str(prepared.FOLDER / "data.json")
# What the pull request's side hands over, by its path in the repository.
PARTS = {BUNDLE: dvc.BUNDLE, "test.csv": candidate.TEST, "train.csv": candidate.TRAIN}
LARGEST = 1024**3


def run() -> int:
    """Exit 0, also when the verdict is bad: reports/check.json holds it. Output `verdict`: true."""
    job = Job.from_environ(os.environ)
    repository, started = runs.begin(job)
    outcome = judged(repository, job, started)
    checks.write(outcome)
    job.summarise((checks.REPORTS / "check.md").read_text(encoding="utf-8"))
    job.set_output("verdict", "true")
    print(f"judge: {outcome.sentence}")
    return 0


def judged(repository: Repository, job: Job, started: Mapping[str, Any]) -> Outcome:
    """The verdict on the commit of this check run."""
    sha = str(started["head_sha"])
    outside = runs.source_of(started, repository) != job.repository
    remote = dvc.default_remote(Path())
    try:
        if remote is not None and outside:
            raise CannotEvaluate(
                f"the data lies in the DVC remote '{remote}', which is not read for other repositories."
            )
        if withheld := storage.missing_credentials(Path(), os.environ):
            raise CannotEvaluate(withheld)
        git = Git.open(Path())
        base = runs.base_of(started)
        with job.git_access():
            git.bring(sha)
            git.bring(base)
        lock = lock_file.load(git, sha)
        lock_file.require_fresh(lock_file.stale(git, sha, lock))
        storage.write_credentials(git.root, os.environ)
        if remote is None:
            _from_check(repository, started, lock)
        else:
            _from_storage(git.root, remote, lock)
        _require_own(git, sha)
        write_atomic(FOLDER / "data.json", git.read(sha, DATA) or b"")
        _require(FOLDER / "data.json", lock.out(DATA))
        files = Files(bundle=FOLDER / BUNDLE, folder=FOLDER, lock=lock)
        rules = baseline.find(base)
        weaker = baseline.allows_more(rules.gates, git.text(sha, "gates.yaml") or "")
        found = candidate.evaluate(git, rules, files, measured_by=rules.contract)
        return checks.worded(replace(found, warnings=(*found.warnings, *weaker)))
    except (BadArtifact, BadInput, CannotEvaluate) as error:
        return checks.not_evaluated(str(error).replace("\n", " "))


def _from_storage(root: Path, remote: str, lock: lock_file.Lock) -> None:
    """Fetch the candidate and its rows by the hashes of `lock`. Raises CannotEvaluate."""
    wanted = {FOLDER / name: lock.out(path) for name, path in PARTS.items()}
    for out in wanted.values():
        if out.size > LARGEST:
            raise CannotEvaluate(
                f"dvc.lock says that {out.path} has {out.size:,} bytes; allowed: {LARGEST:,}."
            )
    FOLDER.mkdir(parents=True, exist_ok=True)

    def fetched(item: tuple[Path, lock_file.Out]) -> str:
        target, out = item
        doing = f"fetching {out.path} ({size_words(out.size)})"
        why = dvc.from_remote(root, remote=remote, md5=out.md5, target=target, doing=doing)
        if why:
            return f"{out.path} is not in the storage '{remote}' ({why})."
        if target.stat().st_size > LARGEST or dvc.file_md5(target) != out.md5:
            return f"the storage '{remote}' holds other bytes than dvc.lock names for {out.path}."
        return ""

    with ThreadPoolExecutor(max_workers=len(wanted)) as pool:
        problems = [why for why in pool.map(fetched, wanted.items()) if why]
    if problems:
        raise CannotEvaluate(f"{' '.join(problems)} Push it, then the commit: dvc push && git push")


def _from_check(repository: Repository, started: Mapping[str, Any], lock: lock_file.Lock) -> None:
    """Take the candidate and its rows from the check's artifact. Its bundle may be another than dvc.lock's.

    Raises BadArtifact; CannotEvaluate when its rows are not the ones that dvc.lock names.
    """
    with client.calling("fetch the candidate that the check built"):
        data = runs.read_candidate(repository, started)
    members = {path.removeprefix("build/"): FOLDER / name for name, path in PARTS.items()}
    artifact.extract(data, members, limit=LARGEST)
    for name in PARTS.keys() - {BUNDLE}:
        _require(FOLDER / name, lock.out(PARTS[name]))


def _require(path: Path, out: lock_file.Out) -> None:
    if dvc.file_md5(path) != out.md5:
        raise CannotEvaluate(
            f"{out.path} is not the file that dvc.lock names. Run `make train` and commit dvc.lock."
        )


def _require_own(git: Git, sha: str) -> None:
    """Raises CannotEvaluate when the candidate was built with another contract or parameters than its commit has."""
    bundle = Bundle.read(FOLDER / BUNDLE, sha256=sha256_file(FOLDER / BUNDLE))
    params = Params.parse(git.text(sha, "params.yaml") or "", name="params.yaml")
    told = (bundle.manifest["params"], bundle.manifest["seed"])
    other = []
    contract = Contract.parse(git.text(sha, "contract.yaml") or "", name="contract.yaml")
    if bundle.contract != contract:
        other.append("another contract.yaml than the one")
    if told != ({"data": dict(params.data), "model": dict(params.model)}, params.seed):
        other.append("other parameters than those")
    if other:
        raise CannotEvaluate(
            f"the candidate was built with {' and '.join(other)} of this commit. Run `make train` and commit dvc.lock."
        )
