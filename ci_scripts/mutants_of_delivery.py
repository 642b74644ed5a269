"""The bugs of `mutations` on the way to production and back: pointer, release, rollback, deploy."""

from __future__ import annotations

from ci_scripts.mutants import Mutation, inside

POINTER = "tests/unit/formats/test_pointer.py"
SHIP = "tests/integration/delivery/test_ship.py"
ROLLBACK = "tests/integration/delivery/test_rollback.py"
DEPLOY = "tests/integration/delivery/test_deploy.py"
HISTORY = "tests/integration/delivery/test_history.py"
VERIFY = "tests/integration/delivery/test_verify.py"

DELIVER: tuple[Mutation, ...] = (
    inside(
        "delivery/ship.py",
        "ship: a shadow is promoted without a word of how it did",
        "if promoted or (ref == current.shadow and not wish.shadow):",
        "if promoted:",
        "tests/integration/delivery/test_canary.py",
    ),
    inside(
        "formats/pointer.py",
        "pointer: a switch forgets what was stable",
        "stable=new, previous=pointer.stable,",
        "stable=new, previous=pointer.previous,",
        POINTER,
    ),
    inside(
        "formats/pointer.py",
        "pointer: a canary keeps its percent on a switch",
        "canary=None, shadow=None, freeze=pointer.freeze",
        "canary=pointer.canary, shadow=None, freeze=pointer.freeze",
        POINTER,
    ),
    inside(
        "formats/pointer.py",
        "pointer: a switch lifts the freeze",
        "canary=None, shadow=None, freeze=pointer.freeze",
        "canary=None, shadow=None, freeze=None",
        POINTER,
    ),
    inside(
        "delivery/pointer_checks.py",
        "pointer: the gate ignores a freeze",
        "if current.freeze is not None and not back and",
        "if False and not back and",
        f"{SHIP}::test_a_freeze_lets_only_a_rollback_through",
    ),
    inside(
        "delivery/pointer_checks.py",
        "pointer: nobody looks whether the way back is there",
        "    if new.stable != current.stable:\n",
        "    if False:\n",
        SHIP,
    ),
    inside(
        "delivery/releases.py",
        "pointer: a tag is believed whatever its commit built",
        "    if is_locked(git, release) or dvc.default_remote(git.root) is None:\n",
        "    if True:\n",
        VERIFY,
    ),
    inside(
        "delivery/releases.py",
        "verify: the record need not agree with the bundle",
        "    found = agreement.differences(release.record, agreement.of_bundle(bundle))\n",
        "    found: list[str] = []\n",
        VERIFY,
    ),
    inside(
        "delivery/verify.py",
        "verify: the sums are not compared",
        "    if lines != wanted:\n",
        "    if False:\n",
        VERIFY,
    ),
    inside(
        "delivery/verify.py",
        "verify: the verdict is not compared",
        "    _agree(made, check)\n    return check\n",
        "    return check\n",
        VERIFY,
    ),
    inside(
        "delivery/pointer_checks.py",
        "pointer: a moved tag is believed",
        "    if model in moved:\n",
        "    if False:\n",
        SHIP,
    ),
    inside(
        "delivery/steps.py",
        "rollback: forward to what was rolled back from",
        "            del line[places[-1] + 1 :]\n",
        "            line.append(step)\n",
        ROLLBACK,
    ),
    inside(
        "delivery/rollback.py",
        "rollback: to the oldest instead of the previous",
        "for step in reversed(line[:-1]))",
        "for step in line[:-1])",
        ROLLBACK,
    ),
    inside(
        "delivery/rollback.py",
        "rollback: gives a canary everything",
        "        and stable not in _on_trial(current)\n",
        "",
        f"{ROLLBACK}::test_a_rollback_never_gives_a_canary_everything",
    ),
    inside(
        "delivery/rollback.py",
        "rollback: back to the canary that the bad release was",
        "        current.stable not in _on_trial(before)\n        and stable",
        "        stable",
        f"{ROLLBACK}::test_a_release_that_was_tried_first_is_taken_out_altogether",
    ),
    inside(
        "delivery/rollback.py",
        "rollback: lifts the freeze",
        "return replace(before, freeze=current.freeze),",
        "return replace(before, freeze=None),",
        ROLLBACK,
    ),
    inside(
        "delivery/deploy.py",
        "deploy: the pointer is written before the bundles are there",
        "    back = before.pointer.previous if before else None\n",
        "    store.write(pointer, commit=wanted.commit)\n"
        "    back = before.pointer.previous if before else None\n",
        DEPLOY,
    ),
    inside(
        "delivery/confirm.py",
        "deploy: what the service serves is not read back",
        "return all(live.get(role) == target[role]",
        "return any(True or live.get(role) == target[role]",
        DEPLOY,
    ),
    inside(
        "delivery/deploy.py",
        "deploy: a refused release stays in the store",
        "        raise _put_back(goal, stored, seen, error) from error\n",
        "        raise\n",
        DEPLOY,
    ),
    inside(
        "delivery/confirm.py",
        "deploy: golden answers are not compared",
        '        if not same(found, line["output"], tolerance=GOLDEN_TOLERANCE):\n',
        "        if False:\n",
        DEPLOY,
    ),
    inside(
        "delivery/deploy.py",
        "deploy: a broken contract goes through",
        "        elif found is not None:\n",
        "        elif False:\n",
        DEPLOY,
    ),
    inside(
        "delivery/history.py",
        "history: a way back counts as a deployment",
        'return "rollback" if wanted.stable is None or wanted.stable in line else "deploy"',
        'return "deploy"',
        HISTORY,
    ),
    inside(
        "delivery/history.py",
        "history: a release that is shipped again counts as a way back",
        'line = line[: line.index(wanted.stable)] if kind == "rollback" else line',
        "line = list(line)",
        HISTORY,
    ),
    inside(
        "delivery/history.py",
        "history: it serves since the last change, not since its own",
        "        first = commit\n",
        "        first = first or commit\n",
        HISTORY,
    ),
    inside(
        "delivery/history.py",
        "history: it serves since it first did, before another release",
        "        if pointer.stable != stable:\n            break\n",
        "        if pointer.stable != stable:\n            continue\n",
        HISTORY,
    ),
)
