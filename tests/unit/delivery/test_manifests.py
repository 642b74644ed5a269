"""Manifests obey the CRDs and KServe's webhook, say what the pointer says, and restart nothing without need."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_model.delivery import manifests
from gitops_model.delivery.manifests import Json, Released, Site
from gitops_model.errors import BadInput
from gitops_model.formats.pointer import Canary, Pointer, Ref
from tests.support import crds

GOLDEN = Path(__file__).parent / "golden"
IMAGE = f"ghcr.io/team/flight-delay@sha256:{'1' * 64}"
PLAIN = Site(image=IMAGE, storage="s3://bucket/flight-delay")
FULL = replace(PLAIN, namespace="models", account="storage-reader", replicas=3)


def ref(number: int, task: str = "flight-delay") -> Ref:
    return Ref(model=f"{task}-v{number}", sha256=f"{number:064x}")


def trial(of: Ref, percent: float) -> Canary:
    return Canary(model=of.model, sha256=of.sha256, percent=percent, key="tailnum")


def recorded(*refs: Ref) -> dict[Ref, Released]:
    return {
        one: Released(md5=one.sha256[-32:], commit=one.sha256[-40:], at="2026-11-28T12:00:00Z")
        for one in refs
    }


ALL = Pointer(
    stable=ref(12), previous=ref(11), canary=trial(ref(13), 10), shadow=ref(14), freeze=None
)
KNOWN = recorded(ref(11), ref(12), ref(13))
CASES: dict[str, Json] = {
    "stable": manifests.inference_service(Pointer(stable=ref(12)), recorded(ref(12)), PLAIN),
    "canary": manifests.inference_service(ALL, KNOWN, FULL),
    "application": manifests.application(
        task="flight-delay",
        repo="https://github.com/team/flight-delay.git",
        branch="main",
        path="deploy/kserve",
        namespace="models",
    ),
}


def mappings(value: Any) -> Iterator[dict[str, Any]]:
    """Every mapping inside, but for those whose keys are anybody's."""
    if isinstance(value, dict):
        yield value
    for key, one in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(one, (dict, list)) and key != "annotations":
            yield from mappings(one)


def predictors(isvc: Json) -> list[Json]:
    spec = isvc["spec"]
    return [spec["predictor"], *(one["predictor"] for one in spec.get("canary", []))]


@pytest.mark.parametrize("name", CASES)
def test_the_manifests_are_those_that_people_have_read(name: str) -> None:
    assert manifests.to_yaml(CASES[name]) == (GOLDEN / f"{name}.yaml").read_text()


@pytest.mark.parametrize("name", CASES)
def test_a_manifest_obeys_its_crd(name: str) -> None:
    assert crds.problems(CASES[name]) == []


@pytest.mark.parametrize("name", CASES)
def test_a_field_that_the_crd_does_not_know_is_found_wherever_it_stands(name: str) -> None:
    for number in range(len(list(mappings(CASES[name])))):
        changed = copy.deepcopy(CASES[name])
        list(mappings(changed))[number]["unheardOf"] = "x"
        assert "'unheardOf' was unexpected" in "".join(crds.problems(changed))


def test_the_schemas_find_what_lacks_and_what_has_the_wrong_type() -> None:
    changed = copy.deepcopy(CASES["canary"])
    del changed["spec"]["canary"][0]["trafficPercent"]
    changed["spec"]["predictor"]["minReplicas"] = "3"
    changed["metadata"]["name"] = "Flight_Delay"
    assert len(crds.problems(changed)) == 3


weights = st.integers(1, 100)
numbers = st.permutations(range(1, 5))


@settings(deadline=None)
@given(numbers, weights, st.integers(1, 100), st.booleans(), st.booleans(), st.booleans())
def test_any_pointer_is_what_kserve_takes(
    ids: list[int], percent: int, pods: int, canary: bool, previous: bool, again: bool
) -> None:
    stable, other, third, shadow = (ref(number) for number in ids)
    pointer = Pointer(
        stable=stable,
        canary=trial(other, percent) if canary else None,
        previous=(other if again else third) if previous else None,
        shadow=shadow,
    )
    isvc = manifests.inference_service(
        pointer, recorded(stable, other, third), replace(FULL, replicas=pods)
    )
    assert crds.problems(isvc) == [] and crds.refused(isvc) == []
    shares = {
        one["predictor"]["annotations"]["gitops-model/sha256"]: one["trafficPercent"]
        for one in isvc["spec"].get("canary", [])
    }
    assert shares.get(other.sha256, 0) == (percent if canary else 0)
    named = {one["annotations"]["gitops-model/sha256"] for one in predictors(isvc)}
    assert named == {one.sha256 for one in pointer.refs() if one != shadow}
    # Each can take over at once, from stable, from a canary, and from a way back.
    assert set(crds.pods(isvc).values()) == {pods}


