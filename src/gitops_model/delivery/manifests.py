"""The pointer as manifests for Kubernetes: KServe's InferenceService, and an Argo CD Application. Pure.

A release is one Deployment of KServe's, named after the release and the same whatever its part in the pointer is: a
canary that is promoted, and a rollback to `previous`, change only where requests go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from gitops_model.errors import BadInput
from gitops_model.formats.pointer import Canary, Pointer, Ref
from gitops_model.formats.record import parse_id
from gitops_model.formats.store import Stored

# A manifest, or a part of one, as it stands in the file: built here of types, written by `to_yaml`, never read back.
Json = dict[str, Any]

LABEL = 63  # characters of a DNS-1123 label, and of a label's value
MOUNT = "/mnt/models"  # where KServe's storage initializer puts what storageUri names
PORT = 8080
# Links the downloaded bundle into a store of this one release. The service then does what it always does: it compares
# the bundle's sha256 with the pointer's before it opens it, and answers the golden requests before it is ready.
START = f"""\
mkdir -p store/bundles
ln -sf "{MOUNT}/$BUNDLE" "store/bundles/$SHA256.tar"
printf %s "$POINTER" > store/pointer.json
exec gitops-model serve --host 0.0.0.0 --port {PORT} --store store
"""


@dataclass(frozen=True, kw_only=True)
class Released:
    """What the record of a release says: DVC's md5 of its bundle, its commit, and when it was released."""

    md5: str
    commit: str
    at: str


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where it runs. `image` is the service image by digest, `storage` the DVC remote as the cluster sees it.

    `replicas` pods of each release; `log` is the absolute folder of the prediction log; `grace` seconds to end a pod.
    """

    image: str
    storage: str
    namespace: str | None = None
    account: str | None = None
    replicas: int = 1
    log: str = "/srv/logs/predictions"
    grace: int = 20


def inference_service(pointer: Pointer, records: Mapping[Ref, Released], site: Site) -> Json:
    """KServe's resource for what the pointer says; `records` holds stable, canary and previous.

    Without a record `previous` is left out, as a way back that is lost. Raises BadInput for names that are too long or
    of another task, and for a share that is no whole percent.
    """
    assert pointer.stable is not None
    stable, canary, previous = pointer.stable, pointer.canary, pointer.previous
    # A canary of the release that served before is there already, and a name may stand once only.
    warm = previous if previous in records and (not canary or previous != canary.ref) else None
    task = parse_id(stable.model).task
    _require_names(task, [stable, *([canary.ref] if canary else []), *([warm] if warm else [])])
    _require_host(task, site.namespace)

    def predictor(ref: Ref, pods: int) -> Json:
        return {"name": _variant(ref), "minReplicas": pods, **_pod(ref, records[ref], site)}

    trials: list[tuple[int, Ref]] = []
    if canary is not None:
        trials.append((_percent(canary), canary.ref))
    if warm is not None:
        trials.append((0, warm))
    # Each can take everything at once. KServe takes the pods of the others, once they are ready, off those of stable.
    pods = site.replicas * (1 + len(trials))
    others = [
        {"trafficPercent": percent, "predictor": predictor(ref, site.replicas)}
        for percent, ref in trials
    ]
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": task,
            **({"namespace": site.namespace} if site.namespace else {}),
            # They reach the pods: anything in them that changes would restart every one.
            "annotations": {
                "serving.kserve.io/autoscalerClass": "none",
                "serving.kserve.io/deploymentMode": "Standard",
            },
        },
        "spec": {
            "predictor": predictor(stable, pods),
            **({"canary": others} if others else {}),
        },
    }


def application(*, task: str, repo: str, branch: str, path: str, namespace: str) -> Json:
    """The Argo CD resource that keeps `namespace` equal to the folder `path` of `repo` at `branch`."""
    _require_host(task, namespace)
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {
            "name": task,
            "namespace": "argocd",
            # KServe's webhook fills in defaults, which would look like a difference for ever.
            "annotations": {"argocd.argoproj.io/compare-options": "ServerSideDiff=true"},
        },
        "spec": {
            "project": "default",
            "source": {"repoURL": repo, "targetRevision": branch, "path": path},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": namespace},
            "syncPolicy": {
                "automated": {"prune": True, "selfHeal": True},
                "syncOptions": ["CreateNamespace=true", "ServerSideApply=true"],
            },
        },
    }


def to_yaml(manifest: Json) -> str:
    """YAML that Kubernetes reads as it was meant, in a fixed order."""
    return str(yaml.dump(manifest, Dumper=_Dumper, sort_keys=False, width=10_000))


class _Dumper(yaml.SafeDumper):
    """Quotes what might be taken for a number: to Go `1234e567` is one, and a sha256 may look like it."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    risky = re.match(r"[-+.\d]|[yn]$", value, re.IGNORECASE)
    style = "|" if "\n" in value else "'" if risky else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def _variant(ref: Ref) -> str:
    return f"v{parse_id(ref.model).number}"


