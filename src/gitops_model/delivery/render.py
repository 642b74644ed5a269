"""`render`: what production.yaml says as manifests for a cluster, on stdout or as a file.

`kserve` writes an InferenceService, `argo` an Argo CD Application that follows a folder of them. Nothing is fetched,
and no cluster is asked.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from gitops_model import strict_yaml
from gitops_model.delivery import desired, dvc, manifests, releases
from gitops_model.delivery.git import Git, masked
from gitops_model.delivery.host import GRACE_SECONDS
from gitops_model.delivery.manifests import Json, Released, Site
from gitops_model.errors import BadArtifact, BadInput, Blocked
from gitops_model.files import write_atomic
from gitops_model.formats.contract import Contract
from gitops_model.formats.pointer import Ref

FILES = {"kserve": "inference-service.yaml", "argo": "application.yaml"}
_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_PART = r"[A-Za-z0-9_][\w.+=-]*"


@dataclass(frozen=True)
class Rule:
    """What an option may be: a pattern, in words, and an example."""

    pattern: str
    words: str
    example: str


RULES = {
    "namespace": Rule(
        _LABEL, "small letters, digits and - inside, at most 63 characters", "models"
    ),
    "service_account": Rule(
        rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*", "small letters, digits, - and . inside", "reader"
    ),
    "image": Rule(
        r"[a-z0-9][\w./:-]{0,254}@sha256:[0-9a-f]{64}",
        "the service image by digest, which `docker push` prints (a tag can change)",
        f"ghcr.io/team/flight-delay@sha256:{'0' * 64}",
    ),
    "storage": Rule(
        rf"((s3|gs)://[a-z0-9][a-z0-9._-]*|https://[a-z0-9][a-z0-9.-]*(:[0-9]+)?)(/{_PART})*/?",
        "the DVC remote's address as the cluster sees it, by s3://, gs:// or https://, without keys in it",
        "s3://bucket/flight-delay, or https://ACCOUNT.blob.core.windows.net/CONTAINER for Azure",
    ),
    "repo": Rule(
        rf"(https?://[\w.-]+(:[0-9]+)?|ssh://(\w[\w.-]*@)?[\w.-]+(:[0-9]+)?)(/{_PART})+/?|\w[\w.-]*@[\w.-]+:/?{_PART}(/{_PART})*",
        "the address by which Argo CD reaches the repository",
        "https://github.com/team/flight-delay.git",
    ),
    "branch": Rule(rf"{_PART}(/{_PART})*", "a branch", "main"),
    "path": Rule(
        rf"{_PART}(/{_PART})*", "a folder inside the repository, as main has it", "deploy/kserve"
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of both targets."""
    targets = parser.add_subparsers(dest="target", required=True)
    kserve = targets.add_parser("kserve", help="KServe's InferenceService for production.yaml")
    kserve.add_argument("--image", required=True, help="the service image, NAME@sha256:DIGEST")
    kserve.add_argument(
        "--storage", help="the DVC remote as the cluster sees it (default: its url)"
    )
    kserve.add_argument("--service-account", help="the account whose secret reads the storage")
    kserve.add_argument("--replicas", type=int, default=1, help="pods of each release (default: 1)")
    kserve.add_argument(
        "--ref", metavar="REV", help="production.yaml of this commit (default: main)"
    )
    argo = targets.add_parser("argo", help="an Argo CD Application for a folder of manifests")
    argo.add_argument("--repo", help="the repository's address (default: origin's)")
    argo.add_argument("--branch", default="main", help="the branch to follow (default: main)")
    argo.add_argument("--path", default="deploy/kserve", help="the folder (default: %(default)s)")
    for one in (kserve, argo):
        one.add_argument(
            "--namespace",
            help="where the model runs"
            + (" (default: that of kubectl)" if one is kserve else " (default: the task's name)"),
        )
        one.add_argument("--output", type=Path, metavar="FOLDER", help="write a file into it")


@dataclass(frozen=True, kw_only=True)
class Options:
    """`target` is kserve or argo; the others as add_arguments says, each for the targets that have it."""

    target: str
    image: str = ""
    storage: str | None = None
    service_account: str | None = None
    replicas: int = 1
    ref: str | None = None
    repo: str | None = None
    branch: str = "main"
    path: str = "deploy/kserve"
    namespace: str | None = None
    output: Path | None = None


def run(options: Options) -> int:
    """Print or write the manifest; notes go to stderr. Raises BadInput, BadArtifact, Blocked."""
    git = Git.open(Path.cwd())
    text = _kserve(git, options) if options.target == "kserve" else _argo(git, options)
    if options.output is None:
        sys.stdout.write(text)
        return 0
    path = options.output / FILES[options.target]
    write_atomic(path, text)
    _say(f"written: {path}")
    return 0


