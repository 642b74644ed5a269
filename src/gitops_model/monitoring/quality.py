"""How good the answers were, once labels have arrived: each window against the value in the model card.

A window is judged when its labels had time to come and enough of them did. Days are not independent rows, so the error
of a window's value is that of its days: influences are summed by day, and Student's t has as many degrees as days less
one (K.-Y. Liang and S. Zeger 1986, Biometrika 73, 13-22; for one day, rows are taken as independent).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gitops_model.evaluation import metrics
from gitops_model.evaluation.metrics import CATALOGUE
from gitops_model.formats.contract import Contract
from gitops_model.formats.monitor import Settings
from gitops_model.formats.watch import Signal
from gitops_model.monitoring import tails
from gitops_model.monitoring.labels import Labels, names
from gitops_model.monitoring.records import Piece
from gitops_model.monitoring.traffic import FALLBACK, asked, flat
from gitops_model.monitoring.windows import FEWEST_ROWS, state

Array = NDArray[np.float64]
FEWEST_DAYS = 4
# The fewest rows whose labels are looked up together.
LOOKED_UP = 1 << 17
Where = tuple[str, str] | None


@dataclass(frozen=True, kw_only=True)
class Answered:
    """Rows of one day that the release answered itself: scores (n,) or (n, k), labels (n,) with NaN, and slices.

    `bare` counts further rows, which have no label: all of them under None, and those of each slice.
    """

    day: date
    scores: Array
    labels: Array
    slices: Mapping[str, NDArray[Any]]
    bare: Mapping[Where, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Card:
    """What the model card says: a metric's value on `rows` test rows."""

    name: str
    value: float
    rows: int
    where: Where = None

    @property
    def signal(self) -> str:
        """The name of its signal."""
        return f"quality {self.name}" + ("" if self.where is None else f" {'='.join(self.where)}")


@dataclass(frozen=True, kw_only=True)
class Value:
    """A metric in one window: its value, the distance that chance may make, and the share of rows with labels.

    `value` is None while too few labels are there.
    """

    covered: float
    value: float | None = None
    chance: float = 0.0
    worse: bool = False


def collect(
    pieces: Iterable[Piece], labels: Labels, contract: Contract, sha256: str
) -> list[Answered]:
    """The rows that the release `sha256` answered, with what is known of their truth.

    Those without a label are counted and not kept, so that memory grows with labels, and not with the log.
    """
    found: list[Answered] = []
    bare: dict[date, Counter[Where]] = {}
    # Each look-up builds a table of all labels first: it is for as many rows as there are labels.
    for waiting in _batches(pieces, sha256, max(LOOKED_UP, len(labels.ids))):
        keys = [_keys(table) for _, table in waiting]
        known = labels.of(pa.chunked_array([c for key in keys for c in key.chunks], pa.string()))
        parts = np.split(known, np.cumsum([len(key) for key in keys])[:-1])
        for (day, table), part in zip(waiting, parts, strict=True):
            there = np.isfinite(part)
            if there.any():
                held = table.filter(pa.array(there))
                found.append(_answered(day, held, part[there], contract))
            _count(bare.setdefault(day, Counter()), table.filter(pa.array(~there)), contract)
    return [*found, *(_unlabelled(day, counts, contract) for day, counts in bare.items())]


def _batches(
    pieces: Iterable[Piece], sha256: str, size: int
) -> Iterator[list[tuple[date, pa.Table]]]:
    """What the release answered, each piece with its day: `size` rows, at a time, or a piece more."""
    waiting: list[tuple[date, pa.Table]] = []
    rows = 0
    for piece in pieces:
        table = asked(piece.table)
        own = pc.fill_null(pc.equal(table.column("sha256"), sha256), False)
        plain = pc.fill_null(pc.not_equal(table.column("route"), FALLBACK), True)
        table = table.filter(pc.and_(own, plain))
        if table.num_rows == 0:
            continue
        waiting.append((piece.day, table))
        rows += table.num_rows
        if rows >= size:
            yield waiting
            waiting, rows = [], 0
    if waiting:
        yield waiting


def _keys(table: pa.Table) -> pa.ChunkedArray:
    rows = table.column("row") if "row" in table.column_names else None
    return names(table.column("request_id"), rows)


def _answered(day: date, table: pa.Table, labels: Array, contract: Contract) -> Answered:
    output = flat(table.column("output"))
    if contract.output.classes:
        classes = flat(output["probabilities"])
        scores = np.column_stack([column.to_numpy() for column in classes.values()])
    else:
        scores = next(iter(output.values())).to_numpy()
    return Answered(
        day=day,
        scores=scores.astype(np.float64),
        labels=labels,
        slices={
            name: np.array(column.to_pylist(), dtype=object)
            for name, column in _slices(table, contract)
        },
    )


def _slices(table: pa.Table, contract: Contract) -> Iterator[tuple[str, pa.ChunkedArray]]:
    inputs = flat(table.column("inputs"))
    return ((name, inputs[name]) for name in contract.slices if name in inputs)


def _count(bare: Counter[Where], table: pa.Table, contract: Contract) -> None:
    """Add the rows of `table` to the day's."""
    bare[None] += table.num_rows
    for name, column in _slices(table, contract):
        for item in pc.value_counts(column):
            bare[name, str(item["values"].as_py())] += item["counts"].as_py()


def _unlabelled(day: date, bare: Counter[Where], contract: Contract) -> Answered:
    """A day's rows without a label."""
    classes = len(contract.output.classes or ())
    scores = np.empty((0, classes) if classes else 0)
    return Answered(day=day, scores=scores, labels=np.empty(0), slices={}, bare=bare)


