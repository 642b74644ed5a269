"""`verify`: do tag, record, commit, bundle and the files of a release tell one story? Asks no network.

A release page and a tag can be written by more people than may merge. What they cannot change without a trace here:
the commit that was reviewed, its dvc.lock, and the bundle that this names.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gitops_model.delivery import dvc, fetch, release, releases
from gitops_model.delivery.git import Git
from gitops_model.delivery.releases import Release
from gitops_model.errors import BadArtifact, BadInput, GitopsError
from gitops_model.files import sha256_bytes
from gitops_model.formats import agreement, record
from gitops_model.formats import check as check_format
from gitops_model.formats.bundle import MAX_BYTES, Bundle
from gitops_model.formats.check import Check
from gitops_model.report import bom

SUMS = "SHA256SUMS"
VERDICT = "check.json"
LARGEST_FILE = 16_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `verify`."""
    parser.add_argument("model", help="the id of a release. Example: flight-delay-v12")
    parser.add_argument(
        "--files",
        type=Path,
        metavar="FOLDER",
        help=f"a folder with the files of the release page: {SUMS} and what it lists",
    )


@dataclass(frozen=True, kw_only=True)
class Options:
    """`model` is an id, `files` a folder with the files of its release page."""

    model: str
    files: Path | None = None


def run(options: Options) -> int:
    """Exit 0 when everything agrees; BadArtifact says the first that does not, the lines before it the others."""
    git = Git.open(Path.cwd())
    if options.files is not None and not options.files.is_dir():
        raise BadInput(
            f"FILES is {options.files}, which is no folder. Download the release first: gh release download "
            f"{options.model} --dir {options.files}"
        )
    problems = []
    for what, problem in examine(git, options.model, files=options.files):
        print(f"verify: {'no ' if problem else 'yes'} {what}")
        if problem:
            problems.append(problem)
    if problems:
        raise BadArtifact(problems[0], reason="origin")
    print(f"verify: {options.model} is what its commit built, and what was judged")
    return 0


def examine(git: Git, model: str, *, files: Path | None) -> Iterator[tuple[str, str | None]]:
    """What was compared, and what is wrong with it (None: nothing). Raises BadArtifact when there is no release."""
    made = releases.load(git, model)
    yield "the tag holds the record as `release` writes it", _tag(made)
    yield "the commit under the tag is the record's", _commit(git, made)
    yield "dvc.lock at the commit names the bundle", _lock(git, made)
    found: dict[str, bytes] = {}
    if files is not None:
        yield f"{SUMS} names every file", _first(lambda: found.update(_files(files)))
    bundle: list[Bundle] = []
    yield (
        "the bundle is the record's",
        _first(lambda: bundle.append(_bundle(git, made, found, files))),
    )
    if not bundle:
        return
    check, problem = _verdict(git, made, found, files)
    what = "the verdict is the record's" if check else "the record claims no verdict"
    yield what, problem
    if files is not None:
        wanted = bom.render(made.record, check, problem=bundle[0].contract.problem).encode()
        same = found.get(bom.NAME) == wanted
        yield (
            "the bill of materials is the record's",
            None if same else f"{bom.NAME} is not what record and verdict give.",
        )


def _first(step: Callable[[], None]) -> str | None:
    try:
        step()
    except GitopsError as error:
        return str(error)
    return None


def _tag(made: Release) -> str | None:
    if record.format_record(made.record) != made.tag.message:
        return f"tag {made.tag.name} holds a record that `release` would write in another way."
    released = made.record["released"]
    at = datetime.fromtimestamp(made.tag.when, UTC).isoformat(timespec="seconds")
    if (released["by"], released["at"]) != (made.tag.by, at.replace("+00:00", "Z")):
        return f"the record says that {released['by']} released it at {released['at']}, the tag says else."
    return None


def _commit(git: Git, made: Release) -> str | None:
    commit, target = made.tag.commit, made.record["rollback_target"]
    if made.record["code"]["commit"] != commit:
        return f"tag {made.tag.name} stands on another commit than its record says: it was moved."
    served = release.stable_at(git, commit)
    if served != target:
        return f"the record says that {target} served then, production.yaml at the commit says {served}."
    return None


def _lock(git: Git, made: Release) -> str | None:
    artifact = made.record["artifact"]
    if artifact["path"] != dvc.BUNDLE:
        return f"the record's bundle is {artifact['path']}; allowed: {dvc.BUNDLE}."
    if releases.is_locked(git, made):
        return None
    if dvc.default_remote(git.root) is None:
        return (
            "dvc.lock at the commit names another bundle. Without a data storage CI builds it again, and its bytes may "
            "differ: nothing here proves where this one comes from."
        )
    return "dvc.lock at the commit names another bundle than the record."


def _files(folder: Path) -> dict[str, bytes]:
    """The files of a release by name, as SHA256SUMS lists them. Raises BadArtifact."""
    try:
        lines = _read(folder / SUMS).decode().splitlines(keepends=True)
        names = sorted(path.name for path in folder.iterdir())
        data = {name: _read(folder / name) for name in names if name != SUMS}
    except (OSError, UnicodeDecodeError) as error:
        raise BadArtifact(f"{folder}: {error}", reason="read") from None
    wanted = [f"{sha256_bytes(content)}  {name}\n" for name, content in sorted(data.items())]
    if lines != wanted:
        listed = {line[66:].rstrip("\n"): line for line in lines}
        for line in wanted:
            name = line[66:].rstrip("\n")
            if listed.get(name) != line:
                raise BadArtifact(f"{name} is not the file that {SUMS} lists.", reason="sha256")
        raise BadArtifact(f"{SUMS} is not the list of the files beside it.", reason="sha256")
    return data


def _read(path: Path) -> bytes:
    most = MAX_BYTES if path.suffix == ".tar" else LARGEST_FILE
    if path.stat().st_size > most:
        raise BadArtifact(f"{path.name} is larger than {most:,} bytes.")
    return path.read_bytes()


def _bundle(git: Git, made: Release, found: dict[str, bytes], files: Path | None) -> Bundle:
    """The bundle, which agrees with the record. Raises BadArtifact."""
    name = Path(dvc.BUNDLE).name
    if files is not None:
        if name not in found:
            raise BadArtifact(f"{files} holds no {name}.", reason="missing")
        data = found[name]
    else:
        md5 = made.record["artifact"]["md5"]
        data = fetch.find(made.ref, md5=md5, places=fetch.places(git), offline=True).data
    opened = Bundle.open(data, sha256=made.record["sha256"], name=f"the bundle of {made.tag.name}")
    releases.require_agreement(made, opened)
    return opened


def _verdict(
    git: Git, made: Release, found: dict[str, bytes], files: Path | None
) -> tuple[Check | None, str | None]:
    sha256 = made.record["sha256"]
    check = None
    if files is None:
        check = release.verdict(git, sha256, made.tag.commit)
    elif VERDICT in found:
        try:
            read = check_format.read(json.loads(found[VERDICT]), name=VERDICT)
        except (ValueError, RecursionError, BadInput) as error:
            return None, f"{VERDICT}: {str(error).splitlines()[0][:300]}"
        check = read if isinstance(read, Check) else None
    if files is None and check is None:
        # The report lay in somebody's working tree, and only the record remembers it.
        return None, None
    wrong = agreement.differences(made.record, agreement.of_verdict(check, sha256=sha256))
    if wrong:
        return check, f"the record says something else than {VERDICT}: {', '.join(wrong)}."
    return check, None
