"""Which bytes serve, on the organisation's page of linked artifacts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workflows.commands import Commands, Done
from tests.workflows.site import Site, put, served_by_agent

SAID = "the deployment stands, without a linked artifact"


@pytest.fixture
def site(shipped: Path, commands: Commands, tmp_path: Path) -> Iterator[Site]:
    place = Site(shipped, commands, tmp_path / "site")
    place.fake.settings.organization = True
    with place.fake:
        yield place
        assert place.fake.state.violations == []


def deploy(site: Site, *, without: str = "") -> Done:
    with served_by_agent(site) as env:
        done = site.run("deploy.yml", "deploy", without=without, **env)
    assert done.code == 0, done.output
    return done


def test_the_digest_that_serves_is_recorded_once(site: Site) -> None:
    """The record moves from release to release: what it named before is not deployed any more."""
    stable = site.pointer()["stable"]
    assert SAID not in deploy(site).output
    (linked,) = site.fake.state.linked.values()
    assert linked == {
        "name": site.v2, "digest": f"sha256:{stable['sha256']}", "status": "deployed",
        "logical_environment": "production", "deployment_name": "model", "github_repository": "model",
    }  # fmt: skip
    older = site.git.text("rev-list", "main", "--", "production.yaml").split()[1]
    put(site.git, "production.yaml", (site.git.read(older, "production.yaml") or b"").decode())
    deploy(site)
    (linked,) = site.fake.state.linked.values()
    assert linked["name"] == site.v1 and linked["digest"] != f"sha256:{stable['sha256']}"


def test_a_rehearsal_deploys_nothing(site: Site) -> None:
    assert site.run("deploy.yml", "deploy").code == 0
    assert site.fake.state.linked == {}


def test_a_persons_account_has_no_such_page(site: Site) -> None:
    site.fake.settings.organization = False
    assert SAID not in deploy(site).output
    assert site.fake.state.linked == {}


def test_without_the_permission_the_deployment_stands(site: Site) -> None:
    done = deploy(site, without="artifact-metadata")
    assert SAID in done.output and "403 Resource not accessible" in done.output
    assert site.fake.state.linked == {}
    (history,) = site.fake.state.deployment_statuses.values()
    assert history[-1]["state"] == "success"


def test_github_without_that_page(site: Site) -> None:
    site.fake.fault(method="POST", path="/deployment-record$", kind=404, message="Not Found")
    assert SAID in deploy(site).output
