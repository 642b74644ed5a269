"""A folder, or an address in a bucket such as s3://bucket/folder: opened, listed, and its failures in words.

Credentials and region come from the environment or ~/.aws, as with every tool of Amazon's. A server that is not
Amazon's is named by AWS_ENDPOINT_URL, which pyarrow heeds in one of its two ways to open a bucket only.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyarrow import fs

from gitops_model.errors import BadInput, ExternalFailure, os_words, shorten

# With these a server that takes requests and says nothing costs 12 s; by pyarrow's own defaults it is 100 s.
ATTEMPTS = 3
CONNECT_SECONDS = 5.0
_S3 = re.compile(r"s3://([^/?@]+)(/[^?]*)?")
_SAID = re.compile(r"AWS Error (\w+)(?: \([^)]*\))? during \w+ operation: (.*)", re.DOTALL)
_CREDENTIALS = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of one that may use the bucket, or run `aws configure`."
_NO_BUCKET = "Create it, or correct the address."
_REFUSED = ("ACCESS_DENIED", "INVALID_", "SIGNATURE_", "EXPIRED_", "UNRECOGNIZED_", "MISSING_AUTH")


def opened(place: str | Path) -> tuple[Any, str]:
    """The file system and the folder in it. Raises BadInput, ExternalFailure."""
    if "://" not in str(place):
        return fs.LocalFileSystem(), str(Path(place).resolve())
    try:
        if (plain := _S3.fullmatch(str(place))) is not None:
            return _bucket(plain[1]), (plain[1] + (plain[2] or "")).rstrip("/")
        # Another storage, or one with Arrow's options behind a question mark.
        found: tuple[Any, str] = fs.FileSystem.from_uri(str(place))
    except (OSError, ValueError) as error:
        what = f"{place} cannot be opened: {_words(error)}"
        if is_away(error):
            raise ExternalFailure(what) from error
        raise BadInput(
            f"{what}. It is a folder, or an address such as s3://bucket/folder."
        ) from None
    return found


def _bucket(name: str) -> Any:
    endpoint = _endpoint()
    return fs.S3FileSystem(
        endpoint_override=endpoint,
        # Amazon tells for each bucket; other servers have no regions, or take the one that is set.
        region=None if endpoint else fs.resolve_s3_region(name),
        connect_timeout=CONNECT_SECONDS,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
        # Without it an upload that broke off is completed when it is closed, and a part of a file looks like all of it.
        background_writes=True,
        # What is small goes up by one request.
        allow_delayed_open=True,
    )


def listed(files: Any, folder: str, place: str | Path) -> list[Any]:
    """All below `folder`, which is what was opened as `place`; none where it is not there.

    Raises BadInput where there is no such bucket, ExternalFailure.
    """
    with telling(f"{place} cannot be listed"):
        found: list[Any] = files.get_file_info(
            fs.FileSelector(folder, allow_not_found=True, recursive=True)
        )
        if found or not isinstance(files, fs.S3FileSystem):
            return found
        bucket = folder.split("/", maxsplit=1)[0]
        there = files.get_file_info(bucket).type is not fs.FileType.NotFound
    if not there:
        raise BadInput(
            f"{place} cannot be listed: there is no bucket '{bucket}'{_where()}. {_NO_BUCKET}"
        )
    return found


@contextlib.contextmanager
def telling(what: str) -> Iterator[None]:
    """An OSError becomes ExternalFailure: `what` happened, and why."""
    try:
        yield
    except OSError as error:
        raise ExternalFailure(f"{what}: {_words(error)}") from error


def is_away(error: BaseException) -> bool:
    """Whether it was the storage that failed, and not a file in it."""
    return isinstance(error, OSError) and _SAID.search(str(error)) is not None


def _words(error: Exception) -> str:
    said = _SAID.search(str(error))
    if said is None:
        return f"{os_words(error) if isinstance(error, OSError) else error}"
    code, text = said[1], shorten(said[2].split(" (Request ID")[0], 200)
    if code == "NO_SUCH_BUCKET":
        return f"there is no such bucket{_where()}. {_NO_BUCKET}"
    if code.startswith(_REFUSED):
        return f"the storage{_where()} refuses the credentials ({code}). {_CREDENTIALS}"
    if code == "NETWORK_CONNECTION":
        return f"the storage{_where()} gives no answer ({text}). Is AWS_ENDPOINT_URL right, and the server up?"
    return f"the storage{_where()} failed ({code}: {text}). Try again later."


def _endpoint() -> str | None:
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")


def _where() -> str:
    endpoint = _endpoint()
    return f" at {endpoint}" if endpoint else ""
