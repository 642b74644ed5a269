"""The template that a repository came from: its releases, what each of them generates, and what it says of its changes.

Baking runs the template's hooks, which is running code of whoever owns the template. The address stands in the
repository's own pyproject.toml, which CODEOWNERS watches; nothing else decides it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gitops_model.delivery.git import Git, masked
from gitops_model.errors import BadInput, ExternalFailure, shorten
from gitops_model.progress import waiting

SETTINGS = "pyproject.toml"
LOCK = "library.lock"
CLONE_SECONDS = 600.0
BAKE_SECONDS = 600.0
# What is generated stands in a folder whose name is this question of cookiecutter.
_QUESTION = "cookiecutter.project_slug"
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_SHORT = {
    "gh": "https://github.com/{}.git",
    "gl": "https://gitlab.com/{}.git",
    "bb": "https://bitbucket.org/{}",
}
_TABLE = """\
[tool.gitops-model]
template = "https://github.com/OWNER/cookiecutter-gitops-model"
answers = {project_name = "Churn", project_slug = "churn", task = "churn", problem = "binary", \
owner = "acme", dvc_remote = "none", remote_url = ""}"""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The answers that the template's questions were given, and where it is: as written, and as Git takes it."""

    written: str
    address: str
    answers: Mapping[str, str]

    @property
    def shown(self) -> str:
        """The address without a token that may stand in it."""
        return masked(self.address)


@dataclass(frozen=True, kw_only=True)
class Release:
    """A version of the template, such as 1.4.0, and its commit. `tagged` is False for a commit between releases."""

    version: str
    commit: str
    tagged: bool = True

    @property
    def key(self) -> tuple[int, ...]:
        """What orders versions: 1.10.0 comes after 1.9.0."""
        return _key(self.version)


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Lines of the changelog that concern a project, and how many items concern others only."""

    lines: tuple[str, ...]
    others: int


def origin(root: Path) -> Origin:
    """What pyproject.toml says of the template. Raises BadInput with the lines that are missing."""
    path = root / SETTINGS
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))["tool"]["gitops-model"]
        address, answers = found["template"], found["answers"]
        good = isinstance(address, str) and all(
            isinstance(value, str) for value in answers.values()
        )
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{SETTINGS} is no TOML: {error}.") from None
    except (OSError, KeyError, TypeError, AttributeError):
        good = False
    if not good:
        raise BadInput(
            f"{SETTINGS} does not say which template this repository came from, and which answers were given. Add "
            f"these lines with your own values:\n{_TABLE}"
        )
    return Origin(written=address, address=_address(address, root), answers=dict(answers))


def _address(text: str, root: Path) -> str:
    kind, colon, rest = text.partition(":")
    if colon and kind in _SHORT:
        return _SHORT[kind].format(rest)
    if text.startswith("-") or not text:
        raise BadInput(
            f"{SETTINGS}: template is '{shorten(text)}'; allowed: the address of a Git repository, or a folder."
        )
    # cookiecutter was run beside the new repository, so that is where a relative folder begins.
    beside = root.parent / text
    return str(beside) if beside.is_dir() else text


@dataclass(frozen=True, kw_only=True)
class Template:
    """A clone of the template, in a folder that nobody else uses."""

    git: Git
    shown: str

    @staticmethod
    def clone(origin: Origin, folder: Path) -> Template:
        """Bring the template here. Raises BadInput when there is none."""
        try:
            with waiting(f"fetching the template from {origin.shown}"):
                Git(root=folder).out(
                    *("clone", "--quiet", "--bare", "--", origin.address, "template.git"),
                    timeout=CLONE_SECONDS,
                )
        except ExternalFailure as error:
            raise BadInput(
                f"the template cannot be fetched from {shorten(origin.shown, 200)}: {error} Its address stands in "
                f"{SETTINGS}: template under [tool.gitops-model]."
            ) from None
        return Template(git=Git(root=folder / "template.git"), shown=origin.shown)

    def releases(self) -> list[Release]:
        """What the tags such as v1.4.0 name, oldest first."""
        found = []
        for name in self.git.tag_names("v*"):
            if _VERSION.fullmatch(name[1:]):
                found.append(Release(version=name[1:], commit=self.git.need(f"refs/tags/{name}")))
        return sorted(found, key=lambda release: release.key)

    def release(self, version: str | None) -> Release:
        """The release `version`, or the newest. Raises BadInput with those that there are."""
        found = self.releases()
        if not found:
            raise BadInput(
                f"the template at {self.shown} has no release yet: no tag such as v1.4.0."
            )
        if version is None:
            return found[-1]
        named = [release for release in found if release.version == version.removeprefix("v")]
        if not named:
            newest = ", ".join(release.version for release in reversed(found[-5:]))
            raise BadInput(
                f"'{shorten(version)}' is no release of the template; the newest are {newest}. Example: make upgrade "
                f"TO={found[-1].version}"
            )
        return named[0]

    def made(self, lock: str) -> Release:
        """The version that a repository with this library.lock was generated from.

        Between two releases several commits have the same lock; the newest is taken. Raises BadInput when none has it.
        """
        wanted = self.git.out("hash-object", "--stdin", stdin=lock.encode())
        releases = {release.commit: release for release in self.releases()}
        commits = [*reversed(releases), *self.git.out("rev-list", "--all").split()]
        folders = self.git.out("ls-tree", "-d", "--name-only", "HEAD").splitlines()
        inside = next((name for name in folders if _QUESTION in name), _QUESTION)
        asked = "".join(f"{commit}:{inside}/{LOCK}\n" for commit in commits)
        said = self.git.out("cat-file", "--batch-check=%(objectname)", stdin=asked.encode())
        for commit, line in zip(commits, said.splitlines(), strict=True):
            if line == wanted:
                return releases.get(commit) or Release(
                    version=library(lock), commit=commit, tagged=False
                )
        raise BadInput(
            f"no version of the template at {self.shown} has the {LOCK} of this repository. Say which one it was "
            "generated from, or last upgraded to. Example: make upgrade FROM=1.3.0"
        )

    def bake(self, release: Release, origin: Origin, folder: Path) -> Path:
        """Generate the repository below `folder`. Raises ExternalFailure with what cookiecutter said.

        Settings of the user's home play no part, so the same answers give the same files on every machine.
        """
        folder.mkdir()
        words = ("worktree", "add", "--detach", str(folder / "template"), release.commit)
        self.git.out(*words, timeout=CLONE_SECONDS)
        places = {"cookiecutters_dir": f"{folder}/cache", "replay_dir": f"{folder}/replay"}
        (folder / "settings.yaml").write_text(json.dumps(places), encoding="utf-8")
        options = (
            "--no-input",
            "--config-file",
            "settings.yaml",
            "--output-dir",
            "out",
            "template",
        )
        try:
            done = subprocess.run(
                [
                    *(sys.executable, "-P", "-m", "cookiecutter", *options),
                    *(f"{name}={value}" for name, value in origin.answers.items()),
                ],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=BAKE_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ExternalFailure(
                f"the template {release.version} was not generated within {BAKE_SECONDS:g} s."
            ) from None
        if done.returncode:
            said = " · ".join(done.stderr.strip().splitlines()[-5:])
            if "No module named cookiecutter" in said:
                said = "cookiecutter is not installed here. Run: make setup"
            raise ExternalFailure(f"the template {release.version} cannot be generated: {said}")
        made = next((folder / "out").iterdir())
        path = made / SETTINGS
        if path.exists():
            # It names where it was generated from just now; the repository knows the real address.
            text = path.read_text(encoding="utf-8")
            path.write_text(
                text.replace('template = "template"\n', f'template = "{origin.written}"\n', 1),
                encoding="utf-8",
            )
        return made

    def changes(self, old: Release, new: Release, answers: Mapping[str, str]) -> Changes:
        """What the template's CHANGELOG.md says of the versions after `old`, up to `new`."""
        text = self.git.text(new.commit, "CHANGELOG.md") or ""
        questions = json.loads(self.git.text(new.commit, "cookiecutter.json") or "{}")
        return concerning(text, old=old, new=new, answers=answers, questions=questions)


