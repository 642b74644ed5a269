"""`replay DAY`: answer a day of the prediction log again, through the runtime that serves, and compare.

The releases that answered then must give the same bytes: the JSON text of each row's output, written as the service
writes it (the fewest digits that mean the same number), beside what was imputed and whether it was the fallback. With
`--model` another release answers, and what would have changed is shown by row and by slice.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from gitops_model import progress
from gitops_model.delivery import fetch, releases, service
from gitops_model.delivery.git import Git
from gitops_model.errors import BadArtifact, BadInput, CannotEvaluate, ExternalFailure, os_words
from gitops_model.files import write_atomic
from gitops_model.formats.bundle import Bundle
from gitops_model.formats.contract import Contract
from gitops_model.formats.pointer import Ref
from gitops_model.formats.replay import Case, Line, Replay
from gitops_model.formats.store import Layout

if TYPE_CHECKING:
    from gitops_model.delivery.again import Answerers
    from gitops_model.monitoring.asked import Record, Request
    from gitops_model.monitoring.replayed import Again

REPORT = Path("reports/replay.md")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `replay`."""
    parser.add_argument(
        "day", type=_day, metavar="DAY", help="a day of the log, such as 2026-11-28"
    )
    parser.add_argument("--model", metavar="ID", help="answer all rows with this release")
    parser.add_argument("--log", help="folder or URL of the prediction log (default: serving.yaml)")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no day such as 2026-11-28") from None


@dataclass(frozen=True, kw_only=True)
class Options:
    """`model` None: each row by the release that answered it. `log` None: where serving.yaml says."""

    day: date
    model: str | None = None
    log: str | None = None


def run(options: Options) -> int:
    """Exit 0 when nothing differs, or another release was asked; 1 when the same release answers otherwise; 3 when no
    row could be answered again.

    Raises BadInput for a day without rows, BadArtifact where a release's bundle is nowhere, ExternalFailure.
    """
    git = Git.open(Path())
    places = service.log_places(Path(), options.log)
    with tempfile.TemporaryDirectory() as folder, progress.waiting(f"replaying {options.day}"):
        found = _Replayer(git=git, store=Path(folder), options=options)
        found.replay(places)
    page = found.page()
    from gitops_model.report import replay_pages

    write_atomic(REPORT, replay_pages.markdown(page))
    for line in said(page):
        print(f"replay: {line}")
    if options.model is None and found.counted.differing:
        return 1
    if found.missing:
        raise BadArtifact(next(iter(found.missing.values()))[1], reason="missing")
    return 0 if found.counted.all.rows else CannotEvaluate.exit_code


def said(page: Replay) -> Iterator[str]:
    """The summary on the terminal."""
    yield page.headline
    for case in page.cases:
        change = "" if case.difference is None else f" ({case.difference:+.3g})"
        yield f"  {case.request_id} row {case.row}, {case.model}: {case.logged} -> {case.again}{change}"
    for why, rows in page.reasons:
        yield f"{rows:,} rows were not answered: {why}"
    yield from page.notes
    yield f"{REPORT} has it by slice."


