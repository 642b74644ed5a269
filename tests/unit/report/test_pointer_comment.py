"""The comment on a change of production.yaml: the change or the cause first, all reasons, nothing that is not known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gitops_model import markdown
from gitops_model.report import check_markdown, comment, pointer_comment
from gitops_model.report.pointer_comment import Comparison, Delta, Move
from tests.support import reports, visible

FOOTING = comment.Footing(state="pass", sentence="", head_sha="a" * 40, run_id=1)
BARE = Move(change="m-v1 → m-v2")


def seen(move: Move) -> list[str]:
    return visible.lines(comment.render(move, FOOTING))


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("ship", "✅ May ship: **parcel-delay-v3 → parcel-delay-v4**"),
        ("revert", "✅ May roll back: **parcel-delay-v3 → parcel-delay-v2**"),
        ("canary", "✅ May ship: **parcel-delay-v4 gets 10\u00a0% of the traffic**"),
        (
            "ship_blocked",
            "❌ Do not merge: **production is frozen: the depots are counted until Friday, and 2 more**",
        ),
    ],
)
def test_the_first_line_is_the_change_or_the_cause(name: str, first: str) -> None:
    move = reports.MOVES[name]
    assert seen(move)[0] == first
    title = comment.title(move, FOOTING)
    assert title == first[2:].replace("**", "").replace("\u00a0", " ")
    assert move.sentence == f"{title}."
    assert move.state == ("blocked" if name == "ship_blocked" else "pass")


def test_every_reason_stands_in_full_and_a_single_short_one_stands_once() -> None:
    body = comment.render(reports.MOVES["ship_blocked"], FOOTING)
    for reason in reports.MOVES["ship_blocked"].reasons:
        # An id has no capital letter.
        first = reason[0] if reason.startswith("parcel-delay-v4 ") else reason[0].upper()
        assert f"- {markdown.unbroken(markdown.escape(first + reason[1:], limit=999))}" in body
    once = comment.render(replace(BARE, reasons=("a short reason.",)), FOOTING)
    assert once.count("short reason") == 1 and "Why it is blocked" not in once
    long = comment.render(replace(BARE, reasons=("A first sentence. And help.",)), FOOTING)
    assert "**A first sentence**" in long and "- A first sentence. And help." in long


def test_what_is_not_known_is_left_out() -> None:
    assert seen(BARE) == [
        "✅ May ship: **m-v1 → m-v2**",
        "Release, bundle, contract and the way back were verified.",
        "<sub>commit aaaaaaaaaaaa · nothing is in production yet</sub>",
    ]


def test_many_reasons_are_folded_and_none_is_lost() -> None:
    reasons = tuple(f"reason {i} stands against it." for i in range(40))
    body = comment.render(replace(BARE, reasons=reasons), FOOTING)
    assert len(visible.lines(body)) <= 25 and "<summary>32 more</summary>" in body
    assert all(f"Reason {i} stands" in body for i in range(40))


def test_hostile_text_does_nothing_and_any_length_fits() -> None:
    hostile = reports.HOSTILE * 3
    move = Move(
        change=hostile,
        reasons=tuple(f"{i} {hostile * 3}" for i in range(200)),
        notes=tuple(f"{i} {hostile * 3}" for i in range(200)),
        comparison=Comparison(
            old=hostile,
            new=hostile,
            deltas=(Delta(metric="f1", old=0.1, new=0.2, gain=0.1, remark=hostile),),
            measured=hostile,
        ),
        served=hostile,
        way_back=hostile,
    )
    for one in (move, replace(move, reasons=())):
        body = comment.render(one, FOOTING)
        assert markdown.units(body) <= check_markdown.LIMIT
        assert body.count("<!-- model-gate") == 1
        assert body.count("<details>") == body.count("</details>")
        shown = visible.text(body)
        assert "@octocat" not in shown and "://" not in shown and "javascript:x" not in shown
        assert "<img" not in body and "](" not in body.replace("\\](", "").replace("\\]\u200b(", "")
    assert "reasons are left out here" in comment.render(move, FOOTING)


def test_the_change_is_the_title_of_the_status_without_commands_of_the_runner() -> None:
    title = comment.title(replace(BARE, change="::error::x ##[error] \n y"), FOOTING)
    assert "\n" not in title and "##[" not in title and title.startswith("May ship: ")
    assert len(pointer_comment.head(replace(BARE, change="x" * 5000)).line) < 400
