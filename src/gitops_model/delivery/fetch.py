"""Getting a bundle from wherever it is, nearest first, and believing nothing but its sha256.

Order: the store, build/model.tar, DVC's local cache, the DVC remote, the GitHub Release. A source that fails or holds
other bytes is passed over and named in the one error that is raised when none is left.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gitops_model import strict_yaml
from gitops_model.delivery import assets, dvc, releases
from gitops_model.delivery.git import Git
from gitops_model.errors import BadArtifact, BadInput, GitopsError
from gitops_model.files import sha256_bytes, sha256_file, size_words, write_atomic
from gitops_model.formats.bundle import MAX_BYTES
from gitops_model.formats.pointer import Ref
from gitops_model.formats.store import Layout

OTHER = "holds other bytes"


@dataclass(frozen=True, kw_only=True)
class Found:
    """Verified bundle bytes and the name of the source they came from."""

    data: bytes
    source: str


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where to look: the repository's top, the store (if there is one here), and origin's address."""

    root: Path
    store: Path | None = None
    origin: str | None = None


def places(git: Git, *, store: Path | None = None) -> Places:
    """The places of a repository; without `store`, the one that serving.yaml names, if it is there."""
    if store is None:
        try:
            store = git.root / strict_yaml.load(git.root / "serving.yaml", "serving").get(
                "store", "store"
            )
        except BadInput:
            store = git.root / "store"
    found = store if Layout(store).bundles.is_dir() else None
    return Places(root=git.root, store=found, origin=git.origin_url())


class _Absent(Exception):
    """This source does not have it; the text says why."""


def bundle_path(store: Path, sha256: str) -> Path:
    """Where the store keeps a bundle."""
    return Layout(store).bundle(sha256)


def nearby(ref: Ref, *, md5: str | None, places: Places) -> str | None:
    """The local source that holds the bundle, verified, or None. Asks no network and starts no other program."""
    for name, path in _local(ref, md5, places):
        if path.is_file() and sha256_file(path) == ref.sha256:
            return name
    return None


def find(
    ref: Ref,
    *,
    md5: str | None,
    places: Places,
    size: int | None = None,
    offline: bool = False,
) -> Found:
    """The bundle of `ref` from the nearest source that has it.

    `md5` is DVC's name for it and `size` its bytes, both from the release record.

    Raises BadArtifact (reason missing, or sha256 when one that keeps releases had the wrong bytes) that names every
    source.
    """
    failures: list[str] = []
    wrong = False
    for name, get in _sources(ref, md5, places, size=size, offline=offline):
        try:
            data = get()
        except _Absent as error:
            failures.append(f"{name}: {error}")
            continue
        found = sha256_bytes(data)
        if found == ref.sha256:
            return Found(data=data, source=name)
        # Each training writes another model there; all other sources keep bytes under their name for ever.
        wrong = wrong or name != dvc.BUNDLE
        failures.append(f"{name}: {OTHER} (sha256 {found[:12]}…)")
    listed = "; ".join(failures)
    raise BadArtifact(
        f"the bundle of {ref.model} (sha256 {ref.sha256[:12]}…) was not found in any source. Tried: {listed}.",
        reason="sha256" if wrong else "missing",
    )


def released(git: Git, ref: Ref) -> Path:
    """The bundle of a release as a file whose bytes were verified, fetched once. Raises BadArtifact."""
    path = Path("build/production") / f"{ref.sha256}.tar"
    if path.exists() and sha256_file(path) == ref.sha256:
        return path
    release = releases.verify(git, ref)
    here = Places(root=git.root, origin=git.origin_url())
    write_atomic(path, find(ref, md5=release.record["artifact"]["md5"], places=here).data)
    return path


def into_store(ref: Ref, *, md5: str | None, places: Places, size: int | None = None) -> str:
    """Make sure the store holds the bundle of `ref`, undamaged. Returns the source. Raises BadArtifact.

    What is there is verified too: a file that was damaged since it was written is replaced.
    """
    assert places.store is not None
    target = bundle_path(places.store, ref.sha256)
    if target.is_file() and sha256_file(target) == ref.sha256:
        return "the store"
    found = find(ref, md5=md5, places=places, size=size)
    write_atomic(target, found.data)
    return found.source


def _local(ref: Ref, md5: str | None, places: Places) -> Iterator[tuple[str, Path]]:
    if places.store is not None:
        yield "the store", bundle_path(places.store, ref.sha256)
    yield dvc.BUNDLE, places.root / dvc.BUNDLE
    if md5 is not None:
        yield "the DVC cache", dvc.cached(places.root, md5)


def _sources(
    ref: Ref, md5: str | None, places: Places, *, size: int | None, offline: bool
) -> Iterator[tuple[str, Callable[[], bytes]]]:
    for name, path in _local(ref, md5, places):
        yield name, lambda path=path: _read(path)  # type: ignore[misc]
    if offline:
        return
    try:
        remote = dvc.default_remote(places.root)
    except BadInput as error:
        yield "the DVC remote", lambda error=error: _fail(str(error))  # type: ignore[misc]
        remote = None
    if remote is not None and md5 is not None:
        known = "" if size is None else f" ({size_words(size)})"
        doing = f"fetching {ref.model}{known} from the DVC remote '{remote}'"
        yield f"the DVC remote '{remote}'", lambda: _from_remote(places.root, remote, md5, doing)
    slug = assets.slug(places.origin)
    if slug is not None:
        yield f"the GitHub Release of {slug}", lambda: _from_github(slug, ref.model)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _Absent(f"is larger than {MAX_BYTES} bytes")
        return path.read_bytes()
    except OSError as error:
        raise _Absent(
            "not there" if isinstance(error, FileNotFoundError) else str(error.strerror)
        ) from None


def _fail(why: str) -> bytes:
    raise _Absent(why)


def _from_remote(root: Path, remote: str, md5: str, doing: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "object"
        problem = dvc.from_remote(root, remote=remote, md5=md5, target=target, doing=doing)
        if problem:
            raise _Absent(problem)
        return _read(target)


def _from_github(slug: str, model: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "asset"
        try:
            assets.download(slug, tag=model, name="model.tar", target=target, limit=MAX_BYTES)
        except GitopsError as error:
            raise _Absent(str(error)) from None
        return _read(target)
