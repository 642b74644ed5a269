"""What a report says, before it becomes Markdown or HTML: words, order and formatted numbers, from check.json alone.

Every change is written as a *gain*: positive is better, whatever the metric's own direction, as in the sentences of
`wording`. Numbers are formatted here and nowhere else, so that all reports show the same digits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gitops_model.evaluation import wording

Check = Mapping[str, Any]
Entry = Mapping[str, Any]

# `nothing` and `pending` are said by the trusted side about a pull request; check.json never holds them.
VERDICTS = {
    "pass": ("✅", "May ship"),
    "blocked": ("❌", "Blocked"),
    "not_evaluated": ("⚠️", "Not evaluated"),
    "nothing": ("➖", "Nothing to evaluate"),
    "pending": ("⏳", "Not evaluated"),
}
STATES = {
    "pass": ("✅", "pass"),
    "fail": ("❌", "fail"),
    "inconclusive": ("⚠️", "undecided"),
    "no_data": ("❔", "no data"),
    "not_compared": ("➖", "not compared"),
    "off": ("⏸️", "turned off"),
    "too_small": ("▫️", "too few rows"),
    "not_judged": ("➖", "not judged"),
}
ROLES = {
    "primary": "primary",
    "risk": "risk",
    "leakage": "leakage",
    "schema": "compatibility",
    "slices": "worst slice",
    "latency": "one row",
    "latency_p95": "one row",
    "memory": "process",
    "artifact": "file",
}
PROBLEMS = {"roc": "binary", "confusion": "multiclass", "residuals": "regression"}
NOTHING = "–"


@dataclass(frozen=True, kw_only=True)
class GateRow:
    """One gate as texts; empty where it has no such number."""

    id: str
    name: str
    role: str
    production: str
    candidate: str
    change: str
    bounds: str
    limit: str
    state: str
    mark: str
    word: str
    blocks: bool
    sentence: str


def verdict(check: Check) -> str:
    """The verdict in two or a few words."""
    if check["state"] == "pass" and check.get("gates") and check.get("baseline") is None:
        return "May ship as the first release"
    return VERDICTS.get(check["state"], ("", str(check["state"])))[1]


def title(check: Check) -> str:
    """The verdict in one short line with old → new, without its mark."""
    word = verdict(check)
    gates = check.get("gates") or []
    blocking = _sorted([entry for entry in gates if entry["blocks"]])
    if (
        check["state"] not in ("pass", "blocked")
        or not gates
        or (check["state"] == "blocked") != bool(blocking)
    ):
        sentence = str(check["sentence"])
        known = check["state"] in ("pass", "blocked") or sentence.startswith(word)
        return sentence if known else f"{word}: {sentence}"
    moved = movement(check)
    if blocking:
        verb = "blocks" if len(blocking) == 1 else "block"
        names = ", ".join(wording.title(entry) for entry in blocking[:2])
        more = f" and {len(blocking) - 2} more" if len(blocking) > 2 else ""
        word = f"Blocked: {len(blocking)} of {len(gates)} gates {verb} ({names}{more})"
        return f"{word}; {moved}" if moved else word
    return f"{word}: {moved}" if moved else word


def movement(check: Check) -> str:
    """The primary metric old → new with its gain, or what is known of it."""
    entry = primary(check)
    if entry is None or entry["candidate"] is None:
        return ""
    new = wording.number(entry["candidate"], entry)
    if entry["production"] is None:
        return f"{wording.title(entry)} {new}"
    old = wording.number(entry["production"], entry)
    return f"{wording.title(entry)} {old} → {new} ({_change(entry)})"


def primary(check: Check) -> Entry | None:
    """The entry of the primary metric's gate."""
    return next((entry for entry in check.get("gates") or [] if entry["id"] == "primary"), None)


def problem(check: Check) -> str | None:
    """binary, multiclass or regression, as the candidate's curves tell; None without curves."""
    curves = (check.get("curves") or {}).get("candidate") or {}
    return next((name for key, name in PROBLEMS.items() if key in curves), None)


def gate_rows(check: Check) -> list[GateRow]:
    """Every gate, blocking ones first, then what needs a look, then what passed; else in the order of gates.yaml."""
    return [_gate_row(entry) for entry in _sorted(check.get("gates") or [])]


def slice_entries(check: Check) -> list[Entry]:
    """Slices, failing ones first, then by what they lost; those without a number last."""
    order = {"fail": 0, "no_data": 1}
    return sorted(
        check.get("slices") or [],
        key=lambda s: (
            order.get(s["state"], 2),
            s["delta"] is None,
            s["delta"] or 0.0,
            s["slice"],
        ),
    )


