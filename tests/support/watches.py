"""Reports of the monitor, as tests need them."""

from __future__ import annotations

from gitops_model.formats.watch import Signal, State, Watch, Window

TEMP = "input temp"
LATE = "score late"


def signal(name: str, state: State = "alarm", *, lines: int = 2) -> Signal:
    """A signal with `lines` lines of evidence."""
    found = {
        "alarm": "higher in 3 of the last 5 windows",
        "expected": "higher, as monitor.yaml expects until 2026-06-30",
    }
    return Signal(
        name=name,
        state=state,
        sentence=found.get(state, "no shift was found"),
        evidence=tuple(f"2026-05-{day:02}: 21.4 → 24.9, 812 rows" for day in range(1, lines + 1)),
    )


def watch(*signals: Signal, day: int = 6) -> Watch:
    """What the monitor writes on a day of May."""
    return Watch(
        made=f"2026-05-{day:02}T05:23:00Z",
        model="parcel-delay-v4",
        windows=tuple(
            Window(first=f"2026-05-{d:02}", last=f"2026-05-{d:02}", rows=812) for d in range(1, 6)
        ),
        signals=signals,
        causes=("A sensor was replaced, or its unit was changed.", "The season changed."),
        advice=(
            "make data && make train && make check",
            '`make rollback REASON="the input temp shifted" PUSH=1` goes back to parcel-delay-v3',
        ),
        notes=("Labels cover 40 % of the rows, so quality is not judged.",),
    )
