"""Downloads over HTTP: a release's file from GitHub, and the bytes behind a signed address.

A GitHub Release is the source of last resort for a bundle, and the only one of a repository without a DVC remote.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from gitops_model.errors import BadArtifact, ExternalFailure
from gitops_model.progress import Progress

if TYPE_CHECKING:
    import requests

_GITHUB = re.compile(
    r"(?:https?://(?:[^@/]*@)?|ssh://git@|git@)github\.com[:/](?P<slug>[\w.-]+/[\w.-]+?)(?:\.git)?/?"
)
_SLUG = re.compile(r"[\w.-]+/[\w.-]+")
RETRIES = 3
TIMEOUT_SECONDS = 30
CHUNK = 1 << 16


def slug(origin: str | None) -> str | None:
    """`owner/name` on GitHub: from GITHUB_REPOSITORY (set in workflows), else from origin's address, else None."""
    named = os.environ.get("GITHUB_REPOSITORY", "")
    if _SLUG.fullmatch(named):
        return named
    match = _GITHUB.fullmatch(origin or "")
    return match["slug"] if match else None


def download(slug: str, *, tag: str, name: str, target: Path, limit: int) -> None:
    """Save the file `name` of the release `tag` as `target`. Raises ExternalFailure with the reason.

    A private repository needs GITHUB_TOKEN (or GH_TOKEN). Failures that may pass are tried RETRIES times.
    """
    # A tenth of a second to import, and only needed when everything nearer has failed.
    import requests

    api = os.environ.get("GITHUB_API_URL", "https://api.github.com")
    token = os.environ.get("GITHUB_TOKEN") or os.environ.get("GH_TOKEN")
    try:
        with _session(token) as session:
            address = f"{api}/repos/{slug}/releases/tags/{quote(tag)}"
            release = _answered(session.get(address, timeout=TIMEOUT_SECONDS), token).json()
            found = {asset["name"]: asset for asset in release["assets"]}
            if name not in found:
                raise ExternalFailure(f"release {tag} has no file {name}")
            with session.get(
                found[name]["url"],
                headers={"Accept": "application/octet-stream"},
                stream=True,
                timeout=TIMEOUT_SECONDS,
            ) as answer:
                _answered(answer, token)
                progress = Progress(
                    f"downloading {name} of {tag} from GitHub", total=found[name].get("size")
                )
                target.write_bytes(_body(answer, limit, name, progress.step))
                progress.end()
    except (requests.RequestException, OSError) as error:
        raise ExternalFailure(f"cannot be reached ({type(error).__name__})") from None
    except (LookupError, TypeError, ValueError):
        raise ExternalFailure("the API answered something that is not a release") from None


def read(address: str, *, limit: int, what: str) -> bytes:
    """The bytes behind a signed address, which must see no token of ours. Raises BadArtifact above `limit` bytes."""
    import requests

    with requests.get(address, stream=True, timeout=TIMEOUT_SECONDS) as answer:
        answer.raise_for_status()
        return _body(answer, limit, what, lambda done: None)


def _session(token: str | None) -> requests.Session:
    import requests
    from urllib3.util import Retry

    def authorise(request: Any) -> Any:
        if token:
            request.headers["Authorization"] = f"Bearer {token}"
        return request

    session = requests.Session()
    # As a function, no ~/.netrc takes its place; a redirect to another host drops the header.
    session.auth = authorise
    session.headers.update({"User-Agent": "gitops-model", "Accept": "application/vnd.github+json"})
    retry = Retry(
        total=RETRIES,
        status_forcelist=(429, 500, 502, 503, 504),
        backoff_factor=0.2,
        raise_on_status=False,
    )
    for scheme in ("https://", "http://"):
        session.mount(scheme, requests.adapters.HTTPAdapter(max_retries=retry))
    return session


def _answered(answer: requests.Response, token: str | None) -> requests.Response:
    if answer.status_code != 200:
        hint = "" if token else "; a private repository needs GITHUB_TOKEN"
        what = (
            "no release of that id"
            if answer.status_code == 404
            else f"the API answered {answer.status_code}"
        )
        raise ExternalFailure(f"{what}{hint}")
    return answer


def _body(answer: requests.Response, limit: int, what: str, step: Callable[[int], None]) -> bytes:
    chunks, size = [], 0
    for chunk in answer.iter_content(CHUNK):
        size += len(chunk)
        if size > limit:
            raise BadArtifact(
                f"{what} is larger than {limit:,} bytes, which is more than ours ever is."
            )
        chunks.append(chunk)
        step(size)
    return b"".join(chunks)
