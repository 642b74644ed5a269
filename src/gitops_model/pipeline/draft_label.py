"""What a column of a CSV file could be as the label of contract.yaml, by the values that pandas makes of it. Pure.

Texts do not do: pandas reads 1, 01 and `1 ` as one number, true and TRUE as one truth, and 1 as 1.0 where a value is
missing.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import pandas as pd

from gitops_model.pipeline.draft_columns import Column

Problem = Literal["binary", "multiclass", "regression"]
Value = bool | int | float | str
MOST_CLASSES = 100
LONGEST_CLASS = 60
# Whole numbers with more different values than this are a quantity, not classes.
MOST_NUMBERED = 20
_EXACT = 2**53


def values(texts: Sequence[str]) -> list[Value]:
    """What `load` makes of a column, without what is missing."""
    file = io.StringIO()
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("value",), *((text,) for text in texts)])
    file.seek(0)
    found: list[Value] = pd.read_csv(file, low_memory=False)["value"].dropna().tolist()
    return found


def why_not(column: Column, texts: Sequence[str]) -> str | None:
    """Why a column cannot be predicted; None when it can."""
    if not column.header.strip():
        return "has no name"
    if column.kind == "date":
        return "holds dates; allowed: a number, true and false, or names"
    if column.kind == "category" and column.distinct > MOST_CLASSES:
        return f"has {column.distinct:,} different texts; allowed: at most {MOST_CLASSES} classes"
    different = set(values(texts))
    numbers = list(map(float, different)) if column.kind in ("integer", "number") else []
    if not all(map(math.isfinite, numbers)):
        return "has infinite values; make them missing, or leave these rows out"
    if column.kind == "integer" and column.missing and any(abs(n) >= _EXACT for n in numbers):
        return "has whole numbers beyond 2^53 beside missing values, so pandas rounds them; leave the latter out"
    if len(different) < 2:
        return "has fewer than two different values"
    if column.kind == "category" and not all(isinstance(value, str) for value in different):
        return "has whole numbers beyond 64 bits; allowed: smaller ones, true and false, or names"
    if any(isinstance(value, str) and len(value) > LONGEST_CLASS for value in different):
        return f"has classes of over {LONGEST_CLASS} characters; give them shorter names"
    if column.name in ("probability", "probabilities", "unit"):
        return "answers use for something else; rename the column"
    return None


def problem(label: Column, known: Sequence[Value]) -> tuple[Problem, tuple[str, ...]]:
    """The problem that a label poses, and the classes of a multiclass one as `build` makes them."""
    different = sorted(set(known))
    if len(different) == 2:
        return "binary", ()
    if label.kind == "number" or (label.kind == "integer" and len(different) > MOST_NUMBERED):
        return "regression", ()
    return "multiclass", tuple(map(words, different))


def answers(known: Sequence[Value]) -> tuple[Value, Value]:
    """No and yes of a binary label. Yes is true, 1 or yes, or else the rarer one."""
    counts = Counter(known)
    rarer, other = sorted(counts, key=lambda value: (counts[value], value))
    told = [v for v in sorted(counts) if words(v).strip().lower() in ("1", "1.0", "true", "yes")]
    return (rarer, other) if told[:1] == [other] else (other, rarer)


def words(value: Value) -> str:
    """A value as people and Python write it: 1 for 1.0, and each digit of 1000001."""
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return str(int(value))
    return str(value)
