"""monitor.yaml: how the model is watched, and which shifts are expected."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from gitops_model import strict_yaml


@dataclass(frozen=True, kw_only=True)
class Expected:
    """A shift that somebody expects, until the day `until` (included): no question is asked about it before."""

    signal: str
    until: date
    reason: str


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A validated monitor.yaml. `log` None: the folder that serving.yaml names.

    A question is asked once `alarm` of the last `of` windows show a shift, and ends after `clean` windows without one.
    """

    log: str | None = None
    window_days: int = 1
    alarm: int = 3
    of: int = 5
    clean: int = 5
    smallest_shift: float = 0.1
    false_issue_every_days: float = 365
    labels: str | None = None
    label_coverage: float = 0.8
    expected: tuple[Expected, ...] = ()

    @property
    def windows(self) -> float:
        """Windows in which one false alarm is allowed."""
        return max(1.0, self.false_issue_every_days / self.window_days)

    @staticmethod
    def load(path: Path) -> Settings:
        """Read monitor.yaml. Raises BadInput with every problem of the file."""
        return Settings.parse(path.read_text(encoding="utf-8"), name=str(path))

    @staticmethod
    def parse(text: str, *, name: str) -> Settings:
        """Parse the text of monitor.yaml; `name` is what messages call it. Raises BadInput with every problem."""
        data = strict_yaml.parse(text, kind="monitor", name=name)
        labels, drift = data.get("labels") or {}, data.get("drift") or {}
        known = {
            "log": data.get("log"),
            "window_days": data.get("window_days"),
            "labels": labels.get("path"),
            "label_coverage": labels.get("coverage"),
            "alarm": drift.get("alarm_windows"),
            "of": drift.get("of_windows"),
            "clean": drift.get("clean_windows"),
            "smallest_shift": drift.get("smallest_shift"),
            "false_issue_every_days": drift.get("false_issue_every_days"),
        }
        return Settings(
            **{key: value for key, value in known.items() if value is not None},
            expected=tuple(
                Expected(
                    signal=entry["signal"],
                    until=date.fromisoformat(entry["until"]),
                    reason=entry["reason"],
                )
                for entry in data.get("expected") or ()
            ),
        )
