"""A backtest of stored series: what would page with another configuration, which incidents that gains or loses."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from streamgauge.pipelines.adapters.sqlite.store import SqliteStore
from streamgauge.pipelines.cli import main
from streamgauge.pipelines.wire.outputs import PointColumns

HOUR, START, DAYS = 3600.0, 1_767_225_600.0, 30  # 1 January 2026
CONFIG = """data = "{data}"
[[jobs]]
name = "ctr"
[jobs.detection]
threshold = {threshold}
threshold_twice = {threshold}
warm_up = "7d"
[[jobs.windows]]
name = "short"
kind = "short"
length = "1h"
slide = "1h"
"""
KEYS = msgspec.msgpack.encode([["w1", "sample", f"feature:{name}", "missing_rate"] for name in "ab"])
LARGE, SMALL = 20 * 24, 25 * 24  # windows at which something happens, three hours long


def raw(*values: float) -> bytes:
    return np.array(values, dtype="<f8").tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store in which feature a is missing in a third of the rows once, and in a tenth five days later."""
    (tmp_path / "data").mkdir()
    for name, threshold in (("now", 8.0), ("wider", 30.0)):
        (tmp_path / f"{name}.toml").write_text(CONFIG.format(data=tmp_path / "data", threshold=threshold))
    generator, store = np.random.default_rng(1), SqliteStore(tmp_path / "data" / "store.db")
    for window in range(DAYS * 24):
        start = START + window * HOUR
        share = 0.9 if LARGE <= window < LARGE + 3 else 0.25 if SMALL <= window < SMALL + 3 else 0.02
        a, b = share + generator.normal(0.0, 0.002), 0.02 + generator.normal(0.0, 0.002)
        nothing = raw(np.nan, np.nan)
        store.write([PointColumns(
            job="ctr", window="short", start=start, end=start + HOUR, revision=0, number=window, keys=KEYS,
            value=raw(a, b), rows=raw(2000.0, 2000.0), error=raw(0.003, 0.003), floor=raw(0.0, 0.0),
            reference=nothing, low=nothing, high=nothing,
        )])  # fmt: skip
    store.close()
    return tmp_path


def run(folder: Path, *more: str) -> int:
    return main(["backtest", "--config", str(folder / "now.toml"), "--job", "ctr", *more])


def test_a_wider_threshold_loses_the_smaller_incident_and_gains_none(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, "--with", str(folder / "wider.toml"), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [page["start"] for page in told["current"]["told"]] == [START + LARGE * HOUR, START + SMALL * HOUR]
    assert [page["start"] for page in told["against"]["told"]] == [START + LARGE * HOUR]
    assert run(folder, "--with", str(folder / "wider.toml")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split() == ["now.toml", "2", "0.00", "0.07", "-", "-", "-"]
    assert lines[3].split()[-2:] == ["0", "1"]
    assert lines[4].startswith("- 2026-01-26 01:0") and "feature a" in lines[4]


def test_labels_give_precision_recall_and_delay(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = folder / "labels.csv"
    labels.write_text(
        "start,end,label\n2026-01-21T00:00:00,2026-01-21T03:00:00,true_alarm\n"
        f"{START + SMALL * HOUR},,false_alarm\n2026-01-29T00:00:00Z,2026-01-29T05:00:00Z,missed\n"
    )
    assert run(folder, "--feedback", str(labels), "--json") == 0
    current = json.loads(capsys.readouterr().out)["current"]
    assert (current["precision"], current["recall"]) == (0.5, 0.5)
    assert HOUR <= current["delay"] <= HOUR + 120.0  # the window's end, and what the pager holds it for
    assert [page["verdict"] for page in current["told"]] == ["true_alarm", "false_alarm"]


def test_the_page_is_one_file_without_a_script(folder: Path) -> None:
    out = folder / "backtest.html"
    assert run(folder, "--with", str(folder / "wider.toml"), "--html", str(out)) == 0
    page = out.read_text()
    assert "<svg" in page and "Lost by wider.toml: 1" in page
    assert "<script" not in page and "http" not in page


def test_only_the_last_days_are_judged_where_that_is_asked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "--days", "2", "--json") == 0
    current = json.loads(capsys.readouterr().out)["current"]
    assert current["end"] - current["start"] == pytest.approx(2 * 86400.0, abs=2 * HOUR)
    assert current["told"] == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("start,label\n1,true_alarm\n", "no column end"),
        ("start,end,label\n1,2,maybe\n", "line 2: label 'maybe' is none of true_alarm, false_alarm, missed"),
        ("start,end,label\nnoon,,missed\n", "line 2: 'noon' is no time"),
        ("start,end,label\n5,2,missed\n", "line 2: it ends (2) before it starts (5)"),
    ],
)
def test_labels_that_cannot_be_read_are_a_fault_with_its_line(
    folder: Path, capsys: pytest.CaptureFixture[str], text: str, fault: str
) -> None:
    (folder / "labels.csv").write_text(text)
    assert run(folder, "--feedback", str(folder / "labels.csv")) == 2
    assert fault in capsys.readouterr().err


def test_a_job_without_series_and_windows_that_were_never_closed_are_faults(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = folder / "other.toml"
    other.write_text((folder / "now.toml").read_text().replace('"1h"', '"2h"'))
    assert run(folder, "--with", str(other)) == 2
    assert "nothing is stored of the windows short" in capsys.readouterr().err
    assert main(["backtest", "--config", str(folder / "now.toml"), "--job", "ctr", "--data", str(folder / "none")]) == 2
    assert "there are no series of job 'ctr'" in capsys.readouterr().err
