"""`streamgauge detect FILE.csv`: a detector is chosen for the file's series and run over it, row by row, causally.

The output has the columns of the Numenta Anomaly Benchmark (timestamp, value, anomaly_score) and `is_alert`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple, TextIO

import numpy as np

from streamgauge.anomaly.detectors import DETECTORS
from streamgauge.anomaly.reference import Floats, Moment
from streamgauge.anomaly.selection import Choice, choose

PROBATION: Final = 0.15  # share of the file, at most 750 rows, that only teaches (as the benchmark has it)
MOST_PROBATION: Final = 750
QUIET: Final = 50  # rows after an alert that raise no other


class Row(NamedTuple):
    """One row of the file and what the detector says of it."""

    timestamp: str
    value: float  # NaN where the file holds no number
    anomaly_score: float  # 0..1; 0.5 is the threshold
    is_alert: bool


class FileFault(ValueError):
    """A file that cannot be read: the message names the line and the remedy."""


def detect(path: Path, *, threshold: float = 8.0, limit: float | None = None) -> tuple[Choice, list[Row]]:
    """The detector chosen from the first rows, and every row with its score. Raises FileFault."""
    stamps, values = _read(path)
    moments = [_moment(stamp, line) for line, stamp in enumerate(stamps, 2)]
    start = min(int(PROBATION * len(values)), MOST_PROBATION)
    choice = choose(values[:start], moments[:start], limit)
    z = _scores(choice, values, moments, threshold)
    z[:start] = 0.0
    score = np.abs(z) / (np.abs(z) + threshold)
    rows, last = [], -QUIET - 1
    for row, (stamp, value, points) in enumerate(zip(stamps, values.tolist(), score.tolist(), strict=True)):
        is_alert = points > 0.5 and row - last > QUIET
        last = row if is_alert else last
        rows.append(Row(stamp, value, points, is_alert))
    return choice, rows


def write(rows: Iterable[Row], out: TextIO) -> None:
    """The rows as CSV."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*Row._fields[:3], "is_alert"])
    for row in rows:
        writer.writerow([row.timestamp, repr(row.value), f"{row.anomaly_score:.6f}", int(row.is_alert)])


def _scores(choice: Choice, values: Floats, moments: Sequence[Moment], threshold: float) -> Floats:
    """Signed sigmas of every row; what exceeds the threshold teaches nothing."""
    detector = DETECTORS[choice.name](1, **choice.parameters)
    z = np.zeros(len(values))
    for row, at in enumerate(moments):
        level = values[row : row + 1]
        z[row] = np.nan_to_num(detector.score(level, at))[0]
        # A step in a stream that wanders is news once; the row after it is measured from the new place.
        keep = choice.name == "diff" or abs(z[row]) <= threshold
        detector.learn(level, at, np.array([keep]))
    return z


def _read(path: Path) -> tuple[list[str], Floats]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        missing = {"timestamp", "value"} - set(reader.fieldnames or ())
        if missing:
            raise FileFault(f"{path}: no column {' and '.join(sorted(missing))}; the first line must name both")
        try:
            rows = [(row["timestamp"], _number(row["value"])) for row in reader]
        except csv.Error as error:
            raise FileFault(f"{path}: below line {reader.line_num}: {error}; mend that line") from None
    if not rows:
        raise FileFault(f"{path}: no rows below the header")
    return [stamp for stamp, _ in rows], np.array([value for _, value in rows])


def _number(text: str | None) -> float:
    try:
        value = float(text or "nan")
    except ValueError:
        return float("nan")
    return value if np.isfinite(value) else float("nan")


def _moment(stamp: str, line: int) -> Moment:
    try:
        local = datetime.fromtimestamp(float(stamp), UTC) if _is_epoch(stamp) else datetime.fromisoformat(stamp)
    except (ValueError, TypeError, OverflowError) as fault:
        raise FileFault(f"line {line}: timestamp {stamp!r} is neither ISO 8601 nor seconds since 1970") from fault
    return Moment(local.toordinal(), local.hour, max(0, local.weekday() - 4))


def _is_epoch(stamp: str) -> bool:
    return stamp.replace(".", "", 1).isdigit() and len(stamp.split(".")[0]) != 8
