"""`render`: manifests on stdout, notes on stderr, and pods whose command serves exactly what the pointer names."""

from __future__ import annotations

import argparse
import http.client
import json
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gitops_model.delivery import dvc, programs, render
from gitops_model.formats.pointer import Canary, Pointer, Ref
from tests.support import crds
from tests.support.factories import REQUEST
from tests.support.places import ROOT, TEMPLATE
from tests.support.world import Clone, World

IMAGE = f"ghcr.io/team/flight-delay@sha256:{'1' * 64}"
KSERVE = ("render", "kserve", "--image", IMAGE)
REMOTE = (
    "[core]\n    remote = storage\n['remote \"storage\"']\n    url = s3://bucket/flight-delay\n"
)
PATIENCE = 30.0


@pytest.fixture
def stored(two: Clone) -> Clone:
    """flight-delay-v1 in production, v2 released, and a storage that a cluster can read."""
    two.write(".dvc/config", REMOTE)
    two.commit("Name the storage", ".dvc/config")
    two.push()
    return two


def rendered(clone: Clone, *words: str) -> tuple[dict[str, Any], str]:
    done = clone.ok(*KSERVE, *words)
    manifest: dict[str, Any] = yaml.safe_load(done.out)
    assert crds.problems(manifest) == [] and crds.refused(manifest) == []
    return manifest, done.err


def releases(manifest: dict[str, Any]) -> dict[str, int | None]:
    """Release → percent, None for stable."""
    spec = manifest["spec"]
    parts = [(spec["predictor"], None)]
    parts += [(one["predictor"], one["trafficPercent"]) for one in spec.get("canary", [])]
    return {one["annotations"]["gitops-model/release"]: share for one, share in parts}


def record(clone: Clone) -> dict[str, Any]:
    """The record of flight-delay-v1."""
    text = clone.git("tag", "-l", "--format=%(contents:body)", "flight-delay-v1")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def test_stdout_is_the_manifest_of_what_main_says_and_no_more(stored: Clone) -> None:
    done = stored.ok(*KSERVE, "--namespace", "models", "--service-account", "reader")
    commit = stored.git("log", "-1", "--format=%H", "--", "production.yaml")
    assert done.out.startswith(f"# Rendered from production.yaml at {commit}; ")
    manifest = yaml.safe_load(done.out)
    assert manifest["metadata"]["namespace"] == "models"
    assert releases(manifest) == {"flight-delay-v1": None}
    again = stored.ok(*KSERVE, "--namespace", "models", "--service-account", "reader")
    assert (again.out, done.err) == (done.out, "")


def test_the_storage_holds_the_bundle_under_the_name_that_is_rendered(stored: Clone) -> None:
    manifest, _ = rendered(stored)
    found = crds.environment(manifest["spec"]["predictor"])
    # dvc.lock on main names the bundle of v2; v1's record is the one that counts.
    md5 = record(stored)["artifact"]["md5"]
    assert md5 != dvc.lock_of(stored.root).outs[dvc.BUNDLE].md5
    folder, name = md5[:2], md5[2:]
    assert found["STORAGE_URI"] == f"s3://bucket/flight-delay/files/md5/{folder}/{name}"
    elsewhere, _ = rendered(stored, "--storage", "gs://mirror/")
    found = crds.environment(elsewhere["spec"]["predictor"])
    assert found["STORAGE_URI"] == f"gs://mirror/files/md5/{folder}/{name}"


def test_a_canary_a_shadow_and_the_way_back(stored: Clone) -> None:
    stored.ship("flight-delay-v2", "--canary", "10")
    manifest, said = rendered(stored)
    assert releases(manifest) == {"flight-delay-v1": None, "flight-delay-v2": 10}
    assert "at random, whatever `key` says" in said
    stored.ship("flight-delay-v2")
    manifest, said = rendered(stored)
    assert releases(manifest) == {"flight-delay-v2": None, "flight-delay-v1": 0} and said == ""
    now = stored.pointer
    stored.point(Pointer(stable=now.stable, shadow=now.previous))
    manifest, said = rendered(stored)
    assert releases(manifest) == {"flight-delay-v2": None}
    assert said == "render: shadow flight-delay-v1 is left out: KServe has no shadow.\n"


