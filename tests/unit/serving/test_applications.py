"""Which applications of a cluster are a service's own, and which of them end."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gitops_model.formats.serving import Ray
from gitops_model.serving.applications import idle_since, name_of, own, to_end, too_few

RAY = Ray(address="127.0.0.1:6379", name="flights")
SHA = "4e2fab12cd34" + "0" * 52
NAMES = st.sets(st.sampled_from("abcdef"))


def test_another_setting_makes_another_application() -> None:
    name = name_of(RAY, SHA, trusted=(), version="1")
    assert name.startswith("flights-4e2fab12cd34-")
    others = {
        name_of(replace(RAY, max_replicas=9), SHA, trusted=(), version="1"),
        name_of(RAY, SHA, trusted=("a.B",), version="1"),
        name_of(RAY, SHA, trusted=(), version="2"),
        name_of(RAY, SHA[::-1], trusted=(), version="1"),
    }
    assert len(others | {name}) == 5
    assert own(RAY, [name, *others]) == others | {name}


def test_what_another_service_started_is_not_ours() -> None:
    others = [
        "default",
        "flights",
        "flights-api",
        name_of(replace(RAY, name="flights-eu"), SHA, trusted=()),
        name_of(replace(RAY, name="fligh"), SHA, trusted=()),
    ]
    assert own(RAY, others) == set()


@given(looks=st.lists(st.tuples(NAMES, NAMES), min_size=1, max_size=30))
def test_an_application_ends_only_when_nobody_needed_it_at_any_look_for_so_long(
    looks: list[tuple[set[str], set[str]]],
) -> None:
    idle: dict[str, float] = {}
    for now, (found, needed) in enumerate(looks):
        idle = idle_since(idle, found=found, needed=needed, now=float(now))
        for name in to_end(idle, now=float(now), kept=3.0):
            assert now >= 3
            assert all(name in f and name not in n for f, n in looks[now - 3 : now + 1])
        kept = {name for name in found - needed if name not in to_end(idle, now=now, kept=3.0)}
        # Nothing stays for ever: it was needed, or came, within the last looks.
        for name in kept:
            assert any(name in n or name not in f for f, n in looks[max(0, now - 3) : now]) or (
                now < 3
            )


def test_what_is_said_of_too_few_replicas() -> None:
    ends = "; Ray starts more where a node has room."
    assert too_few("flights-v1", running=1, wanted=2, nodes=1) == (
        f"flights-v1 has 1 of 2 replicas; the cluster has 1 node. The one that runs answers for all{ends}"
    )
    assert too_few("flights-v1", running=2, wanted=3, nodes=2) == (
        f"flights-v1 has 2 of 3 replicas; the cluster has 2 nodes. Those that run answer for all{ends}"
    )
    none = too_few("flights-v1", running=0, wanted=3, nodes=2)
    assert f"2 nodes. Nothing answers for it until one runs{ends}" in none
