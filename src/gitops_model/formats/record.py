"""Release ids and the release record: the message of the annotated tag `<task>-v<N>`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gitops_model import strict_yaml
from gitops_model.errors import BadInput

_ID = re.compile(
    r"""
    (?P<task>[a-z][a-z0-9]*(?:-[a-z0-9]+)*)  # lower-case words joined by one hyphen
    -v(?P<number>[1-9][0-9]{0,5})            # no leading zero: an id is written in one way only
    """,
    re.VERBOSE | re.ASCII,
)


@dataclass(frozen=True, kw_only=True, order=True)
class ModelId:
    """`flight-delay-v12` is task `flight-delay`, number 12."""

    task: str
    number: int

    def __str__(self) -> str:
        return f"{self.task}-v{self.number}"


def parse_id(text: str) -> ModelId:
    """The inverse of `str(ModelId)`. Raises BadInput for anything else."""
    match = _ID.fullmatch(text)
    if match is None:
        raise BadInput(
            f"'{text}' is not a model id; allowed: <task>-v<N>. Example: flight-delay-v12"
        )
    return ModelId(task=match["task"], number=int(match["number"]))


def is_id(text: str) -> bool:
    """Whether a tag of this name can be a release at all; `latest` or `nightly` cannot."""
    return _ID.fullmatch(text) is not None


def next_id(task: str, taken: Iterable[str]) -> ModelId:
    """One more than the highest number ever used for `task`; names in `taken` that are no ids of it are passed over."""
    numbers = [
        int(m["number"]) for m in map(_ID.fullmatch, taken) if m is not None and m["task"] == task
    ]
    return ModelId(task=task, number=max(numbers, default=0) + 1)


def format_record(record: Mapping[str, Any]) -> str:
    """The tag message: a subject line, an empty line, then the record as YAML in its fixed order."""
    strict_yaml.check(dict(record), kind="record", name="the release record")
    return f"Release {record['model']}\n\n{strict_yaml.dump(dict(record))}"


def parse_record(message: str, *, name: str) -> dict[str, Any]:
    """The inverse of `format_record`. `name` is the tag. Raises BadInput when the message is no release record."""
    subject, _, body = message.partition("\n\n")
    if not subject.startswith("Release "):
        raise BadInput(
            f"tag {name}: its message is not a release record; was it made by hand? Use `make release`."
        )
    # git appends the signature of a signed tag to the message.
    body = body.partition("-----BEGIN ")[0]
    return strict_yaml.parse(body, kind="record", name=f"tag {name}", newer=True)
