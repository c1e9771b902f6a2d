"""Claims about `detect FILE --out`: the event is told, labels act after their alert only, bad labels are named."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from streamgauge.pipelines.cli import main
from streamgauge.pipelines.detection.series_file import FileFault, read
from streamgauge.pipelines.detection.surprise_file import judge, read_feedback


def save(path: Path) -> Path:
    values = np.random.default_rng(1).normal(100.0, 3.0, 700)
    values[500:503] += 90.0
    start, lines = datetime(2014, 2, 14), ["timestamp,value"]
    lines += [f"{start + timedelta(minutes=5 * n)},{value}" for n, value in enumerate(values.tolist())]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_table_says_score_alert_detector_threshold_and_expected(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert main(["detect", str(save(tmp_path / "a.csv")), "--out", str(out)]) == 0
    table = list(csv.DictReader(out.read_text().splitlines()))
    assert list(table[0]) == [
        "timestamp", "value", "anomaly_score", "is_alert", "detector", "threshold", "expected"
    ]  # fmt: skip
    assert [n for n, row in enumerate(table) if row["is_alert"] == "1"] == [500]
    assert table[501]["expected"] == table[500]["value"]


def test_what_is_said_of_an_alert_moves_the_threshold_after_it_only(tmp_path: Path) -> None:
    series = read(save(tmp_path / "a.csv"))[0][0]
    plain = judge(series)
    taught = judge(series, {plain[500].timestamp: False, "1999-01-01": True})
    assert taught[1:501] == plain[1:501]  # before the first row nothing is expected: NaN
    assert taught[501].threshold == pytest.approx(1.05 * plain[501].threshold)


def test_a_label_that_nobody_knows_is_named(tmp_path: Path) -> None:
    (tmp_path / "said.csv").write_text("timestamp,label\n2014-01-01,perhaps\n")
    with pytest.raises(FileFault, match="line 2: label 'perhaps'"):
        read_feedback(tmp_path / "said.csv")
