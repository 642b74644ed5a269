"""`compare`: what the prediction log says of a shadow against what was answered, or of one day against another.

It reads the log and contract.yaml, and nothing else: no model, no bundle, no service.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from gitops_model import progress
from gitops_model.delivery import service
from gitops_model.errors import BadInput, CannotEvaluate
from gitops_model.files import size_words, write_atomic
from gitops_model.formats.comparison import DayReport, ShadowReport
from gitops_model.formats.contract import Contract
from gitops_model.formats.monitor import Settings
from gitops_model.formats.pointer import Pointer

REPORT = Path("reports/compare.md")
CONFIGURATION = Path("monitor.yaml")
SHADOW = "shadow"
DAYS = 14


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `compare`."""
    parser.add_argument(
        "what",
        nargs="*",
        metavar="shadow | DAY DAY",
        help="the shadow (default), or two days such as 2026-11-20 2026-11-27",
    )
    parser.add_argument("--log", help="folder or URL of the prediction log (default: monitor.yaml)")
    parser.add_argument(
        "--model",
        help="the release that was the shadow (default: the one in production.yaml, else the latest in the log)",
    )
    parser.add_argument(
        "--days",
        type=int,
        default=DAYS,
        help="so many days of a shadow, up to today (default: %(default)s)",
    )


@dataclass(frozen=True, kw_only=True)
class Options:
    """`what`: nothing or `shadow`, or two days. `model`: the release that was the shadow, seen in the last `days`."""

    what: Sequence[str] = ()
    log: str | None = None
    model: str | None = None
    days: int = DAYS


def run(options: Options) -> int:
    """Write reports/compare.md and print what it says. Raises CannotEvaluate where the log has nothing to compare."""
    words = list(options.what) or [SHADOW]
    days = None if words == [SHADOW] else _days(words)
    contract = Contract.load(Path("contract.yaml"))
    settings = Settings.load(CONFIGURATION) if CONFIGURATION.exists() else Settings()
    places = service.log_places(Path(), options.log or settings.log)

    from gitops_model.report import compare_pages

    if days is None:
        made: ShadowReport | DayReport = _shadow(contract, places, options)
    else:
        made = _two_days(contract, places, days)
    write_atomic(REPORT, compare_pages.markdown(made))
    for line in compare_pages.lines(made):
        print(f"compare: {line}")
    print(f"compare: {REPORT} has the rest.")
    return 0


def _days(words: Sequence[str]) -> tuple[date, date]:
    sentence = "compare takes `shadow`, or two different days such as 2026-11-20 2026-11-27"
    try:
        first, second = (date.fromisoformat(word) for word in words)
    except ValueError:
        raise BadInput(f"{sentence}; found: {' '.join(words)[:100]}.") from None
    if first == second:
        raise BadInput(f"{sentence}; found the same day twice.")
    return first, second


def _shadow(contract: Contract, places: service.Places, options: Options) -> ShadowReport:
    # pyarrow takes a third of a second to import; a wrong option should not cost it.
    from gitops_model.monitoring import compare, records

    log, broken = records.Log(*places), records.Broken()
    last = datetime.now(UTC).date()
    parts = log.parts(first=last - timedelta(days=max(1, options.days) - 1), last=last)
    shape = compare.shadow_shape(contract)
    size = size_words(sum(part.size for part in parts))
    with progress.waiting(f"reading {len(parts):,} files of the log, {size}"):
        found = compare.count(
            (piece for part in parts for piece in log.read(part, shape, broken)), contract
        )
    pointed = Pointer.load(Path("production.yaml")).shadow
    wanted = options.model or (pointed.model if pointed else None) or next(reversed(found), None)
    if wanted is None or wanted not in found:
        seen = f" Shadows seen: {', '.join(found)}." if found else ""
        raise CannotEvaluate(
            f"the log at {service.words(places)} has no rows of {wanted or 'a shadow'} in the last {options.days} "
            f"days.{seen} `make ship MODEL=… SHADOW=1` sends a release a copy of the traffic; its answers stand in "
            "the log where `serve` writes it (`log: predictions: true` in serving.yaml)."
        )
    return found[wanted].report(_notes(broken.count, broken.named))


def _two_days(contract: Contract, places: service.Places, days: tuple[date, date]) -> DayReport:
    import pyarrow as pa

    from gitops_model.monitoring import compare, compare_days, records

    log, broken = records.Log(*places), records.Broken()
    shape = pa.schema([*compare.decided(contract), ("model", pa.string())])
    counted = []
    for day in days:
        parts = log.parts(first=day, last=day)
        pieces = (piece for part in parts for piece in log.read(part, shape, broken))
        one = compare_days.Day(contract).add(pieces)
        if not one.groups["", compare.ALL].rows:
            raise CannotEvaluate(
                f"the log at {service.words(places)} has no rows that callers asked on {day}."
            )
        counted.append(one)
    return compare_days.report(
        counted[0],
        counted[1],
        days=(str(days[0]), str(days[1])),
        notes=_notes(broken.count, broken.named),
    )


def _notes(broken: int, named: Sequence[str]) -> list[str]:
    if not broken:
        return []
    more = f" and {broken - len(named):,} more" if broken > len(named) else ""
    return [f"{broken:,} records of the log cannot be read: {'; '.join(named)}{more}."]
