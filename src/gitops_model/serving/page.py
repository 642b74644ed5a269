"""`/`: what serves, in one page to leave open. Read-only, no script, nothing from elsewhere.

`show` is pure: the state as /status says it, the last hour, and the last report of the monitor become HTML.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from gitops_model.errors import BadInput
from gitops_model.formats.watch import Watch
from gitops_model.serving import health, history, picture
from gitops_model.serving.history import Minute
from gitops_model.serving.service import Service

REFRESH_SECONDS = 15
MOST_INPUTS = 8
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
_TEMPLATE = Template((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything that the page shows. `trained_missing`: the share without a value in training, by input."""

    task: str
    state: Mapping[str, Any]
    minutes: Sequence[Minute | None]
    trained_missing: Mapping[str, float]
    watch: Watch | None = None


async def page(request: Request) -> Response:
    """The page of this moment."""
    service: Service = request.app.state.service
    stable = service.watcher.snapshot.stable
    # Files of all workers are read and parsed for it: callers of this one do not wait for that.
    others = await asyncio.to_thread(service.member.hour) if service.member else ()
    facts = Facts(
        task=stable.loaded.contract.task if stable else "No model yet",
        state=health.state(service),
        minutes=service.history.minutes(others),
        trained_missing=stable.loaded.detail.missing if stable else {},
        watch=_watch(service.settings.report),
    )
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": POLICY}
    return HTMLResponse(show(facts), headers=headers)


def _watch(path: Path | None) -> Watch | None:
    """The monitor's last report, where it lies beside serving.yaml and can be read."""
    if path is None or not path.is_file():
        return None
    try:
        return Watch.load(path)
    except BadInput:
        return None


def show(facts: Facts) -> str:
    """The page as HTML."""
    live, desired = facts.state["live"], facts.state["desired"]
    stable = live["stable"]
    return _TEMPLATE.substitute(
        refresh=REFRESH_SECONDS,
        task=escape(facts.task),
        tone="bad" if not stable else "good" if facts.state["in_sync"] else "warn",
        model=escape(stable["model"]) if stable else "nothing serves",
        serving=_serving(facts.state) + _workers(facts.state),
        sync=_sync(facts.state, desired),
        back=_back(live["previous"]),
        parts="".join(
            part
            for part in (
                _canary(facts.state, live),
                _removed(facts.state),
                _shadow(facts.state),
                _hour(facts.minutes),
                _coverage(facts),
                _monitor(facts.watch),
            )
            if part
        ),
    )


def _serving(state: Mapping[str, Any]) -> str:
    live = state["live"]
    if not live["stable"]:
        return "No request can be answered yet."
    since = f" since {_time(live['switched_at'])}" if live["switched_at"] else ""
    freeze = f" Frozen: {escape(live['freeze'])}" if live["freeze"] else ""
    which = "all other requests" if live["canary"] else "all requests"
    sha256 = live["stable"]["sha256"][:12]
    return f"serves {which}{since}, sha256 <code>{sha256}</code>.{freeze}"


def _workers(state: Mapping[str, Any]) -> str:
    workers = state.get("workers")
    if workers is None:
        return ""
    said = f" The last one to end: {escape(workers['said'])}" if workers["said"] else ""
    return f" {workers['serving']} of {workers['wanted']} workers serve.{said}"


def _sync(state: Mapping[str, Any], desired: Mapping[str, Any] | None) -> str:
    if desired is None:
        return "The store holds no pointer yet: <code>make deploy</code> writes it."
    commit = f" <code>{escape(str(desired['commit'])[:12])}</code>" if desired["commit"] else ""
    if state["in_sync"]:
        return f"As production.yaml{commit} says."
    sentences = [error["sentence"] for error in state["errors"]]
    if state["loading"]:
        sentences.append(f"{', '.join(map(str, state['loading']))} is being loaded.")
    why = " ".join(map(escape, sentences)) or "The change is being taken up."
    wanted = desired["stable"]["model"] if desired["stable"] else "no release"
    return f"<b>Not yet as production.yaml{commit} says</b>, which names {escape(wanted)}. {why}"


def _back(previous: Mapping[str, Any] | None) -> str:
    if previous is None:
        return "Nothing served before, so there is nothing to roll back to."
    return f"<code>make rollback</code> brings back <b>{escape(previous['model'])}</b>, which is loaded."


def _canary(state: Mapping[str, Any], live: Mapping[str, Any]) -> str:
    canary, judged = live["canary"], state.get("canary")
    if canary is None:
        return ""
    words = [f"<b>{escape(canary['model'])}</b> answers {canary['percent']:g} % of the requests."]
    rows = ""
    if judged is not None:
        words.append(_verdict(judged))
        rows = "".join(map(_signal, judged["signals"]))
    table = (
        "<table><tr><th></th><th>canary</th><th>stable</th><th>against it</th><th>for it</th></tr>"
        f"{rows}</table>"
    )
    return _section("Canary", f"<p>{' '.join(words)}</p>{table if rows else ''}")


