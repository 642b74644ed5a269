"""From counted windows to signals: inputs, scores, coverage, fallback, silence. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from gitops_model.formats.monitor import Settings
from gitops_model.formats.profile import MISSING, OTHER, Column, Number, Profile
from gitops_model.formats.watch import WORST, Moved, Retrain, Signal
from gitops_model.monitoring import shift
from gitops_model.monitoring.counts import Tally
from gitops_model.monitoring.shift import Rule, Shift
from gitops_model.monitoring.windows import FEWEST_ROWS, Span, state
from gitops_model.report.watch_pages import Picture

_MOVED: Mapping[str, Moved] = {MISSING: "missing", OTHER: "new"}
# The share of rows answered with the fallback from which somebody should look.
FALLBACK_SHARE = 0.01


@dataclass(frozen=True, kw_only=True)
class Watched:
    """One column over the windows: None where a window was too small."""

    name: str
    column: Column
    tallies: tuple[Tally | None, ...]
    shifts: tuple[Shift | None, ...]


def columns(
    profile: Profile, spans: Sequence[Span], sha256: str, settings: Settings
) -> list[Watched]:
    """Every input, and every score of the release `sha256`, in every window."""
    total = len(profile.inputs) + len(profile.scores)
    rule = Rule(
        smallest=settings.smallest_shift,
        windows=settings.windows,
        columns=total,
        days=settings.window_days,
        history=profile.days,
    )
    of_scores = replace(rule, history=profile.score_days)
    found = []
    for name, column in profile.inputs.items():
        tallies = [span.traffic.inputs.get(name) if span.judged else None for span in spans]
        found.append(_watched(f"input {name}", column, tallies, rule))
    for name, score in profile.scores.items():
        tallies = [span.traffic.scores.get(sha256, {}).get(name) for span in spans]
        found.append(_watched(f"score {name}", score, tallies, of_scores))
    return found


def _watched(name: str, column: Column, tallies: Sequence[Tally | None], rule: Rule) -> Watched:
    held = tuple(t if t is not None and t.rows >= FEWEST_ROWS else None for t in tallies)
    shifts = tuple(None if tally is None else shift.measure(column, tally, rule) for tally in held)
    return Watched(name=name, column=column, tallies=held, shifts=shifts)


def drift(watched: Watched, spans: Sequence[Span], settings: Settings) -> Signal:
    """The signal of one column."""
    seen = [None if found is None else found.seen for found in watched.shifts]
    evidence = tuple(
        f"{span}: {_what(watched, place)}"
        for place, span in enumerate(spans)
        if (found := watched.shifts[place]) is not None and found.seen
    )
    at = state(seen, settings)
    judged = [place for place, flag in enumerate(seen) if flag is not None]
    if not judged:
        return Signal(
            name=watched.name,
            state=at,
            sentence=f"no window has {FEWEST_ROWS} rows, so nothing can be said.",
        )
    last = max((p for p in judged if seen[p]), default=judged[-1])
    times = sum(flag is True for flag in seen[-settings.of :])
    measured = watched.shifts[last]
    assert measured is not None
    sentence = (
        f"{_what(watched, last)} Seen in {times} of the last {settings.of} windows."
        if times
        else f"stability index {measured.size:.2f} over {measured.rows:,} rows."
    )
    sentence += _coverage(watched.tallies[last])
    moved = _MOVED.get(measured.moved.name, "values") if times else ""
    return Signal(name=watched.name, state=at, sentence=sentence, evidence=evidence, moved=moved)


def _coverage(tally: Tally | None) -> str:
    """Values that training did not reach, and values of another type, in words; empty where there are none."""
    if tally is None:
        return ""
    beyond = (
        f" {_share(tally.beyond / tally.rows)} of the values lie beyond those of training."
        if tally.beyond
        else ""
    )
    wrong = (
        f" {tally.wrong:,} values have another type than contract.yaml says." if tally.wrong else ""
    )
    return beyond + wrong


def _what(watched: Watched, place: int) -> str:
    """What changed in a window, in words."""
    found, tally = watched.shifts[place], watched.tallies[place]
    assert found is not None and tally is not None
    moved = found.moved
    plain = isinstance(watched.column, Number) and moved.name != MISSING
    words = _number if plain else _share
    ordinary = (
        f"; ordinary windows move it by at most {words(moved.allowed)}" if moved.allowed else ""
    )
    size = f"stability index {found.size:.2f} over {found.rows:,} rows{ordinary}"
    if plain:
        return f"the mean went from {words(moved.before)} to {words(moved.now)}; {size}."
    what = {
        MISSING: "the share that is missing",
        OTHER: "the share of values that training did not list",
    }.get(moved.name, f"the share of {moved.name[:40]}")
    new = ""
    if moved.name == OTHER and tally.unseen:
        names = sorted(tally.unseen, key=lambda value: -tally.unseen[value])[:3]
        new = f", such as {', '.join(name[:40] for name in names)}"
    return f"{what} went from {_share(moved.before)} to {_share(moved.now)}{new}; {size}."


def fallback(spans: Sequence[Span], settings: Settings) -> Signal:
    """Rows that the model could not answer itself."""
    shares = [span.traffic.fallbacks / span.traffic.rows if span.judged else None for span in spans]
    seen = [None if share is None else share >= FALLBACK_SHARE for share in shares]
    known = [share for share in shares if share is not None]
    return Signal(
        name="fallback",
        state=state(seen, settings),
        sentence=f"{_share(known[-1])} of the rows were answered with the fallback."
        if known
        else "no window has rows enough.",
        evidence=tuple(
            f"{span}: {_share(share)} of {span.traffic.rows:,} rows"
            for span, share in zip(spans, shares, strict=True)
            if share is not None and share >= FALLBACK_SHARE
        ),
    )


def silence(spans: Sequence[Span], settings: Settings, *, deployed: bool) -> Signal:
    """Traffic that stopped: rows in earlier windows and none in the last two, or none at all where a release serves."""
    rows = [span.traffic.rows for span in spans]
    if not any(rows):
        return Signal(
            name="silence",
            state="withheld",
            sentence="the log holds no row of these days: nobody asked, or the log is not written or not here."
            if deployed
            else "no release serves yet.",
        )
    quiet = [span for span in spans[-2:] if span.traffic.rows == 0]
    return Signal(
        name="silence",
        state="alarm" if len(quiet) == 2 else "watching" if quiet else "clean",
        sentence=f"no request in the last {len(quiet)} windows; there were {max(rows):,} rows in one before."
        if quiet
        else f"{rows[-1]:,} rows in the last window.",
        evidence=tuple(f"{span}: {span.traffic.rows:,} rows" for span in spans),
    )


def acknowledged(signal: Signal, settings: Settings, *, today: date) -> Signal:
    """The same signal, expected where monitor.yaml says so and the day has not passed."""
    for entry in settings.expected:
        if entry.signal == signal.name and signal.state in ("alarm", "watching"):
            if today <= entry.until:
                words = f"{signal.sentence} Expected until {entry.until}: {entry.reason}"
                return replace(signal, state="expected", sentence=words)
            words = f"{signal.sentence} It was expected until {entry.until}, which has passed."
            return replace(signal, sentence=words)
    return signal


def causes(signals: Sequence[Signal]) -> tuple[str, ...]:
    """What may have happened, most telling first; empty without an alarm."""
    alarms = [signal for signal in signals if signal.state == "alarm"]
    kinds = {signal.kind for signal in alarms}
    found = []
    if any(signal.moved == "missing" for signal in alarms):
        found.append(
            "A source upstream sends nulls: look at what feeds the inputs whose missing share rose."
        )
    if any(signal.moved == "new" for signal in alarms):
        found.append("New values: a code was renamed or added upstream, or the business grew.")
    inputs = sum(signal.kind == "input" for signal in alarms)
    if inputs == 1:
        found.append(
            "One input alone moved: a changed unit, a changed schema, one broken source, or its season."
        )
    if inputs > 1:
        found.append(
            "Several inputs moved together: a season or a real change of the world is likelier than a fault."
        )
    if kinds == {"score"}:
        found.append("Answers moved and inputs did not: was another release shipped?")
    if "silence" in kinds:
        found.append("Nobody asks any more: a caller was switched off, or the log is not written.")
    if "fallback" in kinds:
        found.append("The model fails on some requests: see the service's log for what it raised.")
    return tuple(found)


def retrain(signals: Sequence[Signal]) -> Retrain:
    """Whether these signals ask for a new model. Measured quality counts most; a fault is never learnt."""
    alarms = [signal for signal in signals if signal.state == "alarm"]
    faults = [s.name for s in alarms if s.moved == "missing" or s.kind == "fallback"]
    if faults:
        return Retrain(
            why="Not yet: this looks like a fault that a new model would learn. Mend it first: "
            f"{_names(faults)}."
        )
    worse = [s.name for s in alarms if s.kind == "quality"]
    if worse:
        return Retrain(
            wanted=True,
            why=f"Yes: by the labels that arrived, answers are worse than in the model card: {_names(worse)}.",
        )
    moved = [s.name for s in alarms if s.kind in ("input", "score")]
    if not moved:
        return Retrain()
    if any(s.kind == "quality" and s.state == "clean" for s in signals):
        return Retrain(
            why=f"Not needed: {_names(moved)} shifted, and by the labels that arrived the answers are as good as the "
            "model card says. Newer data may still make a better model."
        )
    if len(moved) == 1:
        return Retrain(
            why=f"Not yet: {moved[0]} shifted alone, which is a fault more often than a new world. Labels would tell."
        )
    return Retrain(
        wanted=True,
        why=f"Yes: {_names(moved)} shifted, and no labels say that the answers are still good.",
    )


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(name[:60] for name in names[:3]) + more


def picture(watched: Watched) -> Picture:
    """Shares of training beside those of the last window that could be judged."""
    column = watched.column
    tally = next((t for t in reversed(watched.tallies) if t is not None), None)
    if isinstance(column, Number):
        edges = [_number(edge) for edge in column.edges]
        names = [f"under {edges[0]}", *(f"from {edge}" for edge in edges)] if edges else ["all"]
        shares = [share * (1 - column.missing) for share in column.shares]
    else:
        names, shares = [*column.shares, OTHER], [*column.shares.values(), column.other]
    now = [] if tally is None else [int(count) / tally.rows for count in tally.bins]
    missing = 0.0 if tally is None else tally.missing / tally.rows
    bars = [
        (name, before, now[place] if now else None)
        for place, (name, before) in enumerate(zip(names, shares, strict=False))
    ]
    absent = (MISSING, column.missing, missing if now else None)
    return Picture(name=watched.name, bars=(*bars, absent))


def ordered(signals: Sequence[Signal]) -> tuple[Signal, ...]:
    """What needs a person first."""
    return tuple(sorted(signals, key=lambda signal: WORST.index(signal.state)))


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 999 else f"{value:,.0f}"


def _share(value: float) -> str:
    return f"{100 * value:.2g} %" if value < 0.1 else f"{100 * value:.0f} %"
