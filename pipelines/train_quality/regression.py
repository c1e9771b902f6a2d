"""How good predictions of numbers are: squared, absolute and quantile loss, bias; beside the spread of the labels.

`relative_mse` is to a regression what normalised entropy is to a click model: 1 says no more than the labels' mean.
"""

from __future__ import annotations

from collections.abc import Callable

from streamgauge.pipelines.metrics import Values, View
from streamgauge.pipelines.statistics.estimate import Estimate
from streamgauge.pipelines.statistics.measures import MOST_INVALID, NOTHING, UNKNOWN, finite, single
from streamgauge.tracer.summaries import Errors

Compute = Callable[[View], Values]


def judged(estimate: Callable[[Errors], Estimate]) -> Compute:
    """A metric function of the rows trained on; the evidence is their effective number."""

    def compute(view: View) -> Values:
        errors = view.sketches(Errors, "train", "labels").get("")
        if errors is None:
            return NOTHING
        if errors.invalid > MOST_INVALID * (errors.rows + errors.invalid):
            return UNKNOWN
        found = estimate(errors)
        return single(found.value, errors.effective_rows, finite(found.error))

    return compute


def of_mean(estimate: Callable[[Errors], Estimate]) -> Compute:
    """The same, where predictions are meant to be the mean: one of a high quantile is biased on purpose."""
    every = judged(estimate)
    return lambda view: NOTHING if view.config.labels.quantile else every(view)


def of_quantile(estimate: Callable[[Errors, float], Estimate]) -> Compute:
    """The same, where predictions are meant to be a quantile."""

    def compute(view: View) -> Values:
        q = view.config.labels.quantile
        return judged(lambda errors: estimate(errors, q))(view) if q else NOTHING

    return compute
