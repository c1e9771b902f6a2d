"""Claims about `streamgauge detect`: the fault is found, nothing looks ahead, bad files are told by line."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from streamgauge.pipelines.detection.detect_file import FileFault, detect, write

FAULT = range(700, 704)


def series(rows: int = 1000) -> np.ndarray:
    generator = np.random.default_rng(1)
    values = 100.0 + 30.0 * np.sin(np.arange(rows) / 24.0 * 2.0 * np.pi) + generator.normal(0.0, 2.0, rows)
    values[FAULT.start : FAULT.stop] += 80.0
    return values


def save(path: Path, values: np.ndarray, epoch: bool = False) -> Path:
    start = datetime(2014, 2, 14)
    stamps = [start + timedelta(hours=n) for n in range(len(values))]
    told = [str(stamp.timestamp()) if epoch else stamp.isoformat(sep=" ") for stamp in stamps]
    lines = [f"{stamp},{value}" for stamp, value in zip(told, values.tolist(), strict=True)]
    path.write_text("timestamp,value\n" + "\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("epoch", [False, True])
def test_the_fault_is_found_and_nothing_else(tmp_path: Path, epoch: bool) -> None:
    choice, rows = detect(save(tmp_path / "a.csv", series(), epoch))
    assert choice.name == "seasonal_robust"
    assert [n for n, row in enumerate(rows) if row.is_alert] == [700]
    assert max(row.anomaly_score for n, row in enumerate(rows) if n not in FAULT) < 0.5


def test_a_row_is_judged_by_what_came_before_it(tmp_path: Path) -> None:
    values = series()
    _, whole = detect(save(tmp_path / "a.csv", values))
    values[900:] = 1e6
    _, other = detect(save(tmp_path / "b.csv", values))
    assert whole[:900] == other[:900]


def test_a_declared_limit_is_the_detector(tmp_path: Path) -> None:
    choice, rows = detect(save(tmp_path / "a.csv", series()), limit=150.0)
    assert choice.name == "limit"
    assert sum(row.is_alert for row in rows) <= 1


def test_missing_values_score_nothing(tmp_path: Path) -> None:
    values = series()
    values[500] = np.nan
    _, rows = detect(save(tmp_path / "b.csv", values))
    assert (rows[500].anomaly_score, rows[500].is_alert) == (0.0, False)


def test_the_table_has_the_benchmarks_columns(tmp_path: Path) -> None:
    _, rows = detect(save(tmp_path / "a.csv", series(50)))
    out = io.StringIO()
    write(rows, out)
    table = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert list(table[0]) == ["timestamp", "value", "anomaly_score", "is_alert"]
    assert len(table) == 50


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("moment,value\n1,2\n", "no column timestamp"),
        ("timestamp,value\n", "no rows"),
        ("timestamp,value\nyesterday,2\n", "line 2: timestamp 'yesterday'"),
        ("timestamp,value\n2020-01-01," + "9" * 200_000 + "\n", "below line 1: field larger than field limit"),
    ],
)
def test_a_bad_file_is_told_by_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(FileFault, match=message):
        detect(path)


def test_hours_that_the_first_rows_do_not_have_are_judged_too(tmp_path: Path) -> None:
    start, lines = datetime(2014, 2, 14), ["timestamp,value"]
    for hour in range(2000):
        stamp = start + timedelta(hours=hour)
        if hour >= 800 or stamp.hour < 12:
            lines.append(f"{stamp},{100.0 * stamp.hour + np.sin(hour)}")
    (tmp_path / "half.csv").write_text("\n".join(lines) + "\n")
    choice, rows = detect(tmp_path / "half.csv")
    assert choice.name == "seasonal_robust"
    assert len(rows) == len(lines) - 1


ROWS = 1500
STILL = np.full(ROWS, 100.0)
NOISE = np.random.default_rng(2).normal(0.0, 1.0, ROWS)
LATE = np.arange(ROWS) >= 1000


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.3])
@pytest.mark.parametrize("unit", [1.0, 1000.0])
def test_counts_of_0_and_1_are_no_news_and_have_a_band(tmp_path: Path, rate: float, unit: float) -> None:
    counts = np.random.default_rng(3).random(ROWS) < rate
    _, rows = detect(save(tmp_path / "a.csv", unit * counts))
    assert {n for n, row in enumerate(rows) if row.anomaly_score > 0.5} <= set(np.flatnonzero(counts)[:3].tolist())
    assert max(abs(row.sigmas) for row in rows) < 25.0
    assert all(row.high is not None and 0.0 < row.high < 9.0 * unit for row in rows[int(0.15 * ROWS) :])


def test_each_outage_is_found_in_all_its_length(tmp_path: Path) -> None:
    counts = (np.random.default_rng(3).random(ROWS) < 0.03).astype(float)
    outages = [700, 1000, 1300]
    for start in outages:
        counts[start : start + 30] = 20.0
    _, rows = detect(save(tmp_path / "a.csv", counts))
    assert [n for n, row in enumerate(rows) if row.is_alert] == outages
    hot = [n for n, row in enumerate(rows) if row.anomaly_score > 0.5]
    assert hot == [start + n for start in outages for n in range(30)]


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e6])
@pytest.mark.parametrize(
    "values",
    [STILL + np.where(LATE, NOISE, 0.0), STILL + 5.0 * LATE, STILL + np.round(3.0 * NOISE) * LATE],
    ids=["noise", "a step", "whole numbers"],
)
def test_what_a_constant_becomes_is_told_once_in_every_unit(tmp_path: Path, values: np.ndarray, unit: float) -> None:
    _, rows = detect(save(tmp_path / "a.csv", unit * values))
    hot = [n for n, row in enumerate(rows) if row.anomaly_score > 0.5]
    assert 1000 <= min(hot) <= max(hot) <= 1050
    assert max(abs(row.sigmas) for row in rows) < 200.0  # not a million: it is so many usual movements
    assert all(row.low is not None and row.low < row.high for row in rows[1100:])  # type: ignore[operator]
