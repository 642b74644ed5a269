"""The page: a golden file, self-containment, hostile text, size, and what a reader finds on it."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import jinja2
import pytest

from gitops_model import templates
from gitops_model.report import check_html, svg
from gitops_model.report.interval import Interval
from tests.support import reports

VOID = {"meta", "br", "hr", "img", "input", "link", "path", "circle"}
TAGS = {
    "html", "head", "meta", "title", "style", "body", "main", "header", "section", "footer", "figure", "figcaption",
    "h1", "h2", "h3", "p", "ul", "li", "div", "span", "b", "small", "code", "table", "thead", "tbody", "tr", "th", "td",
    "dl", "dt", "dd", "svg", "path", "circle", "text", "desc",
}  # fmt: skip


class Page(HTMLParser):
    """Every tag closed by its own end tag, none unknown, and no attribute that could load or run anything."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, tag
        for name, value in attrs:
            assert not name.startswith("on") and name not in ("src", "href"), (tag, name)
            assert "url(" not in (value or "")
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data


def test_golden() -> None:
    """One page, without its style sheet, which is a file of its own."""
    page = check_html.render(reports.make("blocked_by_slice"))
    head, _, rest = page.partition("<style>")
    reports.check_golden("page.html", f"{head}<style></style>{rest.partition('</style>')[2]}")
    assert check_html.style() in rest


@pytest.mark.parametrize("problem", reports.PROBLEMS)
@pytest.mark.parametrize("situation", reports.SITUATIONS)
def test_every_situation_is_one_small_self_contained_page(situation: str, problem: str) -> None:
    page = check_html.render(reports.outcome(situation, problem))
    Page(page)
    assert len(page.encode()) < 60_000
    assert "://" not in page and "@import" not in page and "script" not in page


@pytest.mark.parametrize(
    ("problem", "titles"),
    [
        ("binary", ["Calibration", "ROC", "Precision and recall"]),
        ("multiclass", ["Calibration", "Confusion of this PR", "Confusion of production"]),
        ("regression", ["Residuals by prediction"]),
    ],
)
def test_the_curves_fit_the_problem_and_show_both_models(problem: str, titles: list[str]) -> None:
    page = check_html.render(reports.make("better", problem))
    assert re.findall(r"<h3>(.*?)</h3>", page) == titles
    charts = re.findall(r'<svg class="chart".*?</svg>', page)
    assert all("curve candidate" in chart and "curve production" in chart for chart in charts)


def test_every_picture_has_words() -> None:
    page = check_html.render(reports.make("blocked_by_slice"))
    for picture in re.findall(r"<svg .*?</svg>", page, re.DOTALL):
        assert "<title>" in picture or 'aria-hidden="true"' in picture
    for chart in re.findall(r'<svg class="chart".*?</svg>', page):
        assert "<desc>" in chart


def test_the_state_is_a_shape_and_a_word_as_well_as_a_colour() -> None:
    page = check_html.render(reports.make("blocked_by_slice"))
    row = re.search(r"<tr><td class=\"name\">depot=d01.*?</tr>", page, re.DOTALL)
    assert row is not None
    assert "✕ fail" in row[0] and re.search(
        r'class="mark" d="M[\d.]+ [\d.]+(h10v10h-10z|l)', row[0]
    )
    small = re.search(r"<tr><td class=\"name\">depot=corner.*?</tr>", page, re.DOTALL)
    assert small is not None and "too few rows" in small[0] and "<circle" in small[0]


def test_a_gate_that_is_off_stands_right_below_the_verdict() -> None:
    page = check_html.render(reports.make("turned_off"))
    assert re.search(r"</h1>\s*<ul class=\"off\"><li>OFF: latency is turned off: The runner", page)


def test_commands_in_a_sentence_are_code() -> None:
    page = check_html.render(reports.not_evaluated())
    assert "Run <code>make train</code>, then" in page
    assert "<p>A maintainer can run: <code>make check</code></p>" in page


def test_hostile_text_does_nothing() -> None:
    page = check_html.render(reports.hostile())
    shown = Page(page).text
    assert "<img src=x onerror=alert(1)>" in shown
    page.encode()


def test_the_largest_report_stays_below_300_kb() -> None:
    check = reports.huge()
    page = check_html.render(check)
    Page(page)
    assert len(page.encode()) < check_html.MAX_BYTES
    assert "more slices" in page and "more rows stand in check.json" in page


def test_a_real_report_of_many_slices_keeps_150_of_them() -> None:
    check = reports.make("better")
    rows = (replace(check.slices[i % 6], slice=f"depot=d{i:04d}") for i in range(1000))
    check = replace(check, slices=tuple(rows))
    page = check_html.render(check)
    assert len(page.encode()) < check_html.MAX_BYTES
    assert page.count("depot=d0") >= 150 and "850 more slices" in page


def test_the_same_report_gives_the_same_bytes() -> None:
    assert check_html.render(reports.make("better")) == check_html.render(reports.make("better"))


def test_a_report_without_any_number_can_be_rendered() -> None:
    page = check_html.render(reports.without_numbers(reports.make("equal")))
    Page(page)
    assert "no data" in page and not re.search(r"\b(nan|None)\b(?! of)", page)


def test_a_value_that_is_not_given_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError, match="head"):
        templates.render(check_html.PACKAGE, "check.html.j2", most=5, css="")


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-2.3, 4.1, [-2, 0, 2, 4]),
        (0.3, 0.31, [0.3, 0.302, 0.304, 0.306, 0.308, 0.31]),
        (120, 480, [200, 300, 400]),
        (5, 5, [5]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert svg.ticks(low, high) == pytest.approx(expected)


def test_a_strip_puts_numbers_where_they_belong() -> None:
    shown = svg.strip(
        Interval(value=0.5, lower=0.0, upper=None, reference=0.0, limit=-1.0),
        domain=(-1.0, 1.0),
        state="pass",
        said="x < y",
    )
    assert '<circle class="mark" cx="191"' in shown  # 3/4 of the 244 units between the margins
    assert 'class="span" d="M130 12H252"' in shown  # no upper bound: to the edge
    assert "<title>x &lt; y</title>" in shown
