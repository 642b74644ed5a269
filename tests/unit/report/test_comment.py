"""The comment as its reader sees it: short, the cause first, and no line that ends inside a number."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from gitops_model import markdown
from gitops_model.formats.check import Check, GateKind, GateState
from gitops_model.report import check_html, check_markdown, comment, heading, sentences
from tests.support import reports, visible
from tests.support.places import ROOT

GOLDENS = sorted(path.name for path in reports.GOLDEN.glob("*.md"))
TABLE = "|:--|--:|--:|:--|:--|\n"


def of(check: Check) -> str:
    return check_markdown.render(check)


def crowded(*, failing: int) -> Check:
    """A check with many failing proofs beside primary and risk, and with two clear losses without a gate."""
    made = reports.make("blocked_by_slice")
    gate = made.gate(GateKind.SLICE_GUARD)
    assert gate is not None
    proof = replace(gate, kind=GateKind.SLICE_PROOF, delta=-0.2, lower=-0.3, upper=-0.1)
    proofs = tuple(replace(proof, slice=f"depot=p{i:02d}") for i in range(failing - 1))
    return sentences.worded(replace(made, gates=(*made.gates, *proofs)))


@pytest.mark.parametrize("name", GOLDENS)
def test_a_comment_is_at_most_25_lines_until_something_is_opened(name: str) -> None:
    body = (reports.GOLDEN / name).read_text(encoding="utf-8")
    assert 2 <= len(visible.lines(body)) <= 25
    assert markdown.units(body) <= check_markdown.LIMIT


@pytest.mark.parametrize("name", GOLDENS)
def test_no_line_ends_between_a_number_and_its_sign_arrow_or_unit(name: str) -> None:
    body = (reports.GOLDEN / name).read_text(encoding="utf-8")
    assert visible.BROKEN.findall(visible.text(body)) == []


def test_the_rule_above_finds_broken_numbers_and_code_stays_as_it_is() -> None:
    for broken in ("▼ 0.1345", "0.7778 → 0.6433", "0.205 ms", "loss < 0.05", "171 rows", "10 %"):
        assert visible.BROKEN.search(broken)
        joined = markdown.unbroken(broken.replace("<", "&lt;"))
        assert not visible.BROKEN.search(joined.replace("&lt;", "<"))
        assert joined.replace("\u00a0", " ") == broken.replace("<", "&lt;")
    assert markdown.unbroken("`sleep 5 ms` \\` 5 ms` a → b") == "`sleep 5 ms` \\` 5\u00a0ms` a → b"


def test_foreign_text_cannot_bring_spaces_of_its_own() -> None:
    assert markdown.escape("a\u00a0b\u2007c\u202fd") == "a b c d"


@pytest.mark.parametrize("failing", [1, 2, 4, 5, 9, 40])
def test_at_most_five_rows_are_visible_and_the_rest_is_counted(failing: int) -> None:
    check = crowded(failing=failing)
    body = of(check)
    first = body.split(TABLE)[1].split("\n\n")[0].splitlines()
    assert len(first) == min(5, failing + 2 + 2)
    blocking = [row.startswith("| ❌ **") for row in first]
    assert blocking == sorted(blocking, reverse=True) and sum(blocking) == min(5, failing)
    assert sum("clearly worse" in row for row in first) == max(0, min(2, 3 - failing))
    left = failing + 2 + 2 - len(first)
    said = re.search(r"<summary>(❌|⚠️) (\d+) more below", body)
    assert (said is None) if left == 0 else (said is not None and int(said[2]) == left)
    # Nothing is lost: every row stands there once, above or in the fold.
    assert len(re.findall(r"^\| ❌ \*\*", body, re.MULTILINE)) == failing
    assert body.count(" clearly worse |") == 2
    assert len(visible.lines(body)) <= 25


def test_what_was_left_out_is_counted_by_kind() -> None:
    assert "<summary>❌ 8 more below: 4 blocking, 2 not blocking, 2 clearly worse, no gate<" in of(
        crowded(failing=9)
    )
    assert "<summary>⚠️ 5 more below: clearly worse, no gate<" in reports.comment_of(
        "blocked_by_primary"
    )


def test_many_reasons_and_warnings_stay_short_too() -> None:
    check = replace(crowded(failing=30), warnings=tuple(f"warning {i}" for i in range(30)))
    body = of(check)
    # Five warnings and five reasons are seen, each with the number of the others.
    assert len(visible.lines(body)) <= 30
    assert "24 more stand below, in “Every gate in a sentence”." in body
    assert "<summary>25 more warnings</summary>" in body
    assert all(f"warning {i}\n" in body for i in range(30))


def test_the_reason_under_the_heading_is_not_said_twice_before_a_fold() -> None:
    seen = "\n".join(visible.lines(reports.comment_of("blocked_by_primary")))
    assert seen.count("Accuracy fell from") == 1
    assert "It is also blocked by" in seen and "Expected cost per row rose from" in seen


@pytest.mark.parametrize("situation", ["better", "blocked_by_slice", "first_release"])
def test_other_test_rows_stand_in_the_first_line(situation: str) -> None:
    made = reports.make(situation)
    for on_base in ("same", "unknown", "other"):
        check = replace(made, test_set=replace(made.test_set, on_base=on_base))
        said = on_base == "other"
        head = heading.verdict(check)
        first = of(check).splitlines()[0]
        assert (f", **{heading.OTHER_ROWS}**: " in first) is said
        # The cause stays in the same line.
        assert markdown.unbroken(markdown.escape(head.reason)) in first
        footing = comment.Footing(
            state=str(check.state), sentence=check.sentence, head_sha="a" * 40, run_id=1
        )
        title = comment.title(check, footing)
        assert (heading.OTHER_ROWS in title[:100]) is said and head.reason in title
        page = check_html.render(check)
        assert page.count("judged on other test rows than main&#39;s") == 2 * said
        for shown in (of(check), page):
            assert ("brings its own test rows or labels" in shown) is said


def test_a_comment_without_numbers_still_links_the_report() -> None:
    footing = comment.Footing(
        state="not_evaluated", sentence="no.", head_sha="a" * 40, run_id=1, report_url="https://x.y"
    )
    assert comment.render(None, footing).count("[full report](https://x.y)") == 1
    assert reports.comment_of("better").count("[full report]") == 1


def test_an_undecided_check_says_how_many_rows_it_would_take() -> None:
    seen = "\n".join(visible.lines(reports.comment_of("inconclusive")))
    assert re.search(r"would need about [\d,]+\u00a0rows, the test set has 300", seen)
    assert any(
        g.state is GateState.INCONCLUSIVE and g.rows_needed
        for g in reports.make("inconclusive").gates
    )


def test_every_golden_comment_has_a_small_picture_in_the_docs() -> None:
    docs = ROOT / "docs"
    shown = re.findall(r"\]\(comments/(\w+)\.png\)", (docs / "comments.md").read_text("utf-8"))
    pictures = list((docs / "comments").glob("*.png"))
    assert sorted(shown) == sorted(path.stem for path in pictures)
    assert sorted(shown) == [name.removesuffix(".md") for name in GOLDENS]
    assert all(path.stat().st_size <= 150_000 for path in pictures)
