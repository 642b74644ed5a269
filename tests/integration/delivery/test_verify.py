"""`verify` accepts a release as it was made, and refuses it after any change of a byte or a field."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gitops_model.actions import build
from gitops_model.actions.release import assets
from gitops_model.delivery import assets as assets_of_releases
from gitops_model.delivery import dvc, releases
from gitops_model.delivery.git import Git
from gitops_model.errors import ExternalFailure
from gitops_model.files import canonical_json, sha256_bytes
from gitops_model.formats import check as check_format
from gitops_model.formats import record
from gitops_model.formats.bundle import Bundle
from tests.support.isolation import isolation
from tests.support.world import Clone, World

MODEL = "flight-delay-v1"
KINDS = ("tag", "record", "bundle", "sums", "verdict", "bom", "card")


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Clone, Path]]:
    """A clone with a release, and the files of its release page."""
    with isolation(tmp_path_factory.mktemp("home")):
        folder = tmp_path_factory.mktemp("verify")
        clone = World.create(folder / "world").clones[0]
        clone.release(1)
        for name in build.FILES:
            clone.write(f"{build.FOLDER}/{name}", "shown\n")
        clone.write(f"{build.FOLDER}/check.json", (clone.root / "reports/check.json").read_text())
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(clone.root)
            made = releases.load(Git.open(clone.root), MODEL)
            data = (clone.root / "build/model.tar").read_bytes()
            bundle = Bundle.open(data, sha256=sha256_bytes(data), name="bundle")
            verdict = json.loads((clone.root / "reports/check.json").read_text())
            for name, content in assets(
                bundle, data, check_format.read(verdict), made.record
            ).items():
                clone.write(f"page/{name}", content)
        yield clone, clone.root / "page"


def test_a_release_as_it_was_made_is_accepted(released: tuple[Clone, Path]) -> None:
    clone, page = released
    for words in (("verify", MODEL), ("verify", MODEL, "--files", str(page))):
        done = clone.ok(*words)
        assert done.out.endswith(f"verify: {MODEL} is what its commit built, and what was judged\n")
        assert "verify: no" not in done.out


def test_it_asks_no_network_even_where_the_bundle_is_not_here(
    released: tuple[Clone, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A DVC remote and GitHub are configured, and both would be asked by a deploy."""
    shutil.copytree(released[0].root, tmp_path / "clone")
    clone = Clone(tmp_path / "clone")
    shutil.rmtree(clone.root / "build")
    shutil.rmtree(clone.root / ".dvc/cache")
    clone.write(".dvc/config", "[core]\n    remote = shelf\n")
    clone.git("remote", "set-url", "origin", "https://github.com/acme/model.git")
    asked: list[str] = []

    def refuse(name: str) -> Callable[..., Any]:
        def called(*_: Any, **__: Any) -> Any:
            asked.append(name)
            raise ExternalFailure(name)

        return called

    monkeypatch.setattr(dvc, "dvc", refuse("the DVC remote"))
    monkeypatch.setattr(assets_of_releases, "download", refuse("GitHub"))
    monkeypatch.setattr(Git, "fetch", refuse("origin"))
    done = clone.run("verify", MODEL)
    assert (done.code, asked) == (4, [])
    assert "was not found in any source" in done.err
    clone.ok("verify", MODEL, "--files", str(clone.root / "page"))
    assert asked == []


def test_what_cannot_be_compared_here_is_said(released: tuple[Clone, Path], tmp_path: Path) -> None:
    shutil.copytree(released[0].root, tmp_path / "clone")
    clone = Clone(tmp_path / "clone")
    (clone.root / "reports/check.json").unlink()
    out = clone.ok("verify", MODEL).out
    assert "verify: --  the verdict is the record's: the report is not here" in out
    assert out.endswith(f"verify: {MODEL} is what its commit built\n")


def test_a_release_that_is_none_and_files_that_are_none(released: tuple[Clone, Path]) -> None:
    clone, _ = released
    assert "there is no tag of that name" in clone.run("verify", "flight-delay-v9").err
    done = clone.run("verify", MODEL, "--files", "nowhere")
    assert (done.code, "gh release download" in done.err) == (2, True)


