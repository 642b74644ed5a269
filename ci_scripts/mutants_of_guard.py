"""Small breaks of the guard of the canary: each must turn a test red."""

from __future__ import annotations

from ci_scripts.mutants import inside

GUARD = (
    inside(
        "serving/evidence.py",
        "guard: bets on whose the errors are forget the margin",
        "share = gain - margin * all_requests",
        "share = gain",
        "tests/unit/serving/test_evidence.py",
    ),
    inside(
        "serving/evidence.py",
        "guard: bets on the difference forget the margin",
        "difference = k_c / n_c - k_s / n_s - margin",
        "difference = k_c / n_c - k_s / n_s",
        "tests/unit/serving/test_evidence.py",
    ),
    inside(
        "serving/evidence.py",
        "guard: capital out of nothing",
        "unspent(self._buckets) + self._bets",
        "1 + self._bets",
        "tests/unit/serving/test_evidence.py",
    ),
    inside(
        "serving/evidence.py",
        "guard: ok within twice the margin",
        "difference = margin - (k_c / n_c - k_s / n_s)",
        "difference = 2 * margin - (k_c / n_c - k_s / n_s)",
        "tests/unit/serving/test_evidence.py",
    ),
    inside(
        "serving/guard.py",
        "guard: one caller that repeats takes a canary out",
        "if before is not None and now - before < REPEAT_SECONDS:",
        "if False:",
        "tests/unit/serving/test_guard.py",
    ),
    inside(
        "serving/guard.py",
        "guard: a canary is ok before its time",
        "        if missing:\n            return missing\n",
        "",
        "tests/unit/serving/test_guard.py",
    ),
    inside(
        "serving/guard.py",
        "guard: sparse traffic finds no pair",
        "(paired or age >= PATIENCE_SECONDS)",
        "True",
        "tests/unit/serving/test_guard.py",
    ),
    inside(
        "serving/guard.py",
        "guard: large batches are slow answers",
        "size = rows.bit_length()",
        "size = 1",
        "tests/unit/serving/test_guard.py",
    ),
    inside(
        "serving/guard.py",
        "guard: microseconds are slow answers",
        "max(slower, LEAST_SLOWER_SECONDS)",
        "slower",
        "tests/unit/serving/test_guard.py",
    ),
    inside(
        "serving/guard.py",
        "guard: other scores take a canary out",
        "(self._panel.against[: len(ACTING)] >= 1)",
        "(self._panel.against >= 1)",
        "tests/unit/serving/test_guard.py",
    ),
    inside(
        "serving/guarding.py",
        "guard: refused requests are judged",
        " or (status < 500 and not rows)",
        "",
        "tests/unit/serving/test_guarding.py",
    ),
    inside(
        "serving/guarding.py",
        "guard: evidence is forgotten at each look at the pointer",
        "if self.judge is not None and pair == (self.judge.stable, self.judge.canary):",
        "if False:",
        "tests/unit/serving/test_guarding.py",
    ),
    inside(
        "serving/desired.py",
        "guard: a removed canary stays while the next release cannot be loaded",
        "        live = replace(live, canary=None, canary_rule=None)",
        "        pass",
        "tests/integration/serving/test_desired.py",
    ),
    inside(
        "serving/desired.py",
        "guard: a removed canary is routed",
        "refusals, canary = [_failure(pointer.canary.ref, REMOVED, sentence)], None",
        "refusals = [_failure(pointer.canary.ref, REMOVED, sentence)]",
        "tests/integration/serving/test_desired.py",
    ),
    inside(
        "serving/watcher.py",
        "guard: a removal is not written down",
        "            removed.add(path, unsaved.values())\n",
        "",
        "tests/integration/serving/test_canary_guard.py",
    ),
    inside(
        "serving/watcher.py",
        "guard: what is forgiven stays out",
        "return before != self._removed",
        "return False",
        "tests/integration/serving/test_canary_guard.py",
    ),
    inside(
        "serving/guarding.py",
        "guard: act: false acts",
        "if not self._rules.act:",
        "if False:",
        "tests/integration/serving/test_canary_guard.py",
    ),
)
