"""The issue that the monitor opens: one question, its evidence, and what to type. Pure: data in, Markdown out.

Names of signals come from data, so every text is escaped where it stands in the template. The hidden first line holds
what the next run must know; it names no signal, because such a name could end the comment that hides it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from hashlib import sha256
from urllib.parse import quote, unquote

from gitops_model import templates
from gitops_model.errors import BadInput
from gitops_model.formats.watch import Signal, Watch
from gitops_model.markdown import code, plain, tidy, unbroken, units

# GitHub takes 65,536 characters.
LIMIT = 60_000
ROWS = 100
MARKER = "<!-- model-question "
# How long the example of an expected shift lasts, and how many of them are shown.
EXPECTED_DAYS = 30
EXAMPLES = 5
# How many signals the marker names, and how much of each.
NAMED = 3
NAME = 60
# As monitor.schema.json has it: a longer name cannot be acknowledged.
LONGEST_NAME = 300


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What an issue has said already. `signals` are digests of the names that alarmed, and of those among them that
    cannot be judged any more; `whole` is the digest of all that alarm.

    `former` is the number of the issue that asked before. `since` is the day on which this one was opened, `retrained`
    the day on which a workflow was told to retrain: once for each question. `names` are the first that alarm, for
    whoever tells of the issue elsewhere, written so that none can end the comment around it.
    """

    since: str = ""
    retrained: str = ""
    former: int | None = None
    signals: tuple[str, ...] = ()
    whole: str = ""
    names: tuple[str, ...] = ()

    @property
    def quiet(self) -> bool:
        """Whether nothing alarmed any more."""
        return not self.names

    @staticmethod
    def about(
        watch: Watch,
        *,
        since: str = "",
        former: int | None = None,
        retrained: str = "",
        before: Sequence[str] = (),
    ) -> Asked:
        """What an issue about `watch` says that said the digests `before`."""
        known = sorted(digest(signal.name) for signal in watch.alarms)
        # The first ones are enough to say what is new; `whole` knows of every change.
        kept = [*known, *_unjudged(watch, before)]
        return Asked(
            since=since,
            former=former,
            retrained=retrained,
            signals=tuple(kept[:200]),
            whole=digest(" ".join(known)),
            names=tuple(_coded(signal.name) for signal in watch.alarms[:NAMED]),
        )

    @property
    def named(self) -> list[str]:
        """`names` as they are."""
        return [unquote(name, errors="replace") for name in self.names]

    def marker(self) -> str:
        """The hidden first line of the issue."""
        return f"{MARKER}{json.dumps(asdict(self), sort_keys=True)} -->"

    @staticmethod
    def read(body: str) -> Asked | None:
        """What `marker` wrote, when `body` begins with it; else None."""
        first = body.split("\n", 1)[0].strip()
        if not (first.startswith(MARKER) and first.endswith("-->")):
            return None
        try:
            found = json.loads(first.removeprefix(MARKER).removesuffix("-->"))
            lists = {
                "signals": tuple(found["signals"]),
                # Issues that were opened before this stood in the marker have none.
                "names": tuple(map(str, found.get("names", ()))),
            }
            return Asked(**{**found, **lists})
        except (AttributeError, ValueError, TypeError, LookupError):
            return None


def digest(name: str) -> str:
    """A short name without any character of its own."""
    return sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def is_over(watch: Watch, before: Asked) -> bool:
    """Whether the question may be closed: all is well again, and not only because nothing could be judged."""
    judged = any(signal.state in ("clean", "expected") for signal in watch.signals)
    return watch.recovered and judged and not _unjudged(watch, before.signals)


def _unjudged(watch: Watch, digests: Sequence[str]) -> list[str]:
    """Those of the signals asked about that cannot be judged now: a log that ended answers no question."""
    withheld = {digest(signal.name) for signal in watch.signals if signal.state == "withheld"}
    return [one for one in digests if one in withheld]


def _coded(name: str) -> str:
    # A hyphen or `>` could end the comment that hides it.
    return quote(name[:NAME], safe="", errors="replace").replace("-", "%2D")


def title(watch: Watch) -> str:
    """The title of the issue. It names no signal, because those change while it is open."""
    return f"Did the world change, or did our pipeline break? {plain(watch.model)}"


def render(watch: Watch, asked: Asked) -> str:
    """The body of the issue, at most LIMIT units long. Evidence is cut first, then signals, and both are said."""
    signals = watch.alarms or tuple(s for s in watch.signals if s.state == "watching")
    lines = max((len(signal.evidence) for signal in signals), default=0)
    evidence, most = lines > 0, ROWS
    while True:
        shown = templates.render(
            "gitops_model.report",
            "question.md.j2",
            watch=watch,
            asked=asked,
            signals=signals,
            most=most,
            evidence=evidence,
            lines=lines,
            first=watch.windows[0].first if watch.windows else "",
            last=watch.windows[-1].last if watch.windows else "",
            snippet=_examples(watch.alarms),
            until=(_made(watch) + timedelta(days=EXPECTED_DAYS)).isoformat(),
        )
        body = f"{asked.marker()}\n{unbroken(tidy(shown))}"
        if units(body) <= LIMIT or not (lines or most):
            return body
        if lines:
            lines //= 2
        else:
            most //= 2


def change(watch: Watch, before: Asked) -> str:
    """The comment on a change of the alarming signals: what is new, and what does not alarm any more."""
    now = {digest(signal.name) for signal in watch.alarms}
    new = [s.name for s in watch.alarms if digest(s.name) not in before.signals]
    gone = [
        s.name
        for s in watch.signals
        if digest(s.name) in before.signals and digest(s.name) not in now
    ]
    parts = [
        f"{words}: {', '.join(code(name) for name in names[:10])}{_more(names)}."
        for words, names in (("Alarms now", new), ("Does not alarm any more", gone))
        if names
    ]
    return " ".join(parts) or f"{len(watch.alarms)} signals alarm now."


def _more(names: list[str]) -> str:
    return f", and {len(names) - 10} more" if len(names) > 10 else ""


def _made(watch: Watch) -> date:
    try:
        return date.fromisoformat(watch.made[:10])
    except ValueError:
        raise BadInput(
            f"reports/monitor.json was made on '{watch.made}', which is no day. Run: make monitor"
        ) from None


def _examples(alarms: tuple[Signal, ...]) -> list[str]:
    fitting = [signal.name for signal in alarms if len(signal.name) <= LONGEST_NAME]
    return [templates.ours(_quoted(name)) for name in fitting[:EXAMPLES]]


def _quoted(name: str) -> str:
    """A text of YAML in double quotes that reads as `name`; what cannot be seen is written with its number."""
    return f'"{"".join(map(_letter, name))}"'


def _letter(letter: str) -> str:
    if letter in '"\\':
        return "\\" + letter
    if letter.isprintable():
        return letter
    number = ord(letter)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
