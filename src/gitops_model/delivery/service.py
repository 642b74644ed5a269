"""A running service, seen over HTTP only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gitops_model import strict_yaml
from gitops_model.errors import ExternalFailure

CONNECT_SECONDS = 1.0
READ_SECONDS = 5.0


# Of the prediction log: folders, and addresses such as s3://bucket/folder.
Places = tuple[str | Path, ...]


def settings(root: Path) -> Mapping[str, Any]:
    """The repository's serving.yaml, validated. Raises BadInput with every problem."""
    return strict_yaml.load(root / "serving.yaml", "serving")


def log_folder(root: Path) -> Path:
    """Where `serve` writes the prediction log, by serving.yaml. Raises BadInput with every problem."""
    folder = (settings(root).get("log") or {}).get("folder", "logs/predictions")
    return root / str(folder)


def log_bucket(root: Path) -> str | None:
    """Where days that are closed go, by serving.yaml, such as s3://bucket/folder; None: they stay in the folder."""
    return (settings(root).get("log") or {}).get("to")


def log_places(root: Path, named: str | None) -> Places:
    """Where the prediction log lies: where it is `named`, else in the folder and the bucket of serving.yaml."""
    if named:
        return (named,)
    bucket = log_bucket(root)
    return (log_folder(root), bucket) if bucket else (log_folder(root),)


def words(places: Places) -> str:
    """Places of the log, in a sentence."""
    return " and ".join(str(place) for place in places)


def absent(url: str, *, edited: bool) -> str:
    """The sentence that no service answers there. `edited`: serving.yaml has changes that are not committed."""
    more = (
        " serving.yaml, which names this address, was changed since the last commit; a service that is running listens "
        "where the file said when it started."
    )
    return f"no service answers at {url}. Start it: make serve.{more if edited else ''}"


def status(url: str) -> dict[str, Any] | None:
    """The body of /status; None when nothing listens there, or went away while it answered.

    Raises ExternalFailure when something else listens there.
    """
    import requests

    try:
        answer = _session().get(f"{url}/status", timeout=(CONNECT_SECONDS, READ_SECONDS))
        body = answer.json()
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
        return None
    except requests.Timeout:
        raise ExternalFailure(
            f"the service at {url} accepts connections, but gives no answer to /status."
        ) from None
    except ValueError:
        body = None
    if not isinstance(body, dict) or not {"desired", "live", "errors"} <= body.keys():
        raise ExternalFailure(
            f"what answers at {url} is not this service; check url in serving.yaml."
        )
    return body


def predict(url: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """POST /predict. Raises ExternalFailure when the answer is not 200."""
    import requests

    try:
        answer = _session().post(
            f"{url}/predict", json=body, timeout=(CONNECT_SECONDS, READ_SECONDS)
        )
        found = answer.json()
    except (requests.RequestException, ValueError) as error:
        raise ExternalFailure(f"POST {url}/predict failed: {type(error).__name__}.") from None
    if answer.status_code != 200 or not isinstance(found, dict):
        said = found.get("error", "") if isinstance(found, dict) else ""
        raise ExternalFailure(f"POST {url}/predict answered {answer.status_code}: {said}")
    return found


def _session() -> Any:
    import requests

    session = requests.Session()
    # The service is addressed directly: a proxy for the outside world has no business between.
    session.trust_env = False
    return session
