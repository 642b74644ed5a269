"""What DVC wrote, read as plain files; and DVC itself, in a process of its own, only where it has to work.

DVC takes most of a second to start. A bundle that lies in the local cache is found without it.
"""

from __future__ import annotations

import configparser
import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from gitops_model.delivery import programs
from gitops_model.delivery.git import Git
from gitops_model.delivery.lock_file import Lock, Out
from gitops_model.errors import BadArtifact, BadInput, ExternalFailure, os_words
from gitops_model.files import size_words
from gitops_model.progress import waiting

BUNDLE = "build/model.tar"
TIMEOUT_SECONDS = 600.0


def bundle_at(git: Git, rev: str) -> Out:
    """The bundle that dvc.lock at `rev` holds. Raises BadArtifact when there is none, BadInput for no dvc.lock."""
    text = git.text(rev, "dvc.lock")
    if text is None:
        raise BadArtifact(
            f"commit {rev[:12]} has no dvc.lock. Train and commit it: make train", reason="missing"
        )
    out = Lock.parse(text, name=f"dvc.lock at {rev[:12]}").outs.get(BUNDLE)
    if out is None:
        raise BadArtifact(
            f"dvc.lock at {rev[:12]} holds no {BUNDLE}. Train and commit it: make train",
            reason="missing",
        )
    return out


def lock_of(root: Path) -> Lock:
    """dvc.lock of the working tree, without a stage where there is none. Raises BadInput."""
    path = root / "dvc.lock"
    return Lock.parse(path.read_text(encoding="utf-8") if path.exists() else "{}")


def file_md5(path: Path) -> str:
    """Lower-case hex md5 of a file's bytes, which is DVC's name for them."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


# Configuration and cache


def setting(root: Path, section: str, key: str) -> tuple[str, Path] | None:
    """A value of the repository's DVC configuration and the folder of the file it stands in; local before shared."""
    for name in ("config.local", "config"):
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read(root / ".dvc" / name, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError) as error:
            raise BadInput(f".dvc/{name} cannot be read: {str(error).splitlines()[0]}") from None
        if parser.has_option(section, key):
            return parser.get(section, key).strip(), root / ".dvc"
    return None


def default_remote(root: Path) -> str | None:
    """The name of the DVC remote that push and pull use, or None."""
    found = setting(root, "core", "remote")
    return found[0] if found else None


def remote_in(text: str) -> str | None:
    """The name of the remote that a `.dvc/config` of this text makes the default, or None."""
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise BadInput(f".dvc/config cannot be read: {str(error).splitlines()[0]}") from None
    return parser.get("core", "remote", fallback="").strip() or None


def remote_url(root: Path, name: str) -> str | None:
    """The address of a DVC remote as it stands in the configuration."""
    found = setting(root, f"'remote \"{name}\"'", "url")
    return found[0] if found else None


def remote_folder(root: Path, name: str) -> Path | None:
    """The folder that a DVC remote is, on this machine; None for one on a server or in a bucket."""
    found = setting(root, f"'remote \"{name}\"'", "url")
    if found is None:
        return None
    url, home = found
    if url.startswith("file://"):
        return Path(url.removeprefix("file://"))
    # DVC reads a relative address from the folder of the configuration file it stands in.
    return None if "://" in url else (home / os.path.expanduser(url)).resolve()


def absent_folder(root: Path, name: str) -> str | None:
    """A sentence about a DVC remote that is a folder which is not there; None for all other remotes."""
    folder = remote_folder(root, name)
    if folder is None or folder.is_dir():
        return None
    url = remote_url(root, name) or ""
    if url.startswith(("/", "~", "file://")):
        why = "Is its disk mounted? If it lies elsewhere on this machine"
    else:
        why = f"The address '{url}' is relative to this clone. Name the folder as this machine sees it"
    return (
        f"the DVC remote '{name}' is the folder {folder}, which does not exist here. {why}: "
        f"dvc remote modify --local {name} url /path/to/it"
    )


