"""The bugs of `mutations` in what a test set has left to err, and in whom a candidate is held to."""

from __future__ import annotations

from ci_scripts.mutants import inside

LEDGER = "tests/unit/evaluation/test_ledger.py"
ANCHOR = "tests/unit/evaluation/test_anchor.py"
LINE = "tests/integration/delivery/test_anchor.py"
PUBLISH = "tests/integration/actions/test_publish.py"
LOOKS = "tests/integration/delivery/test_looks.py"

HOLD = (
    inside(
        "evaluation/ledger.py",
        "ledger: looks cost nothing",
        "return FIRST if looks <= 1 else (1 - FIRST) * 0.5 ** min(looks - 1, LAST)",
        "return FIRST",
        LEDGER,
    ),
    inside(
        "evaluation/ledger.py",
        "ledger: the same candidate again is a new look",
        "looks = seen.index(now.candidate_sha256) + 1 if known else len(seen) + 1",
        "looks = len(seen) + 1",
        LEDGER,
    ),
    inside(
        "evaluation/ledger.py",
        "ledger: mostly equal rows are another test set",
        "if rows.overlap(each, now.sketch) >= rows.SAME}",
        "if False}",
        LEDGER,
    ),
    inside(
        "evaluation/sketch.py",
        "ledger: hashes beyond a sketch's reach count as missing",
        "({h for h in each if h <= reach} for each in (one, other))",
        "(one, other)",
        LEDGER,
    ),
    inside(
        "evaluation/sketch.py",
        "ledger: a sketch keeps the first rows",
        'return "".join(sorted(hashes)[:SIZE])',
        'return "".join(list(hashes)[:SIZE])',
        LEDGER,
    ),
    inside(
        "evaluation/decision.py",
        "ledger: the guard sees less with each look",
        "        alpha=gates.alpha,\n        relative=demand.relative,",
        "        alpha=gates.alpha / 1e6,\n        relative=demand.relative,",
        LEDGER,
    ),
    inside(
        "delivery/looks.py",
        "looks: checks at once in one clone lose looks",
        'git.out("update-ref", OWN, made, old or "")',
        'git.out("update-ref", OWN, made)',
        LOOKS,
    ),
    inside(
        "delivery/looks.py",
        "looks: another clone's looks are overwritten",
        "target = _commit(git, [*_lines(git, SHARED), *ours], parent=git.commit(SHARED))",
        "target = _commit(git, ours, parent=git.commit(SHARED))",
        LOOKS,
    ),
    inside(
        "delivery/looks.py",
        "looks: what is counted here alone does not count",
        "return parse([*_lines(git, SHARED), *_lines(git, OWN)])",
        "return parse(_lines(git, SHARED))",
        LOOKS,
    ),
    inside(
        "delivery/looks.py",
        "looks: a branch of somebody else is built upon",
        "if git.commit(SHARED) is not None and not _lines(git, SHARED):",
        "if False:",
        LOOKS,
    ),
    inside(
        "evaluation/anchor.py",
        "anchor: whoever was released last is the best",
        "or (against == anchor and lower is not None and lower > 0)",
        "or (against == anchor and lower is not None)",
        ANCHOR,
    ),
    inside(
        "evaluation/anchor.py",
        "anchor: better than anybody counts",
        "or (against == anchor and lower is not None and lower > 0)",
        "or (lower is not None and lower > 0)",
        ANCHOR,
    ),
    inside(
        "evaluation/anchor.py",
        "anchor: a release without a verdict begins the line anew",
        "or (not compared and place > begun)",
        "or (against is None and place > begun)",
        ANCHOR,
    ),
    inside(
        "evaluation/ledger.py",
        "anchor: fresh rows allow the same error again",
        "return alpha / (tries * (tries + 1))",
        "return alpha / 2",
        ANCHOR,
    ),
    inside(
        "evaluation/decision.py",
        "anchor: the gate is never asked for",
        "if demand.kind is GateKind.ANCHOR and demand.id not in by_id:",
        "if demand.kind is GateKind.ANCHOR:",
        ANCHOR,
    ),
    inside(
        "evaluation/recheck.py",
        "anchor: a report may leave the best release out",
        "if line is None or not (in_production or check.gate(GateKind.ANCHOR)):",
        "if False:",
        ANCHOR,
    ),
    inside(
        "evaluation/recheck.py",
        "anchor: a report may name a release that never served",
        "if line is not None and line.sha256 not in served:",
        "if False and line is not None:",
        ANCHOR,
    ),
    inside(
        "evaluation/recheck.py",
        "anchor: a report may choose a worse release without a word",
        "elif line is not None and line.sha256 != served[0] and not line.note:",
        "elif False and line is not None:",
        ANCHOR,
    ),
    inside(
        "actions/publish.py",
        "looks: a fork spends what the test rows have left",
        "look = _look(found) if ours and made.possible else None",
        "look = _look(found) if made.possible else None",
        PUBLISH,
    ),
    inside(
        "actions/publish.py",
        "looks: made-up numbers spend what the test rows have left",
        "look = _look(found) if ours and made.possible else None",
        "look = _look(found) if ours else None",
        PUBLISH,
    ),
    inside(
        "actions/publish.py",
        "looks: a fork is green without a look",
        "if maintainer and found.state is State.PASS:",
        "if False:",
        PUBLISH,
    ),
    inside(
        "actions/recompute.py",
        "anchor: the report's own words about the releases are shown",
        "replace(check, line=past.told(check.line))",
        "check",
        PUBLISH,
    ),
    inside(
        "delivery/served.py",
        "anchor: what was rolled back from stays the best",
        "limit=DEEP, by=lambda pointer: pointer.stable)",
        "limit=DEEP, by=id)",
        LINE,
    ),
    inside(
        "delivery/served.py",
        "anchor: a trial hides a rollback",
        "limit=DEEP, by=lambda pointer: pointer.stable)",
        "limit=DEEP)",
        LINE,
    ),
    inside(
        "delivery/served.py",
        "anchor: another branch's releases are part of the line",
        "served_line(git, rev=baseline.commit,",
        'served_line(git, rev="mine" if git.commit("mine") else baseline.commit,',
        LINE,
    ),
    inside(
        "delivery/anchor.py",
        "anchor: a release that cannot answer is passed over in silence",
        'why.append(f"{ref.model} cannot be compared on these rows: {error}".rstrip("."))',
        "pass",
        LINE,
    ),
    inside(
        "evaluation/trials.py",
        "looks: every simulated look is a first one",
        "facts=Facts(train_keys=(), looks=earlier),",
        "facts=Facts(train_keys=()),",
        "tests/integration/delivery/test_simulate_gates.py::test_a_later_look_decides_less",
    ),
)
