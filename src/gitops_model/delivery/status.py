"""`status`: what is desired, what is live, and whether every release, above all the way back, can be restored."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from gitops_model.delivery import (
    canary,
    deploy,
    fetch,
    history,
    monitor,
    releases,
    rollback,
    service,
)
from gitops_model.delivery.desired import Desired, resolve
from gitops_model.delivery.git import Git
from gitops_model.delivery.pointer_file import describe
from gitops_model.delivery.store import Store
from gitops_model.errors import BadArtifact, BadInput, ExternalFailure, shorten
from gitops_model.formats.contract import Contract
from gitops_model.formats.pointer import Pointer, Ref
from gitops_model.formats.watch import Watch

BACK = "rollback target"
# Two periods: the monitor is meant to run once a day.
UNWATCHED_DAYS = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "--store", type=Path, help="the store to look into (default: store in serving.yaml)"
    )
    parser.add_argument(
        "--ref",
        metavar="REV",
        help="the commit whose production.yaml is desired, without asking origin",
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


@dataclass(frozen=True, kw_only=True)
class Options:
    """`store` None: that of serving.yaml. `ref`: the commit whose production.yaml is desired (None: origin's main)."""

    store: Path | None = None
    ref: str | None = None
    json: bool = False


@dataclass(frozen=True, kw_only=True)
class Line:
    """One release in one role, and where its bundle was found (None: nowhere)."""

    role: str
    model: str
    sha256: str
    source: str | None
    problem: str | None = None
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Serving:
    """What Git says of the stable release: since when, by whom and by which commit, of which data, how good.

    Each is None, or empty, where Git does not say. `metrics` are those that the contract calls primary and risk.
    """

    since: str | None
    by: str | None
    commit: str | None
    data: str | None
    metrics: tuple[tuple[str, float], ...]


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything `status` knows. `problems` is empty exactly when the command exits with 0.

    `serving` is None before the first release ships. `troubles`: what of the service is not whole, while it answers.
    """

    commit: str
    desired: str
    stored: str
    live: str
    freeze: str | None
    serving: Serving | None
    lines: tuple[Line, ...]
    notes: tuple[str, ...]
    troubles: tuple[str, ...]
    problems: tuple[str, ...]


def run(options: Options) -> int:
    """Print the report. Returns 0, or 1 when desired is not live or a release cannot be restored."""
    git = Git.open(Path.cwd())
    report = look(git, deploy.target(git, store=options.store), ref=options.ref)
    print(json.dumps(asdict(report), indent=2) if options.json else text(report))
    return 1 if report.problems else 0


def look(git: Git, goal: deploy.Target, *, ref: str | None = None) -> Report:
    """Ask Git, the store and the service. Raises BadInput or BadArtifact when not even production.yaml can be read."""
    wanted = resolve(git, ref=ref)
    pointer = wanted.pointer
    back = rollback.way_back(git, wanted.commit)
    lines = tuple(_line(git, goal.store, role, one, wanted) for role, one in _roles(pointer, back))
    problems = [
        f"{line.model} ({line.role}) cannot be restored: {line.problem}"
        for line in lines
        if line.problem
    ]
    stored = goal.store.read()
    if stored is None or stored.pointer != pointer:
        problems.append(
            f"the store {goal.store.folder} does not hold what is desired. Run: make deploy"
        )
    live = _live(goal, pointer)
    if live.problem:
        problems.append(live.problem)
    return Report(
        commit=wanted.commit,
        desired=describe(pointer),
        stored=describe(stored.pointer) if stored else "nothing",
        live=live.words,
        freeze=pointer.freeze,
        serving=None if pointer.stable is None else _serving(git, wanted.commit, pointer.stable),
        lines=lines,
        notes=(*wanted.notes, *live.notes, *_watched(git, pointer)),
        troubles=live.troubles,
        problems=tuple(problems),
    )


def _serving(git: Git, commit: str, stable: Ref) -> Serving:
    first = None if history.is_shallow(git) else history.since(git, commit, stable)
    try:
        record = releases.promised(git, stable).record
    except BadArtifact:
        record = {}
    return Serving(
        since=None if first is None else first.when,
        by=None if first is None else first.by,
        commit=None if first is None else first.commit,
        data=_data(record.get("data")),
        metrics=_metrics(git, commit, record.get("metrics")),
    )


def _data(found: object) -> str | None:
    """The rows, the days and the snapshot, in words; a record may lack any of them."""
    if not isinstance(found, Mapping):
        return None
    said = []
    for part in ("train", "test"):
        rows, frame = (
            entry.get(part) if isinstance(entry := found.get(key), Mapping) else None
            for key in ("rows", "timeframe")
        )
        days = (
            f" of {frame[0]} to {frame[1]}" if isinstance(frame, list) and len(frame) == 2 else ""
        )
        said.append(f"{part} {rows:,} rows{days}" if isinstance(rows, int) else "")
    said.append(f"snapshot {shorten(str(found.get('snapshot')), 13)}")
    return ", ".join(filter(None, said))


def _metrics(git: Git, commit: str, found: object) -> tuple[tuple[str, float], ...]:
    """The primary and the risk metric by the contract that stands there."""
    if not isinstance(found, Mapping):
        return ()
    try:
        contract = Contract.parse(git.text(commit, "contract.yaml") or "", name="contract.yaml")
    except BadInput:
        return ()
    names = dict.fromkeys((contract.success.primary, contract.success.risk))
    values = ((name, found.get(name)) for name in names if name is not None)
    return tuple((name, float(value)) for name, value in values if isinstance(value, (int, float)))


def _roles(pointer: Pointer, back: Ref | None) -> list[tuple[str, Ref]]:
    named = (
        ("stable", pointer.stable),
        (BACK, back),
        ("canary", pointer.canary.ref if pointer.canary else None),
        ("shadow", pointer.shadow),
    )
    return [(role, ref) for role, ref in named if ref is not None]


def _line(git: Git, store: Store, role: str, ref: Ref, wanted: Desired) -> Line:
    source, problem = None, None
    try:
        if ref.model in wanted.moved:
            raise BadArtifact(
                "its tag is another one on origin than in this clone; a release never moves."
            )
        md5 = releases.verify(git, ref).record["artifact"]["md5"]
        places = fetch.Places(root=git.root, store=store.folder, origin=git.origin_url())
        source = (
            fetch.nearby(ref, md5=md5, places=places)
            or fetch.find(ref, md5=md5, places=places).source
        )
    except BadArtifact as error:
        problem = str(error)
    return Line(role=role, model=ref.model, sha256=ref.sha256, source=source, problem=problem)


@dataclass(frozen=True, kw_only=True)
class _Live:
    """What the service serves in words, the problem with it, what it says of the canary, and what is not whole."""

    words: str
    problem: str | None = None
    notes: tuple[str, ...] = ()
    troubles: tuple[str, ...] = ()


def _live(goal: deploy.Target, pointer: Pointer) -> _Live:
    url = goal.url
    if url is None:
        return _Live(
            words="unknown",
            problem="serving.yaml has port: 0, so the service cannot be asked; set port, or url.",
        )
    try:
        state = service.status(url)
    except ExternalFailure as error:
        return _Live(words="unknown", problem=str(error))
    if state is None:
        return _Live(words="no service", problem=service.absent(url, edited=goal.edited))
    live = Pointer.from_dict({**state["live"]}, name=f"{url}/status")
    target, found = pointer.to_dict(), live.to_dict()
    differing = [role for role in ("stable", "canary", "shadow") if found[role] != target[role]]
    problem = None
    if differing:
        sentence = (
            state["errors"][0]["sentence"]
            if state["errors"]
            else "the service is not there yet, or `make deploy` did not run."
        )
        problem = f"desired and live differ in {', '.join(differing)}: {sentence}"
    return _Live(
        words=describe(live),
        problem=problem,
        notes=canary.notes(state, pointer),
        troubles=(*missing_workers(state), *troubled_cluster(state)),
    )


def missing_workers(state: Mapping[str, Any]) -> tuple[str, ...]:
    """A sentence where fewer workers of the service serve than serving.yaml wants. The others answer for them."""
    workers = state.get("workers")
    if workers is None or workers["serving"] >= workers["wanted"]:
        return ()
    said = f" The last to end: {workers['said']}" if workers["said"] else ""
    return (f"{workers['serving']} of {workers['wanted']} workers of the service serve.{said}",)


def troubled_cluster(state: Mapping[str, Any]) -> tuple[str, ...]:
    """A sentence where the models run on a cluster that is not whole."""
    problem = (state.get("ray") or {}).get("problem")
    return () if problem is None else (str(problem),)


def _watched(git: Git, pointer: Pointer) -> tuple[str, ...]:
    """A sentence where nobody watched what serves, as far as this clone knows. It is no problem: it serves."""
    if pointer.stable is None:
        return ()
    path = git.root / monitor.REPORTS / "monitor.json"
    try:
        made = Watch.load(path).made if path.exists() else None
    except BadInput as error:
        return (str(error),)
    said = watched(made, today=datetime.now(UTC).date())
    return () if said is None else (said,)


def watched(made: str | None, *, today: date) -> str | None:
    """What to say of a report of the monitor that was made on the day `made` (None: there is none)."""
    if made is None:
        return (
            "the monitor never ran in this clone (on GitHub its workflow may), so nothing here says whether its inputs "
            "and answers look right. Look now: make monitor"
        )
    try:
        days = (today - date.fromisoformat(made[:10])).days
    except ValueError:
        return f"reports/monitor.json was made on '{shorten(made)}', which is no day. Look now: make monitor"
    if days <= UNWATCHED_DAYS:
        return None
    return (
        f"the monitor last ran in this clone {days} days ago, for {made[:10]}; it should run every day. Look now: make "
        "monitor"
    )


def text(report: Report) -> str:
    """The report for people."""
    rows = [
        ("desired", f"{report.desired}   (production.yaml at {report.commit[:12]})"),
        ("store", report.stored),
        ("live", report.live),
        ("freeze", shorten(report.freeze, 200) if report.freeze else "none"),
    ]
    if report.serving is not None:
        rows[3:3] = _serving_rows(report.serving)
    lines = [f"{name:<17}{value}" for name, value in rows]
    lines.append("")
    if report.lines:
        lines.append(f"{'role':<17}{'release':<24}{'sha256':<15}can be fetched")
    for line in report.lines:
        answer = f"yes ({line.source})" if line.source else "NO"
        lines.append(f"{line.role:<17}{line.model:<24}{line.sha256[:12] + '…':<15}{answer}")
    back = next((line.model for line in report.lines if line.role == BACK), None)
    if back is None:
        lines.append(f"{BACK:<17}none: nothing served before")
    lines.append("")
    lines += [f"note: {note}" for note in (*report.notes, *report.troubles)]
    lines += [f"problem: {problem}" for problem in report.problems]
    if not report.problems:
        more = f"; `make rollback` brings {back} back" if back else ""
        lines.append(
            f"What is desired is live{more}, but the service is not whole: see the note above."
            if report.troubles
            else f"All is well: what is desired is live{more}."
        )
    return "\n".join(lines)


def _serving_rows(found: Serving) -> list[tuple[str, str]]:
    since = "unknown: this clone lacks the commit"
    if found.since and found.commit:
        since = f"{found.since} UTC, by {found.by} ({found.commit[:12]})"
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in found.metrics)
    return [
        ("since", since),
        ("data", found.data or "unknown: its tag is not here"),
        ("metrics", metrics or "none that contract.yaml asks for"),
    ]
