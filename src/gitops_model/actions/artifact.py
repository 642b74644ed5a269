"""The report in a check's artifact, read as the hostile bytes it may be: in memory, capped, and by its schema."""

from __future__ import annotations

import io
import json
import zipfile

from gitops_model.errors import BadArtifact, BadInput, GitopsError
from gitops_model.formats import check
from gitops_model.formats.check import Outcome

MEMBER = "check.json"
MEMBER_LIMIT = 16_000_000


def unzip(data: bytes) -> bytes:
    """MEMBER out of a zip, read with a cap on what it really unpacks to, whatever its header says."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if archive.namelist().count(MEMBER) != 1:
                raise BadArtifact(f"The check's artifact does not hold exactly one {MEMBER}.")
            with archive.open(MEMBER) as member:
                content = member.read(MEMBER_LIMIT + 1)
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
        OSError,
        ValueError,
        EOFError,
    ) as error:
        raise BadArtifact(
            f"The check's artifact is not a readable zip ({type(error).__name__})."
        ) from error
    except Exception as error:
        # zlib.error and lzma errors share no useful base; damaged input must end in a sentence like any other.
        if isinstance(error, GitopsError):
            raise
        raise BadArtifact(f"The check's artifact is damaged ({type(error).__name__}).") from error
    if len(content) > MEMBER_LIMIT:
        raise BadArtifact(f"{MEMBER} unpacks to more than {MEMBER_LIMIT:,} bytes.")
    return content


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
