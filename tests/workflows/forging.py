"""What a forger does to a pull request: files that agree with its dvc.lock, bundles taken apart, tables rewritten."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

from gitops_model.files import sha256_file
from gitops_model.formats import archive, bundle
from gitops_model.formats.bundle import Bundle
from gitops_model.runtime.models import load_model
from tests.workflows.court import Court
from tests.workflows.world import World

MODEL = "build/model.tar"
TEST = "build/prepared/test.csv"
DATA = "build/prepared/data.json"


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def edit(court: Court, path: str, change: Callable[[str], str]) -> None:
    """Change a file of the working tree, and nothing else."""
    target = court.town.clone / path
    before = target.read_text()
    after = change(before)
    assert after != before, path
    target.write_text(after)


def replace(court: Court, path: str, old: str, new: str) -> None:
    edit(court, path, lambda text: text.replace(old, new))


def lock_as(court: Court, path: str, data: bytes) -> None:
    """Write a file, and the hash of its new bytes wherever dvc.lock names the old; push the bytes to the storage."""
    target, lock = court.town.clone / path, court.town.clone / "dvc.lock"
    text = lock.read_text()
    found = re.search(rf"path: {re.escape(path)}\n\s+hash: md5\n\s+md5: (\w+)", text)
    assert found, path
    lock.write_text(text.replace(found[1], md5(data)))
    target.write_bytes(data)
    store(court, data)


def store(court: Court, data: bytes) -> None:
    """`dvc push` of these bytes: who may push a branch may write the storage."""
    name = md5(data)
    place = court.town.storage / "files" / "md5" / name[:2] / name[2:]
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.exists():
        place.write_bytes(data)


def relock(court: Court, path: str, change: Callable[[str], str]) -> None:
    """Change a text file of the working tree, and dvc.lock with it."""
    lock_as(court, path, change((court.town.clone / path).read_text()).encode())


def recontract(court: Court, change: Callable[[str], str]) -> None:
    """Another contract.yaml, in the commit, in dvc.lock and in the bundle."""
    relock(court, "contract.yaml", change)
    text = (court.town.clone / "contract.yaml").read_bytes()
    rebuild(court, **{"contract.yaml": text})


def repacked(data: bytes, **members: bytes) -> bytes:
    """A bundle with other members."""
    found = archive.unpack(data, limits=bundle.REQUIRED | bundle.OPTIONAL)
    return archive.pack(found | members)


def rebuild(court: Court, **members: bytes) -> None:
    """The candidate with other members, named by dvc.lock."""
    data = (court.town.clone / MODEL).read_bytes()
    lock_as(court, MODEL, repacked(data, **members))


def member(court: Court, name: str) -> str:
    path = court.town.clone / MODEL
    return Bundle.read(path, sha256=sha256_file(path)).member(name).decode()


def timid(court: Court, source: Path) -> bytes:
    """The bundle of `source` with lower probabilities: it ranks rows as before, and misses late flights.

    Its manifest is the one of the candidate, which names the parameters of the commit.
    """
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    data = (source / MODEL).read_bytes()
    found = archive.unpack(data, limits=bundle.REQUIRED | bundle.OPTIONAL)
    model = onnx.load_from_string(found["model.onnx"])
    out = model.graph.output[-1]
    factor = numpy_helper.from_array(np.array([[1.0, 0.6]], dtype=np.float32), "timid_factor")
    model.graph.initializer.append(factor)
    for node in model.graph.node:
        node.output[:] = ["timid_before" if name == out.name else name for name in node.output]
    model.graph.node.append(helper.make_node("Mul", ["timid_before", "timid_factor"], [out.name]))
    told = member(court, "manifest.json").encode()
    return repacked(data, **{"model.onnx": model.SerializeToString(), "manifest.json": told})


def flattered(court: Court, served: Path) -> bytes:
    """test.csv with labels that follow the candidate's own scores, and belie the bundle `served`."""
    import random

    from gitops_model.pipeline import prepared

    folder = court.town.clone / "build" / "prepared"

    def scored(path: Path) -> tuple[Bundle, list[float]]:
        opened = Bundle.read(path, sha256=sha256_file(path))
        table = prepared.read(opened.contract, "test", folder=folder)
        columns = prepared.columns(opened.contract, table)
        return opened, load_model(opened, trusted=()).predict(columns).tolist()

    (mine, scores), (_, others) = scored(court.town.clone / MODEL), scored(served / MODEL)
    table = prepared.read(mine.contract, "test", folder=folder)
    chance, middle = random.Random(3), sum(scores) / len(scores)
    threshold = mine.contract.output.threshold or 0.5

    def label(score: float, other: float) -> int:
        # Steeper than the scores, so that they rank well; where production warns alone, mostly on time.
        rate = 6 * (score - middle) + middle
        return int(chance.random() < rate * (0.5 if score < threshold <= other else 1))

    table[mine.contract.label.name] = [*map(label, scores, others)]
    return prepared.text(mine.contract, table)


def publish(town: World, model: str, data: bytes, *, login: str) -> None:
    """A release page whose bundle everybody can fetch."""
    body = {"tag_name": model, "name": model, "draft": True}
    page = town.call("POST /repos/{owner}/{repo}/releases", login=login, body=body)
    params = {"release_id": str(page["id"])}
    town.call(
        "POST /repos/{owner}/{repo}/releases/{release_id}/assets", login=login, params=params, raw=data,
        query={"name": "model.tar"}, headers={"content-type": "application/x-tar"},
    )  # fmt: skip
    key = "PATCH /repos/{owner}/{repo}/releases/{release_id}"
    town.call(key, login=login, params=params, body={"draft": False})