def cards(manifest: Mapping[str, Any], contract: Contract) -> list[Card]:
    """What is watched: the primary and the risk metric overall, and the primary one in each slice."""
    whole, primary = manifest["metrics"], contract.success.primary
    found = [
        Card(name=name, value=float(whole[name]), rows=int(whole["rows"]))
        for name in dict.fromkeys((primary, contract.success.risk))
        if isinstance(whole.get(name), (int, float)) and name in CATALOGUE
    ]
    for row in manifest.get("slices") or ():
        value = row["metrics"].get(primary)
        if value is not None and primary in CATALOGUE:
            where = (str(row["slice"]), str(row["value"]))
            found.append(Card(name=primary, value=float(value), rows=int(row["rows"]), where=where))
    return found


def signals(
    answered: Sequence[Answered],
    found: Sequence[Card],
    contract: Contract,
    *,
    last: date,
    settings: Settings,
) -> list[Signal]:
    """One signal for each card, over the windows whose labels had time to arrive."""
    spans = list(_spans(last, contract, settings))
    alpha = 1 / (settings.windows * max(1, len(found)))
    return [_signal(card, answered, spans, contract, settings, alpha) for card in found]


def first_day(last: date, contract: Contract, settings: Settings) -> date:
    """The first day whose labels are looked at."""
    return next(iter(_spans(last, contract, settings)))[0]


def _spans(last: date, contract: Contract, settings: Settings) -> Iterable[tuple[date, date]]:
    """Windows of days, oldest first; the newest ends when its labels had time to arrive."""
    mature = last - timedelta(days=math.ceil(contract.label.arrives_after_days))
    for place in reversed(range(max(settings.of, settings.clean))):
        end = mature - timedelta(days=place * settings.window_days)
        yield end - timedelta(days=settings.window_days - 1), end


def _signal(
    card: Card,
    answered: Sequence[Answered],
    spans: Sequence[tuple[date, date]],
    contract: Contract,
    settings: Settings,
    alpha: float,
) -> Signal:
    values = [
        measure(
            card, [one for one in answered if first <= one.day <= end], contract, settings, alpha
        )
        for first, end in spans
    ]
    lines = [
        f"{end if first == end else f'{first} to {end}'}: {_words(value, card, settings)}"
        for (first, end), value in zip(spans, values, strict=True)
    ]
    worse = [None if value.value is None else value.worse for value in values]
    known = [place for place, value in enumerate(values) if value.value is not None]
    shown = max((p for p in known if worse[p]), default=known[-1] if known else len(values) - 1)
    return Signal(
        name=card.signal,
        state=state(worse, settings),
        sentence=_words(values[shown], card, settings),
        evidence=tuple(lines),
    )


def measure(
    card: Card, rows: Sequence[Answered], contract: Contract, settings: Settings, alpha: float
) -> Value:
    """One metric of one window."""
    total = sum(int(_where(one, card).sum()) + one.bare.get(card.where, 0) for one in rows)
    kept = [(one, _where(one, card) & np.isfinite(one.labels)) for one in rows]
    labelled = sum(int(mask.sum()) for _, mask in kept)
    covered = labelled / total if total else 0.0
    if labelled < FEWEST_ROWS or covered < settings.label_coverage:
        return Value(covered=covered)
    labels = np.concatenate([one.labels[mask] for one, mask in kept])
    scores = np.concatenate([one.scores[mask] for one, mask in kept])
    days = np.concatenate([np.full(int(mask.sum()), one.day.toordinal()) for one, mask in kept])
    metric = CATALOGUE[card.name]
    linear = metrics.linear(metric, labels, scores, metrics.context(contract))
    if linear is None:
        return Value(covered=covered)
    error, degrees = _error(linear.influence(), days)
    # The card's value is of a sample, too; its rows are taken to scatter as these do.
    both = error * math.sqrt(1 + labelled / card.rows)
    chance = tails.student_limit(2 * alpha, degrees=degrees) * both
    gain = metric.sign * (linear.value - card.value)
    return Value(covered=covered, value=linear.value, chance=chance, worse=gain < -chance)


def _error(influence: Array, days: NDArray[np.int64]) -> tuple[float, int]:
    """Standard error of a mean of influences, and its degrees of freedom."""
    rows = len(influence)
    _, place = np.unique(days, return_inverse=True)
    groups = int(place.max()) + 1
    if groups < FEWEST_DAYS:
        return float(influence.std() / math.sqrt(rows)), max(1, rows - 1)
    sums = np.bincount(place, weights=influence)
    return math.sqrt(groups / (groups - 1) * float(np.square(sums).sum())) / rows, groups - 1


def _where(one: Answered, card: Card) -> NDArray[np.bool_]:
    if card.where is None:
        return np.ones(len(one.labels), dtype=bool)
    name, value = card.where
    held = one.slices.get(name)
    if held is None:
        return np.zeros(len(one.labels), dtype=bool)
    return np.array([str(item) == value for item in held], dtype=bool)


def _words(value: Value, card: Card, settings: Settings) -> str:
    title = CATALOGUE[card.name].title
    if value.value is None:
        return (
            f"{100 * value.covered:.0f} % of the rows have labels; {title} is judged from "
            f"{100 * settings.label_coverage:.0f} % and {FEWEST_ROWS} rows on."
        )
    way = "worse than" if value.worse else "against"
    return (
        f"{title} {value.value:.4g}, {way} {card.value:.4g} in the model card (±{value.chance:.2g} may be chance); "
        f"{100 * value.covered:.0f} % of the rows have labels."
    )
