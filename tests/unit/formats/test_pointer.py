"""The pointer: what each command makes of it, and that its text is the same for the same value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_model.errors import BadInput
from gitops_model.formats import pointer
from gitops_model.formats.pointer import Canary, Pointer, Ref


def ref(number: int) -> Ref:
    return Ref(model=f"flight-delay-v{number}", sha256=f"{number:064x}")


V1, V2, V3 = ref(1), ref(2), ref(3)
LIVE = Pointer(stable=V2, previous=V1)


def test_the_first_switch_has_nothing_to_go_back_to() -> None:
    assert pointer.switch(Pointer(), V1) == Pointer(stable=V1)


def test_a_switch_keeps_what_was_stable_as_previous_and_ends_the_canary() -> None:
    before = pointer.with_canary(LIVE, V3, percent=10, key="tailnum")
    assert pointer.switch(before, V3) == Pointer(stable=V3, previous=V2)


def test_a_switch_to_what_is_stable_changes_nothing() -> None:
    assert pointer.switch(LIVE, V2) == LIVE


def test_a_canary_leaves_stable_and_previous_alone() -> None:
    after = pointer.with_canary(LIVE, V3, percent=25, key="tailnum")
    assert (after.stable, after.previous) == (V2, V1)
    assert after.canary == Canary(model=V3.model, sha256=V3.sha256, percent=25, key="tailnum")


def test_a_release_is_canary_or_shadow_and_not_both() -> None:
    shadowed = pointer.with_shadow(pointer.with_canary(LIVE, V3, percent=5, key=None), V3)
    assert (shadowed.canary, shadowed.shadow) == (None, V3)
    promoted = pointer.with_canary(shadowed, V3, percent=5, key=None)
    assert promoted.canary is not None
    assert promoted.shadow is None


def test_a_freeze_survives_a_switch() -> None:
    assert pointer.switch(pointer.frozen(LIVE, "incident 7"), V3).freeze == "incident 7"


REFS = st.integers(1, 30).map(ref)


@st.composite
def pointers(draw: st.DrawFn) -> Pointer:
    numbers = draw(st.lists(st.integers(1, 30), min_size=4, max_size=4, unique=True))
    stable, previous, third, fourth = map(ref, numbers)
    percent = draw(st.one_of(st.integers(1, 100), st.floats(0.01, 100)))
    key = draw(st.sampled_from([None, "tailnum"]))
    return Pointer(
        stable=stable,
        previous=draw(st.sampled_from([None, previous])),
        canary=draw(
            st.sampled_from(
                [None, Canary(model=third.model, sha256=third.sha256, percent=percent, key=key)]
            )
        ),
        shadow=draw(st.sampled_from([None, fourth])),
        freeze=draw(
            st.one_of(
                st.none(),
                st.text(
                    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]),
                    min_size=1,
                    max_size=80,
                ),
            )
        ),
    )


@given(pointers())
def test_text_and_value_are_each_others_inverse(value: Pointer) -> None:
    text = value.to_yaml()
    assert Pointer.parse(text) == value
    assert Pointer.parse(text).to_yaml() == text


@given(pointers())
def test_each_part_stands_on_one_line_so_that_a_diff_shows_what_changed(value: Pointer) -> None:
    lines = value.to_yaml().splitlines()
    assert [line.split(":")[0] for line in lines[3:]] == [
        "stable",
        "previous",
        "canary",
        "shadow",
        "freeze",
    ]


@given(pointers(), REFS)
def test_after_a_switch_the_rollback_target_is_what_was_stable(value: Pointer, new: Ref) -> None:
    after = pointer.switch(value, new)
    assert after.stable == new
    assert after.previous == (value.previous if value.stable == new else value.stable)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (
            {"previous": V2},
            "stable and previous are both flight-delay-v2; allowed: two different releases, or previous: null",
        ),
        (
            {"shadow": V2},
            "shadow is the stable release flight-delay-v2; allowed: another release, or shadow: null",
        ),
        (
            {"shadow": Ref(model="flight-delay-v1", sha256="f" * 64)},
            "flight-delay-v1 stands with two different sha256; an id belongs to one bundle for ever",
        ),
        (
            {"stable": None},
            "stable is empty; allowed only before the first release, when previous, canary and shadow are empty",
        ),
    ],
)
def test_parts_that_contradict_each_other_are_refused(
    changed: dict[str, Ref | None], sentence: str
) -> None:
    parts = {"stable": V2, "previous": V1} | changed
    text = Pointer(**parts).to_yaml()  # type: ignore[arg-type]
    with pytest.raises(BadInput) as caught:
        Pointer.parse(text)
    assert caught.value.problems == [f"production.yaml: {sentence}"]
