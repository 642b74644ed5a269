"""What a report says first: the verdict, the one reason with its numbers, what is turned off, what to beware of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gitops_model.formats.check import (
    Check,
    NotEvaluated,
    Outcome,
    State,
    TurnedOff,
)
from gitops_model.report import reasons, sentences
from gitops_model.report.sentences import capital

# `nothing` and `pending` are said by the trusted side about a pull request; check.json never holds them.
VERDICTS = {
    "pass": ("✅", "May ship"),
    "blocked": ("❌", "Do not merge"),
    "not_evaluated": ("⚠️", "Not evaluated"),
    "nothing": ("➖", "Nothing to evaluate"),
    "pending": ("⏳", "Not evaluated yet"),
}
# Characters of a reason; a longer one is said in full below.
LONGEST = 300
# What stands beside the verdict when the rows that judged are not the ones main knows, and what it means.
OTHER_ROWS = "judged on other test rows than main's"
OTHER_ROWS_MEAN = (
    "This pull request brings its own test rows or labels, and both models were scored on them. Read that change "
    "before you trust these numbers."
)
OTHER_BUNDLE = "judged on another bundle than dvc.lock's"
OTHER_BUNDLE_MEANS = (
    "The bundle was built again, and its bytes differ from dvc.lock (another processor or library). What was built is "
    "what was judged; a release is built, judged and published the same way."
)
# How the sentence of check.json begins, which a heading says in its own way.
PREFIXES = ("May ship as the first release: ", "May ship: ", "Blocked: ", "Not evaluated: ")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a report says first. `reason` is short; `said` is longer, `hint` a command that helps.

    `beware` is a remark on the verdict itself, for the first line; empty when there is none.
    """

    state: str
    mark: str
    word: str
    reason: str
    beware: str = ""
    said: str = ""
    hint: str | None = None
    turned_off: tuple[TurnedOff, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """The verdict in one short line."""
        return f"{self.opening}: {self.reason}" if self.reason else self.opening

    @property
    def opening(self) -> str:
        """The verdict without its reason, with the remark on it."""
        return f"{self.word}, {self.beware}" if self.beware else self.word


def verdict(
    check: Outcome | None,
    *,
    state: str | None = None,
    sentence: str | None = None,
    hint: str | None = None,
    warnings: Sequence[str] | None = None,
) -> Verdict:
    """The verdict of a check, in which a trusted side may replace state, sentence, hint and warnings by its own.

    A sentence that is not the one of the check's gates is the reason; then the gates are not what decided.
    """
    compared = check if isinstance(check, Check) else None
    own = check.hint if isinstance(check, NotEvaluated) else None
    state = state or (str(check.state) if check is not None else State.NOT_EVALUATED.value)
    sentence = sentence if sentence is not None else check.sentence if check else ""
    mark, word = VERDICTS.get(state, ("", state))
    reason = without_prefix(sentence)
    off = () if compared is None else compared.turned_off
    head = Verdict(
        state=state,
        mark=mark,
        word=word,
        reason=reason if len(reason) <= LONGEST else f"{reason[: LONGEST - 1]}…",
        beware="" if compared is None else _beware(compared),
        said="" if len(reason) <= LONGEST else capital(reason),
        hint=hint or own,
        turned_off=off,
        warnings=_warnings(compared, warnings),
    )
    return head if compared is None else _explained(head, compared, sentence)


def _explained(head: Verdict, check: Check, sentence: str) -> Verdict:
    if sentence != sentences.headline(check):
        return head
    word = head.word
    if head.state == State.PASS and check.baseline is None:
        word = "May ship as the first release"
    return replace(
        head,
        word=word,
        reason=reasons.reason(check),
        said=reasons.explanation(check),
    )


def _beware(check: Check) -> str:
    """What a reader must know before the verdict: that something else was judged than main and dvc.lock name."""
    return " and ".join(short for short, _ in _others(check))


def _others(check: Check) -> list[tuple[str, str]]:
    """(in a few words, what it means) of everything that was judged in place of what main or dvc.lock name."""
    known = (
        (check.test_set.on_base, (OTHER_ROWS, OTHER_ROWS_MEAN)),
        (check.candidate.in_lock, (OTHER_BUNDLE, OTHER_BUNDLE_MEANS)),
    )
    return [words for same, words in known if same == "other"]


def _warnings(check: Check | None, given: Sequence[str] | None) -> tuple[str, ...]:
    if check is None:
        return tuple(dict.fromkeys(given or ()))
    found = list(check.warnings if given is None else given)
    if check.test_set.changed:
        found.insert(
            0,
            "The test set changed since production was released: production was scored again on the new rows.",
        )
    return tuple(dict.fromkeys([*(meaning for _, meaning in _others(check)), *found]))


def without_prefix(sentence: str) -> str:
    """The sentence of a check.json without its verdict, for a place where the verdict stands already."""
    for prefix in PREFIXES:
        if sentence.startswith(prefix):
            return sentence.removeprefix(prefix)
    return sentence
