"""`streamgauge detect FILE --out OUT.csv`: every row of a series by all channels together, causally."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple, TextIO

import numpy as np

from streamgauge.anomaly.surprise import ALERT, Surprise
from streamgauge.pipelines.detection.series_file import FileFault, Series

PROBATION: Final = 0.15  # share of the file, at most 750 rows, that only teaches (as the Numenta benchmark has it)
MOST_PROBATION: Final = 750
DETECTOR: Final = "surprise"
_LABELS: Final = {"true_alarm": True, "false_alarm": False, "1": True, "0": False}


class Row(NamedTuple):
    """One row of the file and what is said of it."""

    timestamp: str
    value: float  # NaN where the file holds no number
    anomaly_score: float  # 0..1, 0 for what surprises less than one of the last 90 rows
    is_alert: bool
    detector: str
    threshold: float  # surprise of the last two steps that alerts, as of this row
    expected: float  # the last known value, which a step is measured from; NaN before the first


def judge(series: Series, feedback: Mapping[str, bool] | None = None, threshold: float = ALERT) -> list[Row]:
    """Every row with its score.

    `feedback` says by timestamp whether an alert there was a true one; it is told right after the alert, never before.
    """
    detector, rows, before, said = Surprise(1, threshold), [], float("nan"), feedback or {}
    start = min(int(PROBATION * len(series.values)), MOST_PROBATION)
    for number, (stamp, time) in enumerate(zip(series.stamps, series.times, strict=True)):
        value, limit = float(series.values[number]), float(detector.threshold[0])
        second = time.toordinal() * 86400 + time.hour * 3600 + time.minute * 60 + time.second
        reading = detector.read(np.array([value]), np.array([second]))
        is_alert = bool(reading.is_alert[0]) and number >= start
        score = float(reading.score[0]) if number >= start else 0.0
        rows.append(Row(stamp, value, score, is_alert, DETECTOR, limit, before))
        if is_alert and stamp in said:
            detector.teach(np.array([0]), np.array([said[stamp]]))
        before = value if value == value else before
    return rows


def read_feedback(path: Path) -> dict[str, bool]:
    """What was said of alerts, by timestamp: a CSV file with the columns timestamp and label. Raises FileFault."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        missing = {"timestamp", "label"} - set(reader.fieldnames or ())
        if missing:
            raise FileFault(f"{path}: no column {' and '.join(sorted(missing))}; the first line must name both")
        said = {}
        for row in reader:
            label = str(row["label"]).strip()
            if label not in _LABELS:
                raise FileFault(f"{path}: line {reader.line_num}: label {label!r} is none of {', '.join(_LABELS)}")
            said[row["timestamp"]] = _LABELS[label]
    return said


def write(rows: Iterable[Row], out: TextIO) -> None:
    """The rows as CSV."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(Row._fields)
    for row in rows:
        score, threshold = f"{row.anomaly_score:.6f}", f"{row.threshold:.6g}"
        writer.writerow([
            row.timestamp, repr(row.value), score, int(row.is_alert), row.detector, threshold, repr(row.expected)
        ])  # fmt: skip
