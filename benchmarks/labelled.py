"""Folders of labelled series, run side by side in one `Surprise`: row for row, each by its own clock."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from streamgauge.anomaly.reference import Bools, Floats, Rows
from streamgauge.anomaly.surprise import Surprise


class Series(NamedTuple):
    """One file."""

    name: str
    stamps: list[str]
    seconds: Rows
    values: Floats
    labels: Bools  # all False where the file has none


class Result(NamedTuple):
    """What the detector says of one file."""

    scores: Floats
    alerts: Bools


def read(path: Path, name: str) -> Series:
    """A CSV file, also gzipped, with the columns timestamp, value and perhaps label."""
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    rows = list(csv.DictReader(text.splitlines()))
    stamps = [row["timestamp"] for row in rows]
    values = np.array([float(row["value"] or "nan") for row in rows])
    labels = np.array([float(row.get("label") or 0.0) > 0.0 for row in rows])
    return Series(name, stamps, np.array([_second(stamp) for stamp in stamps]), values, labels)


def run_all(series: Sequence[Series], feedback: bool = False) -> list[Result]:
    """Scores and alerts of every file; with `feedback` each alert's own label is told right after it."""
    longest, count = max(len(one.values) for one in series), len(series)
    values, seconds = np.full((longest, count), np.nan), np.zeros((longest, count), np.int64)
    labels = np.zeros((longest, count), bool)
    for column, one in enumerate(series):
        values[: len(one.values), column] = one.values
        seconds[: len(one.values), column] = one.seconds
        labels[: len(one.values), column] = one.labels
    detector = Surprise(count)
    scores, alerts = np.zeros((longest, count)), np.zeros((longest, count), bool)
    for row in range(longest):
        reading = detector.read(values[row], seconds[row])
        scores[row], alerts[row] = reading.score, reading.is_alert
        if feedback and reading.is_alert.any():
            detector.teach(np.flatnonzero(reading.is_alert), labels[row])
    return [
        Result(scores[: len(one.values), column], alerts[: len(one.values), column])
        for column, one in enumerate(series)
    ]


def write(folder: Path, series: Series, result: Result) -> None:
    """A result file at the same relative path, as outside scorers want it."""
    path = folder / series.name.removesuffix(".gz")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["timestamp", "value", "anomaly_score", "is_alert"])
        columns = (series.values.tolist(), result.scores.tolist(), result.alerts.tolist())
        for stamp, value, score, alert in zip(series.stamps, *columns, strict=True):
            out.writerow([stamp, repr(value), f"{score:.9f}", int(alert)])


def _second(stamp: str) -> int:
    if stamp.replace(".", "", 1).isdigit():
        return int(float(stamp))
    return int(datetime.fromisoformat(stamp).replace(tzinfo=UTC).timestamp())
