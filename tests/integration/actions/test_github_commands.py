"""What the GitHub commands decide without GitHub: kinds of change, credentials, artifacts, owners."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gitops_model.actions import artifact, code_owners, publish, runs, storage
from gitops_model.actions import check as check_job
from gitops_model.actions import deploy as deploy_job
from gitops_model.actions.job import Job
from gitops_model.actions.pulls import Pull
from gitops_model.delivery import changes, releases
from gitops_model.delivery.git import Tag
from gitops_model.errors import BadArtifact, BadInput
from gitops_model.formats.pointer import Pointer, Ref
from gitops_model.report import comment


@pytest.mark.parametrize(
    ("paths", "kind"),
    [
        ([], "nothing"),
        (["README.md", "docs/RUNBOOK.md"], "nothing"),
        (["gates.yaml"], "nothing"),
        (["dvc.lock"], "model"),
        (["data/raw.dvc"], "model"),
        (["docs/a.md", "pipeline/train.py"], "model"),
        (["production.yaml"], "pointer"),
        (["production.yaml", "dvc.lock"], "pointer"),
        (["docs/production.yaml"], "nothing"),
    ],
)
def test_kind_of_a_change(paths: list[str], kind: str) -> None:
    assert changes.kind(paths) == kind


def test_run_names_all_that_is_missing_and_hides_its_token() -> None:
    with pytest.raises(BadInput) as caught:
        Job.from_environ({"GITHUB_REPOSITORY": "x", "GITHUB_API_PACE": "fast"})
    assert len(caught.value.problems) == 3
    run = Job.from_environ({"GITHUB_REPOSITORY": "acme/m", "GITHUB_TOKEN": "ghp_secret"})
    assert "ghp_secret" not in repr(run)
    assert run.run_url == "https://github.com/acme/m/actions/runs/0"


def test_event_that_is_not_json(tmp_path: Path) -> None:
    path = tmp_path / "event.json"
    path.write_text("{")
    with pytest.raises(BadInput, match="cannot be read as JSON"):
        Job.from_environ({"GITHUB_REPOSITORY": "a/b", "GITHUB_EVENT_PATH": str(path)}, token=False)


def zipped(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def test_one_member_is_read_and_nothing_else() -> None:
    assert artifact.unzip(zipped(("check.json", b"{}"), ("../x", b"y"))) == b"{}"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK",
        zipped(("a", b"b")),
        zipped(("check.json", b"0" * (artifact.MEMBER_LIMIT + 1))),
    ],
)
def test_artifacts_that_are_refused(data: bytes) -> None:
    with pytest.raises(BadArtifact):
        artifact.unzip(data)


@pytest.mark.parametrize(
    "text", ["", "[]", "NaN", '{"schema": 1}', "[" * 100_000, '{"schema": 1, "state": "pass"}']
)
def test_reports_that_are_refused(text: str) -> None:
    with pytest.raises(BadArtifact):
        artifact.parse(text.encode())


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("2026-01-05T09:00:00Z", "2026-01-05 (today)"),
        ("2026-01-06T13:00:00Z", "2026-01-05 (yesterday)"),
        ("2026-02-04T12:00:00Z", "2026-01-05 (30 days ago)"),
        ("", None),
    ],
)
def test_age_of_production(at: str, said: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    noon = int(datetime(2026, 1, 5, 12, tzinfo=UTC).timestamp())
    tag = Tag(name="m-v1", object="a" * 40, commit="b" * 40, when=noon, by="A <a@b>", message="")
    monkeypatch.setattr(publish.Git, "open", lambda path: None)
    monkeypatch.setattr(
        releases, "load", lambda git, model: releases.Release(tag=tag, record={"sha256": "c" * 64})
    )
    pointer = Pointer(stable=Ref(model="m-v1", sha256="c" * 64))
    assert publish.age(pointer, at=at) == said
    assert publish.age(Pointer(), at=at) is None


def test_marker_is_read_back_and_only_from_the_first_line() -> None:
    footing = comment.Footing(state="nothing", sentence="s", head_sha="a" * 40, run_id=7)
    body = comment.render(None, footing)
    assert comment.read_marker(body) == {
        "schema": 1,
        "head_sha": "a" * 40,
        "run_id": 7,
        "attempt": 1,
    }
    assert comment.read_marker("hello\n" + body) is None
    assert comment.read_marker("<!-- model-gate [1] -->") is None


@pytest.mark.parametrize(
    ("config", "secret", "withheld"),
    [
        ("", "", False),
        ("[core]\n    remote = s\n['remote \"s\"']\n    url = /mnt/dvc\n", "", False),
        ("[core]\n    remote = s\n['remote \"s\"']\n    url = ../dvc\n", "", False),
        ("[core]\n    remote = s\n['remote \"s\"']\n    url = s3://b/p\n", "", True),
        ("[core]\n    remote = s\n['remote \"s\"']\n    url = s3://b/p\n", "x", False),
        ("[core]\n    remote = s\n['remote \"s\"']\n    url = ssh://h/p\n", " ", True),
    ],
)
def test_when_credentials_are_missing(
    tmp_path: Path, config: str, secret: str, withheld: bool
) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text(config)
    found = storage.missing_credentials(tmp_path, {"DVC_CONFIG_LOCAL": secret})
    assert (found is not None) is withheld


def test_credentials_are_readable_by_nobody_else(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    storage.write_credentials(tmp_path, {"DVC_CONFIG_LOCAL": "[core]"})
    path = tmp_path / ".dvc" / "config.local"
    assert path.stat().st_mode & 0o077 == 0 and path.read_text() == "[core]\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("* @a", ["@a"]),
        ("/production.yaml @a @b", ["@a", "@b"]),
        ("* @a\nproduction.yaml", []),
        ("# production.yaml @a", []),
        ("/docs/ @a", []),
        ("*.yaml @a", ["@a"]),
    ],
)
def test_owners_of_a_file(text: str, expected: list[str]) -> None:
    assert code_owners.owners(text, "production.yaml") == expected


def test_ways_of_deploying() -> None:
    assert deploy_job.chosen_mode("") == "rehearsal"
    with pytest.raises(BadInput, match="allowed: runner, agent, rehearsal"):
        deploy_job.chosen_mode("kubernetes")


def test_summary_and_output(tmp_path: Path) -> None:
    run = Job(
        repository="a/b",
        token="",
        summary=tmp_path / "s.md",
        output=tmp_path / "o",
        event=json.loads("{}"),
    )
    run.summarise("one")
    run.summarise("x" * 2_000_000)
    run.set_output("release", "true\nother=1")
    assert (tmp_path / "s.md").stat().st_size < 1_048_576
    assert (tmp_path / "o").read_text() == "release=true other=1\n"


HEAD = {"sha": "head", "ref": "branch", "repo": {"full_name": "a/b"}}
PULL = {
    "number": 1,
    "html_url": "",
    "state": "open",
    "merged_at": None,
    "head": HEAD,
    "base": {"ref": "main"},
}


class LongChange:
    """The API of a repository in which a commit changes more files than GitHub lists."""

    def __init__(self) -> None:
        self.files = [{"filename": f"a/{i:04}"} for i in range(3000)]

    def get(self, path: str) -> Any:
        return {
            "/branches/main": {"commit": {"sha": "main"}},
            "/compare/main...head": {
                "files": self.files[:300],
                "merge_base_commit": {"sha": "base"},
            },
            "/pulls/1": PULL,
        }[path]

    def pages(self, path: str) -> Any:
        assert path == "/pulls/1/files"
        return iter(self.files)


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize(("pointer", "kind"), [("stable: null", "model"), ("else", "pointer")])
def test_a_cut_list_of_files_hides_no_pointer(
    monkeypatch: pytest.MonkeyPatch, listed: bool, pointer: str, kind: str
) -> None:
    repository: Any = LongChange()
    pointers = {"base": "stable: null", "head": pointer}
    monkeypatch.setattr(runs.pointer_gate, "read", lambda _, sha: pointers[sha])
    pull = Pull.parse(PULL) if listed else None
    started = {"head_sha": "head", "event": "pull_request", "head_branch": "topic"}
    assert changes.kind(runs.changed_files(repository, pull, started)) == kind


def test_a_pull_request_is_judged_against_main_whatever_its_base() -> None:
    run = Job(repository="a/b", token="", event_name="pull_request", base_ref="stack")
    assert check_job.base_of(run) == "origin/main"
