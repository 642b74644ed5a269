"""Artifacts of a run, read as the hostile bytes they may be: capped, by fixed names, and reports by their schema."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gitops_model.errors import BadArtifact, BadInput, GitopsError
from gitops_model.formats import check
from gitops_model.formats.check import Outcome

MEMBER = "check.json"
MEMBER_LIMIT = 16_000_000
CHUNK = 1 << 20


def unzip(data: bytes) -> bytes:
    """MEMBER out of a zip, read with a cap on what it really unpacks to, whatever its header says."""
    with _readable(), zipfile.ZipFile(io.BytesIO(data)) as archive:
        if archive.namelist().count(MEMBER) != 1:
            raise BadArtifact(f"The artifact does not hold exactly one {MEMBER}.")
        with archive.open(MEMBER) as member:
            content = member.read(MEMBER_LIMIT + 1)
    if len(content) > MEMBER_LIMIT:
        raise BadArtifact(f"{MEMBER} unpacks to more than {MEMBER_LIMIT:,} bytes.")
    return content


def extract(data: bytes, members: Mapping[str, Path], *, limit: int) -> None:
    """Write the named members of a zip, of at most `limit` bytes each, to these paths. Raises BadArtifact.

    No name of the zip becomes a path.
    """
    with _readable(), zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        for name, target in members.items():
            if names.count(name) != 1:
                raise BadArtifact(f"The artifact does not hold exactly one {name}.")
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(name) as member, target.open("wb") as out:
                left = limit
                while chunk := member.read(min(CHUNK, left + 1)):
                    left -= len(chunk)
                    if left < 0:
                        raise BadArtifact(f"{name} unpacks to more than {limit:,} bytes.")
                    out.write(chunk)


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, RuntimeError, OSError, ValueError, EOFError) as error:
        raise BadArtifact(
            f"The artifact is not a readable zip ({type(error).__name__})."
        ) from error
    except Exception as error:
        # zlib.error and lzma errors share no useful base; damaged input must end in a sentence like any other.
        if isinstance(error, GitopsError):
            raise
        raise BadArtifact(f"The artifact is damaged ({type(error).__name__}).") from error


def parse(data: bytes) -> Outcome:
    """What a check.json says. Raises BadArtifact for bytes that are none."""
    try:
        return check.read(
            json.loads(data.decode("utf-8"), parse_constant=_no_constant), name=MEMBER
        )
    except BadInput as error:
        raise BadArtifact(
            f"The report does not fit its schema: {error.problems[0][:300]}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise BadArtifact(f"The report is not valid JSON ({type(error).__name__}).") from None


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is not JSON")
