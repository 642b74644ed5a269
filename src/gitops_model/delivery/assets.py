"""Downloading a release's file from GitHub.

The source of last resort, and the only one of a repository without a DVC remote.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from gitops_model.errors import ExternalFailure

_GITHUB = re.compile(
    r"(?:https?://(?:[^@/]*@)?|ssh://git@|git@)github\.com[:/](?P<slug>[\w.-]+/[\w.-]+?)(?:\.git)?/?"
)
_SLUG = re.compile(r"[\w.-]+/[\w.-]+")
RETRIES = 3
TIMEOUT_SECONDS = 30


def slug(origin: str | None) -> str | None:
    """`owner/name` on GitHub: from GITHUB_REPOSITORY (set in workflows), else from origin's address, else None."""
    named = os.environ.get("GITHUB_REPOSITORY", "")
    if _SLUG.fullmatch(named):
        return named
    match = _GITHUB.fullmatch(origin or "")
    return match["slug"] if match else None


def download(slug: str, *, tag: str, name: str, target: Path) -> None:
    """Save the file `name` of the release `tag` as `target`. Raises ExternalFailure with the reason.

    A private repository needs GITHUB_TOKEN (or GH_TOKEN). Failures that may pass are tried RETRIES times.
    """
    # Half a second to import, and only needed when everything nearer has failed.
    import requests
    from github import Auth, Github, GithubException, GithubRetry

    token = os.environ.get("GITHUB_TOKEN") or os.environ.get("GH_TOKEN")
    client = Github(
        auth=Auth.Token(token) if token else None,
        base_url=os.environ.get("GITHUB_API_URL", "https://api.github.com"),
        timeout=TIMEOUT_SECONDS,
        retry=GithubRetry(total=RETRIES),
        seconds_between_requests=None,  # three reads in a row offend no limit, and somebody may be rolling back
        user_agent="gitops-model",
        lazy=True,
    )
    try:
        release = client.get_repo(slug).get_release(tag)
        assets = {asset.name: asset for asset in release.assets}
        if name not in assets:
            raise ExternalFailure(f"release {tag} has no file {name}")
        assets[name].download_asset(str(target), chunk_size=1 << 16)
    except GithubException as error:
        hint = "" if token else "; a private repository needs GITHUB_TOKEN"
        what = (
            "no release of that id" if error.status == 404 else f"the API answered {error.status}"
        )
        raise ExternalFailure(f"{what}{hint}") from None
    except (requests.RequestException, OSError) as error:
        raise ExternalFailure(f"cannot be reached ({type(error).__name__})") from None
    finally:
        client.close()