def _pod(ref: Ref, record: Released, site: Site) -> Json:
    """The same for a release whatever its part is, so that a change of parts restarts nothing."""
    folder, name = record.md5[:2], record.md5[2:]
    alone = Stored(pointer=Pointer(stable=ref), commit=record.commit, written_at=record.at)
    env = {
        "STORAGE_URI": f"{site.storage.rstrip('/')}/files/md5/{folder}/{name}",
        "PROTOCOL": "v2",
        "BUNDLE": name,
        "SHA256": ref.sha256,
        "POINTER": alone.to_json(),
    }
    mounts = {"store": "/srv/store", "log": site.log, "tmp": "/tmp"}  # noqa: S108
    return {
        "annotations": {"gitops-model/release": ref.model, "gitops-model/sha256": ref.sha256},
        **({"serviceAccountName": site.account} if site.account else {}),
        "terminationGracePeriodSeconds": site.grace,
        "containers": [
            {
                "name": "kserve-container",
                "image": site.image,
                "workingDir": "/srv",
                "command": ["sh", "-ec", START],
                "env": [{"name": key, "value": value} for key, value in env.items()],
                "ports": [{"containerPort": PORT, "protocol": "TCP"}],
                "readinessProbe": _probe("/v2/health/ready", 2),
                "livenessProbe": _probe("/v2/health/live", 10),
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": True,
                    "runAsNonRoot": True,
                },
                "volumeMounts": [
                    {"name": name, "mountPath": path} for name, path in mounts.items()
                ],
            }
        ],
        "volumes": [{"name": name, "emptyDir": {}} for name in mounts],
    }


def _probe(path: str, seconds: int) -> Json:
    return {
        "httpGet": {"path": path, "port": PORT},
        "periodSeconds": seconds,
        "timeoutSeconds": 2,
    }


def _percent(canary: Canary) -> int:
    if canary.percent != int(canary.percent):
        nearest = max(1, round(canary.percent))
        raise BadInput(
            f"production.yaml: canary.percent is {canary.percent:g}; KServe splits by whole percents; allowed: 1 to "
            f"100. Ship it with another share: make ship MODEL={canary.model} CANARY={nearest}"
        )
    return int(canary.percent)


def _require_names(task: str, refs: list[Ref]) -> None:
    problems = []
    for ref in refs:
        other = parse_id(ref.model)
        label = f"isvc.{task}-{_variant(ref)}-predictor"
        if other.task != task:
            problems.append(
                f"production.yaml: {ref.model} is of another task than stable, {task}; one InferenceService serves one "
                "task. Finish the change of the task first: make ship"
            )
        elif len(label) > LABEL:
            problems.append(
                f"production.yaml: KServe labels the pods of {ref.model} with {label}, which has {len(label)} "
                f"characters; allowed: {LABEL}. Release under a shorter task in contract.yaml."
            )
    if problems:
        raise BadInput(problems)


def _require_host(task: str, namespace: str | None) -> None:
    """KServe's host names begin with one label made of both."""
    label = f"{task}-predictor-{namespace}"
    if namespace is not None and len(label) > LABEL:
        raise BadInput(
            f"--namespace: {label}, which KServe's host name begins with, has {len(label)} characters; allowed: "
            f"{LABEL}. Name a namespace of at most {LABEL - len(label) + len(namespace)}."
        )
