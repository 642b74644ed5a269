"""Whether a release that served before could serve again, as a signal. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gitops_model.formats.pointer import Ref
from gitops_model.formats.watch import WAY_BACK, Signal, State

# works: it answered as recorded; absent: no source gave the bundle; wrong: what a source gave is not what was released;
# refused: the right bytes do not answer; untried: the right bytes, on a machine that cannot load them.
Kind = Literal["works", "absent", "wrong", "refused", "untried"]
STATES: dict[Kind, State] = {
    "works": "clean",
    "absent": "alarm",
    "wrong": "alarm",
    "refused": "alarm",
    "untried": "withheld",
}


@dataclass(frozen=True, kw_only=True)
class Rehearsed:
    """How the rehearsal of one release went. `said` is the source where it works, else what is wrong."""

    ref: Ref
    kind: Kind
    said: str


def signal(found: Rehearsed, *, storage: bool) -> Signal:
    """One failure is enough: bytes and answers do not vary from day to day. `storage`: there is a DVC remote."""
    model, said = found.ref.model, found.said.rstrip(".")
    push = (
        "`dvc push --all-tags`" if storage else f"`gh release upload {model} build/model.tar`"
    ) + ", in a clone that still has the bytes"
    sentence = {
        "works": f"{said} has it; it loads, and answers its golden requests as recorded.",
        "absent": f"its bundle cannot be fetched: {said}. When a source was only away, it is back: `make monitor`. "
        f"When it lost the bundle: {push}.",
        "wrong": f"its bundle is not what was released: {said}. `make verify MODEL={model}` says what disagrees.",
        "refused": f"its bytes are right, and it does not serve: {said}. Look at it with `make verify MODEL={model}`; "
        "until it is mended, go back to another one: `make rollback TO=<id>`.",
        "untried": f"not rehearsed: {said}. Its bytes are right.",
    }[found.kind]
    return Signal(name=f"{WAY_BACK}{model}", state=STATES[found.kind], sentence=sentence)
