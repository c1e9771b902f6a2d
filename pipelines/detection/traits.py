"""What is fixed about each series while the set of series is: its scale, which way is bad, whether it is watched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from streamgauge.anomaly.reference import Bools, Floats, Rows
from streamgauge.anomaly.scales import SCALES, Codes
from streamgauge.anomaly.thresholds import factor_of
from streamgauge.anomaly.types import SeriesKey
from streamgauge.pipelines.config.schema import JobConfig
from streamgauge.pipelines.detection.sources import owners
from streamgauge.pipelines.metrics import Metric

_PER: Final = {"rows/s": 1.0, "1/s": 1.0, "labels/s": 1.0, "1/h": 3600.0}  # seconds of a rate's unit of time
_SHARES: Final = {"ratio", "nats", "0..1", "-1..1"}  # units in which half a hundredth means nothing


class Traits(NamedTuple):
    """One element a series in every array, each of shape [n]."""

    scale: Codes
    per: Floats  # seconds of the unit of time of a rate, 0 for what is no rate
    least: Floats  # change of one unit that means nothing, on the identity scale
    classed: Bools  # the reference tells classes of day apart
    referenced: Bools  # there is a learnt reference at all
    watched: Bools  # a change may page
    direction: Rows  # which change is bad: 1 up, -1 down, 0 both
    consecutive: Rows
    limit: Floats  # NaN: no declared limit
    multiplier: Floats  # of the threshold, from feedback
    owner: Rows  # row of the source that a column belongs to, -1 for none


def traits(
    keys: Sequence[SeriesKey], metrics: Sequence[Metric], config: JobConfig, multipliers: dict[SeriesKey, float],
    shown: bool = False,
) -> Traits:
    """The traits of `keys`; `shown` watches also what never pages."""
    optional = {f"feature:{feature.name}" for feature in config.features if feature.optional}
    unpaged = set(config.unpaged)
    watched = [
        shown or (metric.pages and key.entity not in optional and metric.name not in unpaged)
        for key, metric in zip(keys, metrics, strict=True)
    ]
    sign = {"both": 0, "up": 1, "down": -1}
    nan, declared = float("nan"), {limit.metric for limit in config.limits}  # these take the built-in one's place
    return Traits(
        scale=np.array([SCALES[metric.transform] for metric in metrics], dtype=np.int8),
        per=np.array([_PER.get(metric.unit, 0.0) for metric in metrics]),
        least=np.array([0.005 if metric.unit in _SHARES else 0.0 for metric in metrics]),
        classed=np.array([metric.reference == "class" for metric in metrics], dtype=bool),
        referenced=np.array([metric.reference != "none" for metric in metrics], dtype=bool),
        watched=np.array(watched, dtype=bool),
        direction=np.array([sign[metric.direction] for metric in metrics], dtype=np.int64),
        consecutive=np.array([metric.consecutive for metric in metrics], dtype=np.int64),
        limit=np.array([nan if m.limit is None or m.name in declared else m.limit for m in metrics]),
        multiplier=np.array([factor_of(multipliers, key) for key in keys]),
        owner=owners(keys, config.features),
    )


def is_bad(sigmas: Floats, own: Traits) -> Bools:
    """Which are known, and in the direction that is bad; shape [n]."""
    bad: Bools = np.isfinite(sigmas) & ((own.direction == 0) | (own.direction * np.nan_to_num(sigmas) > 0.0))
    return bad
