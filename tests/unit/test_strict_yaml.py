"""YAML without trust: no aliases, no numbers that take for ever, no keys that are no texts."""

from __future__ import annotations

import pytest

from gitops_model import strict_yaml
from gitops_model.errors import BadInput
from gitops_model.formats import record

SERVING = "host: 127.0.0.1\nport: 0\n"


def _refused(text: str) -> str:
    with pytest.raises(BadInput) as caught:
        strict_yaml.parse(text, kind="serving", name="serving.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    "text", ["host: &a x\nport: *a\n", "host: &a x\nport: [*a]\n", "? &a host\n: *a\n"]
)
def test_an_alias_is_refused_with_its_line(text: str) -> None:
    assert _refused(text) == (
        "serving.yaml: line 2 repeats a value by the alias *a; write the value out."
    )


def test_aliases_that_double_are_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40))]
    assert "line 2 repeats a value by the alias *a0" in _refused("\n".join(lines))


@pytest.mark.parametrize(
    "text", ["host: &a 127.0.0.1\n", "host: '*a & b'\n", "host: a*b&c # *x &y\n"]
)
def test_an_anchor_alone_and_stars_in_texts_do_no_harm(text: str) -> None:
    assert strict_yaml.parse(text + "port: 0\n", kind="serving", name="serving.yaml")["port"] == 0


def test_a_tag_with_aliases_is_no_release_record() -> None:
    message = "Release x-v1\n\nschema: 1\nmodel: &m x-v1\nrollback_target: *m\n"
    with pytest.raises(BadInput, match="tag x-v1: line 3 repeats a value by the alias"):
        record.parse_record(message, name="x-v1")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "port: 1" + ":1" * 60_000,
            "line 1, column 7 is not valid YAML: a number has 120,001 char",
        ),
        ("port: 0x" + "f" * 5000, "line 1, column 7 is not valid YAML: a number has 5,002 char"),
        ("port: 1." + "1" * 100, "a number has 102 characters; allowed: 60"),
        ("? {a: 1}\n: 2\n", "a key is a list or a mapping; allowed: a text"),
        ("{{}: 1}", "a key is a list or a mapping; allowed: a text"),
        ("host: \0\n", "is not valid YAML: unacceptable character"),
        ("a: b\n" * 40_000, "has 200,000 characters; allowed: 150,000."),
        (
            "a: {<<: {b: 1}}",
            "'<<' merges mappings; write their keys out",
        ),
    ],
    ids=lambda value: value[:24],
)
def test_what_would_break_the_reader_is_refused(text: str, sentence: str) -> None:
    found = _refused(text)
    assert sentence in found
    assert "\n" not in found
    assert len(found) < 300


def test_a_long_text_with_a_mistake_is_refused_by_the_fast_reader() -> None:
    """PyYAML's own reader says more about it, and took half a minute for a megabyte."""
    text = SERVING + "".join(f"# {n}\n" for n in range(10_000)) + "a: [\n"
    assert "is not valid YAML" in _refused(text)
