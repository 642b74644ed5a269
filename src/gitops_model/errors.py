"""Errors that end a command, one class for each exit code.

0 is success and 1 is also what `check` and `status` return for "blocked" and "desired is not live", so that a
shell script needs one table only:

| code | class | meaning |
|---|---|---|
| 1 | Blocked | a gate or a rule said no; nothing was changed |
| 2 | BadInput | a file, an option or an argument is wrong; the message says how to fix it |
| 3 | CannotEvaluate | candidate and production could not be compared |
| 4 | BadArtifact | a bundle or a release is missing, damaged, or not what was promised |
| 5 | ExternalFailure | git, DVC, the network or the service did not do its part |
"""

from __future__ import annotations


class GitopsError(Exception):
    """Base of all expected failures. `str(error)` is the sentence shown to the user."""

    exit_code = 5


class Blocked(GitopsError):
    """A gate or a rule refused the change."""

    exit_code = 1


class BadInput(GitopsError):
    """A file, option or argument is wrong. `problems` holds one sentence each, all of them at once."""

    exit_code = 2

    def __init__(self, problems: str | list[str]) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


class CannotEvaluate(GitopsError):
    """The two models could not be compared on the same rows."""

    exit_code = 3


class BadArtifact(GitopsError):
    """A bundle or a release is missing, damaged, or not what was promised.

    `reason` is a short word for metrics and logs: `missing`, `read` (the disk or the system failed, which may pass),
    `sha256`, `origin` (it does not come from where its record says), `format`, `contract`, `load`, `golden`.
    """

    exit_code = 4

    def __init__(self, sentence: str, *, reason: str = "format") -> None:
        self.reason = reason
        super().__init__(sentence)


class ExternalFailure(GitopsError):
    """git, DVC, the network or the service failed."""

    exit_code = 5


def shorten(text: str, limit: int = 40) -> str:
    """A value of somebody else in one line of at most `limit` characters, for use inside a sentence."""
    line = " ".join(text[: 4 * limit].split())
    return (
        line if len(line) <= limit and len(text) <= 4 * limit else line[: limit - 1].rstrip() + "…"
    )


def os_words(error: OSError) -> str:
    """What the operating system said, and about which file."""
    words = error.strerror or str(error) or type(error).__name__
    return words if error.filename is None else f"{words} ({error.filename})"
