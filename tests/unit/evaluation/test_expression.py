"""Expressions of gates.yaml: what is computed, and that nothing outside the grammar is."""

import ast
import string
import warnings
from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_model.evaluation import expression
from gitops_model.evaluation.expression import Refused, parse

ROWS = 7
COLUMNS = {
    "score": np.linspace(0, 1, ROWS),
    "label": np.array([0, 1, 1, 0, 0, 1, 0.0]),
    "amount": np.array([3, 0, 250, 1, 9, np.nan, 40]),
    "threshold": 0.5,
}


def value(text):
    return parse(text, names=COLUMNS)(COLUMNS, rows=ROWS)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("score", COLUMNS["score"]),
        ("  2 * score - 1 ", 2 * COLUMNS["score"] - 1),
        ("1", np.ones(ROWS)),
        ("(score >= threshold) - (label == 1)", [0, -1, -1, 1, 1, 0, 1]),
        ("where(score >= threshold and not label, 5, 0)", [0, 0, 0, 5, 5, 0, 5]),
        ("label == 1 or score > 0.9", [0, 1, 1, 0, 0, 1, 1]),
        ("where(missing(amount), 0, min(amount, 50))", [3, 0, 50, 1, 9, 0, 40]),
        ("max(-label, -0.5) + abs(-1)", [1, 0.5, 0.5, 1, 1, 0.5, 1]),
        ("2 ** 3 ** 0 / 4", np.full(ROWS, 0.5)),
        ("floor(log(exp(sqrt(4))) + 0.5)", np.full(ROWS, 2.0)),
        ("score != score", np.zeros(ROWS)),
    ],
)
def test_an_expression_gives_one_number_a_row(text, wanted):
    found = value(text)
    assert found.shape == (ROWS,) and found.dtype == np.float64
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_it_tells_which_columns_it_reads():
    assert parse("where(score > 0, amount, 1)", names=COLUMNS).names == {"score", "amount"}


HOSTILE = [
    ("__import__('os').system('id')", "calls something that has no name"),
    ("().__class__.__bases__[0].__subclasses__()", "calls something that has no name"),
    ("score.__class__", "a dot after a name"),
    ("score.tofile", "a dot after a name"),
    ("score.T.base.data", "a dot after a name"),
    ("score[0]", "square brackets"),
    ("score[0:1]", "square brackets"),
    ("open('/etc/passwd')", "calls open"),
    ("eval('1')", "calls eval"),
    ("getattr(score, 'base')", "calls getattr"),
    ("sum(score)", "calls sum"),
    ("where", "names 'where'"),
    ("abs", "names 'abs'"),
    ("__builtins__", "names '__builtins__'"),
    ("lambda: 1", "a Lambda"),
    ("(lambda: 1)()", "calls something that has no name"),
    ("[x for x in score]", "a ListComp"),
    ("{x: 1 for x in score}", "a DictComp"),
    ("(x for x in score)", "a GeneratorExp"),
    ("[score] * 1000000", "a List"),
    ("(score, score)", "a Tuple"),
    ("(y := score)", "a NamedExpr"),
    ("f'{score}'", "a JoinedStr"),
    ("'a' * 1000000000", "holds str where a number must stand"),
    ("b'a'", "holds bytes where a number must stand"),
    ("1j", "holds complex where a number must stand"),
    ("True", "holds bool where a number must stand"),
    ("None", "holds NoneType where a number must stand"),
    ("...", "holds ellipsis where a number must stand"),
    ("1e400", "a number beyond 1e+12"),
    ("9" * 300, "a number beyond 1e+12"),
    ("1 << 1000000", "an operator that is not known"),
    ("score % 2", "an operator that is not known"),
    ("score // 2", "an operator that is not known"),
    ("score @ score", "an operator that is not known"),
    ("~score", "an operator that is not known"),
    ("label is 1", "an operator that is not known"),
    ("score in label", "an operator that is not known"),
    ("0 < score < 1", "chains comparisons"),
    ("score if label else 0", "if and else"),
    ("min(*score, label)", "a Starred"),
    ("min(score)", "calls min with other than 2 values"),
    ("min(score, label, amount)", "calls min with other than 2 values"),
    ("where(condition=score, x=1, y=2)", "calls where with other than 3 values"),
    ("abs(**score)", "calls abs with other than 1 values"),
    ("await score", "a Await"),
    ("(yield score)", "a Yield"),
    ("scor", "did you mean score?"),
    ("import os", "cannot be read"),
    ("x = 1", "cannot be read"),
    ("score; label", "cannot be read"),
    ("", "cannot be read"),
    ("score\n+ 1", "one line"),
    ("score\x00", "one line"),
    ("\uff53core", "plain ASCII"),
    ("-" * 399 + "1", "is too large"),
    ("(" * 25 + "1" + "+1)" * 25, "is too large"),
    ("1" + "+1" * 90, "is too large"),
    (reduce(lambda inner, _: f"({inner}+{inner})", range(6), "1"), "is too large"),
    ("score + " * 60 + "1", "has 481 characters; allowed: 400"),
]


@pytest.mark.parametrize(("text", "words"), HOSTILE)
def test_everything_else_is_refused_with_what_is_allowed(text, words):
    with pytest.raises(Refused) as refused:
        parse(text, names=COLUMNS)
    assert words in str(refused.value)


def test_huge_powers_are_infinite_at_once():
    assert np.isinf(value("10 ** 10 ** 10")).all()


def test_a_place_in_the_text_is_told():
    with pytest.raises(Refused, match="^at character 11: names 'amout'.*did you mean amount"):
        parse("1 + score*amout", names=COLUMNS)


@settings(max_examples=400, deadline=None)
@given(
    st.text(alphabet=string.printable, max_size=60)
    | st.lists(
        st.sampled_from(
            [*COLUMNS, *expression.FUNCTIONS, *"()+-*/<>=.,[]:{}'\"", "and", "or", "not", "if", "else",
             "**", "==", "0", "1e9", " ", "lambda", "for", "in", "__class__", "await", "yield", ":="]
        ),
        max_size=14,
    ).map(" ".join)
)  # fmt: skip
def test_any_text_is_refused_or_gives_numbers(text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            found = value(text)
        except Refused:
            return
    assert found.shape == (ROWS,) and found.dtype == np.float64
    inner = [type(node) for node in ast.walk(ast.parse(text.strip(), mode="eval").body)]
    assert not {ast.Attribute, ast.Subscript, ast.Lambda, ast.Starred} & set(inner)


LEAVES = st.sampled_from(["score", "label", "amount", "threshold", "2", "0.25"])
TREES = st.recursive(
    LEAVES,
    lambda inner: st.tuples(st.sampled_from("+-*"), inner, inner).map(
        lambda parts: f"({parts[1]} {parts[0]} {parts[2]})"
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(TREES)
def test_arithmetic_is_that_of_numpy(text):
    wanted = np.broadcast_to(eval(text, {}, dict(COLUMNS)), (ROWS,))  # noqa: S307
    np.testing.assert_allclose(value(text), wanted, rtol=1e-12)


def test_work_is_one_pass_a_step():
    """A hundred times the rows must not change what is held: every step gives one number a row or one for all."""
    many = {name: np.resize(column, 100 * ROWS) for name, column in COLUMNS.items()}
    found = parse("where(label == 1, score, 1 - score) * 3", names=many)(many, rows=100 * ROWS)
    np.testing.assert_allclose(found[:ROWS], value("where(label == 1, score, 1 - score) * 3"))