def test_the_webhooks_rules_are_told_apart() -> None:
    changed = copy.deepcopy(CASES["canary"])
    first, second = changed["spec"]["canary"]
    first["trafficPercent"] = 101
    first["predictor"] |= {"minReplicas": 10, "maxReplicas": 10, "name": "v12"}
    second["predictor"]["containers"][0]["env"] = []
    changed["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] = "Knative"
    changed["metadata"]["name"] = "1-flight"
    rules = {"name", "mode", "names", "sum", "maxReplicas", "minReplicas", "no model"}
    assert set(crds.refused(changed)) == rules


def test_a_release_is_the_same_pods_whatever_its_part_is() -> None:
    """Else a promotion or a rollback would start pods, where it should move requests."""
    parts = [
        Pointer(stable=ref(11), canary=trial(ref(12), 50)),
        Pointer(stable=ref(12), previous=ref(11)),
        Pointer(stable=ref(13), previous=ref(12), freeze="a reason"),
    ]
    found = [
        {key: value for key, value in one.items() if key != "minReplicas"}
        for pointer in parts
        for one in predictors(manifests.inference_service(pointer, KNOWN, FULL))
        if one["name"] == "v12"
    ]
    assert len(found) == 3 and found[0] == found[1] == found[2]
    metadata = [manifests.inference_service(one, KNOWN, FULL)["metadata"] for one in parts]
    assert metadata[0] == metadata[1] == metadata[2]


def test_the_storage_is_named_by_what_it_holds() -> None:
    md5 = "ab" + "c" * 30
    known = {ref(12): Released(md5=md5, commit="1" * 40, at="2026-11-28T12:00:00Z")}
    site = replace(PLAIN, storage="s3://bucket/x/")
    isvc = manifests.inference_service(Pointer(stable=ref(12)), known, site)
    found = crds.environment(isvc["spec"]["predictor"])
    assert found["STORAGE_URI"] == f"s3://bucket/x/files/md5/ab/{'c' * 30}"
    assert (found["BUNDLE"], found["SHA256"]) == ("c" * 30, ref(12).sha256)
    # A name with .tar or .zip would be unpacked by KServe's storage initializer.
    assert "." not in found["BUNDLE"]


def test_a_previous_that_is_lost_is_left_out() -> None:
    isvc = manifests.inference_service(ALL, recorded(ref(12), ref(13)), FULL)
    assert [one["name"] for one in predictors(isvc)] == ["v12", "v13"]
    assert crds.pods(isvc) == {"v12": 3, "v13": 3}


@pytest.mark.parametrize("percent", [0.5, 12.5, 99.9])
def test_a_share_that_kserve_cannot_split_is_refused(percent: float) -> None:
    pointer = Pointer(stable=ref(12), canary=trial(ref(13), percent))
    with pytest.raises(BadInput, match=r"whole percents; allowed: 1 to 100\. .* CANARY=[1-9]"):
        manifests.inference_service(pointer, KNOWN, FULL)


def test_names_that_are_too_long_are_refused() -> None:
    task = "a" * 45
    fits, over = Pointer(stable=ref(1, task)), Pointer(stable=ref(1000, task))
    manifests.inference_service(fits, recorded(ref(1, task)), PLAIN)
    with pytest.raises(BadInput, match="has 66 characters; allowed: 63"):
        manifests.inference_service(over, recorded(ref(1000, task)), PLAIN)
    namespace = replace(PLAIN, namespace="n" * 41)
    with pytest.raises(
        BadInput, match="64 characters; allowed: 63. Name a namespace of at most 40"
    ):
        manifests.inference_service(Pointer(stable=ref(12)), KNOWN, namespace)


def test_two_tasks_are_refused() -> None:
    other = ref(13, "parcel-delay")
    pointer = Pointer(stable=ref(12), canary=trial(other, 10))
    with pytest.raises(BadInput, match="parcel-delay-v13 is of another task than stable"):
        manifests.inference_service(pointer, recorded(ref(12), other), PLAIN)


@pytest.mark.parametrize("text", ["1234e567", "0x10", "0o7", "1_0", ".5", "-1", "+2", "y", "N"])
def test_what_go_would_take_for_a_number_or_a_yes_is_quoted(text: str) -> None:
    """PyYAML leaves 1234e567 bare, which Go's YAML reads as infinity."""
    assert manifests.to_yaml({"sha256": text}) == f"sha256: '{text}'\n"


@settings(deadline=None)
@given(st.recursive(st.text() | st.integers() | st.booleans(), st.lists, max_leaves=9))
def test_yaml_is_read_back_as_it_was_written(value: Any) -> None:
    assert yaml.safe_load(manifests.to_yaml({"value": value})) == {"value": value}
