"""Closed windows made by hand: what evaluation hands to detection and scoring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from streamgauge.anomaly.types import SeriesKey
from streamgauge.pipelines.config.schema import HOUR, Detection, JobConfig, WindowSpec
from streamgauge.pipelines.detection.closed import Columns
from streamgauge.pipelines.metrics import Metric
from streamgauge.pipelines.statistics.measures import NOTHING

SPEC = WindowSpec(name="short", kind="short", length=3 * HOUR, slide=3 * HOUR)
WALL = WindowSpec(name="wall", kind="wall", length=HOUR, slide=HOUR)
QUICK = Detection(warm_up=5 * 86400.0)


def config(**changes: Any) -> JobConfig:
    return JobConfig(**{"name": "ctr", "windows": (SPEC, WALL), "detection": QUICK, **changes})


def metric(name: str = "missing_rate", **changes: Any) -> Metric:
    plain = Metric(name, "sample", "sample", lambda view: NOTHING, "ratio", 10.0, "short", "A test's own.")
    return plain._replace(transform="asin")._replace(**changes)


def key(entity: str = "feature:a", worker: str = "", domain: Any = "sample", metric: str = "missing_rate") -> SeriesKey:
    return SeriesKey("ctr", worker, domain, entity, metric)


def closed(
    values: Mapping[SeriesKey, float], metrics: Mapping[str, Metric] | Metric, index: int = 0, *,
    window: WindowSpec = SPEC, rows: float = 200.0, error: float = 0.0, floor: float = 0.0, revision: int = 0,
) -> Columns:
    """The window number `index`, of these values."""
    keys = tuple(sorted(values))
    found = tuple(metrics if isinstance(metrics, Metric) else metrics[one.metric] for one in keys)
    ones = np.ones(len(keys))
    start = index * window.slide
    return Columns(
        window.name, start, start + window.length, revision, window.length, keys, found,
        np.array([values[one] for one in keys], float), rows * ones, error * ones, floor * ones,
    )


def shares(generator: np.random.Generator, share: float, count: int, rows: int = 200) -> Sequence[float]:
    """Missing rates of a healthy feature."""
    return (generator.binomial(rows, share, count) / rows).tolist()
