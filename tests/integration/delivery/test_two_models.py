"""docs/more_than_one_model.md: two repositories, one host; what is done to one model is not seen by the other."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gitops_model import strict_yaml
from gitops_model.delivery import host
from tests.support.factories import contract_dict
from tests.support.places import ROOT, TEMPLATE
from tests.support.server import Server
from tests.support.world import Clone, World, served

SETTINGS = (TEMPLATE / "serving.yaml").read_text()
PARCELS = contract_dict() | {"task": "parcel-delay"}


@pytest.fixture
def host_of_two(tmp_path: Path) -> Iterator[tuple[dict[str, Clone], dict[str, Server]]]:
    """Both models with two releases, the second of which serves, and a service each."""
    clones, servers = {}, {}
    with ExitStack() as stack:
        for task, options in (("flight-delay", {}), ("parcel-delay", {"contract": PARCELS})):
            clone = World.create(tmp_path / task).clones[0]
            if options:
                clone.write("contract.yaml", strict_yaml.dump(PARCELS))
                clone.commit("Our own contract", "contract.yaml")
            for seed in (1, 2):
                clone.release(seed, **options)
                clone.ship()
            folder = tmp_path / f"service-{task}"
            folder.mkdir()
            servers[task] = stack.enter_context(served(clone, folder))
            clone.ok("deploy")
            clones[task] = clone
        yield clones, servers


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.*") if p.is_file()}


def test_what_is_done_to_one_is_not_seen_by_the_other(host_of_two) -> None:
    clones, servers = host_of_two
    flights, parcels = clones["flight-delay"], clones["parcel-delay"]
    assert servers["flight-delay"].port != servers["parcel-delay"].port
    before, answer = tree(parcels.store), servers["parcel-delay"].predict().json
    assert answer["model"] == "parcel-delay-v2"

    flights.ok("rollback", "--reason", "late", "--push")
    flights.ok("deploy")
    assert servers["flight-delay"].predict().json["model"] == "flight-delay-v1"

    assert tree(parcels.store) == before
    again = servers["parcel-delay"].predict().json
    assert (again["model"], again["output"]) == (answer["model"], answer["output"])
    for task, kinds in (
        ("flight-delay", ["rollback", "deploy", "deploy"]),
        ("parcel-delay", ["deploy", "deploy"]),
    ):
        told = clones[task].ok("history").out.splitlines()[1:]
        assert [line.split()[2] for line in told] == kinds and all(task in line for line in told)
        assert "All is well" in clones[task].ok("status").out


@pytest.mark.slow
def test_a_deploy_that_asks_the_other_service_fails_and_harms_nobody(host_of_two) -> None:
    clones, servers = host_of_two
    flights, parcels = clones["flight-delay"], clones["parcel-delay"]
    url = f"http://127.0.0.1:{servers['flight-delay'].port}"
    text = (parcels.root / "serving.yaml").read_text()
    text = text.replace("confirm_seconds: 10", "confirm_seconds: 1")
    parcels.write("serving.yaml", re.sub(r"http://[0-9.:]+", url, text))
    parcels.ok("ship", "parcel-delay-v1", "--commit")
    parcels.push()
    done = parcels.run("deploy")
    assert done.code == 5 and "main still asks for parcel-delay-v1" in done.text
    assert parcels.stable() == "parcel-delay-v2"  # the store is what it was
    assert servers["flight-delay"].predict().json["model"] == "flight-delay-v2"
    assert "All is well" in flights.ok("status").out


def test_two_clones_on_a_host_have_units_of_their_own(tmp_path: Path) -> None:
    found = []
    for task in ("flight-delay", "parcel-delay"):
        root = tmp_path / task
        root.mkdir()
        (root / "contract.yaml").write_text(strict_yaml.dump(contract_dict() | {"task": task}))
        (root / "serving.yaml").write_text(SETTINGS)
        if os.geteuid() == 0:
            os.chown(root, 1, 1)
        found.append(host.units(host.look(root)))
    first, second = found
    assert not set(first) & set(second)
    for task, units in zip(("flight-delay", "parcel-delay"), found, strict=True):
        for text in units.values():
            paths = re.findall(r"^ReadWritePaths=(.*)$", text, re.MULTILINE)
            assert paths and all(str(tmp_path / task) in path for path in paths[0].split())


def test_the_page_says_what_the_files_say() -> None:
    page = (ROOT / "docs/more_than_one_model.md").read_text()
    assert "127.0.0.1:8081:8080" in page
    assert '"127.0.0.1:8080:8080"' in (TEMPLATE / "compose.yaml").read_text()
    assert "job_name: model" in (TEMPLATE / "monitoring/prometheus.yml").read_text()
    assert "port: 8080" in SETTINGS and "max_requests" in SETTINGS
