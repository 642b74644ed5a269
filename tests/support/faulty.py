"""`gitops-model` with faults: bundles fail or are slow, as the file named in FAULTS says. Started, not imported.

FAULTS holds `{"<sha256>": {"errors": 0.3, "fallbacks": 0.1, "seconds": 0.02, "times": 3}}`, where a bundle
that is slow by `times` takes so many times what it took otherwise, and is read again at each request.
"""

import json
import os
import random
import sys
import time
from pathlib import Path

from gitops_model import cli
from gitops_model.serving import service, supervisor, worker
from gitops_model.serving.hot_path import HotPath
from gitops_model.serving.predictor import ModelFailed

_evaluate = service.evaluate
_answer = HotPath.answer
_random = random.Random(7)


def _faulty(loaded, rows, *, batch):
    faults = json.loads(Path(os.environ["FAULTS"]).read_text()).get(loaded.sha256, {})
    if _random.random() < faults.get("errors", 0):
        raise ModelFailed("a fault of the test")
    started = time.perf_counter()
    time.sleep(faults.get("seconds", 0))
    answers = _evaluate(loaded, rows, batch=batch)
    time.sleep((faults.get("times", 1) - 1) * (time.perf_counter() - started))
    if _random.random() < faults.get("fallbacks", 0):
        answers = [one._replace(fell_back=True) for one in answers]
    return answers


def _hot(self, *words):
    """Faults are the plain path's."""
    faulty = any(json.loads(Path(os.environ["FAULTS"]).read_text()).values())
    return None if faulty else _answer(self, *words)


if __name__ == "__main__":
    service.evaluate = _faulty
    HotPath.answer = _hot
    supervisor.COMMAND = (sys.executable, __file__, "worker")
    sys.exit(worker.main(sys.argv[2:]) if sys.argv[1] == "worker" else cli.main())