def warnings(check: Check) -> list[str]:
    """Special facts a reader must know before the numbers."""
    found = [str(warning) for warning in check.get("warnings") or []]
    if (check.get("test_set") or {}).get("changed"):
        found.insert(
            0,
            "The test set changed since production was released: production was scored again on the new rows.",
        )
    return list(dict.fromkeys(found))


def confidence(check: Check) -> str:
    """Confidence of each one-sided bound: `95%`."""
    return f"{(1 - check['alpha']) * 100:.4g}%"


def compared(check: Check) -> str:
    """Who is compared with whom, on what."""
    test = check["test_set"]
    window = " to ".join(test["window"]) if test["window"] else None
    rows = f"{test['rows']:,} test rows" + (f" from {window}" if window else "")
    baseline = check["baseline"]
    if baseline is None:
        return f"{rows}; nothing is in production"
    return f"{rows}, answered by both; production is {baseline['model'] or baseline['sha256'][:12]}"


def number(value: float | None) -> str:
    """A metric's value for people."""
    return NOTHING if value is None else wording.number(value, {"unit": "metric"})


def gain(value: float | None, *, relative: bool = False) -> str:
    """A gain with sign and an arrow that says which way it goes: `▲ +0.0077`, `▼ -2.4%`, `±0`."""
    if value is None:
        return NOTHING
    if value == 0:
        return "±0"
    return f"{'▲' if value > 0 else '▼'} {wording.gain(value, relative=relative)}"


def span(lower: float | None, upper: float | None, *, relative: bool = False) -> str:
    """Worst and best, open where a bound is missing; empty when both are."""
    if lower is None and upper is None:
        return ""
    worst = "?" if lower is None else wording.gain(lower, relative=relative)
    best = "?" if upper is None else wording.gain(upper, relative=relative)
    return f"{worst} to {best}"


def values(lower: float | None, upper: float | None, entry: Entry) -> str:
    """Bounds of a value (not of a gain) in the entry's unit."""
    if lower is None and upper is None:
        return ""
    ends = ["?" if end is None else wording.number(end, entry) for end in (lower, upper)]
    return " to ".join(ends)


def metric_bounds(metric: Entry) -> str:
    """Bounds of the gain, or of the candidate's own value when nothing is compared."""
    if metric["delta"] is not None:
        return span(metric["lower"], metric["upper"])
    return values(metric["candidate_lower"], metric["candidate_upper"], {"unit": "metric"})


def slice_bounds(entry: Entry, *, relative: bool) -> str:
    """The same for a slice."""
    if entry["delta"] is not None:
        return span(entry["lower"], entry["upper"], relative=relative)
    return values(entry["lower"], entry["upper"], {"unit": "metric"})


def slices_relative(check: Check) -> bool:
    """Whether the slices' gains are shares of production's value."""
    return any(e["id"] == "slices" and e["relative"] for e in check.get("gates") or [])


def slices_limit(check: Check) -> float | None:
    """The gain below which a slice fails, negative; None when slices are not judged."""
    return next((e["limit"] for e in check.get("gates") or [] if e["id"] == "slices"), None)


def cost_rows(check: Check) -> list[tuple[str, str, str, str]]:
    """(what, production, this candidate, remark) for latency, memory and size."""
    found = []
    latency = check.get("latency")
    if latency is not None:
        ratio, bounds = latency["ratio"], (latency["ratio_lower"], latency["ratio_upper"])
        remark = f"over {latency['pairs']:,} calls"
        if ratio is not None:
            shown = " to ".join("?" if b is None else f"×{b:.3f}" for b in bounds)
            remark = f"×{ratio:.3f} ({shown}), {remark} each, taken in turns"
        found.append(
            (
                "median latency, one row",
                _ms(latency["production_ms"]),
                _ms(latency["candidate_ms"]),
                remark,
            )
        )
        ends = f"{_ms(latency['p95_lower'])} to {_ms(latency['p95_upper'])}"
        found.append(("95th percentile, one row", NOTHING, _ms(latency["p95_ms"]), ends))
    by_id = {entry["id"]: entry for entry in check.get("gates") or []}
    for name, what in (("memory", "peak memory"), ("artifact", "bundle size")):
        entry = by_id.get(name)
        if entry is not None and entry["candidate"] is not None:
            found.append(
                (
                    what,
                    _optional(entry["production"], entry),
                    _optional(entry["candidate"], entry),
                    _change(entry),
                )
            )
    return found


