"""The bugs of `mutations` in manifests for a cluster, which no cluster would speak of."""

from __future__ import annotations

from ci_scripts.mutants import inside

MANIFESTS = "tests/unit/delivery/test_manifests.py"
RENDER = "tests/integration/delivery/test_render.py"

RENDERED = (
    inside(
        "delivery/manifests.py",
        "render: the way back takes requests",
        "trials.append((0, warm))",
        "trials.append((1, warm))",
        MANIFESTS,
    ),
    inside(
        "delivery/manifests.py",
        "render: stable loses its pods to the way back",
        "pods = site.replicas * (1 + len(trials))",
        "pods = site.replicas",
        f"{MANIFESTS}::test_any_pointer_is_what_kserve_takes",
    ),
    inside(
        "delivery/manifests.py",
        "render: a share is rounded without a word",
        "if canary.percent != int(canary.percent):",
        "if False:",
        MANIFESTS,
    ),
    inside(
        "delivery/manifests.py",
        "render: a sha256 that looks like a number is left bare",
        '"\'" if risky else None',
        "None",
        f"{MANIFESTS}::test_what_go_would_take_for_a_number_or_a_yes_is_quoted",
    ),
    inside(
        "delivery/manifests.py",
        "render: a field that the CRD does not know",
        '"capabilities": {"drop": ["ALL"]},',
        '"capability": {"drop": ["ALL"]},',
        f"{MANIFESTS}::test_a_manifest_obeys_its_crd",
    ),
    inside(
        "delivery/manifests.py",
        "render: a promotion restarts the pods",
        '"minReplicas": pods, **_pod(ref, records[ref], site)}',
        '"minReplicas": pods, **_pod(ref, records[ref], site), "labels": {"pods": str(pods)}}',
        f"{MANIFESTS}::test_a_release_is_the_same_pods_whatever_its_part_is",
    ),
    inside(
        "delivery/render.py",
        "render: a release that disagrees with its record is rendered",
        "releases.verify(git, ref).record",
        "releases.load(git, ref.model).record",
        f"{RENDER}::test_what_must_not_be_served_is_not_rendered",
    ),
    inside(
        "delivery/render.py",
        "render: a token of origin's address is committed",
        r'r"^(https?://)\S*@", r"\1"',
        r'r"^(never://)[^/@]*@", r"\1"',
        f"{RENDER}::test_argo_follows_origin_but_never_holds_its_token",
    ),
)
