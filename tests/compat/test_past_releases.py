"""What any release of the library wrote, this one reads, verifies, serves and rolls back. Readers come first.

A set of files for each release: `make compat`. The same commands run in a bare environment in test_bare.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ci_scripts import compat
from gitops_model import log as prediction_log
from gitops_model import strict_yaml
from gitops_model.errors import BadArtifact, BadInput
from gitops_model.files import sha256_bytes
from gitops_model.formats import archive, bundle, check, record, removed
from gitops_model.formats.bundle import Bundle
from gitops_model.formats.contract import Contract
from gitops_model.formats.gates import Gates
from gitops_model.formats.monitor import Settings
from gitops_model.formats.params import Params
from gitops_model.formats.pointer import Pointer
from gitops_model.formats.profile import Profile
from gitops_model.formats.store import Stored
from gitops_model.formats.watch import Watch
from tests.support.isolation import isolation
from tests.support.past import SHIPPED, clone_of, serve_and_roll_back

SETS = sorted(path for path in compat.SETS.iterdir() if (path / "pointer.json").exists())
every_release = pytest.mark.parametrize("folder", SETS, ids=lambda path: path.name)


@pytest.fixture(scope="module", autouse=True)
def _isolated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with isolation(tmp_path_factory.mktemp("home")):
        yield


def bundles(folder: Path) -> list[Bundle]:
    return [Bundle.read(path, sha256=path.stem) for path in sorted(folder.glob("bundles/*.tar"))]


def records(folder: Path, scratch: Path) -> list[str]:
    """The messages of the release tags."""
    clone = clone_of(folder, scratch)
    names = clone.git("tag", "--list").split()
    return [clone.git("tag", "--list", "--format=%(contents)", name) for name in names]


def test_this_version_has_its_set() -> None:
    assert compat.version() in [path.name for path in SETS], "run: make compat"


@every_release
def test_every_format_is_read(folder: Path, tmp_path: Path) -> None:
    for one in bundles(folder):
        assert one.contract.task == "flight-delay" and len(one.golden) == 3
        assert Profile.parse(one.member("reference.json"), name="reference.json").rows > 0
    for message in records(folder, tmp_path):
        assert record.parse_record(message, name="tag")["artifact"]["md5"]
    stored = Stored.parse((folder / "pointer.json").read_bytes(), name="pointer.json")
    assert [ref.model for ref in stored.pointer.refs()] == ["flight-delay-v2", "flight-delay-v1"]
    assert list(removed.read(folder / "removed.json")) == ["c" * 64]
    found = check.read(json.loads((folder / "check.json").read_text()))
    assert found.state is check.State.PASS and isinstance(found, check.Check) and found.gates
    watch = Watch.load(folder / "monitor.json")
    assert [signal.state for signal in watch.signals] == ["alarm", "clean"]
    assert watch.signals[0].evidence and watch.windows[0].rows == 812
    rows = prediction_log.read(folder / "log")
    assert len(rows) == 6 and list(rows["inputs.carrier"]) == ["AA"] * 6
    assert Contract.load(folder / "contract.yaml").task == "flight-delay"
    Params.load(folder / "params.yaml")
    Gates.load(folder / "gates.yaml")
    Settings.load(folder / "monitor.yaml")
    strict_yaml.load(folder / "serving.yaml", "serving")
    assert Pointer.load(folder / "production.yaml") == Pointer()


@every_release
def test_it_verifies_serves_and_rolls_back(folder: Path, tmp_path: Path) -> None:
    clone = clone_of(folder, tmp_path)
    for model in SHIPPED:
        assert clone.ok("verify", model).out.endswith(f"{model} is what its commit built\n")
    serve_and_roll_back(clone, tmp_path, clone.ok)


# What release N+1 may add under the same schema number: keys anywhere in what machines write.


def grown(value: Any) -> Any:
    """The same data with a key that nobody knows in each mapping that has fixed keys."""
    if isinstance(value, list):
        return [grown(item) for item in value]
    if isinstance(value, dict):
        return {**{key: grown(item) for key, item in value.items()}, "of_the_next_release": 1}
    return value


FREE = (
    "params",
    "metrics",
    "environment",
    "parity",
    "stages",
    "shares",
    "scores",
    "inputs",
    "levels",
    "deltas",
    "slices",
)


def with_fixed_keys_grown(value: Any, key: str = "") -> Any:
    """`grown`, except where the keys are names of a team's own."""
    if isinstance(value, dict) and key in FREE:
        return {name: with_fixed_keys_grown(item) for name, item in value.items()}
    if isinstance(value, dict):
        return {
            **{name: with_fixed_keys_grown(item, name) for name, item in value.items()},
            "of_the_next_release": 1,
        }
    return [with_fixed_keys_grown(item) for item in value] if isinstance(value, list) else value