@dataclass(kw_only=True)
class _Replayer:
    """One replay at work."""

    git: Git
    store: Path
    options: Options
    contracts: dict[str, Contract] = field(default_factory=dict)
    missing: dict[Ref, tuple[int, str]] = field(default_factory=dict)
    apart: int = 0
    torn: int = 0
    requests: int = 0

    def __post_init__(self) -> None:
        # pyarrow takes a third of a second to import.
        from gitops_model.monitoring import asked, records, replayed

        self._asked, self._records = asked, records
        self.counted = replayed.Replayed()
        self.broken = records.Broken()
        model = self.options.model
        self._by = None if model is None else releases.load(self.git, model).ref

    def replay(self, places: service.Places) -> None:
        """Answer all of the day."""
        from gitops_model.delivery import again

        log = self._records.Log(*places)
        parts = log.parts(first=self.options.day, last=self.options.day)
        answerers = again.Answerers(
            self.store,
            fetch=self._fetch,
            took=self._took,
            trusted=tuple(service.settings(self.git.root).get("trusted_types", ())),
        )
        at = 0
        try:
            for part in parts:
                records = self._asked.records(log, part, self.broken)
                for request in self._asked.requests(self._own(records)):
                    if request.whole:
                        self._ask(answerers, request, at)
                    else:
                        self.torn += len(request.rows)
                    at += len(request.rows)
            answerers.finish()
        except OSError as error:
            raise ExternalFailure(
                f"the log at {service.words(places)} cannot be read: {os_words(error)}"
            ) from error
        finally:
            answerers.close()
        if at == 0:
            raise BadInput(
                f"the log at {service.words(places)} holds no row that was answered on {self.options.day}."
            )

    def _own(self, records: Iterator[Record]) -> Iterator[Record]:
        for record in records:
            if self._asked.is_apart(record):
                self.apart += 1
            else:
                yield record

    def _ask(self, answerers: Answerers, request: Request, at: int) -> None:
        then = Ref(model=request.model, sha256=request.sha256)
        self.counted.releases[then.model] += len(request.rows)
        ref = self._by or then
        if ref not in self.missing:
            try:
                answerers.ask(ref, request, at)
                self.requests += 1
                return
            except BadArtifact as error:
                if self._by is not None:
                    raise
                self.missing[ref] = (0, str(error))
        rows, why = self.missing[ref]
        self.missing[ref] = (rows + len(request.rows), why)

    def _fetch(self, ref: Ref) -> None:
        try:
            md5 = releases.promised(self.git, ref).record["artifact"]["md5"]
        except (BadArtifact, BadInput):
            # A serving host may lack the tag, and has the bytes in its store; their sha256 is what counts.
            md5 = None
        found = fetch.find(ref, md5=md5, places=fetch.places(self.git))
        bundle = Bundle.open(found.data, sha256=ref.sha256, name=f"the bundle of {ref.model}")
        self.contracts[ref.sha256] = bundle.contract
        write_atomic(Layout(self.store).bundle(ref.sha256), found.data)

    def _took(self, request: Request, at: int, rows: list[Again]) -> None:
        sha256 = self._by.sha256 if self._by else request.sha256
        for number, (row, again) in enumerate(zip(request.rows, rows, strict=True)):
            name = (request.request_id, request.first + number, request.model)
            self.counted.add(self.contracts[sha256], row, again, at=at + number, name=name)

    def page(self) -> Replay:
        """What was found."""
        counted, model = self.counted, self.options.model
        cases = counted.first if model is None else counted.far
        lines = [("all rows", counted.all), *sorted(counted.groups.items())]
        return Replay(
            day=str(self.options.day),
            model=model,
            headline=self._headline(),
            releases=tuple(counted.releases.most_common()),
            lines=tuple(
                Line(
                    name=name,
                    rows=sums.rows,
                    same=sums.same,
                    unanswered=sums.unanswered,
                    turned=sums.turned,
                    shift=sums.mean_shift,
                    size=sums.mean_size,
                    largest=sums.largest,
                )
                for name, sums in lines
            ),
            cases=tuple(Case(**vars(case)) for case in cases),
            reasons=tuple(counted.reasons.most_common()),
            notes=tuple(self._notes()),
        )

    def _headline(self) -> str:
        counted, day = self.counted, self.options.day
        rows = f"{counted.all.rows:,} rows in {self.requests:,} requests of {day}"
        if not counted.all.rows:
            return f"Not one row of {day} could be answered again."
        if self.options.model is not None:
            return (
                f"{rows}, answered by {self.options.model}: {counted.all.turned:,} decisions turn, "
                f"{counted.differing:,} outputs differ."
            )
        if counted.differing:
            return f"{rows}: {counted.differing:,} are answered otherwise now."
        return f"{rows}: all are answered with the same bytes."

    def _notes(self) -> Iterator[str]:
        for ref, (rows, why) in self.missing.items():
            yield f"{rows:,} rows of {ref.model} were not answered again: {why}"
        if self.torn:
            yield (
                f"{self.torn:,} rows belong to batches that are not whole in the log, and were not answered again: "
                "rows of a batch are computed together."
            )
        if self.apart:
            yield f"{self.apart:,} rows are a shadow's or a test's, and nobody waited for them."
        if self.broken.count:
            yield f"{self.broken.count:,} lines of the log are no records: {'; '.join(self.broken.named[:3])}."
        away = {
            name
            for contract in self.contracts.values()
            for name in contract.slices
            if name not in contract.inputs
        }
        if away:
            yield f"Slices that are no inputs are not in the log: {', '.join(sorted(away))}."