def library(lock: str) -> str:
    """The version of the library that library.lock names; the template has the same. Raises BadInput."""
    found = re.match(r"gitops-model==(\S+)", lock)
    if found is None:
        raise BadInput(f"{LOCK} does not begin with gitops-model==. Restore it: git log -- {LOCK}")
    return found[1]


def concerning(
    text: str,
    *,
    old: Release,
    new: Release,
    answers: Mapping[str, str],
    questions: Mapping[str, object],
) -> Changes:
    """The items of a changelog in the sections after `old`, up to `new`, newest first.

    `- (s3) …` concerns those who answered `s3` to a question that offers it, `- (s3, gs) …` either; all other items
    concern everybody.
    """
    lines: list[str] = []
    others, taken, shown = 0, False, False
    for line in text.splitlines():
        if heading := re.match(r"## v?(\d+\.\d+\.\d+)\b", line):
            taken = old.key < _key(heading[1]) <= new.key
            shown = taken
        elif line.startswith("## "):
            taken = shown = False
        elif taken and line.startswith("- "):
            shown = _concerns(line, answers, questions)
            others += not shown
        if shown and line.strip():
            lines.append(line)
    return Changes(lines=tuple(lines), others=others)


def _concerns(item: str, answers: Mapping[str, str], questions: Mapping[str, object]) -> bool:
    found = re.match(r"- \(([a-z0-9, ]+)\) ", item)
    if found is None:
        return True
    named = {word.strip() for word in found[1].split(",")}
    asked = [
        (name, choices)
        for name, choices in questions.items()
        if isinstance(choices, list) and named & set(choices)
    ]
    return not asked or any(answers.get(name) in named for name, _ in asked)


def _key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
