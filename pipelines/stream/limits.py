"""Declared limits (`[[jobs.limits]]`) over a closed window: which series they are about, and where they hold; pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from streamgauge.anomaly.detectors.limit import ERRORS
from streamgauge.anomaly.types import SeriesKey
from streamgauge.pipelines.config.schema import JobConfig, Limit
from streamgauge.pipelines.detection.closed import Closed
from streamgauge.pipelines.detection.episodes import number
from streamgauge.pipelines.metrics import Metric
from streamgauge.pipelines.registry import METRICS
from streamgauge.pipelines.stream.absolutes import Condition

CALIBRATED: Final = (0.67, 1.5)  # predicted over observed: outside of it bids and budgets are wrong by a third
WINDOWS: Final = 3  # in a row, before one of the limits below is told


class Bound(NamedTuple):
    """One limit on one row of a window's series."""

    row: int
    limit: Limit


def standing(job: JobConfig, *, is_cold: bool = False) -> tuple[Limit, ...]:
    """What is declared for every job: calibration, and delays beyond the job's SLO, each for three windows.

    A limit of the configuration for the same metric takes its place, and `unpaged` takes it out. A cold model is
    calibrated for nobody.

    >>> [(one.metric, one.above, one.lasting) for one in standing(JobConfig(name="ctr", slo={"queue_delay": 30.0}))]
    [('pcoc', 1.5, 3720.0), ('queue_delay_p95', 30.0, 180.0)]
    """
    low, high = CALIBRATED
    calibration = "pcoc@H" if job.labels.wait else "pcoc"  # where late negatives come by time-out only cohorts tell
    delays = [(f"{name}_p95", job.slo[name]) for name in ("queue_delay", "train_delay") if name in job.slo]
    known = {limit.metric for limit in job.limits} | set(job.unpaged)
    made = [*([] if is_cold else [(calibration, high, low)]), *((name, most, None) for name, most in delays)]
    return tuple(
        Limit(metric=name, above=above, below=below, lasting=_lasting(job, METRICS[name].window))
        for name, above, below in made
        if name not in known
    )


def _lasting(job: JobConfig, kind: str) -> float:
    """Seconds from the start of the first of three windows to the end of the last."""
    found = next((window for window in job.windows if window.kind == kind), None)
    return 0.0 if found is None else found.length + (WINDOWS - 1) * found.slide


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
