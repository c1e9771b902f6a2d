"""A cold model costs no points for its calibration until it was calibrated once, or had its time for it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from streamgauge.anomaly.types import SeriesKey
from streamgauge.pipelines.config.schema import HOUR, Detection, JobConfig
from streamgauge.pipelines.detection.closed import Columns
from streamgauge.pipelines.registry import METRICS
from streamgauge.pipelines.scoring.burn_in import is_over

JOB = JobConfig(name="ctr")


def window(pcoc: float, entropy: float, end: float = 120.0) -> Columns:
    names = ("normalized_entropy", "pcoc")
    value, rows = np.array([entropy, pcoc]), np.full(2, 900.0)
    keys = tuple(SeriesKey("ctr", "", "train", "", name) for name in names)
    metrics = tuple(METRICS[name] for name in names)
    return Columns("long", end - HOUR, end, 0, HOUR, keys, metrics, value, rows, np.full(2, 0.01), np.zeros(2))


@pytest.mark.parametrize(
    ("pcoc", "entropy", "over"),
    [(6.0, 1.4, False), (1.05, 1.2, False), (3.0, 0.9, False), (1.1, 0.9, True), (0.9, 0.9, True),
     (math.nan, math.nan, False)],
)  # fmt: skip
def test_it_is_over_once_the_model_is_calibrated_and_knows_something(pcoc: float, entropy: float, over: bool) -> None:
    assert is_over(window(pcoc, entropy), JOB, 0.0) is over


def test_a_model_that_never_learns_is_excused_for_two_hours() -> None:
    assert not is_over(window(6.0, 1.4, end=2 * HOUR - 60.0), JOB, 0.0)
    assert is_over(window(6.0, 1.4, end=2 * HOUR), JOB, 0.0)


def test_a_declared_burn_in_holds_whatever_the_model_does() -> None:
    job = JobConfig(name="ctr", detection=Detection(burn_in=600.0))
    assert not is_over(window(1.0, 0.8, end=540.0), job, 0.0)
    assert is_over(window(6.0, 1.4, end=600.0), job, 0.0)
