"""The scores are series, too: what is declared of them, and a window of theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from streamgauge.anomaly.types import Score, SeriesKey
from streamgauge.pipelines.detection.closed import Columns
from streamgauge.pipelines.metrics import Metric, Report, Values, View
from streamgauge.pipelines.statistics.measures import NOTHING


def _nothing(view: View) -> Values:
    return NOTHING


SCORE: Final = Metric(
    name="score", domain="system", clock="wall", compute=_nothing, unit="points", minimum=0.0, window="short",
    doc="0..100, from the losses of all metrics below it.", scope="job", direction="down", consecutive=2, pages=False,
)


def as_series(scores: Sequence[Score], report: Report) -> Columns:
    """The scores of a window, a series a domain."""
    domains: list[Any] = [score.domain for score in scores]
    zeros = np.zeros(len(scores))
    return Columns(
        "score", report.start, report.end, 0, report.end - report.start,
        tuple(SeriesKey(report.job, "", domain, "", "score") for domain in domains), (SCORE,) * len(scores),
        # A point more or less is no news: the rules' anchors are coarser than that.
        np.array([score.value for score in scores]), zeros, zeros + 1.0, zeros,
    )
