"""Expressions of gates.yaml over columns of rows, evaluated by simpleeval and by numpy's functions.

A file that nobody has reviewed may hold one (a preview reads the pull request's), so what is allowed is listed and
everything else is refused before anything is computed: numbers, names that were given, arithmetic, comparisons,
`and`, `or`, `not`, and calls of `FUNCTIONS`. Length, depth and steps are bounded, and each step costs one pass over the
rows. Python reads the text (`ast.parse`), simpleeval walks it, and no part of it is ever run as Python.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from simpleeval import SimpleEval

from gitops_model import hints

Array = npt.NDArray[np.float64]

MOST_CHARACTERS = 400
MOST_STEPS = 80
DEEPEST = 20
LARGEST = 1e12


def _in_floats(ufunc: Callable[..., Any]) -> Callable[..., Any]:
    # numpy subtracts no truth values from each other, and adds them by "or".
    return lambda *values: ufunc(*values, dtype=np.float64)


FUNCTIONS: Mapping[str, tuple[int, Callable[..., Any]]] = MappingProxyType(
    {
        "abs": (1, _in_floats(np.abs)),
        "sqrt": (1, _in_floats(np.sqrt)),
        "exp": (1, _in_floats(np.exp)),
        "log": (1, _in_floats(np.log)),
        "floor": (1, _in_floats(np.floor)),
        "min": (2, _in_floats(np.minimum)),
        "max": (2, _in_floats(np.maximum)),
        "missing": (1, np.isnan),
        "where": (3, np.where),
    }
)
_OPERATORS: Mapping[type[ast.AST], tuple[str, Callable[..., Any]]] = {
    ast.Add: ("+", _in_floats(np.add)),
    ast.Sub: ("-", _in_floats(np.subtract)),
    ast.Mult: ("*", _in_floats(np.multiply)),
    ast.Div: ("/", _in_floats(np.divide)),
    ast.Pow: ("**", _in_floats(np.power)),
    ast.USub: ("-", _in_floats(np.negative)),
    ast.Lt: ("<", np.less),
    ast.LtE: ("<=", np.less_equal),
    ast.Gt: (">", np.greater),
    ast.GtE: (">=", np.greater_equal),
    ast.Eq: ("==", np.equal),
    ast.NotEq: ("!=", np.not_equal),
    ast.Not: ("not", np.logical_not),
    ast.And: ("and", np.logical_and),
    ast.Or: ("or", np.logical_or),
}
_NODES = (ast.Constant, ast.Name, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Call)
_ALLOWED = (
    f"allowed: numbers, names, {' '.join(dict.fromkeys(sign for sign, _ in _OPERATORS.values()))}, and "
    f"{', '.join(f'{name}()' for name in FUNCTIONS)}"
)


class Refused(ValueError):
    """An expression that is not allowed; the text says what, where and what is."""


@dataclass(frozen=True)
class Expression:
    """One that obeys the rules above. `names` are the columns that it reads."""

    text: str
    tree: ast.expr
    names: frozenset[str]

    def __call__(self, columns: Mapping[str, Any], *, rows: int) -> Array:
        """(rows,) its value on each row; infinite or NaN where it has none. `columns` are (rows,) or one number."""
        evaluator = _Evaluator(columns)
        with np.errstate(all="ignore"):
            found = evaluator.eval(self.text, previously_parsed=self.tree)
        values: Array = np.broadcast_to(np.asarray(found, dtype=np.float64), (rows,))
        return values


class _Evaluator(SimpleEval):  # type: ignore[misc]  # it has no types
    """simpleeval with arrays in place of numbers, and without everything that is not in `_NODES`."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        super().__init__(
            operators={kind: apply for kind, (_, apply) in _OPERATORS.items()},
            functions={name: apply for name, (_, apply) in FUNCTIONS.items()},
            names=dict(columns),
            allowed_attrs={},
        )
        # Its own `and` and `or` ask one truth value of a whole array.
        known = vars(self)["nodes"]
        self.nodes = {kind: known[kind] for kind in _NODES} | {ast.BoolOp: self._each_row}

    def _each_row(self, node: ast.BoolOp) -> Any:
        return reduce(self.operators[type(node.op)], [self._eval(value) for value in node.values])


def parse(text: str, *, names: Collection[str]) -> Expression:
    """The expression in `text` over columns called `names`. Raises Refused for the first thing that is not allowed."""
    text = text.strip()
    if len(text) > MOST_CHARACTERS:
        raise Refused(f"has {len(text):,} characters; allowed: {MOST_CHARACTERS}")
    if not (text.isascii() and text.isprintable()):
        raise Refused("holds a line break or a character beyond plain ASCII; write it in one line")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise Refused(f"at character {error.offset or 1}: cannot be read ({error.msg})") from None
    except (MemoryError, RecursionError, ValueError):
        raise Refused("cannot be read: too long a number, or too many brackets") from None
    read = set()
    for steps, (node, depth) in enumerate(_walk(tree)):
        if steps >= MOST_STEPS or depth > DEEPEST:
            raise Refused(f"is too large; allowed: {MOST_STEPS} steps, {DEEPEST} inside each other")
        if why := _problem(node, names):
            raise Refused(f"at character {node.col_offset + 1}: {why}")
        if isinstance(node, ast.Name):
            read.add(node.id)
    return Expression(text=text, tree=tree, names=frozenset(read))


def _walk(tree: ast.expr) -> Iterator[tuple[ast.expr, int]]:
    """Every part with its depth, a part before its own parts; the name of a called function is none."""
    waiting = [(tree, 1)]
    while waiting:
        node, depth = waiting.pop()
        yield node, depth
        inner = node.args if isinstance(node, ast.Call) else list(ast.iter_child_nodes(node))
        waiting += [(each, depth + 1) for each in reversed(inner) if isinstance(each, ast.expr)]


def _problem(node: ast.expr, names: Collection[str]) -> str:
    """Why this part is not allowed; empty when it is. Its own parts are not looked at."""
    if not isinstance(node, _NODES):
        return f"holds {_word(node)}; {_ALLOWED}"
    if isinstance(node, ast.Constant):
        return _constant_problem(node.value)
    if isinstance(node, ast.Name):
        if node.id in names:
            return ""
        near = hints.nearest(node.id, names)
        meant = f"; did you mean {near}?" if near else f"; known: {', '.join(sorted(names)[:20])}"
        return f"names '{node.id[:60]}', which is no column of numbers{meant}"
    if isinstance(node, ast.Call):
        return _call_problem(node)
    if isinstance(node, ast.Compare) and len(node.ops) > 1:
        return "chains comparisons; write a < b and b < c"
    used = node.ops if isinstance(node, ast.Compare) else [node.op]
    if any(type(sign) not in _OPERATORS for sign in used):
        return f"holds an operator that is not known; {_ALLOWED}"
    return ""


def _constant_problem(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"holds {type(value).__name__} where a number must stand; {_ALLOWED}"
    if not abs(value) <= LARGEST:
        return f"holds a number beyond {LARGEST:g}"
    return ""


def _call_problem(node: ast.Call) -> str:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name not in FUNCTIONS:
        return f"calls {name[:60] or 'something that has no name'}; {_ALLOWED}"
    count = FUNCTIONS[name][0]
    if node.keywords or len(node.args) != count:
        return f"calls {name} with other than {count} values"
    return ""


def _word(node: ast.expr) -> str:
    return {
        ast.Attribute: "a dot after a name",
        ast.Subscript: "square brackets",
        ast.IfExp: "if and else (write where(condition, value, otherwise))",
    }.get(type(node), f"a {type(node).__name__}")
