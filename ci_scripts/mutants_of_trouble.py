"""Small breaks of what is told to people, written to the service's log, and done about models that hang."""

from __future__ import annotations

from ci_scripts.mutants import inside

TELLING = "tests/integration/delivery/test_telling.py"
HANGING = "tests/integration/serving/test_hanging.py"
EVENTS = "tests/unit/serving/test_event_log.py"

TROUBLE = (
    inside(
        "delivery/telling.py",
        "trouble: an event is told again and again",
        "(one for one in found if one.key not in self._told)",
        "iter(found)",
        TELLING,
    ),
    inside(
        "delivery/telling.py",
        "trouble: a restart tells everything again",
        "self._told = list(_read(memory))",
        "self._told = list[str]()",
        TELLING,
    ),
    inside(
        "delivery/telling.py",
        "trouble: what the chat refused counts as told",
        "return None if 200 <= code < 300 else",
        "return None if 200 <= code < 600 else",
        TELLING,
    ),
    inside(
        "delivery/telling.py",
        "trouble: the webhook's address follows a redirect",
        "allow_redirects=False",
        "allow_redirects=True",
        TELLING,
    ),
    inside(
        "delivery/telling.py",
        "trouble: an error of the chat names its address",
        "return type(error).__name__",
        "return str(error)",
        TELLING,
    ),
    inside(
        "delivery/telling.py",
        "trouble: a canary that main no longer names is told",
        'if wanted is not None and one["sha256"] == wanted.sha256:',
        "if True:",
        TELLING,
    ),
    inside(
        "delivery/telling.py",
        "trouble: what passes by itself is told",
        'frozenset({"read", "removed"})',
        "frozenset[str]()",
        TELLING,
    ),
    inside(
        "delivery/telling.py",
        "trouble: the agent waits for the chat",
        "            self._thread.start()\n",
        "            self._thread.start()\n            self._thread.join()\n",
        TELLING,
    ),
    inside(
        "serving/event_log.py",
        "trouble: a caller fills the disk",
        "return count < MOST_A_MINUTE",
        "return True",
        EVENTS,
    ),
    inside(
        "serving/event_log.py",
        "trouble: lines with new words fill the disk",
        "kind, now = (record.pathname, record.lineno)",
        "kind, now = (record.getMessage(), 0)",
        EVENTS,
    ),
    inside(
        "serving/service.py",
        "trouble: a call goes on after its deadline",
        "            call.end()\n",
        "",
        HANGING,
    ),
    inside(
        "runtime/calls.py",
        "trouble: ending a call comes too early",
        "self._options.terminate = self._ended",
        "pass",
        HANGING,
    ),
    inside(
        "serving/watchdog.py",
        "trouble: one lost thread ends the service",
        "if lost < self._threads or self._left:",
        "if lost < 1 or self._left:",
        HANGING,
    ),
    inside(
        "serving/watchdog.py",
        "trouble: the event loop is held for ever",
        "self._held.end()",
        "pass",
        HANGING,
    ),
    inside(
        "serving/watchdog.py",
        "trouble: the process is never ended",
        "self._die(CODE)",
        "pass",
        HANGING,
    ),
)
