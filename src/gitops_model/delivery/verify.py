"""`verify`: do tag, record, commit, bundle and the files of a release tell one story? Asks no network.

A release page and a tag can be written by more people than may merge. What they cannot change without a trace here:
the commit that was reviewed, its dvc.lock, and the bundle that this names.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gitops_model import strict_json
from gitops_model.delivery import dvc, fetch, release, releases, signatures
from gitops_model.delivery.desired import MAIN
from gitops_model.delivery.git import Git
from gitops_model.delivery.releases import Release
from gitops_model.delivery.signatures import Signed
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


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One comparison: what should hold, what is wrong (None: nothing), or why it could not be made (None: it was)."""

    what: str
    problem: str | None = None
    skipped: str | None = None

    @property
    def mark(self) -> str:
        return "no" if self.problem else "--" if self.skipped else "yes"


def run(options: Options) -> int:
    """Exit 0 when everything agrees; BadArtifact says the first that does not, the lines before it the others."""
    git = Git.open(Path.cwd())
    if options.files is not None and not options.files.is_dir():
        raise BadInput(
            f"FILES is {options.files}, which is no folder. Download the release first: gh release download "
            f"{options.model} --dir {options.files}"
        )
    compared = []
    for one in examine(git, options.model, files=options.files):
        print(f"verify: {one.mark:<3} {one.what}{f': {one.skipped}' if one.skipped else ''}")
        compared.append(one)
    if problems := [one.problem for one in compared if one.problem]:
        raise BadArtifact(problems[0], reason="origin")
    judged = "" if any(one.skipped for one in compared) else ", and what was judged"
    print(f"verify: {options.model} is what its commit built{judged}")
    return 0


def examine(git: Git, model: str, *, files: Path | None) -> Iterator[Compared]:
    """Every comparison; after a bundle that is not the record's, no other. Raises BadArtifact without a release."""
    made = releases.load(git, model)
    yield _step("the tag holds the record as `release` writes it", lambda: _tag(made))
    yield _step("the commit under the tag is the record's", lambda: _commit(git, made))
    signed = signatures.of_tag(git, made.tag.object)
    if signed is not None:
        yield _step(
            f"the tag is signed by {signed.by or 'nobody known'}", lambda: _signed(made, signed)
        )
    elif git.is_signed(made.tag.object):
        yield Compared(what="the tag's signature", skipped=f"{MAIN} has no file {signatures.FILE}")
    yield _step("dvc.lock at the commit names the bundle", lambda: _lock(git, made))
    found: dict[str, bytes] = {}
    if files is not None:
        yield _step(f"{SUMS} names every file", lambda: found.update(_files(files)))
    bundles: list[Bundle] = []
    yield _step(
        "the bundle is the record's", lambda: bundles.append(_bundle(git, made, found, files))
    )
    if not bundles:
        return
    what = "the verdict is the record's"
    check = release.verdict(git, made.record["sha256"], made.tag.commit)
    if files is not None:
        checks: list[Check | None] = [None]
        yield _step(what, lambda: checks.append(_verdict(made, found.get(VERDICT))))
        check = checks[-1]
        problem = bundles[0].contract.problem
        yield _step(
            "the bill of materials is the record's", lambda: _bom(made, found, check, problem)
        )
    elif check is None and made.record["gates"] != agreement.UNJUDGED:
        # The report lay in somebody's working tree, and here only the record remembers it.
        yield Compared(what=what, skipped="the report is not here; give the release page's files")
    else:
        yield _step(what, lambda: _agree(made, check))


def _step(what: str, compare: Callable[[], object]) -> Compared:
    try:
        compare()
    except GitopsError as error:
        return Compared(what=what, problem=str(error))
    return Compared(what=what)


def _tag(made: Release) -> None:
    if record.format_record(made.record) != made.tag.message:
        raise BadArtifact(
            f"tag {made.tag.name} holds a record that `release` would write in another way."
        )
    released = made.record["released"]
    at = datetime.fromtimestamp(made.tag.when, UTC).isoformat(timespec="seconds")
    if (released["by"], released["at"]) != (made.tag.by, at.replace("+00:00", "Z")):
        raise BadArtifact(
            f"the record says that {released['by']} released it at {released['at']}, the tag says else."
        )


def _signed(made: Release, signed: Signed) -> None:
    if signed.by is None:
        raise BadArtifact(f"tag {made.tag.name}: {signed.problem}.")


def _commit(git: Git, made: Release) -> None:
    releases.require_commit(made)
    target, served = made.record["rollback_target"], release.stable_at(git, made.tag.commit)
    if served != target:
        raise BadArtifact(
            f"the record says that {target} served then, production.yaml at the commit says {served}."
        )


def _lock(git: Git, made: Release) -> None:
    path = made.record["artifact"]["path"]
    if path != dvc.BUNDLE:
        raise BadArtifact(f"the record's bundle is {path}; allowed: {dvc.BUNDLE}.")
    releases.require_origin(git, made)
    if not releases.is_locked(git, made):
        raise BadArtifact(
            "dvc.lock at the commit names another bundle. Without a data storage CI builds it again, and its bytes may "
            "differ: nothing here proves where this one comes from."
        )


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


def _verdict(made: Release, data: bytes | None) -> Check | None:
    """The check of the release page, which agrees with the record. Raises BadArtifact, or BadInput for no check."""
    read = None
    if data is not None:
        read = check_format.read(
            strict_json.parse(data, name=VERDICT, most_bytes=LARGEST_FILE), name=VERDICT
        )
    check = read if isinstance(read, Check) else None
    _agree(made, check)
    return check


def _agree(made: Release, check: Check | None) -> None:
    wrong = agreement.differences(
        made.record, agreement.of_verdict(check, sha256=made.record["sha256"])
    )
    if wrong:
        raise BadArtifact(f"the record says something else than {VERDICT}: {', '.join(wrong)}.")


def _bom(made: Release, found: Mapping[str, bytes], check: Check | None, problem: str) -> None:
    if found.get(bom.NAME) != bom.render(made.record, check, problem=problem).encode():
        raise BadArtifact(f"{bom.NAME} is not what record and verdict give.")
