"""The generated Dockerfile as a value: stages of instructions, which tests read and run without an engine."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.support.places import TEMPLATE


@dataclass(frozen=True)
class Instruction:
    """`COPY a b` is `Instruction("COPY", "a b")`; a continued line is one."""

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        """The words of an instruction in JSON form."""
        found: list[str] = json.loads(self.text)
        return found


@dataclass(frozen=True)
class Stage:
    """A stage of the build, and the image or stage it begins with."""

    base: str
    instructions: tuple[Instruction, ...]

    def all(self, name: str) -> list[str]:
        return [one.text for one in self.instructions if one.name == name]

    def last(self, name: str) -> Instruction:
        return [one for one in self.instructions if one.name == name][-1]


def stages() -> dict[str, Stage]:
    """Name → stage, in the file's order."""
    found: dict[str, Stage] = {}
    name, base, collected = "", "", list[Instruction]()
    lines = (TEMPLATE / "Dockerfile").read_text().splitlines()
    kept = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    for line in "\n".join(kept).replace("\\\n", " ").splitlines():
        word, _, text = line.partition(" ")
        if word == "FROM":
            if name:
                found[name] = Stage(base, tuple(collected))
            base, _, name = text.partition(" AS ")
            collected = []
        else:
            collected.append(Instruction(word, text.strip()))
    found[name] = Stage(base, tuple(collected))
    return found
