"""Pull requests that would make a bad candidate look good: each is red, or says in its first line what it brought.

The candidate of each is one tree instead of thirty, which main's gates block. An attempt edits the pull request, or
what its author can reach besides: the storage, the artifacts of the check, tags, other pull requests and runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from gitops_model.report.heading import OTHER_BUNDLE, OTHER_ROWS
from tests.workflows import forged_files as files
from tests.workflows import forged_runs as runs
from tests.workflows.commands import Commands
from tests.workflows.court import Court
from tests.workflows.fake_state import BOT
from tests.workflows.world import World

RED = ("failure", "error")
Trained = Callable[..., Path]
Attempt = Callable[[Court, Trained], object]
BLOCKED = "❌ Do not merge"


@dataclass(frozen=True, kw_only=True)
class Row:
    """An attempt, where it is made, and what the comment says of it. `code`: how both jobs end."""

    attempt: Attempt
    says: str = BLOCKED
    storage: bool = True
    states: tuple[str, ...] = RED
    first_line: str = ""
    code: int = 0


ROWS = [
    Row(attempt=files.a_makefile_that_prints_success),
    Row(attempt=files.a_check_that_uploads_a_good_report, storage=False),
    Row(attempt=files.a_publish_that_always_passes),
    Row(attempt=files.a_library_with_another_judge),
    Row(attempt=files.weaker_gates, says="gates.yaml is changed here"),
    Row(attempt=files.a_report_in_the_commit),
    Row(attempt=files.nothing_in_production, says="changes nothing else"),
    Row(attempt=files.the_same_candidate_with_mains_contract),
    Row(attempt=files.other_costs, says="contract.yaml is changed here"),
    Row(attempt=files.another_threshold, says="contract.yaml is changed here"),
    Row(attempt=files.fewer_slices, says="contract.yaml is changed here"),
    Row(attempt=files.another_primary_metric, says="contract.yaml is changed here"),
    Row(attempt=files.a_contract_that_only_the_bundle_has, says="another contract.yaml than the one of this commit"),
    Row(attempt=files.a_lock_that_names_a_good_bundle, says="other parameters"),
    Row(attempt=files.a_hash_that_leaves_the_storage, says="not a lock file of DVC"),
    Row(attempt=files.other_bytes_under_the_hash, says="holds other bytes than dvc.lock names"),
    Row(attempt=files.another_storage),
    Row(attempt=files.another_command_in_dvc_yaml, says="its command in dvc.yaml changed"),
    Row(attempt=files.a_pipeline_that_cannot_be_compared),
    Row(attempt=files.code_that_the_lock_does_not_know, says="pipeline/train.py changed"),
    Row(attempt=files.code_that_the_lock_was_told_of),
    Row(attempt=files.other_requirements, says="requirements.txt changed"),
    Row(attempt=files.another_stage_of_the_library, says="in stages.json changed"),
    Row(attempt=files.parameters_that_nobody_trained_with, says="in params.yaml changed"),
    Row(attempt=files.parameters_that_the_lock_was_told_of, says="other parameters"),
    Row(attempt=files.a_description_of_the_rows, says="data.json is not the file that dvc.lock names"),
    Row(attempt=files.a_description_of_the_rows_in_the_lock),
    Row(attempt=files.another_hash_of_the_rows_in_their_description, says="is not the file build/prepared"),
    Row(attempt=files.labels_that_follow_the_candidate, states=("success",), says="May ship", first_line=OTHER_ROWS),
    Row(attempt=files.labels_that_follow_the_candidate, states=("success",), says="May ship", first_line=OTHER_ROWS,
        storage=False),
    Row(attempt=files.labels_in_the_artifact_alone, storage=False, says="test.csv is not the file that dvc.lock names"),
    Row(attempt=files.a_type_of_its_own, says="shutil.rmtree"),
    Row(attempt=files.metrics_of_its_own),
    Row(attempt=files.golden_answers_that_lie),
    Row(attempt=files.a_reference_that_lies),
    Row(attempt=runs.another_bundle, storage=False, says="other parameters"),
    Row(attempt=runs.another_bundle_with_the_parameters_of_the_commit, storage=False, states=("success",),
        says="May ship", first_line=OTHER_BUNDLE),
    Row(attempt=runs.training_rows_without_the_test_rows, storage=False, says="train.csv is not the file"),
    Row(attempt=runs.a_name_twice_in_the_zip, storage=False, says="exactly one model.tar"),
    Row(attempt=runs.a_path_that_leaves_the_folder, storage=False),
    Row(attempt=runs.a_zip_that_is_cut_off, storage=False, says="not a readable zip"),
    Row(attempt=runs.two_artifacts_of_one_name, storage=False, says="other parameters"),
    Row(attempt=runs.a_verdict_that_the_check_keeps, storage=False, says="The judge ended without a verdict"),
    Row(attempt=runs.a_verdict_of_a_run_that_a_push_started, storage=False, says="The judge ended without a verdict"),
    Row(attempt=runs.a_run_of_another_workflow_named_check, storage=False, states=("expected",), says="", code=2),
    Row(attempt=runs.a_check_that_a_push_started, states=("expected",), says="", code=2),
    Row(attempt=runs.a_second_pull_request_of_the_commit, storage=False,
        says="also in a pull request into another branch"),
    Row(attempt=runs.a_second_pull_request_of_the_commit),
    Row(attempt=runs.a_branch_named_like_a_merge_queues),
    Row(attempt=runs.a_status_by_the_token_of_the_check),
    Row(attempt=runs.a_release_by_hand, says="is not what its commit"),
    Row(attempt=runs.a_release_by_hand, storage=False,
        says="Nothing shows that flight-delay-v3 is what its commit built"),
]  # fmt: skip


# One of each kind; the others are in the slow suite.
QUICK = {
    (files.a_makefile_that_prints_success, True),
    (files.weaker_gates, True),
    (files.other_costs, True),
    (files.labels_that_follow_the_candidate, False),
    (runs.another_bundle, False),
    (runs.a_verdict_that_the_check_keeps, False),
    (runs.a_release_by_hand, False),
}


def name(row: Row) -> str:
    return f"{row.attempt.__name__}{'' if row.storage else '-no-storage'}"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(
            row,
            id=name(row),
            marks=[] if (row.attempt, row.storage) in QUICK else [pytest.mark.slow],
        )
        for row in ROWS
    ],
)
def test_a_bad_candidate_stays_bad(
    served: World, commands: Commands, trained: Trained, row: Row
) -> None:
    court = Court(served, commands, storage=row.storage)
    served.bring(trained(trees=1))
    row.attempt(court, trained)
    state, body = court.decide(code=row.code)
    shown = body.replace("\\", "").replace("\u200b", "")
    assert state in row.states, f"{state}\n{shown[:2500]}\n{court.done.output[-1500:]}"
    assert row.says in shown, shown[:2500]
    if row.first_line:
        assert row.first_line in shown.splitlines()[1], shown[:600]


def test_a_bundle_that_ci_built_again_and_released_may_ship(
    served: World, commands: Commands, trained: Trained
) -> None:
    """Without a storage its bytes may differ from dvc.lock; then the page that Actions published vouches for it."""
    court = Court(served, commands, storage=False)
    served.bring(trained(trees=1))
    runs.a_release_by_hand(court, trained, login=BOT)
    state, body = court.decide()
    assert state == "success" and "is not proven" in body, body


@pytest.mark.slow
def test_nothing_that_a_pull_request_runs_decides(served: World, trained: Trained) -> None:
    """Under the runner: its own check and Makefile run, and say that all is well; publish is main's."""
    served.bring(trained(trees=1))
    for path, old, new in (
        ("Makefile", "\t@gitops-model ci-$*", '\t@echo "forged: May ship"'),
        ("Makefile", "publish:", "publish:\n\t@echo forged; exit 0\nold-publish:"),
        (".github/workflows/check.yml", "name: check\n    runs-on", "name: publish\n    runs-on"),
        (".github/workflows/publish.yml", "run: make publish", "run: echo forged"),
    ):
        target = served.clone / path
        text = target.read_text()
        assert old in text, old
        target.write_text(text.replace(old, new))
    head = served.push("topic")
    number = served.open_pull("topic", "Change")
    results = {result.workflow: result for result in served.settle(expect_failure=("test.yml",))}
    check, publish = results["check.yml"], results["publish.yml"]
    assert check.said("forged: May ship") and not publish.said("forged")
    status = served.fake.latest_status(head)
    assert status is not None and status["state"] == "failure"
    (comment,) = served.fake.comments_on(number)
    assert BLOCKED in comment["body"]


def test_the_table_is_long_enough() -> None:
    assert len({row.attempt for row in ROWS}) >= 25
