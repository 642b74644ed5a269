"""The model card: what a bundle is, in words, from its manifest and contract alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gitops_model import markdown, templates
from gitops_model.formats.contract import Contract
from gitops_model.formats.inputs import allowed, when_missing


def render(contract: Contract, manifest: Mapping[str, Any]) -> str:
    """Markdown for MODEL_CARD.md. Every number in it is read from `manifest`."""
    data = manifest["data"]
    shown = templates.render(
        "gitops_model.pipeline",
        "model_card.md.j2",
        contract=contract,
        manifest=manifest,
        data=data,
        success=contract.success,
        delay=_delay(contract.label.arrives_after_days),
        metrics=[(name, value) for name, value in manifest["metrics"].items() if name != "rows"],
        slices=[
            {**entry, "metrics": {contract.success.primary: None, **entry["metrics"]}}
            for entry in manifest["slices"]
        ],
        split=_pairs(data["split"]),
        params=_pairs(dict(sorted(manifest["params"]["model"].items()))),
        libraries=_pairs(manifest["environment"]["libraries"]),
        difference=f"{manifest['parity']['largest_difference']:g}",
        number=number,
        allowed=allowed,
        when_missing=when_missing,
    )
    return markdown.tidy(shown)


def number(value: float | None) -> str:
    """A metric for people, four decimals; "no data" where it is undefined."""
    return "no data" if value is None or not math.isfinite(value) else f"{value:.4f}"


def _delay(days: float) -> str:
    return "at once" if days == 0 else f"{days:g} {'day' if days == 1 else 'days'} later"


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())