def _kserve(git: Git, options: Options) -> str:
    storage = options.storage or _storage(git)
    _require(options, ("image", "namespace", "service_account"), storage=storage)
    wanted = desired.resolve(git, ref=options.ref)
    for note in wanted.notes:
        _say(note)
    pointer = wanted.pointer
    if pointer.stable is None:
        raise Blocked(
            f"production.yaml at {wanted.commit[:12]} names no release. Ship one: make ship"
        )
    records = dict(_records(git, wanted))
    if pointer.shadow is not None:
        _say(f"shadow {pointer.shadow.model} is left out: KServe has no shadow.")
    if pointer.canary is not None:
        _say(
            f"canary {pointer.canary.model} gets its share of requests at random, whatever `key` says, and nobody "
            "judges it. The split needs KServe 0.21 and Gateway API."
        )
    text = git.text(wanted.commit, "serving.yaml")
    if text is None:
        raise BadInput(f"commit {wanted.commit[:12]} has no serving.yaml.")
    settings = strict_yaml.parse(text, kind="serving", name="serving.yaml")
    if settings.get("engine", "local") != "local":
        raise BadInput(
            f"serving.yaml of commit {wanted.commit[:12]} has engine: {settings['engine']}. A pod of KServe holds its "
            "model itself, so only one of the two is possible: remove engine and ray, or do not render."
        )
    site = Site(
        image=options.image,
        storage=storage,
        namespace=options.namespace,
        account=options.service_account,
        replicas=options.replicas,
        log=_log(settings),
        grace=math.ceil(settings.get("shutdown_seconds", 10.0)) + GRACE_SECONDS,
    )
    manifest = manifests.inference_service(pointer, records, site)
    commit = git.pointer_commits(wanted.commit, releases.POINTER, limit=1)[0]
    return _headed(manifest, f"production.yaml at {commit}", "kserve")


def _argo(git: Git, options: Options) -> str:
    task = Contract.load(git.root / "contract.yaml").task
    # A token in origin's address is not Argo CD's, and must not be committed.
    origin = re.sub(r"^(https?://)\S*@", r"\1", git.origin_url() or "")
    namespace = options.namespace or task
    repo = options.repo or origin
    _require(options, ("branch", "path"), repo=repo, namespace=namespace)
    manifest = manifests.application(
        task=task, repo=repo, branch=options.branch, path=options.path, namespace=namespace
    )
    return _headed(manifest, "contract.yaml", "argo")


def _storage(git: Git) -> str:
    name = dvc.default_remote(git.root)
    url = None if name is None else dvc.remote_url(git.root, name)
    if url is None:
        rule = RULES["storage"]
        raise BadInput(
            "this repository has no DVC remote, and KServe fetches a bundle by its address in one. Push the bundles to "
            f"a storage that the cluster reads, and name it: {_flag('storage')} {rule.example}"
        )
    return url


def _records(git: Git, wanted: desired.Desired) -> Iterable[tuple[Ref, Released]]:
    """What the releases of stable, canary and previous say. A previous that is lost is said, and left out."""
    pointer = wanted.pointer
    needed = [pointer.stable, pointer.canary.ref if pointer.canary else None, pointer.previous]
    for ref in dict.fromkeys(ref for ref in needed if ref is not None):
        try:
            if ref.model in wanted.moved:
                raise BadArtifact(releases.moved(ref.model))
            record = releases.verify(git, ref).record
        except BadArtifact as error:
            if ref != pointer.previous or (pointer.canary and ref == pointer.canary.ref):
                raise
            _say(f"no quick way back, {ref.model} is left out: {error}")
            continue
        yield (
            ref,
            Released(
                md5=record["artifact"]["md5"],
                commit=record["code"]["commit"],
                at=record["released"]["at"],
            ),
        )


def _log(settings: Mapping[str, Any]) -> str:
    """Where the service of the image, whose serving.yaml lies in /srv, writes its prediction log."""
    folder = (settings.get("log") or {}).get("folder", "logs/predictions")
    return str(PurePosixPath("/srv") / folder)


def _require(options: Options, names: Iterable[str], **found: str) -> None:
    """Raises BadInput with every option that breaks its rule; `found` are values that may come from elsewhere."""
    values = {name: getattr(options, name) for name in names} | found
    problems = [
        f"{_flag(name)}: {masked(repr(value))} cannot be used; allowed: {RULES[name].words}. Example: {_flag(name)} "
        f"{RULES[name].example}"
        for name, value in values.items()
        if value is not None and not re.fullmatch(RULES[name].pattern, value, re.ASCII)
    ]
    if not 1 <= options.replicas <= 100:
        problems.append(
            f"--replicas: {options.replicas} cannot be used; allowed: 1 to 100. Example: --replicas 2"
        )
    if problems:
        raise BadInput(problems)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _headed(manifest: Json, source: str, target: str) -> str:
    """The commit stands in a comment: in the resource it would restart every pod."""
    first = f"# Rendered from {source}; render it again rather than edit it: gitops-model render {target}"
    return f"{first}\n{manifests.to_yaml(manifest)}"


def _say(sentence: str) -> None:
    print(f"render: {sentence}", file=sys.stderr)
