"""The Markdown report: golden files, hostile text, and the size that GitHub takes."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from gitops_model import markdown
from gitops_model.formats.check import NotEvaluated
from gitops_model.report import check_html, check_markdown, heading, sentences
from tests.support import reports

FOOTER = ["<sub>commit 1234567 · [run](https://example.invalid/run)</sub>"]


@pytest.mark.parametrize("situation", [*reports.SITUATIONS, *reports.MOVES])
def test_golden(situation: str) -> None:
    reports.check_golden(f"{situation}.md", reports.comment_of(situation))


@pytest.mark.parametrize("problem", reports.PROBLEMS)
@pytest.mark.parametrize("situation", reports.SITUATIONS)
def test_every_situation_is_well_formed(situation: str, problem: str) -> None:
    well_formed(check_markdown.render(reports.outcome(situation, problem), footer=FOOTER))


@pytest.mark.parametrize(
    ("situation", "first"),
    [
        ("better", "### ✅ May ship: **accuracy rises 0."),
        ("blocked_by_slice", "### ❌ Do not merge: **accuracy at depot=d01 falls 0."),
        ("first_release", "### ✅ May ship as the first release: **accuracy is 0."),
        (
            "not_evaluated",
            "### ⚠️ Not evaluated: **the candidate's bundle build/model.tar is missing.",
        ),
    ],
)
def test_the_first_line_is_the_verdict(situation: str, first: str) -> None:
    assert check_markdown.render(reports.outcome(situation)).startswith(first)


def test_a_gate_that_is_off_stands_in_bold_before_anything_else() -> None:
    lines = check_markdown.render(reports.make("turned_off")).splitlines()
    assert (
        lines[2] == "**⏸️ OFF: latency is turned off: The runner is being replaced until Friday.**"
    )


def test_a_changed_test_set_is_a_warning() -> None:
    assert "> [!WARNING]\n> - The test set changed" in check_markdown.render(
        reports.make("turned_off")
    )


def test_failing_rows_come_first_and_in_bold() -> None:
    lines = check_markdown.render(reports.make("blocked_by_slice")).splitlines()
    rows = lines[lines.index("|:--|--:|--:|:--|:--|") + 1 :]
    failing = [row.startswith("| ❌ **") for row in rows[: rows.index("")]]
    assert failing[0] and failing == sorted(failing, reverse=True)


def test_the_row_of_a_failing_slice_says_both_numbers_and_draws_them() -> None:
    check = reports.make("blocked_by_slice")
    row = next(row for row in check.slices if row.slice == "depot=d01")
    assert (
        f"| ❌ **depot=d01** · accuracy, {row.rows}\u00a0rows | {row.production:.4f} | **{row.candidate:.4f}** "
        f"| **▼\u00a0{-(row.delta or 0):.4f}** `·━━━●━━━━┆·│·` | loss\u00a0&lt;\u00a00.05 |"
        in check_markdown.render(check)
    )


def test_a_clear_loss_that_no_gate_looks_at_is_named() -> None:
    check = reports.make("blocked_by_slice")
    lost = {row.title for row in check.metrics if row.upper is not None and row.upper < 0}
    assert lost == {"PR AUC", "log loss"}
    for title in lost:
        assert f"| ⚠️ {title} · no gate |" in check_markdown.render(check)


def test_without_time_nothing_speaks_of_time() -> None:
    check = reports.make("better")
    timeless = replace(check, test_set=replace(check.test_set, window=None), data_diff=())
    timeless = sentences.worded(
        replace(timeless, gates=tuple(replace(g, method="keys") for g in timeless.gates))
    )
    assert "window" in check_markdown.render(check)
    for shown in (check_markdown.render(timeless), check_html.render(timeless)):
        assert "window" not in shown and "2024-04" not in shown


def test_the_arrow_knows_the_direction() -> None:
    check = reports.make("better")
    cost = next(m for m in check.metrics if m.metric == "expected_cost")
    assert cost.better == "lower" and cost.candidate < cost.production
    assert (
        f"{cost.production:.4f} | {cost.candidate:.4f} | ▲\u00a0{cost.delta:.4f}"
        in check_markdown.render(check)
    )


def test_no_change_is_said_as_such() -> None:
    assert "| ±0 `" in check_markdown.render(reports.make("equal"))


def test_the_trusted_side_may_replace_verdict_and_warnings() -> None:
    head = heading.verdict(
        reports.make("better"),
        state="pending",
        sentence="Waiting.",
        warnings=["Read `gates.yaml`."],
    )
    body = check_markdown.render(reports.make("better"), head=head)
    assert body.startswith("### ⏳ Not evaluated yet: **Waiting.**")
    assert "> - Read `gates.yaml`." in body


def test_what_the_trusted_side_decided_goes_before_what_the_gates_say() -> None:
    said = "Blocked: v4 is in production now, and this check compared with another model."
    for situation in ("better", "blocked_by_slice"):
        head = heading.verdict(reports.make(situation), state="blocked", sentence=said)
        assert head.line.startswith("Do not merge: v4 is in production now")


def test_hostile_text_does_nothing() -> None:
    body = check_markdown.render(reports.hostile(), footer=FOOTER)
    well_formed(body)
    assert "octocat" in body


def test_a_huge_report_is_cut_between_rows_and_keeps_every_failing_gate() -> None:
    check = reports.huge()
    body = check_markdown.render(check, footer=FOOTER)
    assert markdown.units(body) <= check_markdown.LIMIT
    assert markdown.units(body) > 0.9 * check_markdown.LIMIT
    well_formed(body)
    assert body.startswith("### ❌ Do not merge: ")
    failing = sum(gate.blocks for gate in check.gates)
    assert failing > 40
    assert len(re.findall(r"^\| ❌ \*\*", body, re.MULTILINE)) == failing
    assert "of 2,000 are left out here" in body and body.count("of 500 are left out here") == 2
    assert FOOTER[0] in body


@pytest.mark.parametrize("limit", [0, 300, 3000, 10_000, 30_000])
def test_any_limit_is_kept(limit: int) -> None:
    for check in (reports.huge(300), reports.make("better"), reports.not_evaluated()):
        assert markdown.units(check_markdown.render(check, limit=limit)) <= limit


def test_the_same_report_gives_the_same_text() -> None:
    assert check_markdown.render(reports.make("better")) == check_markdown.render(
        reports.make("better")
    )


def test_a_report_without_any_number_can_be_rendered() -> None:
    body = check_markdown.render(reports.without_numbers(reports.make("equal")))
    well_formed(body)
    assert "no data" in body and not re.search(r"\b(nan|None)\b(?! of)", body)


def well_formed(body: str) -> None:
    """Tables have equal rows, details are closed, and no text became a link, a picture, a tag or a mention."""
    assert body.count("<details>") == body.count("</details>")
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(body)
    inside = [child for token in tokens for child in token.children or []]
    links = [child.attrs["href"] for child in inside if child.type == "link_open"]
    assert set(links) <= {"https://example.invalid/run"}
    assert not any(child.type in ("image", "s_open") for child in inside)
    html = " ".join(
        t.content for t in [*tokens, *inside] if t.type in ("html_inline", "html_block")
    )
    assert set(re.findall(r"</?[^>]*>", html)) <= {
        "<details>", "</details>", "<summary>", "</summary>", "<sub>", "</sub>", "<span>", "</span>",
    }  # fmt: skip
    visible = " ".join(child.content for child in inside if child.type == "text")
    assert not re.search(r"@\w|#\d|(?i:gh-\d)|://|(?i:www\.)", visible, re.ASCII)
    assert not re.search("[\u202a-\u202e\u200d\ud800-\udfff]", body)
    tables = re.findall(r"(?:^\|.*\|\n)+", body, re.MULTILINE)
    for table in tables:
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(cells) == 1, table
    # What looks like a table row must be part of a table, or the page would show bars.
    assert sum(t.type == "tr_open" for t in tokens) == sum(len(t.splitlines()) - 1 for t in tables)


def test_not_evaluated_shows_the_hint_as_a_command() -> None:
    body = check_markdown.render(
        NotEvaluated(sentence="no data.", hint="A maintainer runs `make check`.")
    )
    assert "A maintainer runs `make check`." in body
