"""`monitor`: does the right release answer, do inputs and answers look as in training, and does the way back work?

It asks the service first. Then it counts the prediction log against the profile in the serving bundle, without any
training data, and rehearses the releases that a rollback would bring back. Without an address or a log nothing can be
seen, and that is said: a run that saw nothing must not look like one that found nothing wrong.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from gitops_model import progress
from gitops_model.delivery import canary, fetch, releases, service, way_back
from gitops_model.delivery.git import Git
from gitops_model.errors import BadArtifact, Blocked, ExternalFailure
from gitops_model.files import canonical_json, size_words, write_atomic
from gitops_model.formats.bundle import Bundle
from gitops_model.formats.monitor import Settings
from gitops_model.formats.pointer import Pointer, Ref
from gitops_model.formats.profile import Profile
from gitops_model.formats.watch import WAY_BACK, Signal, Watch, Window

if TYPE_CHECKING:
    from gitops_model.report.watch_pages import Picture

REPORTS = Path("reports")
CONFIGURATION = Path("monitor.yaml")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `monitor`."""
    parser.add_argument(
        "--url", help="address of the service (default: SERVICE_URL, else url in serving.yaml)"
    )
    parser.add_argument("--log", help="folder or URL of the prediction log (default: monitor.yaml)")
    parser.add_argument(
        "--last",
        type=_day,
        metavar="YYYY-MM-DD",
        help="the last day to look at (default: yesterday)",
    )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no day such as 2026-11-28") from None


@dataclass(frozen=True, kw_only=True)
class Options:
    """`url`: address of the service (None: SERVICE_URL, else url in serving.yaml).

    `log`: where the prediction log is (None: as monitor.yaml says); `last`: the last day to look at (None: yesterday).
    """

    url: str | None = None
    log: str | None = None
    last: date | None = None