def test_a_commit_that_leaves_the_pointer_alone_changes_nothing(stored: Clone) -> None:
    before = stored.ok(*KSERVE).out
    stored.write("notes.txt", "nothing")
    stored.commit("Another file", "notes.txt")
    stored.push()
    assert stored.ok(*KSERVE).out == before


def test_output_writes_whole_files_into_a_folder(stored: Clone) -> None:
    done = stored.ok(*KSERVE, "--output", "deploy/kserve")
    assert (done.out, done.err) == (
        "",
        "render: written: deploy/kserve/inference-service.yaml\n",
    )
    stored.ok("render", "argo", "--repo", "git@github.com:team/x.git", "--output", "deploy")
    names = sorted(path.name for path in (stored.root / "deploy").rglob("*") if path.is_file())
    assert names == ["application.yaml", "inference-service.yaml"]
    assert (stored.root / "deploy/kserve/inference-service.yaml").read_text() == stored.ok(
        *KSERVE
    ).out


def test_the_pods_follow_serving_yaml(stored: Clone) -> None:
    settings = {"host": "127.0.0.1", "port": 0, "shutdown_seconds": 20.5}
    stored.write("serving.yaml", yaml.safe_dump(settings | {"log": {"folder": "logs/answers"}}))
    assert rendered(stored)[0]["spec"]["predictor"]["terminationGracePeriodSeconds"] == 20
    stored.commit("Take longer", "serving.yaml")
    stored.push()
    predictor = rendered(stored)[0]["spec"]["predictor"]
    assert predictor["terminationGracePeriodSeconds"] == 31
    mounts = {one["name"]: one["mountPath"] for one in predictor["containers"][0]["volumeMounts"]}
    assert mounts["log"] == "/srv/logs/answers"


def test_models_run_on_one_cluster_or_the_other(stored: Clone) -> None:
    settings = {"host": "127.0.0.1", "port": 0, "engine": "ray", "ray": {"address": "head:6379"}}
    stored.write("serving.yaml", yaml.safe_dump(settings))
    stored.commit("Run on Ray", "serving.yaml")
    stored.push()
    done = stored.run(*KSERVE)
    assert (done.code, done.out) == (2, "") and "has engine: ray" in done.err


def test_what_must_not_be_served_is_not_rendered(stored: Clone) -> None:
    pointer, sha = stored.pointer, "f" * 64
    assert pointer.stable is not None
    stored.point(Pointer(stable=Ref(model="flight-delay-v1", sha256=sha)))
    done = stored.run(*KSERVE)
    assert (done.code, done.out) == (4, "") and "the release's record says" in done.err
    lost = Ref(model="flight-delay-v9", sha256=sha)
    stored.point(Pointer(stable=pointer.stable, previous=lost))
    manifest, said = rendered(stored)
    assert releases(manifest) == {"flight-delay-v1": None}
    assert (
        "no quick way back, flight-delay-v9 is left out: flight-delay-v9 is not a release" in said
    )
    stored.point(
        Pointer(
            stable=pointer.stable,
            canary=Canary(model=lost.model, sha256=lost.sha256, percent=5, key=None),
        )
    )
    assert stored.run(*KSERVE).code == 4


def test_nothing_is_rendered_before_the_first_release(world: World) -> None:
    done = world.clones[0].run(*KSERVE, "--storage", "s3://bucket")
    assert (done.code, done.out) == (1, "")
    assert "names no release. Ship one: make ship" in done.err


def test_a_repository_without_a_storage_is_told_what_to_name(two: Clone) -> None:
    done = two.run(*KSERVE)
    assert (done.code, done.out) == (2, "")
    assert "has no DVC remote" in done.err and "--storage s3://bucket/flight-delay" in done.err
    assert two.run(*KSERVE, "--storage", "s3://bucket").code == 0


