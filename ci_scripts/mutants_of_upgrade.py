"""The bugs of `mutations` in an upgrade: what would lose an edit, or bring in another library than promised."""

from __future__ import annotations

from ci_scripts.mutants import Mutation, inside

UPGRADE = "tests/template/test_upgrade_command.py"

UPGRADING: tuple[Mutation, ...] = (
    inside(
        "delivery/upgrade.py",
        "upgrade: a file that is not in Git is overwritten",
        "    _require_no_file_in_the_way(git, merged.tree)\n",
        "",
        f"{UPGRADE}::test_nothing_that_is_not_committed_is_touched",
    ),
    inside(
        "delivery/upgrade.py",
        "upgrade: a wheel that was moved by hand takes part in the merge",
        "    if trees.replaced(git, before, source=base, paths=LIBRARY, index=index) == before:\n",
        "    if True:\n",
        f"{UPGRADE}::test_the_library_is_never_merged",
    ),
    inside(
        "delivery/upgrade.py",
        "upgrade: changes that are not committed come along",
        "    _require_clean(git)\n    start",
        "    start",
        f"{UPGRADE}::test_nothing_that_is_not_committed_is_touched",
    ),
    inside(
        "delivery/upgrade.py",
        "upgrade: work of an earlier upgrade is dropped",
        "    if git.branch() == branch or not git.contains(ancestor=there, rev=",
        "    if git.branch() == branch or False and git.contains(ancestor=there, rev=",
        f"{UPGRADE}::test_the_same_lines_are_an_ordinary_conflict",
    ),
    inside(
        "delivery/upgrade.py",
        "upgrade: a commit after a release is taken back to it",
        " or after:\n",
        ":\n",
        f"{UPGRADE}::test_a_commit_after_the_newest_release_is_not_taken_back_to_it",
    ),
    inside(
        "delivery/git.py",
        "upgrade: a password with a slash is shown",
        'r"://\\S+@"',
        'r"://[^/@\\s]+@"',
        f"{UPGRADE}::test_a_token_in_the_address_is_never_shown",
    ),
    inside(
        "delivery/template.py",
        "upgrade: the newest release counts as the one that was generated",
        "            if line == wanted:\n",
        "            if True:\n",
        f"{UPGRADE}::test_without_edits_the_result_is_the_newer_bake",
    ),
    inside(
        "delivery/template.py",
        "upgrade: the address of the template is overwritten",
        "f'template = \"{origin.written}\"\\n'",
        "'template = \"elsewhere\"\\n'",
        f"{UPGRADE}::test_one_upgrade_follows_another",
    ),
    inside(
        "delivery/template.py",
        "upgrade: the changelog shows what concerns others",
        "            shown = _concerns(line, answers, questions)\n",
        "            shown = True\n",
        f"{UPGRADE}::test_the_changelog_is_cut_to_what_concerns_the_project",
    ),
)