def forge(clone: Clone, page: Path, kind: str, chance: random.Random) -> str:
    """Change one byte, or one field, and return what was changed."""
    names = {"bundle": "model.tar", "sums": "SHA256SUMS", "verdict": "check.json"}
    names |= {"bom": "bom.cdx.json", "card": "MODEL_CARD.md"}
    if kind in names:
        path = page / names[kind]
        data = bytearray(path.read_bytes())
        if kind in ("verdict", "bom") and chance.random() < 0.5:
            changed = json.loads(data)
            what = _one_field(changed, chance)
            path.write_text(canonical_json(changed))
            return f"{kind}: {what}"
        at = chance.randrange(len(data))
        data[at] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        return f"{kind}: byte {at}"
    made = releases.load(Git.open(clone.root), MODEL)
    message = made.tag.message
    if kind == "record":
        changed = json.loads(json.dumps(made.record))
        what = _one_field(changed, chance)
        message = f"Release {MODEL}\n\n" + record.strict_yaml.dump(changed)
    else:
        text = bytearray(message.encode())
        what = f"byte {chance.randrange(len(text))}"
        at = int(what.split()[1])
        text[at] = chance.choice([b for b in range(32, 127) if b != text[at]])
        message = text.decode(errors="replace")
    who = f"{made.tag.by} {made.tag.when} +0000"
    content = f"object {made.tag.commit}\ntype commit\ntag {MODEL}\ntagger {who}\n\n{message}"
    (clone.root / ".git/forged").write_text(content)
    forged = clone.git("hash-object", "-t", "tag", "-w", "--literally", ".git/forged")
    clone.git("update-ref", f"refs/tags/{MODEL}", forged)
    return f"{kind}: {what}"


def _one_field(data: Any, chance: random.Random) -> str:
    """Change a leaf in place; returns its path."""
    leaves = list(_leaves(data, ()))
    parent, key, path = chance.choice(leaves)
    old = parent[key]
    if isinstance(old, bool):
        parent[key] = not old
    elif isinstance(old, int | float):
        parent[key] = old + chance.choice([1, -1])
    elif isinstance(old, str):
        parent[key] = re.sub(r"[0-9a-z]", lambda m: "1" if m[0] != "1" else "2", old, count=1)
        if parent[key] == old:
            parent[key] = old + "x"
    else:
        parent[key] = "forged"
    return ".".join(map(str, path))


def _leaves(data: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, Any, tuple[Any, ...]]]:
    items = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in items:
        if isinstance(value, dict | list) and value:
            yield from _leaves(value, (*path, key))
        else:
            yield data, key, (*path, key)


def refused(released: tuple[Clone, Path], forgeries: int, *, seed: int) -> None:
    clone, page = released
    chance = random.Random(seed)
    genuine = clone.git("rev-parse", f"refs/tags/{MODEL}")
    files = {path: path.read_bytes() for path in page.iterdir()}
    for number in range(forgeries):
        what = forge(clone, page, KINDS[number % len(KINDS)], chance)
        done = clone.run("verify", MODEL, "--files", str(page))
        assert done.code in (2, 4), f"{what} was accepted:\n{done.text}"
        assert done.err.startswith("verify: ") and done.err.count("\n") == 1, (what, done.err)
        clone.git("update-ref", f"refs/tags/{MODEL}", genuine)
        for path, content in files.items():
            path.write_bytes(content)
    clone.ok("verify", MODEL, "--files", str(page))


def test_a_forged_byte_or_field_is_refused(released: tuple[Clone, Path]) -> None:
    refused(released, 10 * len(KINDS), seed=1)


@pytest.mark.slow
def test_a_thousand_forgeries_are_refused(released: tuple[Clone, Path]) -> None:
    refused(released, 1001, seed=2)


def test_a_hand_made_tag_is_no_release(released: tuple[Clone, Path], tmp_path: Path) -> None:
    """Whoever may push a tag forges the record; the commit under it says which bundle was built."""
    world = World.create(tmp_path / "world")
    clone = world.clones[0]
    clone.release(1)
    clone.ship(MODEL)
    clone.train(2)
    clone.push()
    text = clone.git("tag", "-l", "--format=%(contents)", MODEL)
    forged = text.replace(MODEL, "flight-delay-v2").replace("Release v1", "Release v2")
    sha256 = re.search(r"sha256: ([0-9a-f]{64})", text)[1]  # type: ignore[index]
    forged = forged.replace(sha256, "ab" * 32)
    head = clone.git("rev-parse", "HEAD")
    forged = forged.replace(clone.git("rev-parse", f"{MODEL}^{{commit}}"), head)
    clone.git("tag", "-a", "flight-delay-v2", "-m", forged, head)
    clone.git("config", "-f", ".dvc/config", "core.remote", "shelf")
    done = clone.run("ship", "flight-delay-v2")
    assert done.code == 4
    assert "flight-delay-v2 is not what its commit" in done.err
    assert "dvc.lock there names another bundle" in done.err