def table_of(changes: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of params_diff or data_diff: name, production, candidate, then any other key."""
    known = ["name", "production", "candidate"]
    more = sorted({str(key) for change in changes for key in change} - set(known))
    columns = [key for key in [*known, *more] if any(key in change for change in changes)]
    return columns, [
        [NOTHING if change.get(key) is None else str(change[key]) for key in columns]
        for change in changes
    ]


def test_set(check: Check) -> list[tuple[str, str]]:
    """Facts about the rows that judged, and how often they have."""
    test, schema = check["test_set"], check["schema_comparison"]
    standing = {
        "rows": "each row on its own",
        "groups": f"{test['units']:,} groups (contract.yaml: keys.group)",
        "blocks": f"{test['units']:,} blocks of neighbouring rows (contract.yaml: keys.time)",
    }[test["unit"]]
    looks = f"{test['looks']} of {test['budget']} candidates"
    if test["luck"] > 0:
        looks += f"; the best of that many equal ones looks {test['luck']:.1f} standard errors better by luck"
    before = schema["production_version"]
    version = f"{schema['version']}" + (f" (production: {before})" if before is not None else "")
    return [
        ("rows", f"{test['rows']:,}"),
        ("window", " to ".join(test["window"]) if test["window"] else "not stated"),
        ("stands on its own", standing),
        ("confidence of each bound", confidence(check)),
        ("judged so far", looks),
        (
            "same as at production's release",
            "no" if test["changed"] else "yes" if check["baseline"] else NOTHING,
        ),
        ("contract schema_version", version),
        ("test set sha256", test["sha256"]),
        ("gates.yaml digest", check["gates_digest"]),
        ("candidate sha256", check["candidate"]["sha256"]),
        ("production sha256", check["baseline"]["sha256"] if check["baseline"] else NOTHING),
    ]


def _sorted(entries: Sequence[Entry]) -> list[Entry]:
    order = ("fail", "no_data", "inconclusive", "off", "not_compared", "pass")
    return sorted(entries, key=lambda entry: (not entry["blocks"], order.index(entry["state"])))


def _gate_row(entry: Entry) -> GateRow:
    mark, word = STATES[entry["state"]]
    if entry["state"] == "inconclusive" and entry["blocks"]:
        mark, word = "❌", "undecided, blocks"
    elif entry["state"] == "no_data":
        mark, word = "❌", "no data, blocks"
    name = wording.title(entry).removeprefix("the ")
    role = ROLES.get(entry["id"], "limit" if entry["id"].startswith("limit:") else "")
    found = entry["problems"]
    candidate = _optional(entry["candidate"], entry)
    if found is not None:
        candidate = f"{len(found)} found" if found else "none found"
    return GateRow(
        id=entry["id"],
        name=name[:1].upper() + name[1:],
        role=role,
        production=_optional(entry["production"], entry),
        candidate=candidate,
        change=_change(entry),
        bounds=_bounds(entry),
        limit=_limit(entry),
        state=entry["state"],
        mark=mark,
        word=word,
        blocks=entry["blocks"],
        sentence=entry["sentence"],
    )


def _change(entry: Entry) -> str:
    delta = entry["delta"]
    if entry["id"] in ("memory", "artifact"):
        old, new = entry["production"], entry["candidate"]
        delta = None if old is None or new is None or old <= 0 else new / old
    if delta is None:
        return ""
    if entry["id"] in ("latency", "memory", "artifact"):
        return "±0" if delta == 1 else f"{'▼' if delta > 1 else '▲'} ×{delta:.2f}"
    return gain(delta, relative=entry["relative"])


def _bounds(entry: Entry) -> str:
    lower, upper = entry["lower"], entry["upper"]
    if lower == upper:
        return ""
    if entry["id"] == "latency":
        return " to ".join("?" if end is None else f"×{end:.2f}" for end in (lower, upper))
    if entry["delta"] is not None:
        return span(lower, upper, relative=entry["relative"])
    return values(lower, upper, entry)


def _limit(entry: Entry) -> str:
    limit = entry["limit"]
    if limit is None:
        return "none allowed" if entry["id"] in ("leakage", "schema") else ""
    if entry["id"] == "latency":
        return f"below ×{limit:g}"
    if entry["id"] in ("primary", "risk", "slices") or entry["id"].startswith("prove:"):
        size = f"{abs(limit) * 100:.3g}%" if entry["relative"] else f"{abs(limit):.3g}"
        return f"gain above {size}" if limit > 0 else f"loss below {size}"
    side = "above" if entry["better"] == "higher" else "below"
    return (
        f"{side} {limit:g}"
        if entry["unit"] == "metric"
        else f"{side} {wording.number(limit, entry)}"
    )


def _optional(value: float | None, entry: Entry) -> str:
    if value is None:
        return ""
    return _ms(value) if entry["id"] == "latency" else wording.number(value, entry)


def _ms(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.3g} ms"
