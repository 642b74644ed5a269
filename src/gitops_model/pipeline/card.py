"""The model card: what a bundle is, in words, from its manifest and contract alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gitops_model.formats.contract import Contract
from gitops_model.formats.inputs import Input, allowed, when_missing


def render(contract: Contract, manifest: Mapping[str, Any]) -> str:
    """Markdown for MODEL_CARD.md. Every number in it is read from `manifest`."""
    data, metrics = manifest["data"], manifest["metrics"]
    label = contract.label
    success = contract.success
    split = ", ".join(f"{key} {value}" for key, value in data["split"].items())
    lines = [
        f"# Model card: {contract.task}",
        "",
        f"Answers `{contract.output.name}`{_colon(contract.output.description)}",
        f"The truth it is measured by: {label.definition}; known after {label.arrives_after_days:g} days.",
        "",
        "## How good it is",
        "",
        f"On {data['rows']['test']:,} rows{_span(data, 'test')} that it was not trained on.",
        "",
        "| metric | value |",
        "|---|---|",
        *(
            f"| {name}{_role(name, success.primary, success.risk)} | {number(value)} |"
            for name, value in metrics.items()
            if name != "rows"
        ),
        "",
        f"## Where it is weak: {success.primary} by slice",
        "",
        "| slice | rows | " + success.primary + " |",
        "|---|---|---|",
        *(
            f"| {s['slice']} = {cell(s['value'])} | {s['rows']:,} | {number(s['metrics'].get(success.primary))} |"
            for s in manifest["slices"]
        ),
        "",
        "## What it takes",
        "",
        "| input | allowed | when missing |",
        "|---|---|---|",
        *(_input(rules) for rules in contract.inputs.values()),
        "",
        "## What it was made from",
        "",
        f"- data: snapshot `{data['snapshot']}`, split {split}",
        f"- trained on {data['rows']['train']:,} rows{_span(data, 'train')}",
        f"- test rows: sha256 `{data['test_sha256']}`",
        f"- code: sources `{manifest['code']['sources_sha256']}`; the release record names the commit",
        f"- seed {manifest['seed']}, "
        + ", ".join(f"{k} {v}" for k, v in sorted(manifest["params"]["model"].items())),
        "- "
        + ", ".join(
            f"{name} {version}" for name, version in manifest["environment"]["libraries"].items()
        ),
        f"- served as {manifest['runtime']}; largest difference from scikit-learn on the test rows: "
        f"{manifest['parity']['largest_difference']:g}",
        "",
        "## What it is not for",
        "",
        "Rows outside the contract above are refused, not guessed. Nothing is known about how it does after a change "
        "of the world that its data has not seen; the monitor watches for that.",
        "",
    ]
    return "\n".join(lines)


def number(value: float | None) -> str:
    """A metric for people, four decimals; 'no data' where it is undefined."""
    return "no data" if value is None else f"{value:.4f}"


def cell(text: str) -> str:
    """Text that cannot leave its Markdown table cell."""
    return (
        text.replace("\\", "\\\\")
        .replace("|", "\\|")
        .replace("\n", " ")
        .replace("<", "&lt;")
        .replace("`", "'")
    )


def _span(data: Mapping[str, Any], part: str) -> str:
    """` from A to B`, or nothing when the data has no time."""
    if data["timeframe"] is None:
        return ""
    first, last = data["timeframe"][part]
    return f" from {first} to {last}"


def _role(name: str, primary: str, risk: str) -> str:
    return " (primary)" if name == primary else " (risk)" if name == risk else ""


def _colon(text: str | None) -> str:
    return f": {text}" if text else "."


def _input(rules: Input) -> str:
    return f"| {rules.name} | {cell(allowed(rules))} | {when_missing(rules)} |"
