"""Declared limits (`[[jobs.limits]]`) over a closed window: which series they are about, and where they hold; pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from streamgauge.anomaly.detectors.limit import ERRORS
from streamgauge.anomaly.types import SeriesKey
from streamgauge.pipelines.config.schema import Limit
from streamgauge.pipelines.detection.closed import Closed
from streamgauge.pipelines.detection.episodes import number
from streamgauge.pipelines.metrics import Metric
from streamgauge.pipelines.stream.absolutes import Condition


class Bound(NamedTuple):
    """One limit on one row of a window's series."""

    row: int
    limit: Limit


def bind(limits: Sequence[Limit], keys: Sequence[SeriesKey], metrics: Sequence[Metric]) -> list[Bound]:
    """Each limit with the rows that it is about, in the order of the file."""
    by_metric: dict[str, list[int]] = {}
    wanted = {limit.metric for limit in limits}
    for row, key in enumerate(keys):
        if key.metric in wanted:
            by_metric.setdefault(key.metric, []).append(row)
    return [
        Bound(row, limit)
        for limit in limits
        for row in by_metric.get(limit.metric, ())
        if is_about(limit, keys[row], metrics[row])
    ]


def is_about(limit: Limit, key: SeriesKey, metric: Metric) -> bool:
    """Whether a limit is declared for a series.

    One without a worker is about the job as a whole, or about each worker where only workers have the metric.
    """
    if not fnmatchcase(key.entity, limit.entity):
        return False
    if not limit.worker:
        return not key.worker or metric.scope == "worker"
    return bool(key.worker) and fnmatchcase(key.worker, limit.worker)


def conditions(closed: Closed, bounds: Sequence[Bound]) -> Iterator[Condition]:
    """Where the limits hold in a window: beyond them by three standard errors, until the value is back inside."""
    for row, limit in bounds:
        value, error = float(closed.value[row]), ERRORS * float(closed.error[row])
        for bound, sign, word in ((limit.above, 1.0, "above"), (limit.below, -1.0, "below")):
            if bound is None:
                continue
            beyond = sign * (value - bound)
            yield Condition(
                closed.keys[row], None if math.isnan(value) or 0.0 < beyond <= error else beyond > error, value,
                _text(closed.keys[row], closed.metrics[row], value, bound, word), limit.severity, limit.lasting, bound,
                f"{word} {bound:g} for {limit.lasting:g}",
            )  # fmt: skip


def _text(key: SeriesKey, metric: Metric, value: float, bound: float, word: str) -> str:
    of, at = f" of {key.entity}" if key.entity else "", f" at {key.worker}" if key.worker else ""
    unit = metric.unit
    return f"{key.metric}{of}{at} is {number(value, unit)}, {word} its limit of {number(bound, unit)}"
