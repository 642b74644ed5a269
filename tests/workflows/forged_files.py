"""Forgeries by the files of a pull request, and by the storage that its author may write. See test_forgeries.py."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from gitops_model.files import sha256_bytes
from tests.support import trees
from tests.workflows.court import Court
from tests.workflows.forging import (
    DATA,
    MODEL,
    TEST,
    edit,
    flattered,
    lock_as,
    md5,
    member,
    rebuild,
    recontract,
    relock,
    replace,
    timid,
)

Trained = Callable[..., Path]


# What runs, what judges and what decides


def a_makefile_that_prints_success(court: Court, trained: Trained) -> None:
    replace(court, "Makefile", "\t@gitops-model ci-$*", '\t@echo "state: pass"; exit 0')
    court.open()


def a_check_that_uploads_a_good_report(court: Court, trained: Trained) -> None:
    replace(
        court,
        ".github/workflows/check.yml",
        "run: make ci-check",
        "run: cp good.json reports/check.json",
    )
    report = {"schema": 1, "state": "pass", "exit_code": 0, "sentence": "May ship: all is well."}
    (court.town.clone / "good.json").write_text(json.dumps(report))
    court.open(candidate=None)
    data = {"check.json": json.dumps(report).encode()}
    court.fake.state.add_artifact(7000 + court.run_id, "candidate", court.built())
    court.fake.state.add_artifact(7000 + court.run_id, "report", data)


def a_publish_that_always_passes(court: Court, trained: Trained) -> None:
    replace(
        court,
        ".github/workflows/publish.yml",
        "run: make publish",
        "run: gh api statuses -f state=success",
    )
    court.open()


def a_library_with_another_judge(court: Court, trained: Trained) -> None:
    (wheel,) = (court.town.clone / "vendor").glob("*.whl")
    wheel.write_bytes(wheel.read_bytes() + b"another judge")
    edit(court, "library.lock", lambda text: text.replace(text.split("sha256:")[1][:64], "0" * 64))
    court.open()


def weaker_gates(court: Court, trained: Trained) -> None:
    edit(
        court, "gates.yaml",
        lambda text: text.replace("margin: 0.01", "margin: 0.9").replace("margin: 4%", "margin: 90%"),
    )  # fmt: skip
    court.open()


def a_report_in_the_commit(court: Court, trained: Trained) -> None:
    good = {"schema": 1, "state": "pass", "exit_code": 0, "sentence": "May ship"}
    for folder in ("reports", "verdict"):
        (court.town.clone / folder).mkdir(exist_ok=True)
        (court.town.clone / folder / "check.json").write_text(json.dumps(good))
        court.town.git("add", "--force", f"{folder}/check.json")
    court.open()


def nothing_in_production(court: Court, trained: Trained) -> None:
    """The model to beat is taken away by the same pull request."""
    path = court.town.clone / "production.yaml"
    path.write_text("stable: null\nprevious: null\ncanary: null\nshadow: null\nfreeze: null\n")
    court.open()


# contract.yaml: what is measured


def other_costs(court: Court, trained: Trained) -> None:
    """The candidate misses late flights; its contract makes that cheap."""
    lock_as(court, MODEL, timid(court, trained(trees=30)))
    recontract(court, lambda text: text.replace("false_negative: 4", "false_negative: 1"))
    court.open()


def another_threshold(court: Court, trained: Trained) -> None:
    """Nobody is ever called late, so both models cost the same."""
    lock_as(court, MODEL, timid(court, trained(trees=30)))
    recontract(court, lambda text: text.replace("threshold: 0.2", "threshold: 0.99"))
    court.open()


def the_same_candidate_with_mains_contract(court: Court, trained: Trained) -> None:
    """What the two attempts above would hide."""
    lock_as(court, MODEL, timid(court, trained(trees=30)))
    court.open()


def fewer_slices(court: Court, trained: Trained) -> None:
    recontract(court, lambda text: text.replace("slices: [origin, carrier]", "slices: []"))
    court.open()


def another_primary_metric(court: Court, trained: Trained) -> None:
    recontract(court, lambda text: text.replace("primary: roc_auc", "primary: recall"))
    court.open()


def a_contract_that_only_the_bundle_has(court: Court, trained: Trained) -> None:
    text = member(court, "contract.yaml").replace("false_negative: 4", "false_negative: 1")
    rebuild(court, **{"contract.yaml": text.encode()})
    court.open()


# dvc.yaml, dvc.lock, and what they name


def a_lock_that_names_a_good_bundle(court: Court, trained: Trained) -> None:
    """The commit trains one tree, and dvc.lock names the bundle that serves today."""
    lock_as(court, MODEL, (trained(trees=30) / MODEL).read_bytes())
    court.open()


def a_hash_that_leaves_the_storage(court: Court, trained: Trained) -> None:
    good = court.town.storage.parent / "good.tar"
    good.write_bytes((trained(trees=30) / MODEL).read_bytes())
    old = md5((court.town.clone / MODEL).read_bytes())
    replace(court, "dvc.lock", old, "../../../../good.tar")
    court.open()


def other_bytes_under_the_hash(court: Court, trained: Trained) -> None:
    name = md5((court.town.clone / MODEL).read_bytes())
    place = court.town.storage / "files" / "md5" / name[:2] / name[2:]
    place.unlink()
    place.write_bytes((trained(trees=30) / MODEL).read_bytes())
    court.open()


def another_storage(court: Court, trained: Trained) -> None:
    """The pull request's .dvc/config points to a folder of the author's, where good bytes lie under the same hash."""
    folder, name = court.town.folder / "evil", md5((court.town.clone / MODEL).read_bytes())
    trees.copy(court.town.storage / "files", folder / "files")
    place = folder / "files" / "md5" / name[:2] / name[2:]
    place.unlink()
    place.write_bytes((trained(trees=30) / MODEL).read_bytes())
    edit(
        court,
        ".dvc/config",
        lambda text: f"[core]\n    remote = evil\n['remote \"evil\"']\n    url = {folder}\n",
    )
    court.open()


def another_command_in_dvc_yaml(court: Court, trained: Trained) -> None:
    replace(court, "dvc.yaml", "cmd: gitops-model package", "cmd: cp good.tar build/model.tar")
    court.open()


def a_pipeline_that_cannot_be_compared(court: Court, trained: Trained) -> None:
    """`foreach` hides a stage from the comparison with dvc.lock; the bundle is judged all the same."""
    line = "    cmd: gitops-model package"
    replace(court, "dvc.yaml", line, "    foreach: [x]\n    cmd: cp good.tar build/model.tar")
    court.open()


def code_that_the_lock_does_not_know(court: Court, trained: Trained) -> None:
    edit(
        court, "pipeline/train.py", lambda text: text + "\n# trained with more trees, believe me\n"
    )
    court.open()


def code_that_the_lock_was_told_of(court: Court, trained: Trained) -> None:
    relock(
        court, "pipeline/train.py", lambda text: text + "\n# trained with more trees, believe me\n"
    )
    court.open()


def other_requirements(court: Court, trained: Trained) -> None:
    edit(court, "requirements.txt", lambda text: text.replace("scikit-learn==", "scikit-learn==0."))
    court.open()


def another_stage_of_the_library(court: Court, trained: Trained) -> None:
    edit(court, "stages.json", lambda text: text.replace("0.1.0+", "0.1.0+f", 1))
    court.open()


def parameters_that_nobody_trained_with(court: Court, trained: Trained) -> None:
    replace(court, "params.yaml", "trees: 1\n", "trees: 30\n")
    court.open()


def parameters_that_the_lock_was_told_of(court: Court, trained: Trained) -> None:
    for path in ("params.yaml", "dvc.lock"):
        replace(court, path, "trees: 1\n", "trees: 30\n")
    court.open()


# The test rows


def a_description_of_the_rows(court: Court, trained: Trained) -> None:
    replace(court, DATA, "2013-01-20 05:25:00", "2013-01-25 05:25:00")
    court.open()


def a_description_of_the_rows_in_the_lock(court: Court, trained: Trained) -> None:
    relock(court, DATA, lambda text: text.replace('"by": "time"', '"by": "random"'))
    court.open()


def another_hash_of_the_rows_in_their_description(court: Court, trained: Trained) -> None:
    sha256 = json.loads((court.town.clone / DATA).read_text())["test_sha256"]
    relock(court, DATA, lambda text: text.replace(sha256, "ab" * 32))
    court.open()


def flatter(court: Court, trained: Trained) -> None:
    rows, before = (
        flattered(court, trained(trees=30)),
        json.loads((court.town.clone / DATA).read_text())["test_sha256"],
    )
    lock_as(court, TEST, rows)
    relock(court, DATA, lambda text: text.replace(before, sha256_bytes(rows)))


def labels_that_follow_the_candidate(court: Court, trained: Trained) -> None:
    flatter(court, trained)
    court.open()


def labels_in_the_artifact_alone(court: Court, trained: Trained) -> None:
    court.open(candidate=court.built(test=flattered(court, trained(trees=30))))


# The bundle


def a_type_of_its_own(court: Court, trained: Trained) -> None:
    """skops builds what the file says; params.yaml of the pull request trusts it, the manifest does too."""
    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    made = skops.io.dumps(FunctionTransformer(func=shutil.rmtree))
    trusted = sorted(skops.io.get_untrusted_types(data=made))
    assert trusted
    for path in ("params.yaml", "dvc.lock"):
        replace(court, path, "trusted_types: []", f"trusted_types: [{', '.join(trusted)}]")
    told = json.loads(member(court, "manifest.json")) | {
        "runtime": "sklearn",
        "trusted_types": trusted,
    }
    rebuild(court, **{"model.skops": made, "manifest.json": json.dumps(told).encode()})
    court.open()


def metrics_of_its_own(court: Court, trained: Trained) -> None:
    told = json.loads(member(court, "manifest.json"))
    told["metrics"] = dict.fromkeys(told["metrics"], 0.99)
    rebuild(court, **{"manifest.json": json.dumps(told).encode()})
    court.open()


def golden_answers_that_lie(court: Court, trained: Trained) -> None:
    lines = [json.loads(line) for line in member(court, "golden.jsonl").splitlines()]
    rebuild(
        court,
        **{
            "golden.jsonl": "".join(
                json.dumps({**line, "score": 0.99}) + "\n" for line in lines
            ).encode()
        },
    )
    court.open()


def a_reference_that_lies(court: Court, trained: Trained) -> None:
    rebuild(court, **{"reference.json": b"{}"})
    court.open()
