"""Random edits of a team to its repository, each of which knows how to find itself again after an upgrade."""

from __future__ import annotations

import difflib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ci_scripts import bake

# What a team edits most, and what it may edit as well.
OWN = ("pipeline/features.py", "pipeline/source.py", "pipeline/train.py")
USUAL = (
    "contract.yaml",
    "gates.yaml",
    "params.yaml",
    "README.md",
    "serving.yaml",
    "requirements.in",
)
MADE = (".whl", ".lock", "requirements.txt", "requirements-s3.txt", "requirements-serving.txt")
RENAMES = {
    "docs/RUNBOOK.md": "docs/WHEN_IT_BURNS.md",
    "docs/SERVING.md": "handbook/HOSTS.md",
    "tests/test_features.py": "tests/test_our_features.py",
    "monitoring/alerts.yml": "monitoring/our_alerts.yml",
    "serving.yaml": "service.yaml",
}
DELETIONS = ("compose.yaml", "Dockerfile", "docs/SERVING.md", "monitoring/dashboard.json")
# What an upgrade starts from; without it there is none.
NEEDED = ("[tool.gitops-model]", "template = ", "answers = ")
NEW = (
    ".github/workflows/nightly.yml",
    ".github/workflows/ours.yml",
    "pipeline/holidays.py",
    "docs/NEWS.md",
)


@dataclass
class Edits:
    """What was done: unique words that must stand somewhere, files that must be there, or must not."""

    words: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)


def make(repository: Path, chance: random.Random) -> Edits:
    """Between three and ten edits of the working tree."""
    done = Edits()
    ways: list[Callable[[Path, random.Random, Edits, str], None]] = [
        *(_line, _line, _line, _line, _append),
        *(_new_file, _rename, _delete, _threshold, _anywhere),
    ]
    for number in range(chance.randint(3, 10)):
        chance.choice(ways)(repository, chance, done, f"OURS_{number}_{chance.randrange(10**6)}")
    return done


def _text_files(repository: Path) -> list[str]:
    return [name for name in bake.files(repository) if not name.endswith(MADE)]


def _line(repository: Path, chance: random.Random, done: Edits, word: str) -> None:
    _change(repository, chance.choice((*OWN, *USUAL)), chance, done, word)


def _anywhere(repository: Path, chance: random.Random, done: Edits, word: str) -> None:
    _change(repository, chance.choice(_text_files(repository)), chance, done, word)


def _change(repository: Path, name: str, chance: random.Random, done: Edits, word: str) -> None:
    """Replace a line, or put one before it. Lines of earlier edits are left alone."""
    path = repository / name
    if not path.exists() or name in done.files:
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    free = [
        i for i, line in enumerate(lines) if "OURS_" not in line and not line.startswith(NEEDED)
    ]
    if not free:
        return
    place = chance.choice(free)
    lines[place : place + chance.randint(0, 1)] = [f"# {word}\n"]
    path.write_text("".join(lines), encoding="utf-8")
    done.words[word] = name


def _append(repository: Path, chance: random.Random, done: Edits, word: str) -> None:
    name = chance.choice(OWN)
    with (repository / name).open("a", encoding="utf-8") as file:
        file.write(f"\n\ndef {word.lower()}():\n    return {word!r}\n")
    done.words[word] = name


def _threshold(repository: Path, chance: random.Random, done: Edits, word: str) -> None:
    path = repository / "gates.yaml"
    text = path.read_text(encoding="utf-8")
    if "min_rows: 300" in text:
        path.write_text(text.replace("min_rows: 300", f"min_rows: 500  # {word}"), encoding="utf-8")
        done.words[word] = "gates.yaml"


def _new_file(repository: Path, chance: random.Random, done: Edits, word: str) -> None:
    path = repository / (name := chance.choice(NEW))
    if not path.exists():
        path.write_text(f"# {word}\n", encoding="utf-8")
        done.files[name] = path.read_bytes()
        done.words[word] = name


def _rename(repository: Path, chance: random.Random, done: Edits, word: str) -> None:
    old, new = chance.choice(sorted(RENAMES.items()))
    if (repository / old).exists():
        (repository / new).parent.mkdir(exist_ok=True)
        (repository / old).rename(repository / new)
        done.renamed[old] = new


def _delete(repository: Path, chance: random.Random, done: Edits, word: str) -> None:
    name = chance.choice(DELETIONS)
    # What an edit before this one wrote there is the team's to give up.
    if (repository / name).exists() and name not in done.words.values():
        (repository / name).unlink()
        done.deleted.add(name)


def lost(repository: Path, done: Edits, conflicts: tuple[str, ...]) -> Iterator[str]:
    """Edits that cannot be found any more, each in words."""
    texts = {
        name: (repository / name).read_text(encoding="utf-8", errors="replace")
        for name in bake.files(repository)
    }
    for word, name in done.words.items():
        if not any(word in text for text in texts.values()):
            yield f"{word} of {name} is nowhere"
    for name, data in done.files.items():
        if name not in conflicts and (repository / name).read_bytes() != data:
            yield f"{name} has other bytes"
    for old, new in done.renamed.items():
        if new not in texts and new not in conflicts:
            yield f"{new}, once {old}, is not there"
        if old in texts and not {old, new} & set(conflicts):
            yield f"{old} is back"
    for name in done.deleted:
        if name in texts and name not in conflicts:
            yield f"{name} is back"


def touched(base: str, other: str) -> set[int]:
    """Places of `base` that `other` changed: 2 i for line i, 2 i - 1 and 2 i + 1 for the gaps around it.

    Two changes with no line between them touch the same gap; Git calls that the same lines, too.
    """
    found: set[int] = set()
    matcher = difflib.SequenceMatcher(None, base.splitlines(), other.splitlines(), autojunk=False)
    for kind, low, high, _, _ in matcher.get_opcodes():
        if kind != "equal":
            found |= set(range(2 * low - 1, 2 * high))
    return found