def run(options: Options) -> int:
    """Exit 0 when the right release answers, or nothing can be asked; else 1 or 5. A shift is no failure."""
    wrong: Blocked | ExternalFailure | None = None
    try:
        said = look(options.url or address())
    except (Blocked, ExternalFailure) as error:
        wrong, said = error, str(error)
    print(f"monitor: {said}")
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a", encoding="utf-8") as handle:
            handle.write(said + "\n")
    pointer = Pointer.load(Path("production.yaml"))
    if pointer.stable is not None:
        for line in watch(pointer, pointer.stable, options):
            print(f"monitor: {line}")
    if wrong is not None:
        raise wrong
    return 0


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the log showed. `said` is for whoever runs the command, and not for the report."""

    windows: tuple[Window, ...] = ()
    signals: tuple[Signal, ...] = ()
    pictures: tuple[Picture, ...] = ()
    notes: tuple[str, ...] = ()
    said: tuple[str, ...] = ()


def watch(pointer: Pointer, stable: Ref, options: Options) -> Iterator[str]:
    """Judge the log against the profile of `stable`, rehearse the way back, write reports/monitor.*, and say it."""
    settings = Settings.load(CONFIGURATION) if CONFIGURATION.exists() else Settings()
    git = Git.open(Path())
    last = options.last or datetime.now(UTC).date() - timedelta(days=1)
    try:
        seen = _traffic(git, pointer, stable, options, settings, last)
    except BadArtifact as error:
        seen = Seen(notes=(f"the log was not looked at: {error}",))
    yield from seen.said
    back, more = way_back.look(git, pointer)

    # What draws and judges is imported late; without a release to watch nobody pays for it.
    from gitops_model.monitoring import signals
    from gitops_model.report import watch_pages

    today = last + timedelta(days=1)
    judged = signals.ordered(
        [signals.acknowledged(one, settings, today=today) for one in (*seen.signals, *back)]
    )
    made = Watch(
        made=today.isoformat(),
        model=stable.model,
        windows=seen.windows,
        signals=judged,
        causes=signals.causes(judged),
        advice=advice(judged),
        notes=(*seen.notes, *more),
        retrain=signals.retrain(judged),
    )
    write_atomic(REPORTS / "monitor.json", canonical_json(made.to_dict()))
    write_atomic(REPORTS / "monitor.md", watch_pages.markdown(made))
    write_atomic(REPORTS / "monitor.html", watch_pages.html(made, seen.pictures))
    yield from _said(made)


def _traffic(
    git: Git, pointer: Pointer, stable: Ref, options: Options, settings: Settings, last: date
) -> Seen:
    """The log against the profile of `stable`. Raises BadArtifact when its bundle, or a profile in it, is not here."""
    places = service.log_places(Path(), options.log or settings.log)
    bundle = _bundle(git, stable)
    profile = Profile.parse(bundle.member("reference.json"), name="reference.json")

    beside, unknown = _beside(git, pointer)

    # pyarrow takes a third of a second to import; without a release to watch nobody pays for it.
    from gitops_model.monitoring import labels, quality, records, signals, traffic, windows

    log = records.Log(*places)
    parts = log.parts(first=windows.horizon(last, settings), last=last)
    said: tuple[str, ...] = ()
    if not parts:
        said = (
            f"no file of the prediction log lies in {service.words(places)} for the days up to {last}. It is written "
            "where `serve` runs; name its folder or bucket under `log` in monitor.yaml.",
        )
    broken = records.Broken()
    shape = records.shape(bundle.contract)
    size = sum(part.size for part in parts)
    with progress.waiting(f"reading {len(parts):,} files of the log, {size_words(size)}"):
        counted = traffic.count(
            (piece for part in parts for piece in log.read(part, shape, broken)),
            profile,
            {ref.sha256: one for ref, one in beside.values()},
        )
    spans = windows.spans(counted, last=last, settings=settings)
    watched = signals.columns(profile, spans, stable.sha256, settings)
    for role, (ref, own) in beside.items():
        watched += signals.scores(own, spans, ref.sha256, settings, role=role)
    found = [
        *(signals.drift(one, spans, settings) for one in watched),
        signals.fallback(spans, settings),
        signals.silence(spans, settings, deployed=True),
    ]
    notes = _notes(broken.count, broken.named, profile) + unknown
    if settings.labels is not None:
        known = labels.read(settings.labels, bundle.contract)
        begin = quality.first_day(last, bundle.contract, settings)
        pieces = (
            piece
            for part in log.parts(first=begin, last=last)
            for piece in log.read(part, shape, records.Broken())
        )
        rows = quality.collect(pieces, known, bundle.contract, stable.sha256)
        cards = quality.cards(bundle.manifest, bundle.contract)
        found += quality.signals(rows, cards, bundle.contract, last=last, settings=settings)
        notes += _label_notes(known.refused, known.contradictory)
    return Seen(
        windows=tuple(
            Window(first=str(span.first), last=str(span.last), rows=span.traffic.rows)
            for span in spans
        ),
        signals=tuple(found),
        pictures=tuple(signals.picture(one) for one in watched),
        notes=notes,
        said=said,
    )


def _beside(git: Git, pointer: Pointer) -> tuple[dict[str, tuple[Ref, Profile]], tuple[str, ...]]:
    """Canary and shadow by role, each with its own profile; and a note for each whose profile is not here."""
    canary = None if pointer.canary is None else pointer.canary.ref
    found, notes = {}, []
    for role, ref in (("canary", canary), ("shadow", pointer.shadow)):
        if ref is None:
            continue
        try:
            data = _bundle(git, ref).member("reference.json")
            found[role] = (ref, Profile.parse(data, name="reference.json"))
        except BadArtifact as error:
            notes.append(f"the scores of the {role} {ref.model} were not looked at: {error}")
    return found, tuple(notes)


def advice(signals: tuple[Signal, ...]) -> tuple[str, ...]:
    """What to type when something alarms. A way back that is broken is no reason to go back."""
    alarms = [signal for signal in signals if signal.state == "alarm"]
    broken = [signal.name.removeprefix(WAY_BACK) for signal in alarms if signal.is_way_back]
    found = [
        f"A rollback to {model} would fail today: mend it before you need it, with what its signal says."
        for model in broken
    ]
    if len(alarms) > len(broken):
        found += [
            'A release went out just before: `make rollback REASON="inputs or answers shifted"`',
            "The world changed: `make retrain PUSH=1` brings in the newer data, trains, checks, and pushes a branch "
            "for a pull request. It ships nothing.",
            "It was expected: write it down under `expected` in monitor.yaml.",
        ]
    return tuple(found)


def _said(made: Watch) -> Iterator[str]:
    rows = sum(window.rows for window in made.windows)
    if made.windows:
        yield f"{rows:,} rows in {len(made.windows)} windows up to {made.windows[-1].last}, against {made.model}."
    for signal in made.signals:
        if signal.state != "clean":
            yield f"{signal.state:<8} {signal.name}: {signal.sentence}"
    clean = sum(signal.state == "clean" for signal in made.signals)
    yield f"{clean} of {len(made.signals)} signals are clean; {REPORTS / 'monitor.html'} shows all of them."
    if made.retrain.why:
        yield f"retrain? {made.retrain.why}"
    yield from made.notes


def _notes(broken: int, named: list[str], profile: Profile) -> tuple[str, ...]:
    notes = []
    if broken:
        more = f" and {broken - len(named):,} more" if broken > len(named) else ""
        notes.append(f"{broken:,} records of the log cannot be read: {'; '.join(named)}{more}.")
    if profile.days is None:
        notes.append(
            "Training has no days, so it is not known how much days differ anyway: a shift may be an ordinary one."
        )
    return tuple(notes)


def _label_notes(refused: int, contradictory: int) -> tuple[str, ...]:
    notes = []
    if refused:
        notes.append(f"{refused:,} labels are none that contract.yaml allows, or lack an id.")
    if contradictory:
        notes.append(
            f"{contradictory:,} requests have labels that contradict each other, and count as without one. A column "
            "`labelled_at` says which is the latest."
        )
    return tuple(notes)


def look(url: str | None) -> str:
    """What is served at `url`. Raises Blocked when it is another model than desired, ExternalFailure without answer."""
    pointer = Pointer.load(Path("production.yaml"))
    stable = pointer.stable
    if stable is None:
        return "production.yaml names no release yet, so there is nothing to ask for."
    if url is None:
        return (
            "Nothing was asked: the address of the service is not known. Set the repository variable SERVICE_URL, or "
            "`url` in serving.yaml."
        )
    state = service.status(url)
    if state is None:
        raise ExternalFailure(
            f"the service at {url} does not answer; {stable.model} should serve there."
        )
    live = (state["live"].get("stable") or {}).get("sha256")
    if live != stable.sha256:
        seen = (state["live"].get("stable") or {}).get("model", "no model")
        raise Blocked(
            f"{seen} serves at {url}, and production.yaml names {stable.model}: run the deploy workflow."
        )
    said = f"{stable.model} serves at {url}, as production.yaml says."
    removal = canary.removal(state, pointer)
    return said if removal is None else f"{said} But {removal}"


def address() -> str | None:
    """Where the service answers: SERVICE_URL, else url in serving.yaml."""
    return os.environ.get("SERVICE_URL", "").strip() or _configured()


def _bundle(git: Git, ref: Ref) -> Bundle:
    """The bundle that serves. Raises BadArtifact where no source has it."""
    try:
        md5 = releases.verify(git, ref).record["artifact"]["md5"]
    except BadArtifact:
        # A serving host may lack the tag, and has the bytes in its store; their sha256 is what counts.
        md5 = None
    found = fetch.find(ref, md5=md5, places=fetch.places(git))
    return Bundle.open(found.data, sha256=ref.sha256, name=f"the bundle of {ref.model}")


def _configured() -> str | None:
    url = service.settings(Path()).get("url")
    return None if url is None else str(url)
