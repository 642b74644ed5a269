"""Small breaks of what several workers are as one: each must turn a test red."""

from __future__ import annotations

from ci_scripts.mutants import inside

MERGING = "tests/unit/serving/test_merging.py"
SHARED = "tests/unit/serving/test_shared.py"
POOLED = "tests/unit/serving/test_pooled.py"
PROCESSES = "tests/integration/serving/test_workers.py"
SUPERVISOR = "tests/integration/serving/test_supervisor.py"
LOAD = "tests/integration/serving/test_under_load.py"
REPLACED = f"{LOAD}::test_workers_are_replaced_one_by_one_and_no_request_even_notices"

WORKERS = (
    inside(
        "serving/merging.py",
        "workers: counts of the ended are forgotten",
        "for other in (*others, ended):",
        "for other in others:",
        MERGING,
    ),
    inside(
        "serving/merging.py",
        "workers: in sync when one of them is",
        "len(commits) == 1 and all(state",
        "len(commits) == 1 and any(state",
        MERGING,
    ),
    inside(
        "serving/merging.py",
        "workers: the one that is asked speaks for all",
        "last = min(states, key=order)",
        "last = own",
        MERGING,
    ),
    inside(
        "serving/merging.py",
        "workers: series of ended workers stay for ever",
        "in (None, *kept):",
        "is not False:",
        MERGING,
    ),
    inside(
        "serving/shared.py",
        "workers: an ended one counts twice for a moment",
        'if data is not None and number not in ended["numbers"]',
        "if data is not None",
        SHARED,
    ),
    inside(
        "serving/shared.py",
        "workers: rows that went with one are not counted",
        "family.samples.get(key, 0.0) + lost",
        "family.samples.get(key, 0.0)",
        SHARED,
    ),
    inside(
        "serving/guard.py",
        "workers: a caller that fails at each counts at each",
        "if not self._is_first(key, now, canary, kind):",
        "if False:",
        POOLED,
    ),
    inside(
        "serving/guard.py",
        "workers: what was taken is taken again",
        "self._arms, self._firsts = (Arm(), Arm()), []\n        self._learn()",
        "self._firsts = []\n        self._learn()",
        POOLED,
    ),
    inside(
        "serving/pooled.py",
        "workers: an old verdict meets a canary that was forgiven",
        "for pair in self._guards.keys() - set(self._named.values()):",
        "for pair in ():",
        POOLED,
    ),
    inside(
        "serving/pooled.py",
        "workers: what was seen goes with workers that end together",
        "self._clock() + KEPT_SECONDS",
        "self._clock()",
        POOLED,
    ),
    inside(
        "serving/pooled.py",
        "workers: an ended one keeps a verdict that another has done with",
        "self._until.setdefault(pair, self._clock() + KEPT_SECONDS)",
        "self._until[pair] = self._clock() + KEPT_SECONDS",
        POOLED,
    ),
    inside(
        "serving/pooled.py",
        "workers: the verdict on another canary is obeyed",
        'if one["pair"] == mine), None)',
        "), None)",
        POOLED,
    ),
    inside(
        "serving/supervisor.py",
        "workers: one that dies at once is started at once for ever",
        "return 0.0 if quick <= 1 else",
        "return 0.0 if quick <= 99 else",
        SHARED,
    ),
    inside(
        "serving/supervisor.py",
        "workers: one that cannot be started is given up",
        "            except OSError as error:\n                quick += 1\n",
        "            except ZeroDivisionError as error:\n                quick += 1\n",
        SUPERVISOR,
    ),
    inside(
        "serving/supervisor.py",
        "workers: two that start together share a row of the board",
        "if place not in self._taken)",
        "if place not in {one.place for one in self.workers.values()})",
        SUPERVISOR,
    ),
    inside(
        "serving/supervisor.py",
        "workers: settings with which none serves stay",
        "                    self._use(before)\n",
        "",
        SUPERVISOR,
    ),
    inside(
        "serving/supervisor.py",
        "workers: one that ends while it is replaced leaves two",
        "leaves = old if old.number in self.workers else new",
        "leaves = old",
        SUPERVISOR,
    ),
    inside(
        "serving/supervisor.py",
        "workers: half a line stays",
        "prediction_log.drop_torn_line(part)",
        "part.exists()",
        SUPERVISOR,
    ),
    inside(
        "serving/supervisor.py",
        "workers: an old one leaves before the new one can answer",
        "if not ready.done() or ended.done():",
        "if False:",
        f"{PROCESSES}::test_a_replacement_that_does_not_serve_replaces_nobody",
    ),
    inside(
        "serving/trial.py",
        "workers: all load a large bundle at once",
        "        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        "",
        "tests/integration/serving/test_trial.py::test_a_large_bundle_is_loaded_by_one_worker_after_the_other",
    ),
    inside(
        "serving/protocol.py",
        "workers: a kill may leave half an answer",
        "            self._head = data\n            return\n",
        "            pass\n",
        "tests/unit/serving/test_whole_answers.py",
    ),
    inside(
        "serving/worker.py",
        "workers: callers are let in by one that has no model",
        "if self._member.others_ready:",
        "if False:",
        REPLACED,
    ),
    inside(
        "serving/worker.py",
        "workers: one that leaves hangs up on its callers",
        "while self.server_state.connections:",
        "while False:",
        REPLACED,
    ),
)