def later_bundle(data: bytes, change: Callable[[dict[str, Any]], Any]) -> bytes:
    members = archive.unpack(data, limits=bundle.REQUIRED | bundle.OPTIONAL)
    members["manifest.json"] = json.dumps(change(json.loads(members["manifest.json"]))).encode()
    return bundle.build(members)


def test_readers_come_first(tmp_path: Path) -> None:
    """A release reads what the next one writes as long as `schema` is the same."""
    folder = SETS[-1]
    data = next(folder.glob("bundles/*.tar")).read_bytes()
    later = later_bundle(data, with_fixed_keys_grown)
    opened = Bundle.open(later, sha256=sha256_bytes(later), name="model.tar")
    assert opened.manifest["of_the_next_release"] == 1
    profile = with_fixed_keys_grown(json.loads(opened.member("reference.json")))
    assert Profile.parse(json.dumps(profile).encode(), name="p").rows > 0

    message = records(folder, tmp_path)[0]
    subject, _, body = message.partition("\n\n")
    body = strict_yaml.dump(with_fixed_keys_grown(strict_yaml.read(body, name="tag")))
    assert record.parse_record(f"{subject}\n\n{body}", name="tag")["model"] == "flight-delay-v1"

    verdict = json.loads((folder / "check.json").read_text())
    assert check.read(grown(verdict)) == check.read(verdict)

    for name, read in (("monitor.json", Watch.load), ("removed.json", removed.read)):
        (tmp_path / name).write_text(json.dumps(grown(json.loads((folder / name).read_text()))))
        assert read(tmp_path / name) == read(folder / name)

    stored = {**json.loads((folder / "pointer.json").read_text()), "of_the_next_release": 1}
    assert Stored.parse(json.dumps(stored).encode(), name="pointer.json").pointer.stable


def test_another_schema_number_is_refused_by_name(tmp_path: Path) -> None:
    """It means that a reader would misunderstand; the sentence says what to do."""
    folder = SETS[-1]
    data = next(folder.glob("bundles/*.tar")).read_bytes()
    later = later_bundle(data, lambda manifest: {**manifest, "schema": 2})
    with pytest.raises(BadArtifact, match=r"schema is 2, and this library reads 1.*make upgrade"):
        Bundle.open(later, sha256=sha256_bytes(later), name="model.tar")
    verdict = json.loads((folder / "check.json").read_text())
    with pytest.raises(BadInput, match="a newer one wrote it"):
        check.read({**verdict, "schema": 2})
    watch = json.loads((folder / "monitor.json").read_text())
    (tmp_path / "monitor.json").write_text(json.dumps({**watch, "schema": 2}))
    with pytest.raises(BadInput, match=r"schema is 2; allowed: 1"):
        Watch.load(tmp_path / "monitor.json")


def test_what_decides_who_answers_is_never_half_understood() -> None:
    """A role that is not known, or a rule for rows: passing it over would answer otherwise than main says."""
    stored = json.loads((SETS[-1] / "pointer.json").read_text())
    stored["pointer"]["second_canary"] = None
    with pytest.raises(BadInput, match="unknown key 'second_canary'"):
        Stored.parse(json.dumps(stored).encode(), name="pointer.json")
    contract = (SETS[-1] / "contract.yaml").read_text()
    with pytest.raises(BadInput, match="unknown key 'audience'"):
        Contract.parse(contract + "\naudience: pilots\n", name="contract.yaml")
