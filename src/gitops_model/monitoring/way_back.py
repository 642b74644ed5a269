"""Whether a release that served before could serve again, as a signal. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gitops_model.errors import shorten
from gitops_model.formats.pointer import Ref
from gitops_model.formats.watch import WAY_BACK, Signal, State

# works: it answered as recorded; absent: no source gave the bundle; wrong: what a source gave is not what was released;
# refused: the right bytes do not answer; untried: the right bytes, on a machine that cannot load them.
Kind = Literal["works", "absent", "wrong", "refused", "untried"]
LONGEST = 160
STATES: dict[Kind, State] = {
    "works": "clean",
    "absent": "alarm",
    "wrong": "alarm",
    "refused": "alarm",
    "untried": "withheld",
}


@dataclass(frozen=True, kw_only=True)
class Rehearsed:
    """How the rehearsal of one release went. `said` is the source where it works, else what is wrong.

    `tried` are the sources that did not give the bundle, each with its reason.
    """

    ref: Ref
    kind: Kind
    said: str
    tried: tuple[str, ...] = ()


def signal(found: Rehearsed, *, storage: bool) -> Signal:
    """One failure is enough: bytes and answers do not vary from day to day. `storage`: there is a DVC remote.

    The issue shows the first 400 characters of a sentence, and its end is the command.
    """
    model = found.ref.model
    # The farthest source is the last one, and the one that all machines share.
    why = shorten(found.tried[-1] if found.tried else found.said, LONGEST).rstrip(".")
    push = (
        "`dvc push --all-tags`" if storage else f"`gh release upload {model} build/model.tar`"
    ) + " in a clone that still has it"
    sentence = {
        "works": f"{why} has it; it loads, and answers its golden requests as recorded.",
        "absent": f"its bundle cannot be fetched: {why}. If that was only away: `make monitor`. If it lost the bundle: "
        f"{push}.",
        "wrong": f"its bundle is not what was released: {why}. `make verify MODEL={model}` says what disagrees.",
        "refused": f"its bytes are right, and it does not serve: {why}. Until it is mended, go back to another one: "
        "`make rollback TO=<id>`.",
        "untried": f"not rehearsed: {why}. Its bytes are right.",
    }[found.kind]
    return Signal(
        name=f"{WAY_BACK}{model}",
        state=STATES[found.kind],
        sentence=sentence,
        evidence=found.tried,
    )
