"""Which Ship pull requests are open: one, for the newest release that main never named; and none is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.workflows.commands import Commands, Done
from tests.workflows.fake_api import HANDLERS
from tests.workflows.fake_state import Token
from tests.workflows.links import ready_branch
from tests.workflows.site import Site, put


@pytest.fixture
def site(shipped: Path, commands: Commands, tmp_path: Path) -> Iterator[Site]:
    """v1 serves, and v2 is released but nobody has proposed it yet."""
    place = Site(shipped, commands, tmp_path / "site")
    before = place.git.text("rev-parse", "main^")
    place.git.update("refs/heads/main", before)
    with place.fake:
        yield place
        assert place.fake.state.violations == []


def look(site: Site) -> Done:
    """The release job after a push that brought no new bundle."""
    return site.run("release.yml", "release")


def tag_next(site: Site, **gates: str) -> str:
    """Another release of the bundle of v2, one id further."""
    text = site.git.text("cat-file", "tag", site.v2).replace(site.v2, model := site.v2[:-1] + "3")
    for old, new in gates.items():
        assert f"state: {old}" in text
        text = text.replace(f"state: {old}", f"state: {new}")
    site.git.update(f"refs/tags/{model}", site.git.text("mktag", stdin=f"{text}\n".encode()))
    return model


def pulls(site: Site) -> dict[int, tuple[str, str]]:
    return {n: (p["title"], p["state"]) for n, p in site.fake.state.pulls.items()}


def said(site: Site, number: int) -> str:
    (comment,) = site.fake.comments_on(number)
    return str(comment["body"])


def as_person(site: Site, key: str, number: int, body: dict[str, Any]) -> None:
    with site.fake.state.lock:
        HANDLERS[f"{key}"](
            site.fake.call(token=Token(login="ada"), params={"pull_number": str(number)}, body=body)
        )


def merge(site: Site, number: int) -> None:
    as_person(site, "PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge", number, {})


def set_state(site: Site, number: int, state: str) -> None:
    as_person(site, "PATCH /repos/{owner}/{repo}/pulls/{pull_number}", number, {"state": state})


def test_a_newer_release_takes_the_place_of_an_older_one(site: Site) -> None:
    assert look(site).code == 0
    assert pulls(site) == {1: (f"Ship {site.v2}", "open")}
    v3 = tag_next(site)
    done = look(site)
    assert done.code == 0, done.output
    assert pulls(site) == {1: (f"Ship {site.v2}", "closed"), 2: (f"Ship {v3}", "open")}
    assert f"{v3} is newer and is proposed in #2" in said(site, 1)
    assert len(site.branches()) == 3, "a link may name the branch of the older one"
    merge(site, 2)
    assert look(site).code == 0
    assert site.pointer()["stable"]["model"] == v3
    # Somebody opens the older one again; it would go back.
    set_state(site, 1, "open")
    done = look(site)
    assert done.code == 0, done.output
    assert pulls(site)[1][1] == "closed" and len(pulls(site)) == 2
    assert "would conflict or go back" in site.fake.comments_on(1)[-1]["body"]


def test_the_same_proposal_while_main_moves_on(site: Site) -> None:
    """Only a change of production.yaml makes another one of it."""
    assert look(site).code == 0
    put(site.git, "README.md", "words\n")
    assert look(site).code == 0
    assert pulls(site) == {1: (f"Ship {site.v2}", "open")} and len(site.branches()) == 2
    text = (site.git.read("main", "production.yaml") or b"").decode()
    put(site.git, "production.yaml", f"{text}# said again\n")
    assert look(site).code == 0
    assert pulls(site) == {1: (f"Ship {site.v2}", "closed"), 2: (f"Ship {site.v2}", "open")}
    assert "It is proposed again in #2." in said(site, 1)


def test_what_a_person_closed_stays_closed(site: Site) -> None:
    assert look(site).code == 0
    set_state(site, 1, "closed")
    assert look(site).code == 0
    assert pulls(site) == {1: (f"Ship {site.v2}", "closed")}
    assert f"was closed; reopen it to ship {site.v2}" in site.summary()


@pytest.mark.parametrize("what", ["refused", "frozen"])
def test_a_proposal_that_failed_is_made_by_the_next_run(site: Site, what: str) -> None:
    text = (site.git.read("main", "production.yaml") or b"").decode()
    if what == "refused":
        site.fake.fault(method="POST", path="/pulls$", kind=422, message="Validation Failed")
    else:
        assert "freeze: null" in text
        put(site.git, "production.yaml", text.replace("freeze: null", "freeze: incident 12"))
    done = look(site)
    assert f"{site.v2} is released, but not proposed" in done.output and pulls(site) == {}
    if what == "frozen":
        put(site.git, "production.yaml", text)
    assert look(site).code == 0
    assert [title for title, _ in pulls(site).values()] == [f"Ship {site.v2}"]


def test_what_did_not_pass_is_not_proposed(site: Site) -> None:
    tag_next(site, **{"pass": "blocked"})
    assert look(site).code == 0
    assert pulls(site) == {1: (f"Ship {site.v2}", "open")}


def test_what_was_taken_back_is_not_proposed_again(site: Site) -> None:
    text = (site.git.read("main", "production.yaml") or b"").decode()
    assert look(site).code == 0
    merge(site, 1)
    put(site.git, "production.yaml", text)
    done = look(site)
    assert done.code == 0 and "no release waits" in done.output
    assert len(pulls(site)) == 1


def test_where_actions_may_not_open_pull_requests_each_look_gives_the_same_link(site: Site) -> None:
    site.fake.settings.actions_may_create_prs = False
    first = ready_branch(site.fake, look(site).output)
    put(site.git, "README.md", "words\n")
    assert ready_branch(site.fake, look(site).output) == first
    assert len(site.branches()) == 2


def build(site: Site) -> tuple[Done, dict[str, str]]:
    """The build job after a push that left dvc.lock alone, and its outputs."""
    output = site.folder / "output"
    output.write_text("")
    done = site.run("release.yml", "build", GITHUB_OUTPUT=str(output))
    return done, dict(line.split("=", 1) for line in output.read_text().splitlines())


def test_build_says_whether_there_is_something_to_look_after(site: Site) -> None:
    publish(site, site.v2)
    put(site.git, "README.md", "words\n")
    done, outputs = build(site)
    assert outputs == {"release": "false", "proposals": "true"}, done.output
    assert look(site).code == 0
    merge(site, 1)
    assert build(site)[1] == {"release": "false", "proposals": "true"}
    put(site.git, "README.md", "more words\n")
    assert build(site)[1] == {"release": "false", "proposals": "false"}


def test_a_release_without_its_page_is_finished_by_the_next_push(site: Site) -> None:
    put(site.git, "README.md", "words\n")
    done, _ = build(site)
    # What lies in this storage is the bundle only, so the build comes no further than this.
    assert "check: pulling build/model.tar" in done.output and "already is" not in done.output


def publish(site: Site, model: str) -> None:
    body = {"tag_name": model, "name": model, "body": "", "draft": False}
    with site.fake.state.lock:
        HANDLERS["POST /repos/{owner}/{repo}/releases"](site.fake.call(body=body))
