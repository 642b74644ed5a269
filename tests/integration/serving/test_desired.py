"""The rules that turn a pointer into a routing table, as snapshots: what serves, what is wanted, what follows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gitops_model.errors import BadArtifact
from gitops_model.formats.contract import Contract
from gitops_model.formats.pointer import Canary, Pointer, Ref
from gitops_model.formats.removed import Removal
from gitops_model.formats.store import Layout, Stored
from gitops_model.serving.desired import Plan, in_sync, plan
from gitops_model.serving.snapshot import Beside, Loaded, Snapshot
from tests.support.factories import contract_dict, make_contract

AT = "2026-01-01T00:00:00.000Z"


def _ref(number: int) -> Ref:
    return Ref(model=f"flight-delay-v{number}", sha256=f"{number:064x}")


def _narrower(**more: Any) -> Contract:
    """A contract that refuses what make_contract() accepts."""
    inputs = contract_dict()["inputs"]
    inputs["distance"]["max"] = 100
    return make_contract(inputs=inputs, **more)


def _loaded(*numbers: int, **contracts: Contract) -> dict[str, Loaded]:
    models = {}
    for number in numbers:
        model = Loaded.__new__(Loaded)
        sha256 = f"{number:064x}"
        object.__setattr__(model, "sha256", sha256)
        object.__setattr__(model, "contract", contracts.get(f"v{number}", make_contract()))
        models[sha256] = model
    return models


def _beside(number: int) -> dict[str, Beside]:
    return {f"{number:064x}": Beside(ref=_ref(number), schema_version=1)}


def _desired(**refs: Any) -> Stored:
    return Stored(pointer=Pointer(**refs), commit="c" * 40, written_at=AT)


def _live(*, stable: int, previous: int | None = None, **contracts: Contract) -> Snapshot:
    numbers = [n for n in (stable, previous) if n is not None]
    pointer = {"stable": _ref(stable), "previous": _ref(previous) if previous else None}
    return plan(Snapshot(), _desired(**pointer), _loaded(*numbers, **contracts), at=AT).snapshot


def _roles(step: Plan) -> dict[str, str]:
    return {role: ref.model[-2:] for role, ref in step.snapshot.refs().items()}


def test_everything_loaded_is_routed_in_its_role() -> None:
    canary = Canary(model="flight-delay-v3", sha256=_ref(3).sha256, percent=10, key=None)
    desired = _desired(
        stable=_ref(1), previous=_ref(2), canary=canary, shadow=_ref(4), freeze="why"
    )
    step = plan(Snapshot(), desired, _loaded(1, 2, 3), at=AT, beside=_beside(4))
    assert _roles(step) == {"stable": "v1", "previous": "v2", "canary": "v3", "shadow": "v4"}
    assert "shadow" not in step.snapshot.served()
    assert step.snapshot.canary_rule == canary
    assert step.refusals == []
    assert in_sync(step.snapshot, desired)


def test_while_stable_is_not_loaded_the_old_table_stays_whole() -> None:
    live = _live(stable=1, previous=2)
    step = plan(live, _desired(stable=_ref(3), previous=_ref(1)), _loaded(1, 2), at=AT)
    assert step.snapshot is live


def test_what_else_is_not_loaded_does_not_hold_stable_back() -> None:
    canary = Canary(model="flight-delay-v5", sha256=_ref(5).sha256, percent=10, key=None)
    desired = _desired(stable=_ref(3), previous=_ref(1), canary=canary, shadow=_ref(6))
    # A shadow that is loaded into the service itself is none: it could answer, and hurt those who do.
    step = plan(_live(stable=1), desired, _loaded(3, 6), at=AT)
    assert _roles(step) == {"stable": "v3"}
    assert step.snapshot.canary_rule is None
    assert not in_sync(step.snapshot, desired)


def test_a_stable_release_that_breaks_callers_is_refused_with_the_reason() -> None:
    live = _live(stable=1)
    step = plan(live, _desired(stable=_ref(2)), _loaded(1, 2, v2=_narrower()), at=AT)
    assert step.snapshot is live
    assert [refusal.reason for refusal in step.refusals] == ["contract"]
    assert step.refusals[0].sentence == (
        "flight-delay-v2 is not served, flight-delay-v1 keeps serving: today's callers would be broken, because "
        "the maximum of distance fell from 6000 to 100. Keep the contract, or raise its schema_version and tell "
        "the callers."
    )


def test_a_raised_schema_version_is_accepted_with_a_warning() -> None:
    new = _narrower(schema_version=2)
    step = plan(_live(stable=1), _desired(stable=_ref(2)), _loaded(1, 2, v2=new), at=AT)
    assert _roles(step) == {"stable": "v2"}
    assert "schema_version rose from 1 to 2" in step.warnings[0]


def test_a_lowered_schema_version_is_no_excuse() -> None:
    live = _live(stable=1, v1=make_contract(schema_version=2))
    step = plan(live, _desired(stable=_ref(2)), _loaded(1, 2, v2=_narrower()), at=AT)
    assert step.snapshot is live


def test_going_back_to_the_loaded_previous_is_always_allowed_with_a_warning() -> None:
    live = _live(stable=2, previous=1, v1=_narrower())
    step = plan(live, _desired(stable=_ref(1)), _loaded(1, 2, v1=_narrower()), at=AT)
    assert _roles(step) == {"stable": "v1"}
    assert "rolled back to flight-delay-v1 although" in step.warnings[0]


def test_a_canary_has_to_understand_the_callers_of_stable_whatever_its_schema_version() -> None:
    new = _narrower(schema_version=2)
    canary = Canary(model="flight-delay-v2", sha256=_ref(2).sha256, percent=10, key=None)
    desired = _desired(stable=_ref(1), canary=canary)
    step = plan(Snapshot(), desired, _loaded(1, 2, v2=new), at=AT)
    assert _roles(step) == {"stable": "v1"}
    assert "canary flight-delay-v2 is not routed" in step.refusals[0].sentence
    assert not in_sync(step.snapshot, desired)


def test_a_pointer_without_stable_takes_no_model_away() -> None:
    live = _live(stable=1)
    step = plan(live, _desired(), {}, at=AT)
    assert step.snapshot is live
    assert "flight-delay-v1 keeps serving" in step.refusals[0].sentence


def test_a_pointer_without_stable_is_served_before_the_first_release() -> None:
    step = plan(Snapshot(), _desired(), {}, at=AT)
    assert step.refusals == []
    assert in_sync(step.snapshot, _desired())


def test_the_time_of_the_switch_is_that_of_the_stable_release() -> None:
    live = _live(stable=1)
    later = plan(live, _desired(stable=_ref(1), previous=_ref(2)), _loaded(1, 2), at="later")
    assert later.snapshot.switched_at == AT
    new = plan(live, _desired(stable=_ref(2)), _loaded(1, 2), at="later")
    assert new.snapshot.switched_at == "later"


def test_another_percent_or_freeze_is_a_difference() -> None:
    canary = Canary(model="flight-delay-v2", sha256=_ref(2).sha256, percent=10, key=None)
    desired = _desired(stable=_ref(1), canary=canary)
    live = plan(Snapshot(), desired, _loaded(1, 2), at=AT).snapshot
    assert in_sync(live, desired)
    for other in (replace(desired.pointer, freeze="x"), replace(desired.pointer, canary=None)):
        assert not in_sync(live, replace(desired, pointer=other))


NOTHING = {"stable": None, "previous": None, "canary": None, "shadow": None, "freeze": None}


def _content(**changes: Any) -> dict[str, Any]:
    return {"schema": 1, "commit": "c", "written_at": AT, "pointer": NOTHING} | changes


def test_a_pointer_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pointer.json"
    stable = {"model": "flight-delay-v1", "sha256": "0" * 64}
    path.write_text(json.dumps(_content(pointer=NOTHING | {"stable": stable})))
    assert Layout(tmp_path).read().pointer == Pointer(stable=Ref(**stable))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is not a pointer"),
        ('{"schema": 1, "comm', "is not a pointer"),
        ("[]", "not a pointer of schema 1"),
        (json.dumps(_content(schema=2)), "not a pointer of schema 1"),
        (json.dumps(_content(commit=None)), "lacks commit or written_at"),
        (json.dumps(_content(pointer=None)), "is empty; allowed: a mapping"),
        (json.dumps(_content(pointer=NOTHING | {"stable": {"model": "x"}})), "stable"),
        (json.dumps(_content(pointer=NOTHING | {"extra": 1})), "unknown key 'extra'"),
        ("[" * 100_000, "is not a pointer"),
    ],
)
def test_anything_else_is_refused_in_one_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "pointer.json"
    path.write_text(text)
    with pytest.raises(BadArtifact) as caught:
        Layout(tmp_path).read()
    assert caught.value.reason == "pointer"
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_pointer_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(BadArtifact, match="does not exist") as caught:
        Layout(tmp_path).read()
    assert caught.value.reason == "missing"


def _canary(number: int) -> Canary:
    return Canary(model=_ref(number).model, sha256=_ref(number).sha256, percent=10)


def _removal(number: int) -> dict[str, Removal]:
    ref = _ref(number)
    one = Removal(
        model=ref.model, sha256=ref.sha256, stable="s", at="2026-01-01T00:00:00Z", reason="r"
    )
    return {ref.sha256: one}


def test_a_canary_that_was_taken_out_is_not_routed_and_holds_nothing_back() -> None:
    desired = _desired(stable=_ref(2), canary=_canary(3), previous=_ref(1))
    models = _loaded(1, 2, 3)
    step = plan(Snapshot(), desired, models, at=AT, removed=_removal(3))
    assert step.snapshot.canary is None and step.snapshot.canary_rule is None
    assert step.snapshot.stable is not None and step.snapshot.previous is not None
    assert [refusal.reason for refusal in step.refusals] == ["removed"]
    assert not in_sync(step.snapshot, desired)
    # As stable it is somebody's decision; and another canary is not meant.
    as_stable = plan(Snapshot(), _desired(stable=_ref(3)), models, at=AT, removed=_removal(3))
    assert as_stable.snapshot.stable is not None and not as_stable.refusals
    other = plan(Snapshot(), desired, models, at=AT, removed=_removal(4))
    assert other.snapshot.canary is not None and not other.refusals


def test_a_canary_that_is_taken_out_goes_even_where_the_next_release_cannot_be_loaded() -> None:
    desired = _desired(stable=_ref(2), canary=_canary(3))
    live = plan(Snapshot(), desired, _loaded(2, 3), at=AT).snapshot
    assert live.canary is not None
    for wanted in (_desired(stable=_ref(9)), _desired()):
        step = plan(live, wanted, _loaded(2, 3), at=AT, removed=_removal(3))
        assert step.snapshot.canary is None and step.snapshot.stable == live.stable
