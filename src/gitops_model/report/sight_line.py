"""One line on what a test set can see, so that nobody takes "nothing found" for "nothing there"."""

from __future__ import annotations

from gitops_model.evaluation.metrics import title
from gitops_model.formats.check import Check
from gitops_model.report import quantities


def line(check: Check) -> str:
    """`These test rows see ...`; empty where nothing can be said."""
    # It needs scipy, which the monitor's pages do without.
    from gitops_model.evaluation import power

    found = power.sight(check)
    if found is None:
        return ""
    overall = quantities.margin(found.overall, relative=found.relative)
    said = f"These test rows see a loss of {overall} in {title(found.metric)}"
    said += "".join(
        f", {quantities.margin(each.overall, relative=each.relative)} in {title(each.metric)}"
        for each in found.others
    )
    said += f" overall at {quantities.confidence(check.alpha)} confidence"
    if found.slice is not None and found.slice_loss is not None:
        loss = quantities.margin(found.slice_loss, relative=found.slice_relative)
        other = found.slice_metric
        named = f" in {title(other)}" if other is not None and other != found.metric else ""
        which = ", the largest slice" if found.assumed else ""
        said += f" and of {loss}{named} at {found.slice}{which}"
    said += " (8 times in 10)"
    if found.assumed:
        said += ", for a model that errs on other rows than this one, and less for a similar one (see simulate gates)"
    if found.more is not None:
        goal = quantities.margin(found.margin, relative=found.relative)
        said += f"; about {found.more:,} more rows would see {goal} overall"
    return f"{said}."
