"""A first contract.yaml from the columns of a CSV file, for a person to correct. Pure.

The draft is a contract that can be read, and every row that was seen obeys it. What only a person knows stands in it as
a line that begins with `# ?`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import yaml

from gitops_model.errors import BadInput, shorten
from gitops_model.formats.inputs import MISSING, number_words
from gitops_model.pipeline import draft_columns, draft_label
from gitops_model.pipeline.csv_sample import Sample
from gitops_model.pipeline.draft_columns import Column
from gitops_model.pipeline.draft_label import Problem, Value

QUESTION = "# ?"
MADE_KEY = "row_id"
_SUCCESS = {
    "binary": {"primary": "roc_auc", "risk": "brier"},
    "multiclass": {"primary": "accuracy", "risk": "log_loss"},
    "regression": {"primary": "rmse", "risk": "mae"},
}


@dataclass(frozen=True, kw_only=True)
class Draft:
    """`left`: columns that are no inputs, each with the reason. `key`: None when no column differs in every row; then
    `build` makes one that is called `made_key`.

    `told`: whether somebody named the label. `answers`: the two values of a binary label, no and yes.
    """

    task: str
    problem: Problem
    label: Column
    told: bool
    inputs: tuple[Column, ...]
    left: tuple[tuple[Column, str], ...]
    key: Column | None
    made_key: str
    time: Column | None
    rows: int
    answers: tuple[Value, ...] = ()
    classes: tuple[str, ...] = ()


def draft(sample: Sample, *, task: str, label: str | None = None) -> Draft:
    """Sort the columns of `sample`. `label`: the header of the column to predict; None: the last that could be.

    Raises BadInput when there is no such column, when it cannot be a label, or when no input is left.
    """
    each = zip(_names(sample.names), sample.names, sample.columns, strict=True)
    columns = [draft_columns.describe(header, name, texts) for name, header, texts in each]
    chosen = _label(columns, sample, label)
    known = draft_label.values(sample.column(chosen.header))
    problem, classes = draft_label.problem(chosen, known)
    others = [column for column in columns if column is not chosen]
    named = [column for column in others if column.header.strip()]
    ids = [column for column in named if draft_columns.is_id(column, sample.rows)]
    dates = [column for column in named if column.kind == "date" and not column.missing]
    time = dates[0] if dates else None
    left = [
        (column, reason)
        for column in others
        if (reason := _why_left(column, key=ids[0] if ids else None, time=time, ids=ids))
    ]
    out = {id(column) for column, _ in left}
    inputs = tuple(column for column in others if id(column) not in out)
    if not inputs:
        raise BadInput(
            "no column could be an input: numbers, categories, or true and false. The file has "
            + ", ".join(f"{shorten(column.header)} ({column.kind})" for column in columns[:20])
            + "."
        )
    return Draft(
        task=task,
        problem=problem,
        label=chosen,
        told=label is not None,
        inputs=inputs,
        left=tuple(left),
        key=ids[0] if ids else None,
        made_key=_free(MADE_KEY, {column.name for column in columns}),
        time=time,
        rows=sample.rows,
        answers=draft_label.answers(known) if problem == "binary" else (),
        classes=classes,
    )


def text(found: Draft, *, source: str) -> str:
    """The draft as YAML; `source` says what was read."""
    return "\n".join(_lines(found, source)) + "\n"


def build_lines(found: Draft) -> list[str]:
    """The body of `build` in pipeline/features.py that makes the draft's columns of the file's, as ruff writes it."""
    label, name = found.label, _quoted(found.label.name)
    raw = "raw" if not label.missing else f"raw[raw[{_quoted(label.header)}].notna()]"
    columns = [label, *found.inputs, *(c for c in (found.key, found.time) if c)]
    renamed = [
        f"        {_quoted(c.header)}: {_quoted(c.name)}," for c in columns if c.header != c.name
    ]
    lines = [f"table = {raw}.copy()"]
    if renamed:
        lines = [f"table = {raw}.rename(", "    columns={", *renamed, "    }", ")"]
    if found.key is None:
        lines.append(f'table["{found.made_key}"] = [f"row-{{n}}" for n in table.index]')
    if found.problem == "binary" and label.kind == "boolean":
        lines.append(f"table[{name}] = table[{name}].astype(int)")
    elif found.problem == "binary" and set(found.answers) != {0, 1}:
        yes = found.answers[1]
        value = _quoted(yes) if isinstance(yes, str) else draft_label.words(yes)
        lines.append(f"table[{name}] = (table[{name}] == {value}).astype(int)")
    elif found.problem == "multiclass" and label.kind == "integer":
        # Beside a missing value pandas has read 1 as 1.0.
        whole = '.astype("int64")' if label.missing else ""
        lines.append(f"table[{name}] = table[{name}]{whole}.astype(str)")
    return [*lines, "return table"]


def split_words(found: Draft) -> str:
    """The split for params.yaml."""
    return "{by: time, test_share: 0.2}" if found.time else "{by: random, test_share: 0.3}"


def _names(headers: Sequence[str]) -> list[str]:
    """Names that the contract allows, each once. A header that is one already keeps it, wherever it stands."""
    plain = [_plain(header) for header in headers]
    taken = {header for header, name in zip(headers, plain, strict=True) if header == name}
    names: list[str] = []
    for header, name in zip(headers, plain, strict=True):
        names.append(name if header == name else _free(name, taken))
        taken.add(names[-1])
    return names


def _plain(header: str) -> str:
    plain = re.sub(r"[^a-z0-9]+", "_", header.lower()).strip("_")[:60].rstrip("_")
    return plain if re.match(r"[a-z]", plain) else f"c_{plain}"[:60].rstrip("_")


def _free(name: str, taken: set[str]) -> str:
    """`name`, or the first of name_2, name_3, ... that is not taken."""
    free, number = name, 2
    while free in taken:
        free, number = f"{name[:57]}_{number}", number + 1
    return free


def _label(columns: Sequence[Column], sample: Sample, wanted: str | None) -> Column:
    if wanted is not None:
        # Another column's name may be made of its header, so the header goes first.
        found = [column for column in columns if column.header == wanted]
        found = found or [column for column in columns if column.name == wanted]
        if not found:
            has = ", ".join(shorten(name) for name in sample.names[:40])
            raise BadInput(f"--label is '{shorten(wanted)}', and no column is; the file has {has}.")
        if why := draft_label.why_not(found[0], sample.column(found[0].header)):
            raise BadInput(f"--label is '{shorten(wanted)}', which {why}.")
        return found[0]
    for column in reversed(columns):
        if not draft_columns.is_id(column, sample.rows) and not draft_label.why_not(
            column, sample.column(column.header)
        ):
            return column
    raise BadInput(
        "no column could be a label: a number, true and false, or at most 100 names. If one can be made of the "
        "others, add it to the file and name it with --label."
    )


def _why_left(
    column: Column, *, key: Column | None, time: Column | None, ids: Sequence[Column]
) -> str | None:
    """Why a column is no input; None when it is one."""
    if not column.header.strip():
        return "it has no name: pandas' to_csv(index=False) writes no such column"
    if column is key:
        return "it differs in every row: keys.request"
    if column in ids:
        return "it differs in every row: an identifier"
    if column is time:
        return "a time: keys.time. What it tells, such as the month, build can make an input"
    if column.kind == "date":
        return "a date; build can make numbers of it"
    return "it is empty in every row" if column.kind == "empty" else None


def _lines(found: Draft, source: str) -> Iterator[str]:
    label = found.label
    yield "# yaml-language-server: $schema=.venv/schemas/contract.schema.json"
    yield f"# A draft, made of {_comment(source, 100)}. Ranges are"
    yield "# wider than what was seen: the next of 1, 2, 5, 10, 20, ..."
    yield f"# Correct it, and answer the lines that begin with `{QUESTION}`."
    yield f"task: {found.task}"
    yield f"problem: {found.problem}"
    yield "schema_version: 1"
    yield ""
    yield f"{QUESTION} Does the caller know each of these when the request is made? Remove what comes later."
    yield "inputs:"
    for column in found.inputs:
        yield from _input(column)
    for column, reason in found.left:
        yield f"  # no input: {_comment(column.header) or 'a column'}: {reason}"
    yield ""
    yield from _label_lines(found)
    yield ""
    yield from _key_lines(found)
    yield ""
    slices = [c.name for c in found.inputs if 2 <= len(c.values) <= 10 and c.kind == "category"][:1]
    yield f"{QUESTION} For whom must the model not get worse? Each value of a slice is judged by itself."
    yield f"slices: {_flow(slices)}"
    yield ""
    yield f"success: {_flow(_SUCCESS[found.problem])}"
    if label.missing:
        yield f"# {label.missing:.1%} of the rows have no label; build leaves them out."


def _input(column: Column) -> Iterator[str]:
    rules: dict[str, object] = {"type": column.kind}
    seen: list[str] = []
    if column.kind in ("number", "integer"):
        kind = int if column.kind == "integer" else float
        low, high = draft_columns.range_of(column)
        for key, value in (("min", low), ("max", high)):
            if value is not None:
                rules[key] = kind(value) if kind is int or value != int(value) else int(value)
        if column.low is not None and column.high is not None:
            seen.append(f"seen {number_words(column.low)} to {number_words(column.high)}")
    elif column.kind == "category":
        listed = [value for value in column.values if _listable(value)]
        if listed and len(listed) == len(column.values) and not draft_columns.is_prose(column):
            rules |= {"values": listed, "unknown": "accept"}
        else:
            seen.append(f"{column.distinct:,} different texts")
    if column.missing:
        rules["missing"] = "impute"
        seen.append(f"{column.missing:.1%} missing")
    if column.header != column.name:
        seen.insert(0, f"'{_comment(column.header)}' in the file")
    if notes := [*seen, *column.notes]:
        yield f"  # {'; '.join(notes)}"
    # A column may be called `true` or `null`, which YAML takes for something else.
    yield f"  {_flow([column.name])[1:-1]}: {_flow(rules)}"


def _listable(value: str) -> bool:
    return len(value) <= draft_columns.LONGEST_VALUE and value != MISSING


def _label_lines(found: Draft) -> Iterator[str]:
    label = found.label
    if not found.told:
        yield (
            f"{QUESTION} Is {label.name} what the model shall answer? It is the last column that could be. "
            "Another one: --label NAME"
        )
    output: dict[str, object] = {"name": label.name}
    if found.problem == "binary":
        yes = _comment(draft_label.words(found.answers[1]))
        yield f"{QUESTION} From which probability on is the answer yes? And is {yes} the yes?"
        output["threshold"] = 0.5
    elif found.problem == "multiclass":
        yield f"{QUESTION} Are these all classes? If they have an order, write them in it."
        output["classes"] = list(found.classes)
    else:
        yield f"{QUESTION} In which unit is it?  unit: minutes"
    yield f"output: {_flow(output)}"
    yield f"{QUESTION} How is the label defined, and how many days after the request is it known?"
    truth = {"name": label.name, "definition": f"the column {label.name}", "arrives_after_days": 0}
    yield f"label: {_flow(truth)}"


def _key_lines(found: Draft) -> Iterator[str]:
    key = found.made_key if found.key is None else found.key.name
    if found.key is None:
        yield f"# No column differs in every row, so build makes {key} of the row's number."
    yield f"{QUESTION} Do rows belong together, such as visits of one patient? Then name that column as group."
    time = None if found.time is None else found.time.name
    yield f"keys: {_flow({'request': key, 'time': time, 'sticky': None, 'group': None})}"


def _quoted(text: str) -> str:
    """A text as Python source, with the quotes that ruff chooses."""
    double = json.dumps(text, ensure_ascii=False)
    if text.count('"') <= text.count("'"):
        return double
    return "'" + double[1:-1].replace("'", "\\'").replace('\\"', '"') + "'"


def _flow(value: object) -> str:
    """One line of YAML."""
    written = _dumped(value, unicode=True)
    # YAML takes some letters for the end of a line, which PyYAML forgets when it writes them as they are.
    if yaml.safe_load(written) != value:
        written = _dumped(value, unicode=False)
    return written.removesuffix("\n")


def _dumped(value: object, *, unicode: bool) -> str:
    written: str = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, allow_unicode=unicode, width=10**9
    )
    return written


def _comment(value: str, limit: int = 40) -> str:
    """A text of the file inside a comment."""
    return shorten("".join(c if c.isprintable() else "?" for c in value), limit)
