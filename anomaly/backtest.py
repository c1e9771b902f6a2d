"""Trying a detector on history without look-ahead, window by window, against labelled spans or planted faults."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from streamgauge.anomaly.reference import Bools, Floats, Moment

FAULT: Final = 4.0  # size of a planted fault in robust standard deviations of the whole series


class Outcome(NamedTuple):
    """How alerts met the labelled spans."""

    found: int  # spans with an alert
    missed: int
    false: int  # alerts outside all spans

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, 0 where nothing was found."""
        return 2.0 * self.found / max(1, 2 * self.found + self.missed + self.false)


def replay(detector: Any, levels: Floats, moments: Sequence[Moment], keep: Bools | None = None) -> Floats:
    """Scores of `levels` [windows, series], each by what the detector learnt before it."""
    kept = np.isfinite(levels) if keep is None else keep
    scores = np.full(levels.shape, np.nan)
    for row, at in enumerate(moments):
        scores[row] = detector.score(levels[row], at)
        detector.learn(levels[row], at, kept[row])
    return scores


def alerts(scores: Floats, threshold: float, quiet: int = 0) -> list[int]:
    """Windows of one series whose score exceeds the threshold, the first of each run of `quiet` windows.

    >>> alerts(np.array([0.0, 9.0, 9.0, 0.0, 0.0, 9.0]), 8.0, quiet=2)
    [1, 5]
    """
    found: list[int] = []
    for row in np.flatnonzero(np.abs(np.nan_to_num(scores)) > threshold).tolist():
        if not found or row - found[-1] > quiet:
            found.append(row)
    return found


def evaluate(found: Sequence[int], spans: Sequence[tuple[int, int]]) -> Outcome:
    """Alerts against labelled spans of windows, both ends included; one alert is enough for a span.

    >>> evaluate([3, 50], [(2, 5), (10, 12)])
    Outcome(found=1, missed=1, false=1)
    """
    hit = sum(any(first <= row <= last for row in found) for first, last in spans)
    false = sum(not any(first <= row <= last for first, last in spans) for row in found)
    return Outcome(hit, len(spans) - hit, false)


def separation(make: Callable[[int], Any], levels: Floats, moments: Sequence[Moment]) -> Floats:
    """How far planted faults stand out from what is normal, shape [series]; needs no labels.

    The median score that a jump of 4 robust standard deviations would get in the second half of the history, over the
    0.99 quantile of the scores without it. Jumps are scored and never learnt. 0 where the detector stayed silent.
    """
    center = np.nanmedian(levels, axis=0)
    jump = FAULT * 1.4826 * np.nanmedian(np.abs(levels - center), axis=0)
    detector, half = make(levels.shape[1]), len(levels) // 2
    clean, planted = np.full(levels.shape, np.nan), np.full(levels.shape, np.nan)
    for row, at in enumerate(moments):
        clean[row] = detector.score(levels[row], at)
        planted[row] = detector.score(levels[row] + jump, at)
        detector.learn(levels[row], at, np.isfinite(levels[row]))
    usual = _quantile(np.abs(clean[half:]), 0.99)
    apart: Floats = np.nan_to_num(_quantile(np.abs(planted[half:]), 0.5) / np.maximum(usual, 1e-9))
    return apart


def _quantile(scores: Floats, share: float) -> Floats:
    """Quantile over windows without NaN, NaN where there is nothing else."""
    ordered, count = np.sort(scores, axis=0), np.count_nonzero(np.isfinite(scores), axis=0)
    row = np.minimum((share * count).astype(np.int64), np.maximum(count - 1, 0))
    picked: Floats = ordered[row, np.arange(scores.shape[1])]
    return picked