BAD = {
    "--image": ["flight-delay:latest", f"x y@sha256:{'1' * 64}", f"$(X)@sha256:{'1' * 64}", ""],
    "--storage": ["/srv/storage", "s3://", "https://me:key@host/x", "s3://b/a?x=1", "pvc://c/x"],
    "--namespace": ["Models", "a.b", "a-", "a" * 64, "a\nb"],
    "--service-account": ["a b", "a_b", "a" * 254],
    "--replicas": ["0", "101"],
}


@pytest.mark.parametrize("option", BAD)
def test_a_wrong_option_is_one_clear_error(stored: Clone, option: str) -> None:
    for value in BAD[option]:
        done = stored.run(*KSERVE, option, value)
        # A key is not written into a log a second time.
        shown = value if option == "--replicas" else repr(value).replace("me:key@", "***@")
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith(f"render: {option}: {shown} cannot be used; allowed: ")
        assert f"Example: {option} " in done.err and done.err.count("\n") == 1
        assert "me:key" not in done.err


def test_the_examples_of_the_errors_are_allowed(stored: Clone) -> None:
    words = ["--namespace", "flight-models", "--service-account", "reader", "--replicas", "2"]
    assert rendered(stored, *words, "--storage", "s3://bucket/flight-delay")


@pytest.mark.parametrize(
    ("origin", "shown"),
    [
        ("https://x:token@github.com/team/m.git", "https://github.com/team/m.git"),
        ("https://token@github.com/team/m", "https://github.com/team/m"),
        ("https://x:token/or@two@github.com/team/m", "https://github.com/team/m"),
        ("git@github.com:team/m.git", "git@github.com:team/m.git"),
        ("ssh://git@host:2222/team/m.git", "ssh://git@host:2222/team/m.git"),
    ],
)
def test_argo_follows_origin_but_never_holds_its_token(two: Clone, origin: str, shown: str) -> None:
    two.git("remote", "set-url", "origin", origin)
    done = two.ok("render", "argo", "--namespace", "models")
    manifest = yaml.safe_load(done.out)
    assert crds.problems(manifest) == [] and "token" not in done.text
    assert manifest["spec"]["source"] == {
        "repoURL": shown,
        "targetRevision": "main",
        "path": "deploy/kserve",
    }
    assert manifest["spec"]["destination"]["namespace"] == "models"
    assert manifest["spec"]["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}


@pytest.mark.parametrize("branch", ["main", "release/kserve"])
def test_argo_follows_a_branch(two: Clone, branch: str) -> None:
    done = two.ok("render", "argo", "--repo", "https://host/x.git", "--branch", branch)
    spec = yaml.safe_load(done.out)["spec"]
    assert (spec["source"]["targetRevision"], spec["destination"]["namespace"]) == (
        branch,
        "flight-delay",
    )


def test_argo_refuses_what_it_could_not_follow(two: Clone) -> None:
    # origin is a folder of this machine.
    assert two.run("render", "argo").err.startswith("render: --repo: '/")
    for option, value in (
        ("--path", "../x"),
        ("--path", "/x"),
        ("--path", "."),
        ("--branch", "a b"),
    ):
        done = two.run("render", "argo", "--repo", "https://host/x.git", option, value)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith(f"render: {option}: {value!r} cannot be used; allowed: ")


# What a pod does, done without a cluster


class Pod:
    """The container of a predictor: its command, environment and probes, in folders of this test."""

    def __init__(self, predictor: dict[str, Any], folder: Path) -> None:
        self.container = predictor["containers"][0]
        self.env = crds.environment(predictor)
        self.models = folder / "models"
        self.home = folder / "srv"
        for one in (self.models, self.home / "store"):
            one.mkdir(parents=True)
        (self.home / "serving.yaml").write_text(yaml.safe_dump({"host": "127.0.0.1", "port": 0}))
        shim = folder / "bin/gitops-model"
        shim.parent.mkdir()
        shim.write_text(f'#!/bin/sh\nexec {shlex.join(programs.gitops_model())} "$@"\n')
        shim.chmod(0o755)
        self.path = shim.parent
        self.process: subprocess.Popen[str] | None = None
        self.port = 0

    def download(self, data: bytes) -> None:
        """What KServe's storage initializer does with an object: it lands under the last part of its name."""
        (self.models / self.env["STORAGE_URI"].rsplit("/", 1)[1]).write_bytes(data)

    def start(self) -> None:
        shell, flags, script = self.container["command"]
        script = script.replace("/mnt/models", str(self.models))
        # The settings of this test listen on this machine alone.
        script = re.sub(r"--host \S+ --port \d+", "", script)
        environment = programs.environment()
        self.process = subprocess.Popen(
            [shell, flags, script],
            cwd=self.home,
            env={**environment, **self.env, "PATH": f"{self.path}:{environment['PATH']}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline().rsplit(":", 1)[1])

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(PATIENCE) == 0
            assert self.process.stdout is not None
            self.process.stdout.close()

    def ask(self, path: str, body: Any = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request("GET" if body is None else "POST", path, body and json.dumps(body))
        answer = connection.getresponse()
        found = answer.status, json.loads(answer.read())
        connection.close()
        return found

    def probe(self, name: str) -> int:
        return self.ask(self.container[name]["httpGet"]["path"])[0]


@pytest.fixture
def pod(stored: Clone, tmp_path: Path) -> Iterator[Pod]:
    found = Pod(rendered(stored)[0]["spec"]["predictor"], tmp_path / "pod")
    yield found
    found.stop()


def until(found: Any) -> None:
    end = time.monotonic() + PATIENCE
    while not found():
        assert time.monotonic() < end
        time.sleep(0.05)


def bundle(clone: Clone) -> bytes:
    return dvc.cached(clone.root, record(clone)["artifact"]["md5"]).read_bytes()


def test_the_rendered_command_serves_the_release(stored: Clone, pod: Pod) -> None:
    pod.download(bundle(stored))
    pod.start()
    until(lambda: pod.probe("readinessProbe") == 200)
    assert pod.probe("livenessProbe") == 200
    code, answer = pod.ask("/predict", {"inputs": REQUEST})
    assert code == 200 and answer["model"] == "flight-delay-v1"
    assert pod.ask("/v2/models/flight-delay/ready")[0] == 200
    # A container that crashed is started again in the same pod, on the same volumes.
    pod.stop()
    pod.start()
    until(lambda: pod.probe("readinessProbe") == 200)


def test_a_pod_whose_storage_holds_other_bytes_is_never_ready(stored: Clone, pod: Pod) -> None:
    pod.download(bundle(stored)[:-1] + b"x")
    pod.start()
    until(lambda: pod.ask("/status")[1]["errors"])
    assert "sha256" in json.dumps(pod.ask("/status")[1]["errors"])
    assert (pod.probe("readinessProbe"), pod.probe("livenessProbe")) == (503, 200)


def test_the_page_shows_commands_that_exist() -> None:
    text = (ROOT / "docs/kubernetes.md").read_text()
    lines = re.findall(r"^\.venv/bin/gitops-model render (.+?)(?: \|.*)?$", text, re.MULTILINE)
    parser = argparse.ArgumentParser()
    render.add_arguments(parser)
    found = [render.Options(**vars(parser.parse_args(shlex.split(line)))) for line in lines]
    assert {one.target for one in found} == {"kserve", "argo"}


def test_the_generated_repository_does_not_speak_of_it() -> None:
    words = ("kserve", "kubernetes", "kubectl", "argo cd")
    for path in TEMPLATE.rglob("*"):
        if path.is_file() and path.suffix != ".whl":
            text = path.read_text(errors="replace").lower()
            assert not [word for word in words if word in text], path
