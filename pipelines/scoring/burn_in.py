"""The burn-in of a model: until it was calibrated once, what only a trained model can be costs no points; pure.

A cold model is wrong about everything, and says nothing of the job's health. It has burnt in with the first window in
which it predicts as many positives as there are, beyond noise, and knows more than the base rate; at the latest after
120 of the shortest windows or two hours, so that one that never learns is not excused for ever.
"""

from __future__ import annotations

import math
from typing import Final

from streamgauge.pipelines.config.schema import HOUR, JobConfig
from streamgauge.pipelines.detection.closed import Closed

EXCUSED: Final = frozenset({"pcoc", "ece", "normalized_entropy", "relative_mse", "relative_bias", "coverage_gap"})
COHORTS: Final = frozenset(f"{name}@H" for name in EXCUSED)
NEAR: Final = 0.2  # of ln pcoc
SIGMAS: Final = 3.0
MOST_WINDOWS: Final = 120
COHORT_WINDOWS: Final = 12
MOST: Final = 2 * HOUR


def is_over(closed: Closed, config: JobConfig, first: float) -> bool:
    """Whether the burn-in ends with this window; `first` is the start of the job's first one, NaN before it."""
    age = 0.0 if math.isnan(first) else closed.end - first
    if config.detection.burn_in is not None:
        return age >= config.detection.burn_in
    shortest = min(window.length for window in config.windows)
    return age >= max(MOST_WINDOWS * shortest, MOST) or _is_calibrated(closed)


def is_over_in_cohorts(closed: Closed, config: JobConfig, first: float) -> bool:
    """The same of the samples that are H old by now, which a cold model may have predicted: by the clock alone."""
    age = 0.0 if math.isnan(first) else closed.end - first - config.labels.horizon
    if config.detection.burn_in is not None:
        return age >= config.detection.burn_in
    return age >= max(COHORT_WINDOWS * min(window.length for window in config.windows), MOST)


def _is_calibrated(closed: Closed) -> bool:
    """Of the job's own labels: other heads of its model do not hold it up."""
    found = {key.metric: row for row, key in enumerate(closed.keys) if not key.worker and not key.entity}
    if {"relative_mse", "relative_bias"} <= found.keys():
        return _is_unbiased(closed, found["relative_mse"], found["relative_bias"])
    if not {"pcoc", "normalized_entropy"} <= found.keys():
        return False
    pcoc, entropy = found["pcoc"], found["normalized_entropy"]
    ratio, noise = float(closed.value[pcoc]), SIGMAS / math.sqrt(max(float(closed.rows[pcoc]), 1.0))
    informed = float(closed.value[entropy]) + SIGMAS * float(closed.error[entropy]) < 1.0
    return ratio > 0.0 and abs(math.log(ratio)) <= NEAR + noise and informed


def _is_unbiased(closed: Closed, errors: int, bias: int) -> bool:
    """The same of a model that predicts numbers."""
    informed = float(closed.value[errors]) + SIGMAS * float(closed.error[errors]) < 1.0
    return informed and abs(float(closed.value[bias])) <= NEAR + SIGMAS * float(closed.error[bias])