def _verdict(judged: Mapping[str, Any]) -> str:
    mark = {"ok": "good", "bad": "bad"}.get(judged["verdict"], "warn")
    said = judged["proposal"] or judged["reason"] or "; ".join(judged["waits_for"])
    return f'<span class="mark {mark}">{escape(judged["verdict"])}</span> {escape(said or "")}'


def _signal(signal: Mapping[str, Any]) -> str:
    cells = "".join(
        f"<td>{_share(signal[arm]['events'], signal[arm]['of'])}</td>"
        for arm in ("canary", "stable")
    )
    bars = "".join(
        f"<td>{picture.bar(min(1.0, signal[name]), tone=tone)}</td>"
        for name, tone in (("against", "bad"), ("in_favour", "good"))
    )
    return f"<tr><td>{escape(signal['name'])}</td>{cells}{bars}</tr>"


def _removed(state: Mapping[str, Any]) -> str:
    found = state.get("removed") or []
    lines = "".join(f'<p class="bad-text">{escape(one["sentence"])}</p>' for one in found[:3])
    return _section("Taken out", lines) if lines else ""


def _shadow(state: Mapping[str, Any]) -> str:
    shadow = state.get("shadow")
    if shadow is None:
        return ""
    words = [
        f"<b>{escape(shadow['model'])}</b> sees a copy of the requests: {escape(shadow['state'])}."
    ]
    if shadow["said"]:
        words.append(escape(shadow["said"]))
    agreement = shadow.get("agreement")
    if agreement is not None:
        p95 = shadow["difference"]["p95"]
        apart = "" if p95 is None else f"; 95 % of the scores lie within {p95:.3g} of it"
        words.append(f"It agrees with {100 * agreement:.2f} % of the answers{apart}.")
    dropped = sum(shadow["dropped_rows"].values())
    if dropped:
        words.append(f"{dropped:,} rows were not copied.")
    return _section("Shadow", f"<p>{' '.join(words)}</p>")


def _hour(minutes: Sequence[Minute | None]) -> str:
    known = [minute for minute in minutes if minute]
    if not known:
        return _section("Last hour", "<p>Nobody has asked yet.</p>")
    durations = [sum(column) for column in zip(*(m.durations for m in known), strict=True)]
    requests, failed = sum(m.requests for m in known), sum(m.failed for m in known)
    refused = sum(m.refused for m in known)
    p50, p95, p99 = (history.percentile(durations, share) for share in (0.5, 0.95, 0.99))
    words = (
        f"<p>{requests:,} requests, {_share(failed, requests)} failed, {_share(refused, requests)} refused. "
        f"Half took up to {_seconds(p50)}, 95 % up to {_seconds(p95)}, 99 % up to {_seconds(p99)}.</p>"
    )
    return _section("Last hour", words + picture.hour(minutes))


def _coverage(facts: Facts) -> str:
    now = history.missing(facts.minutes)
    names = sorted(
        set(now) | {name for name, share in facts.trained_missing.items() if share},
        key=lambda name: (-abs(now.get(name, 0.0) - facts.trained_missing.get(name, 0.0)), name),
    )
    if not names or not any(facts.minutes):
        return ""
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{_percent(now.get(name, 0.0))}</td>"
        f"<td>{_percent(facts.trained_missing.get(name, 0.0))}</td></tr>"
        for name in names[:MOST_INPUTS]
    )
    more = f"<p>{len(names) - MOST_INPUTS} more.</p>" if len(names) > MOST_INPUTS else ""
    head = "<tr><th>missing</th><th>last hour</th><th>training</th></tr>"
    return _section("Coverage", f"<table>{head}{rows}</table>{more}")


def _monitor(watch: Watch | None) -> str:
    if watch is None:
        return _section(
            "Monitor", "<p>No report lies here. <code>make monitor</code> makes one.</p>"
        )
    if not watch.alarms:
        return _section("Monitor", f"<p>{escape(watch.made[:10])}: no signal alarms.</p>")
    lines = "".join(
        f"<li><b>{escape(signal.name)}</b>: {escape(signal.sentence[:300])}</li>"
        for signal in watch.alarms[:5]
    )
    return _section("Monitor", f"<p>{escape(watch.made[:10])}:</p><ul>{lines}</ul>")


def _section(title: str, body: str) -> str:
    return f"<section><h2>{title}</h2>{body}</section>\n"


def _time(text: str) -> str:
    return escape(text[:19].replace("T", " ") + " UTC")


def _share(count: int, of: int) -> str:
    return _percent(count / of) if of else "–"


def _percent(share: float) -> str:
    return (
        "0 %" if share == 0 else f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"
    )


def _seconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value * 1000:.2g} ms" if value < 1 else f"{value:.2g} s"
