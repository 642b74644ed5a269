"""A call of a model that another thread may end, where the runtime can: ONNX Runtime looks between two operators.

What runs in scikit-learn ends by itself or never: a thread cannot be ended in Python.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any

_here = threading.local()


class Call:
    """`with call:` what this thread asks of a model belongs to the call; `call.end()`, from another, ends it.

    Once ended, everything else that is asked within the call ends at once, until `renew`.
    """

    def __init__(self) -> None:
        # When the call began, on the clock of time.monotonic; None before and after it.
        self.started: float | None = None
        self._options: Any = None
        self._ended = False

    def __enter__(self) -> Call:
        self.started, _here.call = time.monotonic(), self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.started, _here.call = None, None

    def end(self) -> None:
        """Have the model give up, with an error, where it can."""
        self._ended = True
        if self._options is not None:
            self._options.terminate = True

    @property
    def ended(self) -> bool:
        """Whether `end` came, and no `renew` since."""
        return self._ended

    def renew(self) -> None:
        """Let calls through again."""
        self._ended = False
        if self._options is not None:
            self._options.terminate = False

    def options(self) -> Any:
        """ONNX Runtime's options for what is asked within this call."""
        if self._options is None:
            import onnxruntime

            self._options = onnxruntime.RunOptions()
            # `end` may have come before the model was asked.
            self._options.terminate = self._ended
        return self._options


def run_options() -> Any:
    """The options of the call that this thread is in; None outside of one."""
    call: Call | None = getattr(_here, "call", None)
    return None if call is None else call.options()


def ended() -> bool:
    """Whether nobody waits any more for the call that this thread is in."""
    call: Call | None = getattr(_here, "call", None)
    return call is not None and call.ended