def cached(root: Path, md5: str) -> Path:
    """Where the local cache keeps an object, whether or not it is there."""
    found = setting(root, "cache", "dir")
    folder = root / ".dvc" / "cache" if found is None else found[1] / os.path.expanduser(found[0])
    return folder / "files" / "md5" / md5[:2] / md5[2:]


# DVC at work


def dvc(
    root: Path, *words: str, doing: str | None = None, timeout: float = TIMEOUT_SECONDS
) -> subprocess.CompletedProcess[str]:
    """Run DVC and return what it said, whatever its exit code. `doing` is what people read while it takes long."""
    try:
        with waiting(doing or f"dvc {words[0]}"):
            return subprocess.run(
                [*programs.dvc(), *words],
                cwd=root,
                env={**os.environ, "LC_ALL": "C", "DVC_NO_ANALYTICS": "1"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
                check=False,
            )
    except subprocess.TimeoutExpired:
        raise ExternalFailure(f"`dvc {words[0]}` gave no answer within {timeout:g} s.") from None


def said(done: subprocess.CompletedProcess[str]) -> str:
    """The gist of a failed DVC command in one line."""
    lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR:")]
    if any("No module named dvc" in line for line in lines):
        return "DVC is not installed; run `make setup`"
    return (errors or lines or [f"exit code {done.returncode}"])[0]


# What s3fs says of an S3 storage, and what to do about it.
_ADVICE = (
    (
        r"Forbidden|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|Unable to locate credentials",
        "refuses the credentials. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of one that may use it, or run "
        "`aws configure`",
    ),
    (
        r"NoSuchBucket|bucket does not exist",
        "has no such bucket. Create it, or correct the address: dvc remote modify {name} url s3://bucket/folder",
    ),
    (
        r"Could not connect|Connection was closed|timed? ?out",
        "gives no answer. Where is it? AWS_ENDPOINT_URL, or: dvc remote modify {name} endpointurl https://host",
    ),
)


def _why(root: Path, remote: str | None, done: subprocess.CompletedProcess[str]) -> str:
    """`said`, and what to do where an S3 storage is not to be used as it is."""
    text = said(done).removeprefix("unexpected error - ")
    url = (remote and remote_url(root, remote)) or ""
    for pattern, words in _ADVICE if url.startswith("s3://") else ():
        if re.search(pattern, text):
            return f"the storage {url} {words.format(name=remote)} ({text})"
    return text


def from_remote(
    root: Path, *, remote: str, md5: str, target: Path, doing: str | None = None
) -> str:
    """Copy one object straight from a DVC remote to `target`. Returns "" on success, else why not.

    `dvc fetch` and `dvc push` exit with 0 even when an object is neither here nor there, and answer from an index
    that can be wrong; this asks for the object itself, needs no commit, and passes every cache by. A remote that is a
    folder is read without DVC.
    """
    absent = absent_folder(root, remote)
    if absent is not None:
        return absent
    if folder := remote_folder(root, remote):
        try:
            shutil.copyfile(folder / "files" / "md5" / md5[:2] / md5[2:], target)
        except FileNotFoundError:
            return "not there"
        except OSError as error:
            return os_words(error)
        return ""
    source = f"remote://{remote}/files/md5/{md5[:2]}/{md5[2:]}"
    try:
        done = dvc(root, "get-url", "--force", source, str(target), doing=doing)
    except ExternalFailure as error:
        return str(error)
    return "" if done.returncode == 0 and target.is_file() else _why(root, remote, done)


def push_out(root: Path, path: str, *, size: int, used: bool) -> None:
    """`dvc push` of one output of `size` bytes. Success proves nothing; read the object back. Raises ExternalFailure.

    `used`: the remote held something before. DVC makes the folder of a remote that is missing, so a disk that is not
    mounted would look like a new, empty storage.
    """
    remote = default_remote(root)
    folder = None if remote is None else remote_folder(root, remote)
    if remote is not None and folder is not None and (used or not folder.parent.is_dir()):
        absent = absent_folder(root, remote)
        if absent is not None:
            raise ExternalFailure(f"{absent}. Nothing was pushed. If it is new: mkdir -p {folder}")
    done = dvc(root, "push", path, doing=f"pushing {path} ({size_words(size)}) to '{remote}'")
    if done.returncode != 0:
        raise ExternalFailure(f"`dvc push {path}` failed: {_why(root, remote, done)}.")


def pull_outs(root: Path, paths: Sequence[str]) -> None:
    """`dvc pull` of outputs into the working tree, in one process. Raises ExternalFailure."""
    remote = default_remote(root)
    absent = None if remote is None else absent_folder(root, remote)
    done = dvc(root, "pull", *paths, doing=f"pulling {', '.join(paths)}")
    if done.returncode != 0 or not all((root / path).exists() for path in paths):
        why = absent or _why(root, remote, done)
        raise ExternalFailure(f"`dvc pull {' '.join(paths)}` failed: {why}.")


# Is dvc.lock stale?


def stale_stages(root: Path) -> list[str]:
    """Why dvc.lock is not what the working tree would produce: one sentence each, empty when it is.

    Works without any data present: what is merely not pulled is judged by the hashes in dvc.lock and the .dvc files.
    Each case is mended by `make train`. Raises ExternalFailure when DVC cannot read the repository.
    """
    done = dvc(root, "status", "--json", doing="comparing dvc.lock with the working tree")
    try:
        status = json.loads(done.stdout) if done.returncode == 0 else None
    except ValueError:
        status = None
    if status is None:
        raise ExternalFailure(f"`dvc status` failed: {said(done)}.")
    lock = lock_of(root)
    produced = _produced(root, lock)
    found = []
    for name, entries in status.items():
        reasons = [reason for entry in entries for reason in _reasons(entry, produced)]
        if reasons:
            found.append(f"{name}: {', '.join(reasons)}")
    for name, stage in lock.stages.items():
        found += [
            f"{name}: {path} is another version than the one it was built from"
            for path, md5 in stage.deps.items()
            if produced.get(path, md5) != md5
        ]
    return found


def _reasons(entry: Any, produced: Mapping[str, str]) -> Iterator[str]:
    """What counts in one entry of `dvc status --json`. Absent data does not: its hash is compared elsewhere."""
    if entry == "changed command":
        yield "its command in dvc.yaml changed"
    if not isinstance(entry, Mapping):
        return
    for items in entry.values():
        for path, state in items.items() if isinstance(items, Mapping) else ():
            if isinstance(state, Mapping):
                yield from (
                    f"{key} in {path} {_WORDS.get(word, word)}" for key, word in state.items()
                )
            elif state == "not in cache" or (state == "deleted" and path in produced):
                continue
            else:
                yield f"{path} {_WORDS.get(state, state)}"


_WORDS = {"modified": "changed", "new": "is new", "deleted": "was removed"}


def _produced(root: Path, lock: Lock) -> dict[str, str]:
    """md5 of everything DVC makes or tracks here, by path, from dvc.lock and the .dvc files."""
    made = {path: out.md5 for path, out in lock.outs.items()}
    for tracker in sorted(root.glob("data/**/*.dvc")) + sorted(root.glob("*.dvc")):
        if not tracker.is_file():
            continue
        try:
            outs = (yaml.safe_load(tracker.read_text(encoding="utf-8")) or {}).get("outs") or ()
        except (yaml.YAMLError, AttributeError):
            raise BadInput(
                f"{tracker.relative_to(root)} is not a file of DVC (a merge conflict?)."
            ) from None
        for out in outs:
            path = (tracker.parent / out["path"]).relative_to(root).as_posix()
            made[path] = out.get("md5", "")
    return made
