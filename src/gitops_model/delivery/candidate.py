"""Gathering everything one verdict rests on, and asking for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gitops_model.delivery import anchor, dvc, fetch, looks, scoring, served
from gitops_model.delivery.baseline import Baseline
from gitops_model.delivery.git import Git
from gitops_model.delivery.lock_file import Lock, require_fresh
from gitops_model.delivery.scoring import Described
from gitops_model.errors import BadArtifact, BadInput, CannotEvaluate, ExternalFailure
from gitops_model.evaluation import ledger, lint, verdict
from gitops_model.evaluation.inputs import Facts, TestSet
from gitops_model.files import sha256_file
from gitops_model.formats.bundle import Bundle
from gitops_model.formats.check import Check, Same
from gitops_model.formats.compatibility import incompatibilities
from gitops_model.formats.contract import Contract
from gitops_model.formats.pointer import Ref
from gitops_model.pipeline import prepared

CANDIDATE = Path("build/model.tar")
TEST = "build/prepared/test.csv"
TRAIN = "build/prepared/train.csv"


@dataclass(frozen=True, kw_only=True)
class Files:
    """What a candidate is judged by. `folder` holds test.csv, data.json and, where known, train.csv.

    `lock` is the dvc.lock that names them.
    """

    bundle: Path
    folder: Path
    lock: Lock


def compare(baseline: Baseline) -> Check:
    """The check of the candidate in the working tree; it has no sentences yet.

    Raises CannotEvaluate, with the command that mends it.
    """
    git = Git.open(Path())
    require_fresh(dvc.stale_stages(git.root))
    lock = dvc.lock_of(git.root)
    _bring(git, lock, (str(CANDIDATE), TEST, TRAIN))
    # Before something serves, nobody relies on what main's contract says, and it may still be the example's.
    rules = baseline.contract if baseline.stable is not None else None
    files = Files(bundle=CANDIDATE, folder=prepared.FOLDER, lock=lock)
    return evaluate(git, baseline, files, measured_by=rules, claims=True)


def evaluate(
    git: Git,
    baseline: Baseline,
    files: Files,
    *,
    measured_by: Contract | None = None,
    claims: bool = False,
) -> Check:
    """Score, time and weigh both models on the test rows of `files`. Raises CannotEvaluate, BadArtifact.

    `measured_by` says what is measured: label, slices, costs, threshold (None: the candidate's own contract).
    `claims`: the look is counted here and now; else whoever publishes the verdict counts it.
    """
    candidate = Bundle.read(files.bundle, sha256=sha256_file(files.bundle))
    rules = measured_by or candidate.contract
    table = prepared.read(candidate.contract, "test", folder=files.folder)
    _require_measurable(candidate.contract, rules, table.columns)
    described = scoring.described(files.folder)
    test = scoring.test_set(rules, table, described)
    if sha256_file(files.folder / "test.csv") != test.sha256:
        raise CannotEvaluate(
            f"{TEST} is not the file build/prepared/data.json describes. Run `make train`."
        )
    _refuse_idle_gates(baseline, rules, test)
    keys = list(test.keys)
    trust = scoring.Trust(types=baseline.trusted_types, file=f"params.yaml of {baseline.ref}")
    _say(f"candidate {candidate.sha256[:12]} answers {len(keys):,} test rows")
    new, new_model = scoring.answers(
        model_id=None, path=files.bundle, bundle=candidate, table=table, keys=keys, trust=trust
    )
    production, old, old_model = None, None, None
    if baseline.stable is not None:
        path = _production_file(git, baseline.stable)
        production = Bundle.read(path, sha256=baseline.stable.sha256)
        _say(f"production {baseline.stable.model} answers the same rows")
        old, old_model = scoring.answers(
            model_id=baseline.stable.model,
            path=path,
            bundle=production,
            table=table,
            keys=keys,
            trust=trust,
        )
    _say("timing both, one row at a time, in turns")
    new, old = scoring.timed(
        (new, new_model, candidate.contract),
        None
        if old is None or old_model is None or production is None
        else (old, old_model, production.contract),
        table,
    )
    released = served.past(git, baseline, metric=rules.success.primary)
    best, line = anchor.answers(
        git,
        baseline,
        released,
        production=old,
        table=table,
        keys=keys,
        rules=rules,
        trust=trust,
    )
    look = ledger.Look(
        test_sha256=test.sha256, candidate_sha256=candidate.sha256, sketch=test.sketch
    )
    # Counted before anybody sees a number, so that an end in between forgets nothing.
    past = _claimed(git, look) if claims else looks.known(git)
    found = verdict.evaluate(
        test=test,
        candidate=new,
        production=old,
        best=best,
        line=line,
        contract=rules,
        gates=baseline.gates,
        facts=_facts(git, baseline, files, candidate, production, described, rules, past),
    )
    same = dvc.file_md5(files.bundle) == files.lock.out(str(CANDIDATE)).md5
    return replace(
        found,
        candidate=replace(found.candidate, in_lock="same" if same else "other"),
        warnings=(*found.warnings, *released.warnings),
    )


def _claimed(git: Git, look: ledger.Look) -> list[ledger.Look]:
    if problem := looks.share(git, [look]):
        _say(
            f"note: the look is counted here only: {problem.rstrip('.')}. The next check that can hands it in."
        )
    return looks.known(git)


def _facts(
    git: Git,
    baseline: Baseline,
    files: Files,
    candidate: Bundle,
    production: Bundle | None,
    described: Described,
    rules: Contract,
    past: Sequence[ledger.Look],
) -> Facts:
    mine, theirs = candidate.manifest, None if production is None else production.manifest
    # Windows are compared only where time decides which rows test: else they overlap as they should.
    train = described.train if described.split_by == "time" else None
    data = ("data", "environment", "code")
    return Facts(
        train_keys=scoring.train_keys(rules, files.folder),
        train_window=train,
        production_test_sha256=None if theirs is None else theirs["data"]["test_sha256"],
        test_on_base=test_on_base(git, baseline, files),
        schema_version=candidate.contract.schema_version,
        production_schema_version=None
        if production is None
        else production.contract.schema_version,
        incompatible=()
        if production is None
        else incompatibilities(production.contract, candidate.contract),
        looks=past,
        params_diff=scoring.differences(
            None if theirs is None else {**theirs["params"], "seed": theirs["seed"]},
            {**mine["params"], "seed": mine["seed"]},
        ),
        data_diff=scoring.differences(
            None if theirs is None else {key: theirs[key] for key in data},
            {key: mine[key] for key in data},
        ),
        warnings=baseline.warnings,
    )


def _require_measurable(mine: Contract, rules: Contract, columns: Collection[str]) -> None:
    """Raises CannotEvaluate for a candidate that answers, or is measured by, something else than `rules` say."""
    missing = [name for name in rules.columns if name not in columns]
    if mine.question == rules.question and not missing:
        return
    why = f"the test rows lack {', '.join(missing)}" if missing else "another label is answered"
    raise CannotEvaluate(
        f"{why}, and what is measured is said by the base branch's contract.yaml. To change that, somebody who may has "
        "to merge past this status."
    )


def test_on_base(git: Git, baseline: Baseline, files: Files) -> Same:
    """Whether the base branch's dvc.lock names the very test rows that judge here."""
    text = git.text(baseline.commit, "dvc.lock") if baseline.commit else None
    try:
        there = None if text is None else Lock.parse(text).outs.get(TEST)
    except BadInput:
        there = None
    if there is None:
        return "unknown"
    return "same" if there.md5 == dvc.file_md5(files.folder / "test.csv") else "other"


def _refuse_idle_gates(baseline: Baseline, contract: Contract, test: TestSet) -> None:
    """Raises CannotEvaluate for gates that could never pass, or never fail, on these rows."""
    sizes = {
        f"{name}={value}": count
        for name, column in test.slices.items()
        for value, count in Counter(map(str, column)).items()
    }
    problems = lint.lint(baseline.gates, contract, rows=len(test.keys), slices=sizes)
    if not problems:
        return
    found = " ".join(problems)
    ref = baseline.gates_ref
    if ref is None:
        raise CannotEvaluate(f"the gates cannot judge this test set: {found}")
    raise CannotEvaluate(
        f"the gates of {ref} cannot judge this test set: {found} The gates.yaml of {ref} decides, so a change here "
        f"has no effect yet: change it on {ref.removeprefix('origin/')} first."
    )


def _bring(git: Git, lock: Lock, paths: Sequence[str]) -> None:
    """Make sure these outputs are in the working tree as dvc.lock has them. Raises CannotEvaluate."""
    known = lock.outs
    if unknown := [path for path in paths if path not in known]:
        raise CannotEvaluate(
            f"dvc.lock does not hold {', '.join(unknown)}: nothing was trained yet. Run `make data train` and commit "
            "dvc.lock."
        )
    if missing := [path for path in paths if not (git.root / path).exists()]:
        _say(f"pulling {', '.join(missing)}")
        try:
            dvc.pull_outs(git.root, missing)
        except ExternalFailure as error:
            raise CannotEvaluate(
                f"what dvc.lock names is not here and cannot be pulled ({error}) Run `make train`."
            ) from error
    for path in paths:
        if dvc.file_md5(git.root / path) != known[path].md5:
            raise CannotEvaluate(
                f"{path} is not the file dvc.lock names. Run `make train` and commit dvc.lock."
            )


def _production_file(git: Git, stable: Ref) -> Path:
    """The bundle in production as a file whose bytes were verified. Raises CannotEvaluate when no source has it."""
    try:
        return fetch.released(git, stable)
    except BadArtifact as error:
        raise CannotEvaluate(
            f"nothing can be compared with production {stable.model}: {error}"
        ) from error


def _say(sentence: str) -> None:
    print(f"check: {sentence}", flush=True)
