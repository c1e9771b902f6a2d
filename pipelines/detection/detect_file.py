"""`streamgauge detect FILE`: a detector is chosen for each series of the file and run over it, row by row, causally.

Every row has the columns of the Numenta Anomaly Benchmark (timestamp, value, anomaly_score) and `is_alert`; what fires
is one episode, with its begin and end, what was expected, and how far off it was.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, TextIO

import numpy as np

from streamgauge.anomaly.detectors import DETECTORS
from streamgauge.anomaly.reference import Floats, Moment
from streamgauge.anomaly.selection import Choice, choose
from streamgauge.anomaly.usual import Usual
from streamgauge.pipelines.detection.series_file import Dialect, FileFault, Series, read

__all__ = ["Dialect", "Episode", "FileFault", "Row", "detect", "detect_series", "episodes", "write", "write_episodes"]

PROBATION: Final = 0.15  # share of the file, at most 750 rows, that only teaches (as the benchmark has it)
MOST_PROBATION: Final = 750
HOURS: Final = 24  # slots of the day, whichever of them the first rows have
QUIET: Final = 50  # rows after an alert that raise no other


class Row(NamedTuple):
    """One row of the file and what the detector says of it."""

    timestamp: str
    value: float  # NaN where the file holds no number
    anomaly_score: float  # 0..1; 0.5 is the threshold
    is_alert: bool
    sigmas: float = 0.0  # signed; 0 while only learning
    low: float | None = None  # of the band at the threshold, None while nothing is known
    high: float | None = None


class Episode(NamedTuple):
    """From the first row beyond the threshold to the last, rows within `QUIET` of each other being one."""

    series: str
    start: str
    end: str
    rows: int  # beyond the threshold
    value: float  # the farthest one
    low: float | None  # of the band there
    high: float | None
    sigmas: float
    detector: str


def detect(path: Path, *, threshold: float = 8.0, limit: float | None = None) -> tuple[Choice, list[Row]]:
    """The detector and the rows of a file with one series. Raises FileFault."""
    series, _ = read(path)
    return detect_series(series[0], threshold=threshold, limit=limit)


def detect_series(
    series: Series, *, threshold: float = 8.0, limit: float | None = None
) -> tuple[Choice, list[Row]]:
    """The detector chosen from the first rows, and every row with its score."""
    values, moments = series.values, [_moment(time) for time in series.times]
    start = min(int(PROBATION * len(values)), MOST_PROBATION)
    choice = choose(values[:start], moments[:start], limit, HOURS)
    z, low, high = _judged(choice, values, moments, threshold)
    z[:start], low[:start], high[:start] = 0.0, math.nan, math.nan
    score = np.abs(z) / (np.abs(z) + threshold)
    rows, last = [], -QUIET - 1
    columns = (values.tolist(), score.tolist(), z.tolist(), _known(low), _known(high))
    for row, (stamp, value, points, sigmas, foot, top) in enumerate(zip(series.stamps, *columns, strict=True)):
        is_alert = points > 0.5 and row - last > QUIET
        last = row if is_alert else last
        rows.append(Row(stamp, value, points, is_alert, sigmas, foot, top))
    return choice, rows


def episodes(name: str, choice: Choice, rows: Sequence[Row]) -> list[Episode]:
    """What fired, as episodes."""
    hot = [i for i, row in enumerate(rows) if row.anomaly_score > 0.5]
    groups: list[list[int]] = []
    for i in hot:
        if groups and i - groups[-1][-1] <= QUIET:
            groups[-1].append(i)
        else:
            groups.append([i])
    found = []
    for group in groups:
        worst = max((rows[i] for i in group), key=lambda row: abs(row.sigmas))
        first, last = rows[group[0]], rows[group[-1]]
        found.append(Episode(
            name, first.timestamp, last.timestamp, len(group), worst.value, worst.low, worst.high, worst.sigmas,
            choice.name,
        ))  # fmt: skip
    return found


def write(rows: Iterable[Row], out: TextIO) -> None:
    """The rows as CSV."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*Row._fields[:3], "is_alert"])
    for row in rows:
        writer.writerow([row.timestamp, repr(row.value), f"{row.anomaly_score:.6f}", int(row.is_alert)])


def write_episodes(found: Iterable[Episode], out: TextIO) -> None:
    """Episodes as CSV."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(Episode._fields)
    for one in found:
        band = ["" if edge is None else f"{edge:.6g}" for edge in (one.low, one.high)]
        writer.writerow([*one[:4], f"{one.value:.6g}", *band, f"{one.sigmas:+.1f}", one.detector])


def _judged(
    choice: Choice, values: Floats, moments: Sequence[Moment], threshold: float
) -> tuple[Floats, Floats, Floats]:
    """Signed sigmas of every row and the band around what was expected; what exceeds the threshold teaches nothing."""
    detector, usual = DETECTORS[choice.name](1, **choice.parameters), Usual()
    z, low, high = np.zeros(len(values)), np.full(len(values), math.nan), np.full(len(values), math.nan)
    for row, at in enumerate(moments):
        level, before = values[row : row + 1], usual.last
        usual.move(float(level[0]))
        if "least" in choice.parameters:  # a declared limit has none
            detector.least = max(choice.parameters["least"], usual.least(threshold))
        z[row] = np.nan_to_num(detector.score(level, at))[0]
        center, sigma = _expected(detector, before, at)
        low[row], high[row] = center - threshold * sigma, center + threshold * sigma
        is_news = bool(abs(z[row]) > threshold)
        usual.learn(float(level[0]) - center, is_news)
        # A step in a stream that wanders is news once; the row after it is measured from the new place.
        keep = choice.name == "diff" or not is_news
        detector.learn(level, at, np.array([keep]))
    return z, low, high


def _expected(detector: Any, value: float, at: Moment) -> tuple[float, float]:
    """Where the score would be 0 and what a sigma is, NaN while unknown: it is linear in the value, so two probes tell.

    `value` is the last one known: near to what is expected, so that no score is cut at its end.
    """
    step = max(1e3 * getattr(detector, "least", 0.0), 1e-6 * abs(value), 1e-6)
    first, second = (float(detector.score(np.array([probe]), at)[0]) for probe in (value, value + step))
    if not math.isfinite(first + second) or second <= first:
        return math.nan, math.nan
    sigma = step / (second - first)
    return value - first * sigma, sigma


def _known(column: Floats) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in column.tolist()]


def _moment(local: datetime) -> Moment:
    return Moment(local.toordinal(), local.hour, max(0, local.weekday() - 4))
